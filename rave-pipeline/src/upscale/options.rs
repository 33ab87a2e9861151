use std::num::NonZeroUsize;

use rave_ffmpeg::{Corruption, DemuxerOptions, EncoderOptions, MuxerOptions, VideoCodec};
use rave_tensorrt::{ModelSource, Tile};

use super::Existing;

/// Everything about a job but its two files. The default is what the command line does without flags.
#[derive(Clone, Debug)]
pub struct UpscaleOptions {
    /// The network; `None` for the built-in default.
    pub model: Option<ModelSource>,
    /// Threads of the model; `None` for all cores.
    pub threads: Option<NonZeroUsize>,
    /// Whether the model runs on whole frames or on tiles.
    pub tile: Tile,
    /// Which stream of the source, and its frame rate if it has no timestamps.
    pub demuxer: DemuxerOptions,
    /// What to do about damaged packets.
    pub corruption: Corruption,
    /// The video codec; `None` for the container's usual one, or the one that `encoder` names.
    pub codec: Option<VideoCodec>,
    /// Quality, preset and the encoder's other options; its codec is replaced by [`codec`](Self::codec).
    pub encoder: EncoderOptions,
    /// What to do with the other streams.
    pub muxer: MuxerOptions,
    /// What to do with a file that has the output's name.
    pub existing: Existing,
    /// Lengths of the queues between the stages.
    pub queues: Queues,
}

impl Default for UpscaleOptions {
    fn default() -> Self {
        Self {
            model: None,
            threads: None,
            tile: Tile::default(),
            demuxer: DemuxerOptions::default(),
            corruption: Corruption::default(),
            codec: None,
            encoder: EncoderOptions::new(VideoCodec::H264),
            muxer: MuxerOptions::default(),
            existing: Existing::default(),
            queues: Queues::default(),
        }
    }
}

/// Lengths of the queues between the stages, in items. They bound the memory, together with the frame size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queues {
    /// Packets between demuxer and decoder.
    pub packets: usize,
    /// Frames behind the decoder.
    pub decoded: usize,
    /// Frames behind the conversion to the model's format.
    pub preprocessed: usize,
    /// Frames behind the model, and behind the conversion from its format.
    pub upscaled: usize,
}

impl Default for Queues {
    fn default() -> Self {
        Self { packets: 16, decoded: 4, preprocessed: 2, upscaled: 4 }
    }
}
