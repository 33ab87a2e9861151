use std::convert::Infallible;
use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::str::FromStr;

use rave_core::{Corruption, PixelFormat, Rational};

use crate::encoder_choice::codec_of;
use crate::sys::Encoder;
use crate::{StreamMap, TimeRange};

/// How an input is opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DemuxerOptions {
    /// Index of the video stream; the best one if `None`.
    pub stream: Option<usize>,
    /// Frames per second of a stream without timestamps (raw H.264, H.265, video samples). An error for others.
    pub frame_rate: Option<Rational>,
    /// Treats the input as raw video samples.
    pub raw: Option<RawVideo>,
    /// The part of the input that is wanted, to the frame.
    pub range: TimeRange,
    /// What becomes of sides that the container (Matroska's PixelCrop, the clean aperture of MP4 and QuickTime) wants left
    /// out.
    pub cropping: Cropping,
}

/// What becomes of the sides of pictures that a container wants left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cropping {
    /// They stay, as with FFmpeg before 7.1.
    #[default]
    Ignored,
    /// They are left out by [`SoftwareDecoder`](crate::SoftwareDecoder), to whole chroma samples.
    Applied,
}

/// The shape of raw video samples, which say nothing about themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawVideo {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Pixel format.
    pub format: PixelFormat,
}

/// How a decoder works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecoderOptions {
    /// Threads; as many as there are cores if `None`.
    pub threads: Option<NonZeroUsize>,
    /// What to do about damaged packets.
    pub corruption: Corruption,
}

/// A video codec that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    /// Rec. ITU-T H.264.
    H264,
    /// Rec. ITU-T H.265.
    Hevc,
    /// AV1.
    Av1,
    /// FFV1, lossless.
    Ffv1,
    /// VP9.
    Vp9,
}

impl VideoCodec {
    /// Every codec.
    pub const ALL: [Self; 5] = [Self::H264, Self::Hevc, Self::Av1, Self::Ffv1, Self::Vp9];

    /// FFmpeg's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::Hevc => "hevc",
            Self::Av1 => "av1",
            Self::Ffv1 => "ffv1",
            Self::Vp9 => "vp9",
        }
    }

    /// FFmpeg's names of the encoders for it, the preferred one first.
    pub const fn encoders(self) -> &'static [&'static str] {
        match self {
            Self::H264 => &["libx264"],
            Self::Hevc => &["libx265"],
            Self::Av1 => &["libsvtav1", "libaom-av1"],
            Self::Ffv1 => &["ffv1"],
            Self::Vp9 => &["libvpx-vp9"],
        }
    }
}

impl fmt::Display for VideoCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no codec that can be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no codec: use one of h264, hevc, av1, ffv1, vp9")]
pub struct UnknownCodec(String);

impl FromStr for VideoCodec {
    type Err = UnknownCodec;

    /// FFmpeg's name, or `h265`, `avc`.
    fn from_str(name: &str) -> Result<Self, UnknownCodec> {
        let lower = name.to_ascii_lowercase();
        match lower.as_str() {
            "h265" => Ok(Self::Hevc),
            "avc" => Ok(Self::H264),
            _ => Self::ALL
                .into_iter()
                .find(|codec| codec.name() == lower)
                .ok_or_else(|| UnknownCodec(name.to_owned())),
        }
    }
}

/// What decides between size and quality.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Quality {
    /// What suits the encoder: crf 18 for libx264, 20 for libx265, 30 for libsvtav1 and the other AV1 and VP9
    /// encoders; FFV1 is lossless.
    #[default]
    Default,
    /// Constant quality on the encoder's own scale: lower is better.
    Crf(f32),
    /// Average bit rate.
    Bitrate {
        /// In 1000 bits per second.
        kilobits_per_second: u32,
    },
    /// Every sample as it is.
    Lossless,
}

/// What encodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EncoderChoice {
    /// NVENC where the frames are on a GPU that has it and it takes them, otherwise as for `Software`.
    #[default]
    Auto,
    /// NVENC, the hardware of NVIDIA's GPUs.
    Nvenc,
    /// The first of [`VideoCodec::encoders`] that is there and takes size and format: libsvtav1 takes 4:2:0 with even
    /// sides of at least 64.
    Software,
    /// An encoder of FFmpeg by its name there, such as `libx265`.
    Named(String),
}

impl EncoderChoice {
    /// The codec that the choice alone decides on.
    pub fn codec(&self) -> Option<VideoCodec> {
        let Self::Named(name) = self else { return None };
        let known = VideoCodec::ALL.into_iter().find(|codec| codec.encoders().contains(&name.as_str()));
        known.or_else(|| Encoder::find(name).and_then(codec_of))
    }
}

impl fmt::Display for EncoderChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Nvenc => "nvenc",
            Self::Software => "software",
            Self::Named(name) => name,
        })
    }
}

impl FromStr for EncoderChoice {
    type Err = Infallible;

    /// `auto`, `nvenc`, `software`; everything else is a name.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "auto" => Self::Auto,
            "nvenc" => Self::Nvenc,
            "software" => Self::Software,
            name => Self::Named(name.to_owned()),
        })
    }
}

/// How video is encoded.
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderOptions {
    /// The codec.
    pub codec: VideoCodec,
    /// What encodes.
    pub encoder: EncoderChoice,
    /// Size against quality.
    pub quality: Quality,
    /// The most that the bit rate may be over a second, in 1000 bits per second.
    pub max_bitrate: Option<NonZeroU32>,
    /// `p1` (fast) to `p7` (good), which every encoder with presets takes, or the encoder's own name for one; `p5`, which is
    /// libx264's `medium` and libsvtav1's 8, if `None`.
    pub preset: Option<String>,
    /// What the encoder is tuned for, by its own name for it, such as `grain`.
    pub tune: Option<String>,
    /// The most frames from one key frame to the next.
    pub gop: Option<u32>,
    /// The most B-frames in a row.
    pub bframes: Option<u32>,
    /// Threads of all encoders together; the encoder's own choice, or as many as there are cores, if `None`.
    pub threads: Option<NonZeroUsize>,
    /// Encoders that work at once, each on a segment of the stream; by encoder, size and cores if `None`.
    pub workers: Option<NonZeroUsize>,
    /// The pixel format to encode; the nearest to the source's if `None`.
    pub pixel_format: Option<PixelFormat>,
}

impl EncoderOptions {
    /// Everything by default but the codec.
    pub const fn new(codec: VideoCodec) -> Self {
        Self {
            codec,
            encoder: EncoderChoice::Auto,
            quality: Quality::Default,
            max_bitrate: None,
            preset: None,
            tune: None,
            gop: None,
            bframes: None,
            threads: None,
            workers: None,
            pixel_format: None,
        }
    }
}

/// What to do about a stream that the container cannot hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Incompatible {
    /// Refuse before work starts.
    #[default]
    Refuse,
    /// Leave it out and say so.
    Drop,
}

/// Whether a kind of thing is taken over from the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// Take it over.
    #[default]
    Keep,
    /// Leave it out.
    Omit,
}

/// What is taken over from the source besides the video that was worked on; everything by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyOptions {
    /// Which streams are taken over, besides by their kind; all of them if empty.
    pub maps: Vec<StreamMap>,
    /// Other video streams, and covers.
    pub video: Selection,
    /// Audio streams.
    pub audio: Selection,
    /// Subtitle streams.
    pub subtitles: Selection,
    /// Data streams.
    pub data: Selection,
    /// Attachments.
    pub attachments: Selection,
    /// Chapters.
    pub chapters: Selection,
    /// Metadata of the file and of its streams.
    pub metadata: Selection,
}

/// How a container is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MuxerOptions {
    /// What to do about a stream that the container cannot hold.
    pub incompatible: Incompatible,
    /// What is taken over from the source.
    pub copy: CopyOptions,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoder_choices_round_trip() {
        for (text, codec) in [
            ("auto", None),
            ("nvenc", None),
            ("software", None),
            ("libx265", Some(VideoCodec::Hevc)),
            ("other", None),
        ] {
            let choice: EncoderChoice = text.parse().unwrap();
            assert_eq!((choice.to_string(), choice.codec()), (text.to_owned(), codec));
        }
    }

    #[test]
    fn codec_names_round_trip() {
        for codec in VideoCodec::ALL {
            assert_eq!(codec.to_string().parse(), Ok(codec));
        }
        assert_eq!("H265".parse(), Ok(VideoCodec::Hevc));
        assert!("mpeg2".parse::<VideoCodec>().is_err());
    }
}
