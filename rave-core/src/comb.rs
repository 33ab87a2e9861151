use crate::{Error, HostFrame, PixelFormat, Sample, SampleType};

/// Finds out from the pictures of a stream whether they are made of two fields, whatever their flags say.
///
/// A row of a moving picture that was taken at another time than the rows above and below it lies on the same side of both.
/// Blocks of 16x16 samples in which that is so for most of the picture's detail, and which changed since the frame before,
/// are combed; a frame is, if one block in two hundred is. What stands still says nothing.
///
/// Fields that move too little for that are told by time: a row of the field before fits between rows of this frame as well
/// as a row of the frame itself if the two are fields, and worse if they are pictures.
#[derive(Debug, Default)]
pub struct CombDetector {
    /// The last two frames, the newest last.
    before: [Vec<i32>; 2],
    report: CombReport,
}

/// What a detector has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CombReport {
    /// Frames looked at.
    pub frames: u64,
    /// Frames that changed since the one before.
    pub moving: u64,
    /// Frames that show two moments.
    pub combed: u64,
    /// Frames whose top field fits the frame before better, so that it came first.
    pub top_first: u64,
    /// Frames whose bottom field came first.
    pub bottom_first: u64,
    /// Frames whose two fields belong together and to no other frame.
    pub pictures: u64,
}

const BLOCK: usize = 16;

/// Code values, of 255, that count as different.
const THRESHOLD: i32 = 9;

impl CombDetector {
    /// A detector that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was seen so far.
    pub const fn report(&self) -> CombReport {
        self.report
    }

    /// Looks at the next frame: at its luma, or at green.
    ///
    /// # Errors
    /// [`Error::Format`] for floating-point samples.
    pub fn look(&mut self, frame: &HostFrame) -> Result<(), Error> {
        let format = frame.layout().format();
        let plane = usize::from(matches!(format, PixelFormat::Rgb { .. }));
        let luma = match format.sample() {
            Sample::U8 => codes::<u8>(frame, plane, 0),
            Sample::Uint { bits } => codes::<u16>(frame, plane, format.sample_shift() + u32::from(bits) - 8),
            Sample::F16 | Sample::F32 => {
                return Err(Error::Format { format: format.to_string(), action: "searched for combing" });
            }
        };
        let width = frame.layout().width() as usize;
        let [older, old] = &self.before;
        if old.len() == luma.len() {
            let (moving, combed, blocks) = count(&luma, old, width);
            self.report.moving += u64::from(moving * 100 >= blocks);
            self.report.combed += u64::from(combed * 200 >= blocks && combed > 0);
        }
        if older.len() == luma.len() {
            match kinship([older, old, &luma], width) {
                Kinship::TopFirst => self.report.top_first += 1,
                Kinship::BottomFirst => self.report.bottom_first += 1,
                Kinship::Picture => self.report.pictures += 1,
                Kinship::Unknown => {}
            }
        }
        self.report.frames += 1;
        self.before.swap(0, 1);
        self.before[1] = luma;
        Ok(())
    }
}

/// Which field of a frame belongs to which moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kinship {
    TopFirst,
    BottomFirst,
    Picture,
    Unknown,
}

/// Compares how well rows of the frames before and after, and of the frame itself, fit between its rows. The margins are
/// those of FFmpeg's idet.
fn kinship([before, frame, after]: [&[i32]; 3], width: usize) -> Kinship {
    const FIELDS: f64 = 1.04;
    const PICTURE: f64 = 1.5;
    let height = frame.len() / width;
    let (mut apart, mut together) = ([0_i64; 2], 0_i64);
    for y in 1..height.saturating_sub(1) {
        let (above, below) = (&frame[(y - 1) * width..y * width], &frame[(y + 1) * width..(y + 2) * width]);
        let misfit = |rows: &[i32]| -> i64 {
            let middle = &rows[y * width..(y + 1) * width];
            let rows = above.iter().zip(middle).zip(below);
            i64::from(rows.map(|((above, middle), below)| (above - 2 * middle + below).abs()).sum::<i32>())
        };
        apart[y % 2] += misfit(before);
        apart[1 - y % 2] += misfit(after);
        together += misfit(frame);
    }
    let [top, bottom] = apart.map(|misfit| misfit as f64);
    if top > FIELDS * bottom {
        Kinship::TopFirst
    } else if bottom > FIELDS * top {
        Kinship::BottomFirst
    } else if bottom > PICTURE * together as f64 {
        Kinship::Picture
    } else {
        Kinship::Unknown
    }
}

fn codes<T: SampleType + Into<i32>>(frame: &HostFrame, plane: usize, shift: u32) -> Vec<i32> {
    frame.rows::<T>(plane).flat_map(|row| row.iter().map(move |&sample| sample.into() >> shift)).collect()
}

/// Blocks that moved, blocks that are combed, and all.
fn count(luma: &[i32], previous: &[i32], width: usize) -> (usize, usize, usize) {
    let height = luma.len() / width;
    let (mut moving, mut combed, mut blocks) = (0, 0, 0);
    for top in (2..height.saturating_sub(BLOCK + 2)).step_by(BLOCK) {
        for left in (0..width.saturating_sub(BLOCK - 1)).step_by(BLOCK) {
            blocks += 1;
            let has_moved = mean_change(luma, previous, width, (left, top)) > THRESHOLD / 2;
            moving += usize::from(has_moved);
            combed += usize::from(has_moved && is_combed(luma, width, (left, top)));
        }
    }
    (moving, combed, blocks)
}

fn mean_change(luma: &[i32], previous: &[i32], width: usize, (left, top): (usize, usize)) -> i32 {
    let row = |y: usize| y * width + left..y * width + left + BLOCK;
    let changes = (top..top + BLOCK).flat_map(|y| luma[row(y)].iter().zip(&previous[row(y)]));
    changes.map(|(now, before)| (now - before).abs()).sum::<i32>() / (BLOCK * BLOCK) as i32
}

/// Whether a third of the block's samples stand out from both neighbours above and below, and those two, and the next but
/// one, agree with each other.
fn is_combed(luma: &[i32], width: usize, (left, top): (usize, usize)) -> bool {
    let mut samples = 0;
    for y in top..top + BLOCK {
        for x in left..left + BLOCK {
            let at = |row: usize| luma[row * width + x];
            let (a, b, c, d, e) = (at(y - 2), at(y - 1), at(y), at(y + 1), at(y + 2));
            let stands_out = c - b > THRESHOLD && c - d > THRESHOLD || b - c > THRESHOLD && d - c > THRESHOLD;
            samples += usize::from(stands_out && (a + 4 * c + e - 3 * (b + d)).abs() > 6 * THRESHOLD);
        }
    }
    samples * 3 > BLOCK * BLOCK
}
