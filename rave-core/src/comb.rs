use crate::{Error, HostFrame, PixelFormat, Sample, SampleType};

/// Finds out from the pictures of a stream whether they are made of two fields, whatever their flags say.
///
/// A row of a moving picture that was taken at another time than the rows above and below it lies on the same side of both.
/// Blocks of 16x16 samples in which that is so for most of the picture's detail, and which changed since the frame before,
/// are combed; a frame is, if one block in two hundred is. What stands still says nothing.
#[derive(Debug, Default)]
pub struct CombDetector {
    previous: Vec<i32>,
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
        if self.previous.len() == luma.len() {
            let (moving, combed, blocks) = count(&luma, &self.previous, width);
            self.report.moving += u64::from(moving * 100 >= blocks);
            self.report.combed += u64::from(combed * 200 >= blocks && combed > 0);
        }
        self.report.frames += 1;
        self.previous = luma;
        Ok(())
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
