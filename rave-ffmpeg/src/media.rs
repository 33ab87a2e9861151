use rave_core::{ColorSpec, ContentLight, MasteringDisplay, Rational, TimeBase, Timestamp};

use crate::tags;

/// What a container holds, as its header and the first packets say.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaInfo {
    /// FFmpeg's names of the demuxer, separated by commas.
    pub format: String,
    /// When the earliest stream starts.
    pub start: Option<Timestamp>,
    /// How long the longest stream is.
    pub duration: Option<Timestamp>,
    /// Bits per second of everything together.
    pub bit_rate: Option<u64>,
    /// The streams, in the container's order.
    pub streams: Vec<StreamInfo>,
    /// The chapters.
    pub chapters: Vec<Chapter>,
    /// Keys and values of the whole file. Bytes that are not UTF-8 are replaced; copies keep them.
    pub metadata: Vec<(String, String)>,
    /// Index into [`streams`](Self::streams) of the video stream to prefer; never an attached picture.
    pub best_video: Option<usize>,
}

/// What a stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Subtitles, as text or pictures.
    Subtitle,
    /// Timed data: time codes, telemetry.
    Data,
    /// A file, such as a font.
    Attachment,
    /// Something that FFmpeg does not know.
    Unknown,
}

impl StreamKind {
    /// The kind in one lower-case word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Subtitle => "subtitle",
            Self::Data => "data",
            Self::Attachment => "attachment",
            Self::Unknown => "unknown",
        }
    }
}

impl std::fmt::Display for StreamKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// One stream of a container.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamInfo {
    /// Number of the stream, from 0.
    pub index: usize,
    /// What it holds.
    pub kind: StreamKind,
    /// FFmpeg's name of the codec.
    pub codec: Option<String>,
    /// The codec's profile.
    pub profile: Option<String>,
    /// Unit of its timestamps.
    pub time_base: TimeBase,
    /// When it starts.
    pub start: Option<Timestamp>,
    /// How long it is.
    pub duration: Option<Timestamp>,
    /// Number of frames, as the header claims.
    pub frame_count: Option<u64>,
    /// Bits per second.
    pub bit_rate: Option<u64>,
    /// Language, as the container names it: usually an ISO 639-2 code.
    pub language: Option<String>,
    /// Keys and values, as in [`MediaInfo::metadata`].
    pub metadata: Vec<(String, String)>,
    /// FFmpeg's names of the roles it has: `default`, `forced`, `attached_pic` and so on.
    pub disposition: Vec<&'static str>,
    /// Whether it is a still picture that belongs to the file, such as a cover.
    pub is_attached_picture: bool,
    /// More, where it holds pictures.
    pub video: Option<VideoDescription>,
    /// More, where it holds sound.
    pub audio: Option<AudioDescription>,
}

impl StreamInfo {
    /// Whether its packets bring an alpha channel beside the picture, which decoders of the picture do not give: VP8 and
    /// VP9 in Matroska (RFC 9559, 5.1.4.1.28.4).
    pub fn has_added_alpha(&self) -> bool {
        let is_told = |(key, value): &(String, String)| key.eq_ignore_ascii_case(tags::ALPHA) && value == "1";
        matches!(self.codec.as_deref(), Some("vp8" | "vp9")) && self.metadata.iter().any(is_told)
    }
}

/// A video stream, as the container and the first packets describe it; nothing is assumed.
#[derive(Clone, Debug, PartialEq)]
pub struct VideoDescription {
    /// Width in pixels; 0 where unknown.
    pub width: u32,
    /// Height in pixels; 0 where unknown.
    pub height: u32,
    /// FFmpeg's name of the pixel format.
    pub pixel_format: Option<String>,
    /// Colour, as tagged.
    pub color: ColorSpec,
    /// Width over height of one pixel.
    pub sample_aspect_ratio: Option<Rational>,
    /// Frames per second, on average.
    pub average_frame_rate: Option<Rational>,
    /// The lowest rate of which every timestamp is a multiple, as FFmpeg guesses.
    pub real_frame_rate: Option<Rational>,
    /// Degrees by which a player turns the picture clockwise before showing it, 0 to 359.
    pub rotation_degrees: Option<u32>,
    /// HDR10 mastering display metadata.
    pub mastering_display: Option<MasteringDisplay>,
    /// HDR10 content light level.
    pub content_light: Option<ContentLight>,
}

/// An audio stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioDescription {
    /// Samples per second; 0 where unknown.
    pub sample_rate: u32,
    /// Number of channels; 0 where unknown.
    pub channels: u32,
}

/// A chapter.
#[derive(Clone, Debug, PartialEq)]
pub struct Chapter {
    /// First moment.
    pub start: Timestamp,
    /// One past the last moment.
    pub end: Timestamp,
    /// Its title.
    pub title: Option<String>,
}

/// A stream as tests describe it.
#[cfg(test)]
pub(crate) fn stream_for_tests(index: usize, kind: StreamKind, codec: Option<&str>) -> StreamInfo {
    StreamInfo {
        index,
        kind,
        codec: codec.map(str::to_owned),
        profile: None,
        time_base: TimeBase::new(1, 1000).expect("positive"),
        start: None,
        duration: None,
        frame_count: None,
        bit_rate: None,
        language: None,
        metadata: Vec::new(),
        disposition: Vec::new(),
        is_attached_picture: false,
        video: None,
        audio: (kind == StreamKind::Audio).then_some(AudioDescription { sample_rate: 48000, channels: 2 }),
    }
}
