use std::sync::Arc;

use rave_core::{
    ColorSpec, Layout, Matrix, PixelFormat, Primaries, Range, Rational, Siting, Timestamp, Transfer,
    VideoInfo,
};

use crate::crop::Crop;
use crate::range::ClockRange;
use crate::sys::{AvFrame, Parameters, PixelDescriptor, SideData, StreamRef};
use crate::{DemuxerOptions, Error, Input, StreamInfo, describe, format, hdr};

/// A video stream and everything that a decoder needs to know of it. Cheap to clone.
#[derive(Clone)]
pub struct VideoStream {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) input: Input,
    pub(crate) index: usize,
    pub(crate) parameters: Parameters,
    pub(crate) info: VideoInfo,
    pub(crate) codec_name: String,
    /// Number of the pixel format that the decoder gives.
    pub(crate) source_format: i32,
    pub(crate) source_format_name: String,
    pub(crate) estimated_frames: Option<u64>,
    /// The part of the input that is wanted.
    pub(crate) range: ClockRange,
    pub(crate) start: Option<Timestamp>,
    pub(crate) duration: Option<Timestamp>,
    /// The rate by which missing timestamps are reconstructed.
    pub(crate) pace: Rational,
    /// Whether every timestamp has to be reconstructed: the container has none.
    pub(crate) is_untimed: bool,
    pub(crate) notices: Vec<String>,
    /// What of the decoded pictures is left out.
    pub(crate) crop: Crop,
    /// How the input was opened, and what it holds: for the reader that copies the other streams.
    pub(crate) options: DemuxerOptions,
    pub(crate) streams: Vec<StreamInfo>,
}

impl VideoStream {
    /// Number of the stream in its container, from 0.
    pub fn index(&self) -> usize {
        self.shared.index
    }

    /// What is true of every decoded frame. The colour is as tagged: nothing is assumed where the stream does not say.
    pub fn info(&self) -> &VideoInfo {
        &self.shared.info
    }

    /// FFmpeg's name of the codec.
    pub fn codec_name(&self) -> &str {
        &self.shared.codec_name
    }

    /// FFmpeg's name of the pixel format that the codec gives, before it is repacked into that of [`info`](Self::info).
    pub fn source_pixel_format(&self) -> &str {
        &self.shared.source_format_name
    }

    /// How many frames there are, as the header says or duration and rate give.
    pub fn estimated_frames(&self) -> Option<u64> {
        self.shared.estimated_frames
    }

    /// Whether a frame of this time belongs to the wanted part of the input. A decoder needs frames before it.
    pub fn shows(&self, pts: Timestamp) -> bool {
        self.shared.range.contains(pts)
    }

    /// Whether the whole input is wanted.
    pub fn is_whole(&self) -> bool {
        self.shared.range == ClockRange::default()
    }

    /// When the stream starts, as the header says.
    pub fn start(&self) -> Option<Timestamp> {
        self.shared.start
    }

    /// How long the stream is, as the header says.
    pub fn duration(&self) -> Option<Timestamp> {
        self.shared.duration
    }

    /// Whether decoded pictures are cropped as the container says, which other decoders than
    /// [`SoftwareDecoder`](crate::SoftwareDecoder) do not do.
    pub fn is_cropped(&self) -> bool {
        !self.shared.crop.is_nothing()
    }

    /// What decoding changes besides the coding: a repacked format, for example. That [alpha](Self::alpha) is decoded apart is
    /// not among them.
    pub fn notices(&self) -> &[String] {
        &self.shared.notices
    }
}

impl std::fmt::Debug for VideoStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VideoStream({} of {}: {})", self.index(), self.shared.input, self.codec_name())
    }
}

/// The pixel format of a decoded frame.
pub(crate) fn source_format(input: &Input, frame: &AvFrame) -> Result<PixelDescriptor, Error> {
    PixelDescriptor::from_number(frame.format())
        .ok_or_else(|| input.not_media("its decoder gives an unknown pixel format"))
}

/// What is true of every frame, told by the first one and, where that says nothing, by the container; and notices.
pub(crate) fn video_info(
    input: &Input,
    stream: StreamRef<'_>,
    frame: &AvFrame,
    wanted_rate: Option<Rational>,
    container: Option<ColorSpec>,
) -> Result<(VideoInfo, Vec<String>), Error> {
    let source = source_format(input, frame)?;
    let Some(format) = format::nearest(source) else {
        let format = source.name();
        return Err(rave_core::Error::Format { format, action: "unpacked into planes" }.into());
    };
    Layout::packed(format, frame.width(), frame.height())?;
    let side_data = |kind| frame.side_data(kind).or_else(|| stream.side_data(kind));
    let matrix = stream.side_data(SideData::DisplayMatrix);
    let info = VideoInfo {
        format,
        width: frame.width(),
        height: frame.height(),
        color: color(stream, frame, source),
        sample_aspect_ratio: stream.sample_aspect_ratio().or_else(|| frame.sample_aspect_ratio()),
        frame_rate: wanted_rate.or_else(|| frame_rate(stream)),
        time_base: stream.time_base(),
        display_matrix: matrix
            .or_else(|| frame.side_data(SideData::DisplayMatrix))
            .and_then(describe::display_matrix),
        mastering_display: side_data(SideData::MasteringDisplay).and_then(describe::mastering_display),
        content_light: side_data(SideData::ContentLight).and_then(describe::content_light),
    };
    let mut notices = notices(source, format);
    notices.extend(container.map_or_else(Vec::new, |container| conflicts(info.color, container)));
    notices.extend(hdr::dynamic_metadata(stream, frame)?);
    Ok((info, notices))
}

/// The average rate, unless it is beyond what video has and the guessed one is not.
pub(crate) fn frame_rate(stream: StreamRef<'_>) -> Option<Rational> {
    const IMPLAUSIBLE: f64 = 480.0;
    let (average, real) = (stream.average_frame_rate(), stream.real_frame_rate());
    match (average, real) {
        (Some(average), Some(real)) if average.to_f64() > IMPLAUSIBLE && real < average => Some(real),
        (Some(average), _) => Some(average),
        (None, real) => real.filter(|rate| rate.to_f64() <= IMPLAUSIBLE),
    }
}

/// What the codec says counts, as in every player that is built on libav.
fn conflicts(color: ColorSpec, container: ColorSpec) -> Vec<String> {
    let sentence = |(what, codec, container)| {
        format!("the {what} is {container} by the container and {codec} by the codec, which counts")
    };
    color.conflicts_with(container).into_iter().map(sentence).collect()
}

fn notices(source: PixelDescriptor, format: PixelFormat) -> Vec<String> {
    let mut notices = Vec::new();
    if source.has_alpha() && source.alpha().is_none() {
        notices.push(format!("the alpha channel of {} cannot be read, and is left out", source.name()));
    }
    if !format::is_arranged_as(source, format) {
        notices.push(format!("pixel format {} is repacked into {format}", source.name()));
    }
    notices
}

fn color(stream: StreamRef<'_>, frame: &AvFrame, source: PixelDescriptor) -> ColorSpec {
    let parameters = stream.parameters();
    let mut color = frame.color().or(parameters.color());
    let name = source.name();
    if name.starts_with("yuvj") || name.starts_with("mono") {
        color.range = Range::Full;
    }
    if source.is_rgb() {
        color.matrix = Matrix::Identity;
        color.range = Range::Full;
    } else if parameters.codec().as_deref() == Some("mjpeg") {
        color = color.or(JPEG);
    }
    color
}

/// What JFIF, section "Color space", says; its components have no other tags.
const JPEG: ColorSpec = ColorSpec {
    matrix: Matrix::Bt470bg,
    primaries: Primaries::Unspecified,
    transfer: Transfer::Unspecified,
    range: Range::Full,
    siting: Siting::Center,
};
