//! The alpha channel: decoded by a reader of its own, enlarged bicubically, and put beside the pictures before the encoder.

use std::collections::VecDeque;

use rave_core::{
    BoxError, ConstantRate, Deinterlace, HostBuffer, HostFrame, HostPool, Kernel, Layout, Orient,
    PixelFormat, Resize, Sample, Stage, Timestamp, VideoInfo,
};
use rave_ffmpeg::{AlphaEncoder, Container, DecoderOptions, Demuxer, EncoderOptions, SoftwareDecoder};

use super::convert::{Conversions, Wanted};
use super::end::{Assembling, Source};
use super::fields::FieldPlan;
use super::picture::Orientation;
use crate::Error;

/// What is to become of a source's alpha.
pub(super) enum AlphaPlan {
    /// There is none.
    Absent,
    /// It is left out, for this reason.
    Dropped(String),
    /// It is kept, with pictures of this format; sentences on how that differs from the source's.
    Kept(PixelFormat, Vec<String>),
}

impl AlphaPlan {
    /// For pictures of `enlarged` that a software encoder writes to a container.
    ///
    /// # Errors
    /// Those of [`AlphaEncoder::pixel_format`].
    pub(super) fn new(
        source: &Source<'_>,
        enlarged: &VideoInfo,
        options: &EncoderOptions,
        container: &Container,
    ) -> Result<Self, Error> {
        if source.stream.alpha().is_none() || !source.input.is_seekable() {
            return Ok(Self::without(source, "it needs a second reading of the input"));
        }
        let found = AlphaEncoder::pixel_format(enlarged, options, container).map_err(Error::leaf)?;
        Ok(match found {
            Some((format, changes)) => Self::Kept(format, changes),
            None => {
                let codec = options.codec;
                let reason =
                    format!("{codec} in {container} has no place for it; ffv1 in mkv and vp9 in webm have");
                Self::Dropped(reason)
            }
        })
    }

    /// For pictures that are written without alpha, for this reason.
    pub(super) fn without(source: &Source<'_>, reason: &str) -> Self {
        if source.stream.alpha().is_some() { Self::Dropped(reason.to_owned()) } else { Self::Absent }
    }

    /// The format of pictures that keep their alpha.
    pub(super) fn kept(self, notices: &mut Vec<String>) -> Option<PixelFormat> {
        match self {
            Self::Absent => None,
            Self::Dropped(reason) => {
                notices.push(format!("the alpha channel is left out: {reason}"));
                None
            }
            Self::Kept(format, changes) => {
                notices.extend(changes);
                notices.push("the alpha channel is enlarged on the CPU, bicubically".into());
                Some(format)
            }
        }
    }
}

/// Puts beside each picture the alpha of its time.
pub(super) struct WithAlpha {
    alpha: AlphaFrames,
    waiting: Option<HostFrame>,
    opaque: Opaque,
}

impl WithAlpha {
    /// For pictures of `info`, which are to be encoded.
    ///
    /// # Errors
    /// Whatever makes it impossible to read the source once more.
    pub(super) fn new(
        source: &Source<'_>,
        info: &VideoInfo,
        job: &mut Assembling<'_>,
    ) -> Result<Self, Error> {
        let alpha = AlphaFrames::new(source, info, job)?;
        let opaque = Opaque::new(&alpha.output)?;
        Ok(Self { alpha, waiting: None, opaque })
    }

    /// The alpha that is shown at this time. Pictures without one are opaque.
    fn at(&mut self, picture: &HostFrame) -> Result<HostFrame, BoxError> {
        let pts = picture.info().pts;
        loop {
            let Some(alpha) =
                self.waiting.take().map_or_else(|| self.alpha.next(), |frame| Ok(Some(frame)))?
            else {
                return Ok(self.opaque.frame(picture));
            };
            match alpha.info().pts.cmp(&pts) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Ok(alpha),
                std::cmp::Ordering::Greater => {
                    self.waiting = Some(alpha);
                    return Ok(self.opaque.frame(picture));
                }
            }
        }
    }
}

impl Stage for WithAlpha {
    type Input = HostFrame;
    type Output = (HostFrame, HostFrame);

    fn process(
        &mut self,
        picture: HostFrame,
        emit: &mut dyn FnMut((HostFrame, HostFrame)),
    ) -> Result<(), BoxError> {
        let alpha = self.at(&picture)?;
        emit((picture, alpha));
        Ok(())
    }

    fn finish(&mut self, _: &mut dyn FnMut((HostFrame, HostFrame))) -> Result<(), BoxError> {
        if let Some(first) = self.opaque.first {
            let frames = self.opaque.frames;
            tracing::warn!(frames, %first, "pictures without alpha of their own are taken as opaque");
        }
        Ok(())
    }
}

/// Opaque planes, counted.
struct Opaque {
    layout: Layout,
    pool: HostPool,
    frames: u64,
    first: Option<Timestamp>,
}

impl Opaque {
    fn new(info: &VideoInfo) -> Result<Self, Error> {
        let layout = Layout::packed(info.format, info.width, info.height).map_err(Error::leaf)?;
        Ok(Self { layout, pool: HostPool::new(), frames: 0, first: None })
    }

    fn frame(&mut self, picture: &HostFrame) -> HostFrame {
        self.frames += 1;
        self.first.get_or_insert(picture.info().pts);
        let mut frame = HostFrame::from_pool(&self.pool, self.layout, picture.color(), picture.info());
        match self.layout.format().bits() {
            Some(bits) if bits > 8 => {
                frame.rows_mut::<u16>(0).for_each(|row| row.fill(u16::MAX >> (16 - bits)));
            }
            _ => frame.rows_mut::<u8>(0).for_each(|row| row.fill(u8::MAX)),
        }
        frame
    }
}

type Step = Box<dyn Stage<Input = HostFrame, Output = HostFrame>>;

/// The enlarged alpha of a source, frame by frame.
struct AlphaFrames {
    demuxer: Demuxer,
    decoder: SoftwareDecoder,
    /// What is done to the pictures, done to alpha.
    steps: Vec<Step>,
    ready: VecDeque<HostFrame>,
    is_done: bool,
    output: VideoInfo,
}

impl AlphaFrames {
    fn new(source: &Source<'_>, info: &VideoInfo, job: &Assembling<'_>) -> Result<Self, Error> {
        let demuxer = Demuxer::open(source.input, &job.options.demuxer).map_err(Error::leaf)?;
        let options = DecoderOptions { threads: None, corruption: job.options.corruption };
        let decoder = SoftwareDecoder::of_alpha(demuxer.video(), &options).map_err(Error::leaf)?;
        let Some(decoder) = decoder else { return Err(Error::leaf(unreadable(source))) };
        let (steps, output) = steps(decoder.info(), info, job)?;
        Ok(Self { demuxer, decoder, steps, ready: VecDeque::new(), is_done: false, output })
    }

    fn next(&mut self) -> Result<Option<HostFrame>, BoxError> {
        while self.ready.is_empty() && !self.is_done {
            let mut decoded = Vec::new();
            match self.demuxer.next().transpose()? {
                Some(packet) => self.decoder.process(packet, &mut |frame| decoded.push(frame))?,
                None => {
                    self.decoder.finish(&mut |frame| decoded.push(frame))?;
                    self.is_done = true;
                }
            }
            for frame in decoded {
                run(&mut self.steps, frame, &mut self.ready)?;
            }
            if self.is_done {
                finish(&mut self.steps, &mut self.ready)?;
            }
        }
        Ok(self.ready.pop_front())
    }
}

/// The file has changed since it was opened.
fn unreadable(source: &Source<'_>) -> rave_ffmpeg::Error {
    rave_ffmpeg::Error::InputNoFrames {
        input: source.input.clone(),
        stream: source.stream.index(),
        reason: "its alpha channel is gone".into(),
    }
}

/// What makes of decoded alpha that of the pictures that are encoded, and what comes out.
fn steps(
    alpha: &VideoInfo,
    encoded: &VideoInfo,
    job: &Assembling<'_>,
) -> Result<(Vec<Step>, VideoInfo), Error> {
    let mut steps: Vec<Step> = Vec::new();
    let mut info = *alpha;
    if let FieldPlan::Deinterlaced(fields) = job.fields {
        steps.push(Box::new(Deinterlace::new(&info, fields).map_err(Error::leaf)?));
    }
    if job.options.picture.orientation == Orientation::Upright && info.display_matrix.is_some() {
        let turn = Orient::new(&info).map_err(Error::leaf)?;
        info = *turn.output_info();
        steps.push(Box::new(turn));
    }
    if let Some(rate) = job.options.picture.frame_rate {
        let constant = ConstantRate::<HostBuffer>::new(&info, rate);
        info = *constant.output_info();
        steps.push(Box::new(constant));
    }
    // In numbers that lose nothing between the steps.
    let exact = PixelFormat::Gray { sample: Sample::F32 };
    for format in [exact, PixelFormat::Gray { sample: encoded.format.sample() }] {
        let convert = Conversions::new(&info, Wanted::rounded(format, info.color))?;
        info = *convert.output_info();
        steps.push(Box::new(convert));
        if format == exact {
            let size = (encoded.width, encoded.height);
            let resize = Resize::new(&info, size, Kernel::CatmullRom).map_err(Error::leaf)?;
            info = *resize.output_info();
            steps.push(Box::new(resize));
        }
    }
    Ok((steps, info))
}

/// Gives a frame to the first step, and what comes out of each to the next.
fn run(steps: &mut [Step], frame: HostFrame, ready: &mut VecDeque<HostFrame>) -> Result<(), BoxError> {
    let Some((first, rest)) = steps.split_first_mut() else {
        ready.push_back(frame);
        return Ok(());
    };
    let mut emitted = Vec::new();
    first.process(frame, &mut |frame| emitted.push(frame))?;
    emitted.into_iter().try_for_each(|frame| run(rest, frame, ready))
}

fn finish(steps: &mut [Step], ready: &mut VecDeque<HostFrame>) -> Result<(), BoxError> {
    let Some((first, rest)) = steps.split_first_mut() else { return Ok(()) };
    let mut emitted = Vec::new();
    first.finish(&mut |frame| emitted.push(frame))?;
    emitted.into_iter().try_for_each(|frame| run(rest, frame, ready))?;
    finish(rest, ready)
}
