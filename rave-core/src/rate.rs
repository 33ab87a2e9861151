use crate::{BoxError, Buffer, Frame, FrameInfo, Rational, Stage, TimeBase, Timestamp, VideoInfo};

/// Gives a stream a constant frame rate: frames are repeated and left out, never blended.
///
/// Output frame `n` is shown at `n / rate` seconds, and is the newest frame of the input that has begun by then; a frame
/// begins at the nearest of those times, halves later. The last one is shown as long as it says.
///
/// ```
/// use rave_core::{ConstantRate, HostBuffer, Rational};
/// # use rave_core::{ColorSpec, PixelFormat, TimeBase, VideoInfo};
/// # let time_base = TimeBase::new(1, 1000)?;
/// # let input = VideoInfo::new(PixelFormat::NV12, (2, 2), ColorSpec::BT709, time_base);
/// let stage = ConstantRate::<HostBuffer>::new(&input, Rational::new(30000, 1001)?);
/// assert_eq!(stage.output_info().time_base.seconds_per_tick(), Rational::new(1001, 30000)?);
/// # Ok::<(), rave_core::Error>(())
/// ```
#[derive(Debug)]
pub struct ConstantRate<B> {
    output: VideoInfo,
    period: TimeBase,
    /// The newest frame.
    pending: Option<Frame<B>>,
    /// The number of the next output frame, once there was an input frame.
    next: Option<i64>,
    /// The number of the first.
    first: Option<i64>,
}

impl<B: Buffer + Clone> ConstantRate<B> {
    /// A stage for the frames that `input` describes.
    pub fn new(input: &VideoInfo, rate: Rational) -> Self {
        let period = TimeBase::from(rate.inverse());
        let output = VideoInfo { frame_rate: Some(rate), time_base: period, ..*input };
        Self { output, period, pending: None, next: None, first: None }
    }

    /// What the emitted frames are.
    pub const fn output_info(&self) -> &VideoInfo {
        &self.output
    }

    /// Emits the pending frame for every time before frame number `until`.
    fn emit_until(&mut self, until: i64, emit: &mut dyn FnMut(Frame<B>)) -> Result<(), crate::Error> {
        let (Some(frame), Some(next)) = (self.pending.take(), self.next.as_mut()) else { return Ok(()) };
        while *next + 1 < until {
            emit(at(frame.clone(), *next, self.period)?);
            *next += 1;
        }
        if *next < until {
            emit(at(frame, *next, self.period)?);
            *next += 1;
        }
        Ok(())
    }

    fn number(&self, time: Timestamp) -> i64 {
        time.rescale(self.period).ticks()
    }
}

fn at<B: Buffer>(frame: Frame<B>, number: i64, period: TimeBase) -> Result<Frame<B>, crate::Error> {
    let (layout, color, info) = (*frame.layout(), frame.color(), frame.info());
    let info = FrameInfo { pts: Timestamp::new(number, period), duration_ticks: Some(1), ..info };
    Frame::new(frame.into_buffer(), layout, color, info)
}

impl<B: Buffer + Clone> Stage for ConstantRate<B> {
    type Input = Frame<B>;
    type Output = Frame<B>;

    fn process(&mut self, frame: Frame<B>, emit: &mut dyn FnMut(Frame<B>)) -> Result<(), BoxError> {
        let begins = self.number(frame.info().pts);
        self.next.get_or_insert(begins);
        self.first.get_or_insert(begins);
        self.emit_until(begins, emit)?;
        self.pending = Some(frame);
        Ok(())
    }

    fn finish(&mut self, emit: &mut dyn FnMut(Frame<B>)) -> Result<(), BoxError> {
        let Some(FrameInfo { pts, duration_ticks, .. }) = self.pending.as_ref().map(Frame::info) else {
            return Ok(());
        };
        let begins = self.number(pts);
        let ends = duration_ticks.map_or(begins + 1, |ticks| self.number(pts.plus_ticks(ticks)));
        // A film of one short frame has one frame.
        let is_empty = self.next == self.first;
        Ok(self.emit_until(if is_empty { ends.max(begins + 1) } else { ends }, emit)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ColorSpec, FieldOrder, HostBuffer, Layout, PixelFormat};

    /// Times in milliseconds, to the numbers of the frames that are shown.
    fn run(times: &[(i64, i64)], rate: (i64, i64)) -> Vec<(i64, u8)> {
        let time_base = TimeBase::new(1, 1000).unwrap();
        let layout = Layout::packed(PixelFormat::YUV420P, 2, 2).unwrap();
        let info = VideoInfo::new(PixelFormat::YUV420P, (2, 2), ColorSpec::BT709, time_base);
        let mut stage = ConstantRate::new(&info, Rational::new(rate.0, rate.1).unwrap());
        let mut shown = Vec::new();
        let mut note = |frame: Frame<HostBuffer>| {
            assert_eq!(frame.info().duration_ticks, Some(1));
            shown.push((frame.info().pts.ticks(), frame.buffer().as_bytes()[0]));
        };
        for (index, &(pts, duration)) in times.iter().enumerate() {
            let mut buffer = HostBuffer::zeroed(layout.size_bytes());
            buffer.as_bytes_mut()[0] = index as u8;
            let times = FrameInfo {
                pts: Timestamp::new(pts, time_base),
                duration_ticks: Some(duration),
                field_order: FieldOrder::Progressive,
            };
            let frame = Frame::new(buffer, layout, ColorSpec::BT709, times).unwrap();
            stage.process(frame, &mut note).unwrap();
        }
        stage.finish(&mut note).unwrap();
        shown
    }

    #[test]
    fn frames_are_repeated_to_a_higher_rate() {
        assert_eq!(run(&[(0, 40), (40, 40)], (50, 1)), [(0, 0), (1, 0), (2, 1), (3, 1)]);
    }

    #[test]
    fn frames_are_left_out_for_a_lower_rate() {
        let times: Vec<(i64, i64)> = (0..6).map(|index| (index * 20, 20)).collect();
        assert_eq!(run(&times, (25, 1)), [(0, 0), (1, 2), (2, 4)]);
    }

    #[test]
    fn a_gap_is_filled_and_the_start_kept() {
        assert_eq!(
            run(&[(100, 100), (200, 100), (500, 100)], (10, 1)),
            [(1, 0), (2, 1), (3, 1), (4, 1), (5, 2)]
        );
    }

    #[test]
    fn the_same_rate_changes_nothing() {
        let times: Vec<(i64, i64)> = (0..30).map(|index| (index * 1001 / 30, 33)).collect();
        let expected: Vec<(i64, u8)> = (0..30).map(|index| (index, index as u8)).collect();
        assert_eq!(run(&times, (30000, 1001)), expected);
        assert_eq!(run(&[(0, 1)], (25, 1)), [(0, 0)]);
    }
}
