use rave_core::{Corruption, VideoInfo};

use crate::Codec;

/// A coded video stream, as a container describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct CodedVideo {
    /// The codec.
    pub codec: Codec,
    /// The codec's headers that the container holds apart: with start codes for H.264 and HEVC, like the packets; empty
    /// where there are none. `rave_ffmpeg::BitstreamFilter` gives both as they are wanted.
    pub extradata: Vec<u8>,
    /// What decoded frames are: chroma and depth of the pixel format, size as displayed, colour, frame rate (by which
    /// missing timestamps are made up) and time base count. `rave_ffmpeg::VideoStream::info` is such a description.
    pub info: VideoInfo,
}

/// What to do about interlaced frames. Whatever it is, one coded frame gives one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deinterlace {
    /// Keep both fields, and say in which order they are.
    #[default]
    Keep,
    /// Keep the first field and fill the lines between, by the hardware.
    Bob,
    /// Fill the lines between from the frames around where nothing moves, by the hardware.
    Adaptive,
}

/// How a decoder works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecoderOptions {
    /// What to do about damage.
    pub corruption: Corruption,
    /// What to do about interlaced frames.
    pub deinterlace: Deinterlace,
}
