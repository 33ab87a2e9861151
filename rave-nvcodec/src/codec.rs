use std::fmt;

use crate::StreamCodec;
use crate::headers::{
    h264_piece, mpeg_piece, split_pictures, vc1_piece, vp8_is_plausible, vp8_shows, vp9_shows,
};
use crate::sys::cuvid;

/// A codec that an NVIDIA GPU may be able to decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// ISO/IEC 11172-2.
    Mpeg1,
    /// Rec. ITU-T H.262.
    Mpeg2,
    /// ISO/IEC 14496-2.
    Mpeg4,
    /// SMPTE ST 421, advanced profile.
    Vc1,
    /// Rec. ITU-T H.264.
    H264,
    /// Rec. ITU-T H.265.
    Hevc,
    /// VP8 (RFC 6386).
    Vp8,
    /// VP9.
    Vp9,
    /// AV1.
    Av1,
    /// Rec. ITU-T T.81, a picture a packet.
    Mjpeg,
}

impl Codec {
    /// Every codec.
    pub const ALL: [Self; 10] = [
        Self::Mpeg1,
        Self::Mpeg2,
        Self::Mpeg4,
        Self::Vc1,
        Self::H264,
        Self::Hevc,
        Self::Vp8,
        Self::Vp9,
        Self::Av1,
        Self::Mjpeg,
    ];

    /// The codec of FFmpeg's name for it; `None` for one that no NVIDIA GPU decodes.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name() == name)
    }

    /// FFmpeg's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mpeg1 => "mpeg1video",
            Self::Mpeg2 => "mpeg2video",
            Self::Mpeg4 => "mpeg4",
            Self::Vc1 => "vc1",
            Self::H264 => "h264",
            Self::Hevc => "hevc",
            Self::Vp8 => "vp8",
            Self::Vp9 => "vp9",
            Self::Av1 => "av1",
            Self::Mjpeg => "mjpeg",
        }
    }

    /// How its packets can be told apart without decoding them; `None` where a stream cannot be split.
    pub const fn stream_codec(self) -> Option<StreamCodec> {
        match self {
            Self::H264 => Some(StreamCodec::H264),
            Self::Hevc => Some(StreamCodec::Hevc),
            Self::Vp9 => Some(StreamCodec::Vp9),
            Self::Av1 => Some(StreamCodec::Av1),
            Self::Mpeg1 | Self::Mpeg2 | Self::Mpeg4 | Self::Vc1 | Self::Vp8 | Self::Mjpeg => None,
        }
    }

    /// Whether a packet shows a picture, of itself or decoded before.
    pub(crate) fn shows(self, data: &[u8]) -> bool {
        match self {
            Self::Vp8 => vp8_shows(data),
            Self::Vp9 => vp9_shows(data),
            // Of AV1 a temporal unit shows one (AV1 specification, 7.5); elsewhere no picture is hidden.
            _ => true,
        }
    }

    /// Whether a packet's header can be true. What it says is not checked by the driver.
    pub(crate) fn is_plausible(self, data: &[u8]) -> bool {
        self != Self::Vp8 || vp8_is_plausible(data)
    }

    /// The frames and fields of a packet, each with what precedes it.
    pub(crate) fn fields(self, data: &[u8]) -> Vec<&[u8]> {
        match self {
            Self::H264 => split_pictures(data, h264_piece),
            Self::Mpeg1 | Self::Mpeg2 => split_pictures(data, mpeg_piece),
            Self::Vc1 => split_pictures(data, vc1_piece),
            _ => vec![data],
        }
    }

    /// Whether a packet may show a picture that was decoded before, without one of its own.
    pub(crate) const fn repeats(self) -> bool {
        matches!(self, Self::Vp9 | Self::Av1)
    }

    pub(crate) const fn cuvid(self) -> cuvid::VideoCodec {
        match self {
            Self::Mpeg1 => cuvid::VideoCodec::MPEG1,
            Self::Mpeg2 => cuvid::VideoCodec::MPEG2,
            Self::Mpeg4 => cuvid::VideoCodec::MPEG4,
            Self::Vc1 => cuvid::VideoCodec::VC1,
            Self::H264 => cuvid::VideoCodec::H264,
            Self::Hevc => cuvid::VideoCodec::HEVC,
            Self::Vp8 => cuvid::VideoCodec::VP8,
            Self::Vp9 => cuvid::VideoCodec::VP9,
            Self::Av1 => cuvid::VideoCodec::AV1,
            Self::Mjpeg => cuvid::VideoCodec::JPEG,
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ffmpegs_and_round_trip() {
        for codec in Codec::ALL {
            assert_eq!(Codec::from_name(codec.name()), Some(codec));
        }
        assert_eq!(Codec::from_name("mpeg2video"), Some(Codec::Mpeg2));
        assert_eq!(Codec::from_name("prores"), None);
    }
}
