//! What is done to pictures besides enlarging them, before the network and behind it.

use rave_core::{
    BoxError, ColorSpec, ConstantRate, Dither, Frame, HostBuffer, HostFrame, Kernel, Matrix, Orient,
    PixelFormat, Rational, Resize, Stage, VideoInfo,
};
use rave_cuda::CudaResize;

use super::UpscaleOptions;
use super::convert::Wanted;
use super::decode::Decoded;
use super::end::{Assembling, Source};
use super::enlarge::working_color;
use super::fields::Deinterlacing;
use super::line::{Line, Whole};
use super::stages::SharedRecord;
use crate::Error;

/// What is done to pictures besides enlarging them; nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PictureOptions {
    /// What the source's colours are, where that differs from its tags or they are silent.
    pub color_in: ColorSpec,
    /// The output's matrix, range and siting; the source's where not said. Primaries and transfer are always the source's.
    pub color_out: ColorSpec,
    /// What becomes of frames that are made of two fields.
    pub deinterlacing: Deinterlacing,
    /// What becomes of a rotation.
    pub orientation: Orientation,
    /// The output's constant frame rate; every frame at its own time if `None`.
    pub frame_rate: Option<Rational>,
    /// The output's size.
    pub size: OutputSize,
    /// How samples are rounded.
    pub dither: Dither,
}

/// What becomes of the rotation and the mirroring that a source's display matrix demands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Orientation {
    /// The output's container demands them too.
    #[default]
    Tagged,
    /// The pictures are turned.
    Upright,
}

/// How large the output is. Whatever differs from what the model gives is resampled with a Lanczos filter; the displayed
/// aspect ratio is always the source's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputSize {
    /// As the model gives it.
    #[default]
    Model,
    /// The source's size times this.
    Factor(Rational),
    /// Width and height.
    Exact(u32, u32),
    /// This width, and the height that keeps the pixels' shape.
    Width(u32),
    /// This height, and the width that keeps the pixels' shape.
    Height(u32),
    /// The largest that fits into width and height and keeps the pixels' shape.
    Within(u32, u32),
}

impl OutputSize {
    /// Width and height for a source; `None` for what the model gives. Sides that follow from others are even.
    fn of(self, source: &VideoInfo) -> Option<(u32, u32)> {
        let (width, height) = (f64::from(source.width), f64::from(source.height));
        let scaled = |factor: f64| (even(width * factor), even(height * factor));
        match self {
            Self::Model => None,
            Self::Factor(factor) => Some(scaled(factor.to_f64())),
            Self::Exact(width, height) => Some((width, height)),
            Self::Width(wanted) => Some((wanted, even(height * f64::from(wanted) / width))),
            Self::Height(wanted) => Some((even(width * f64::from(wanted) / height), wanted)),
            Self::Within(most_width, most_height) => {
                let factor = (f64::from(most_width) / width).min(f64::from(most_height) / height);
                let (width, height) = scaled(factor);
                Some((width.min(most_width), height.min(most_height)))
            }
        }
    }

    /// The factor that a built-in model has to have: the smallest that is enough, or the largest there is.
    pub(super) fn built_in_factor(self, source: &VideoInfo, default: u32) -> u32 {
        const SMALL: u32 = 2;
        const LARGE: u32 = 4;
        let Some((width, height)) = self.of(source) else { return default };
        let is_enough = width <= source.width * SMALL && height <= source.height * SMALL;
        if is_enough { SMALL } else { LARGE }
    }
}

fn even(side: f64) -> u32 {
    ((side / 2.0).round() as u32).max(1) * 2
}

impl Assembling<'_> {
    /// The colour that the source is taken to have: as given, else as tagged. Samples that are R'G'B' stay so.
    pub(super) fn given_color(&mut self, decoded: &VideoInfo) -> ColorSpec {
        let mut given = self.options.picture.color_in;
        if matches!(decoded.format, PixelFormat::Rgb { .. }) {
            given.matrix = Matrix::Unspecified;
        }
        for (what, given, tagged) in given.conflicts_with(decoded.color) {
            self.notices.push(format!(
                "the source's {what} is tagged {tagged}, and taken to be {given} as asked for"
            ));
        }
        given.or(decoded.color)
    }

    /// The colour of the output's Y'CbCr.
    pub(super) fn output_color(&mut self, source: &VideoInfo) -> ColorSpec {
        let (wanted, coded) = (self.options.picture.color_out, working_color(source));
        let light =
            ColorSpec { primaries: wanted.primaries, transfer: wanted.transfer, ..ColorSpec::default() };
        for (what, wanted, kept) in light.conflicts_with(coded) {
            self.notices.push(format!(
                "the output's {what} stays {kept}: only matrix, range and siting become {wanted}"
            ));
        }
        let matrix = ColorSpec { matrix: wanted.matrix, range: wanted.range, siting: wanted.siting, ..coded };
        matrix.or(coded)
    }
}

impl Decoded {
    /// Turns the pictures and gives them a constant rate, where the options ask for it.
    pub(super) fn prepared(self, job: &mut Assembling<'_>) -> Result<Self, Error> {
        let decoded = match job.options.picture.orientation {
            Orientation::Upright if self.info.display_matrix.is_some() => self.upright(job)?,
            Orientation::Upright | Orientation::Tagged => self,
        };
        match job.options.picture.frame_rate {
            Some(rate) if decoded.is_at_least(rate) => decoded.at_rate(rate, job),
            _ => Ok(decoded),
        }
    }

    /// Whether frames have to be left out rather than repeated: then before the network.
    fn is_at_least(&self, rate: Rational) -> bool {
        self.info.frame_rate.is_none_or(|own| own >= rate)
    }

    /// By way of R'G'B', whose planes can be turned.
    fn upright(self, job: &mut Assembling<'_>) -> Result<Self, Error> {
        let wanted = Wanted::rounded(PixelFormat::RGB_F32, working_color(&self.info));
        let line = self.line.convert("to rgb", wanted, &mut job.notices)?.into_host()?;
        let stage = Orient::new(&line.info).map_err(Error::leaf)?;
        let turned = *stage.output_info();
        job.memory.add_queue(&turned, job.options.queues.decoded)?;
        let info = VideoInfo { format: self.info.format, color: self.info.color, ..turned };
        let line = line.then("turn", stage, turned).queue(job.options.queues.decoded);
        Ok(Self { line: Line::Host(line), info, ..self })
    }

    fn at_rate(self, rate: Rational, job: &mut Assembling<'_>) -> Result<Self, Error> {
        let (line, record) = at_rate(self.line, rate, job)?;
        let info =
            VideoInfo { frame_rate: line.info().frame_rate, time_base: line.info().time_base, ..self.info };
        Ok(Self { line, info, record, ..self })
    }
}

/// How many frames come out.
pub(super) fn estimate(source: &Source<'_>, options: &UpscaleOptions) -> Option<u64> {
    let frames = source.stream.estimated_frames()?;
    match (options.picture.frame_rate, source.stream.info().frame_rate) {
        (Some(rate), Some(own)) => Some((frames as f64 * rate.to_f64() / own.to_f64()).round() as u64),
        _ => Some(frames),
    }
}

/// Appends the resampling of the enlarged pictures to the size that the options ask for.
pub(super) fn resized(line: Line, source: &VideoInfo, job: &mut Assembling<'_>) -> Result<Line, Error> {
    let Some(size) = job.options.picture.size.of(source) else { return Ok(line) };
    let info = *line.info();
    if size == (info.width, info.height) {
        return Ok(line);
    }
    let resized = info.resized(size.0, size.1).map_err(Error::leaf)?;
    let queue = job.options.queues.upscaled;
    match line.whole()? {
        Whole::Host(line) => {
            let stage = Resize::new(&info, size, Kernel::Lanczos3).map_err(Error::leaf)?;
            job.memory.add_queue(&resized, queue)?;
            Ok(Line::Host(line.then("resize", stage, resized).queue(queue)))
        }
        Whole::Device(line, pool) => {
            let stage = CudaResize::new(&pool, &info, size, Kernel::Lanczos3).map_err(Error::leaf)?;
            let line = line.taken_by(1, &pool)?.then("resize", stage, resized);
            Ok(Line::Device(line.queue(queue), pool))
        }
    }
}

/// Appends the constant rate behind the network where it repeats frames; the record of their times then.
pub(super) fn repeated(
    line: Line,
    source: &VideoInfo,
    job: &mut Assembling<'_>,
) -> Result<(Line, Option<SharedRecord>), Error> {
    let is_done =
        |rate: &Rational| source.frame_rate == Some(*rate) && source.time_base == rate.inverse().into();
    match job.options.picture.frame_rate.filter(|rate| !is_done(rate)) {
        Some(rate) => at_rate(line, rate, job).map(|(line, record)| (line, Some(record))),
        None => Ok((line, None)),
    }
}

fn at_rate(line: Line, rate: Rational, job: &mut Assembling<'_>) -> Result<(Line, SharedRecord), Error> {
    let line = line.into_host()?;
    let stage = ConstantRate::new(&line.info, rate);
    let (info, record) = (*stage.output_info(), SharedRecord::default());
    job.notices.push(format!("frames are repeated or left out for a constant {rate} frames per second"));
    let stage = Noting { stage, record: SharedRecord::clone(&record) };
    Ok((Line::Host(line.then("rate", stage, info)), record))
}

/// A stage whose frames are noted.
struct Noting {
    stage: ConstantRate<HostBuffer>,
    record: SharedRecord,
}

impl Stage for Noting {
    type Input = HostFrame;
    type Output = HostFrame;

    fn process(&mut self, frame: HostFrame, emit: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        self.stage.process(frame, &mut noted(&self.record, emit))
    }

    fn finish(&mut self, emit: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        self.stage.finish(&mut noted(&self.record, emit))
    }
}

fn noted(record: &SharedRecord, emit: &mut dyn FnMut(HostFrame)) -> impl FnMut(Frame<HostBuffer>) {
    move |frame| {
        record.lock().note(frame.info());
        emit(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rave_core::TimeBase;

    fn source(width: u32, height: u32) -> VideoInfo {
        VideoInfo::new(PixelFormat::YUV420P, (width, height), ColorSpec::BT709, TimeBase::new(1, 25).unwrap())
    }

    #[test]
    fn sizes_follow_from_the_source() {
        let info = source(720, 404);
        let ratio = |numerator, denominator| Rational::new(numerator, denominator).unwrap();
        for (size, expected) in [
            (OutputSize::Model, None),
            (OutputSize::Factor(ratio(3, 1)), Some((2160, 1212))),
            (OutputSize::Factor(ratio(3, 2)), Some((1080, 606))),
            (OutputSize::Exact(1001, 777), Some((1001, 777))),
            (OutputSize::Width(1920), Some((1920, 1078))),
            (OutputSize::Height(1080), Some((1924, 1080))),
            (OutputSize::Within(1920, 1080), Some((1920, 1078))),
            (OutputSize::Within(3840, 1080), Some((1924, 1080))),
        ] {
            assert_eq!(size.of(&info), expected, "{size:?}");
        }
    }

    #[test]
    fn the_smallest_model_that_is_enough_is_taken() {
        let info = source(640, 360);
        assert_eq!(OutputSize::Model.built_in_factor(&info, 4), 4);
        for (size, factor) in [
            (OutputSize::Within(1280, 720), 2),
            (OutputSize::Within(1920, 1080), 4),
            (OutputSize::Width(320), 2),
            (OutputSize::Exact(640, 1080), 4),
            (OutputSize::Factor(Rational::new(8, 1).unwrap()), 4),
        ] {
            assert_eq!(size.built_in_factor(&info, 2), factor, "{size:?}");
        }
    }
}
