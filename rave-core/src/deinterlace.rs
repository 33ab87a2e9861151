use crate::{
    BoxError, Error, FieldOrder, FrameInfo, HostFrame, HostPool, Layout, PixelFormat, Sample, SampleType,
    Stage, VideoInfo,
};

/// Which frames are made of two fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fields {
    /// Those that say so.
    #[default]
    Flagged,
    /// All; where a frame does not say which field is first, the top one is.
    AllTopFirst,
    /// All; where a frame does not say which field is first, the bottom one is.
    AllBottomFirst,
}

/// Makes one picture of the first field of each interlaced frame: its rows stay, the others are filled in.
///
/// The method is Bob Weaver's: between fields that do not move the missing row is the mean of the fields before and after
/// it; where they do, it is interpolated along the time's and the column's frequencies with the filters of BBC R&D (White
/// Paper WHP 049), and bounded by what the neighbours in time and space allow. Frames keep their times; the output is one
/// frame later than the input. Every plane is treated alike.
#[derive(Debug)]
pub struct Deinterlace {
    fields: Fields,
    format: PixelFormat,
    layout: Layout,
    pool: HostPool,
    previous: Option<HostFrame>,
    current: Option<HostFrame>,
}

impl Deinterlace {
    /// A stage for the frames that `input` describes.
    ///
    /// # Errors
    /// [`Error::Format`] for floating-point samples; [`Error::Size`] for a size that no [`Layout`] can have.
    pub fn new(input: &VideoInfo, fields: Fields) -> Result<Self, Error> {
        if input.format.bits().is_none() {
            return Err(Error::Format { format: input.format.to_string(), action: "deinterlaced" });
        }
        Ok(Self {
            fields,
            format: input.format,
            layout: Layout::packed(input.format, input.width, input.height)?,
            pool: HostPool::new(),
            previous: None,
            current: None,
        })
    }

    /// The current frame as a picture; `next` is the current one itself at the end.
    fn picture(&self, current: &HostFrame, next: &HostFrame) -> Option<HostFrame> {
        let order = match (current.info().field_order, self.fields) {
            (FieldOrder::Progressive, Fields::Flagged) => return None,
            (FieldOrder::Progressive, Fields::AllTopFirst) => FieldOrder::TopFirst,
            (FieldOrder::Progressive, Fields::AllBottomFirst) => FieldOrder::BottomFirst,
            (order, _) => order,
        };
        let info = FrameInfo { field_order: FieldOrder::Progressive, ..current.info() };
        let mut picture = HostFrame::from_pool(&self.pool, self.layout, current.color(), info);
        let frames = [self.previous.as_ref(), Some(current), Some(next)];
        for plane in 0..self.format.plane_count() {
            // The rows of the first field are those with this remainder.
            let kept = usize::from(order == FieldOrder::BottomFirst);
            match self.format.sample() {
                Sample::U8 => self.plane::<u8>(plane, kept, frames, &mut picture),
                _ => self.plane::<u16>(plane, kept, frames, &mut picture),
            }
        }
        Some(picture)
    }

    fn plane<T: Code>(
        &self,
        index: usize,
        kept: usize,
        frames: [Option<&HostFrame>; 3],
        picture: &mut HostFrame,
    ) {
        let [previous, Some(current), Some(next)] =
            frames.map(|frame| frame.map(|frame| Rows::<T>::new(frame, index)))
        else {
            return;
        };
        let (shift, bits) = (self.format.sample_shift(), self.format.bits().unwrap_or(16));
        let limits = Limits { shift, most: ((1_i64 << bits) - 1) as i32 };
        for (y, row) in picture.rows_mut::<T>(index).enumerate() {
            if y % 2 == kept || current.count < 2 {
                row.copy_from_slice(current.row(y as isize));
            } else {
                match &previous {
                    Some(previous) => {
                        let field = Field { previous, current: &current, next: &next, y };
                        fill_row(&field, limits, row);
                    }
                    None => fill_alone(&current, y, limits, row),
                }
            }
        }
    }

    /// Emits the current frame, and makes `next` the current one.
    fn step(&mut self, next: Option<HostFrame>, emit: &mut dyn FnMut(HostFrame)) {
        let Some(current) = self.current.take() else {
            self.current = next;
            return;
        };
        match self.picture(&current, next.as_ref().unwrap_or(&current)) {
            Some(picture) => {
                emit(picture);
                self.previous = Some(current);
            }
            // A later frame of fields then begins anew.
            None => {
                emit(current);
                self.previous = None;
            }
        }
        self.current = next;
    }
}

impl Stage for Deinterlace {
    type Input = HostFrame;
    type Output = HostFrame;

    fn process(&mut self, frame: HostFrame, emit: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        let size = (self.layout.width(), self.layout.height());
        frame.layout().check(self.format, size)?;
        self.step(Some(frame), emit);
        Ok(())
    }

    fn finish(&mut self, emit: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        self.step(None, emit);
        Ok(())
    }
}

/// A sample as a whole number, and back.
trait Code: SampleType {
    fn get(self) -> i32;
    fn of(code: i32) -> Self;
}

impl Code for u8 {
    fn get(self) -> i32 {
        i32::from(self)
    }

    fn of(code: i32) -> Self {
        code as Self
    }
}

impl Code for u16 {
    fn get(self) -> i32 {
        i32::from(self)
    }

    fn of(code: i32) -> Self {
        code as Self
    }
}

/// The rows of a plane. Rows beyond an edge are those at the same distance inside, of the same field.
struct Rows<'a, T> {
    samples: &'a [T],
    stride: usize,
    width: usize,
    count: usize,
}

impl<'a, T: SampleType> Rows<'a, T> {
    fn new(frame: &'a HostFrame, index: usize) -> Self {
        let plane = frame.layout().planes()[index];
        let (samples, stride) = frame.plane::<T>(index);
        Self { samples, stride, width: plane.row_bytes / size_of::<T>(), count: plane.rows }
    }

    fn row(&self, y: isize) -> &'a [T] {
        let last = self.count as isize - 1;
        let mirrored = if y < 0 {
            -y
        } else if y > last {
            2 * last - y
        } else {
            y
        };
        let y = mirrored.clamp(0, last) as usize;
        &self.samples[y * self.stride..][..self.width]
    }
}

/// A missing row's surroundings.
struct Field<'a, T> {
    previous: &'a Rows<'a, T>,
    current: &'a Rows<'a, T>,
    next: &'a Rows<'a, T>,
    y: usize,
}

#[derive(Clone, Copy)]
struct Limits {
    shift: u32,
    most: i32,
}

/// Weights of WHP 049 in 1/8192: low frequencies from the field itself, high ones from both neighbours in time, and the
/// spatial filter alone.
const LOW: [i32; 2] = [4309, 213];
const HIGH: [i32; 3] = [5570, 3801, 1016];
const SPATIAL: [i32; 2] = [5077, 981];
const ONE_BITS: u32 = 13;

/// How many rows from an edge the longest filter needs.
const REACH: usize = 4;

/// Where there is no field before: from the field itself.
fn fill_alone<T: Code>(current: &Rows<'_, T>, y: usize, limits: Limits, out: &mut [T]) {
    let rows = [-3, -1, 1, 3].map(|offset| current.row(y as isize + offset));
    for (x, out) in out.iter_mut().enumerate() {
        let [a, c, e, g] = rows.map(|row| row[x].get() >> limits.shift);
        let value = (SPATIAL[0] * (c + e) - SPATIAL[1] * (a + g)) >> ONE_BITS;
        *out = T::of(value.clamp(0, limits.most) << limits.shift);
    }
}

fn fill_row<T: Code>(field: &Field<'_, T>, limits: Limits, out: &mut [T]) {
    let y = field.y as isize;
    let (above, below) = (field.current.row(y - 1), field.current.row(y + 1));
    let far = [field.current.row(y - 3), field.current.row(y + 3)];
    // The missing rows' own field was shown before and is shown after this one.
    let same = [field.previous.row(y), field.current.row(y)];
    let near = [-2, 2].map(|offset| [field.previous.row(y + offset), field.current.row(y + offset)]);
    let outer = [-4, 4].map(|offset| [field.previous.row(y + offset), field.current.row(y + offset)]);
    let then = [field.previous.row(y - 1), field.previous.row(y + 1)];
    let soon = [field.next.row(y - 1), field.next.row(y + 1)];
    let is_inside = field.y >= REACH && field.y + REACH < field.current.count;
    for (x, out) in out.iter_mut().enumerate() {
        let get = |row: &[T]| row[x].get() >> limits.shift;
        let sum = |rows: &[&[T]; 2]| get(rows[0]) + get(rows[1]);
        let (c, e) = (get(above), get(below));
        let pair = (get(same[0]), get(same[1]));
        let mean = (pair.0 + pair.1) >> 1;
        let motion = (pair.0 - pair.1).abs();
        let before = ((get(then[0]) - c).abs() + (get(then[1]) - e).abs()) >> 1;
        let after = ((get(soon[0]) - c).abs() + (get(soon[1]) - e).abs()) >> 1;
        let change = (motion >> 1).max(before).max(after);
        let value = if change == 0 {
            mean
        } else {
            let (b, f) = ((sum(&near[0]) >> 1) - c, (sum(&near[1]) >> 1) - e);
            let (from_above, from_below) = (mean - c, mean - e);
            let greatest = from_below.max(from_above).max(b.min(f));
            let least = from_below.min(from_above).min(b.max(f));
            let bound = change.max(least).max(-greatest);
            let spatial = if !is_inside {
                (c + e) >> 1
            } else if (c - e).abs() > motion {
                let high = HIGH[0] * (pair.0 + pair.1) - HIGH[1] * (sum(&near[0]) + sum(&near[1]))
                    + HIGH[2] * (sum(&outer[0]) + sum(&outer[1]));
                ((high >> 2) + LOW[0] * (c + e) - LOW[1] * sum(&far)) >> ONE_BITS
            } else {
                (SPATIAL[0] * (c + e) - SPATIAL[1] * sum(&far)) >> ONE_BITS
            };
            spatial.clamp(mean - bound, mean + bound).clamp(0, limits.most)
        };
        *out = T::of(value << limits.shift);
    }
}
