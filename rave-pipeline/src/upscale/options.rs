use std::num::NonZeroUsize;
use std::time::Duration;

use rave_core::{Code, CodedError};
use rave_ffmpeg::{Corruption, Cropping, DemuxerOptions, EncoderOptions, MuxerOptions, VideoCodec};
use rave_tensorrt::{Batch, BuiltIn, ModelSource, OnNan, Precision, Provider, TensorRtOptions, Tile};

use super::{Existing, PictureOptions};
use crate::{Depth, Error};

/// Everything about a job but its two files. The default is what the command line does without flags.
#[derive(Clone, Debug)]
pub struct UpscaleOptions {
    /// The network; `None` for the built-in default, which differs between CPU and GPU.
    pub model: Option<ModelSource>,
    /// Factor of the built-in default.
    pub scale: u32,
    /// Where and how the network runs.
    pub inference: InferenceOptions,
    /// What decodes.
    pub decoder: DecoderChoice,
    /// Sessions of NVDEC among which a stream is dealt; `None` for as many as help.
    pub decode_sessions: Option<NonZeroUsize>,
    /// Threads of the model on the CPU; `None` for all cores.
    pub threads: Option<NonZeroUsize>,
    /// Whether the model runs on whole frames or on tiles.
    pub tile: Tile,
    /// How many frames go through the model together.
    pub batch: Batch,
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
    /// What is done to pictures besides enlarging them.
    pub picture: PictureOptions,
    /// What to do with a file that has the output's name.
    pub existing: Existing,
    /// How much of the output is read to compare it with the source; `None` for nothing.
    pub verify: Option<Depth>,
    /// Lengths of the queues between the stages.
    pub queues: Queues,
    /// For how long nothing may move before the job fails; `None` for ever.
    pub stall_limit: Option<Duration>,
}

impl Default for UpscaleOptions {
    fn default() -> Self {
        Self {
            model: None,
            scale: 2,
            inference: InferenceOptions::default(),
            decoder: DecoderChoice::default(),
            decode_sessions: None,
            threads: None,
            tile: Tile::default(),
            batch: Batch::default(),
            demuxer: DemuxerOptions { cropping: Cropping::Applied, ..DemuxerOptions::default() },
            corruption: Corruption::default(),
            codec: None,
            encoder: EncoderOptions::new(VideoCodec::H264),
            muxer: MuxerOptions::default(),
            picture: PictureOptions::default(),
            existing: Existing::default(),
            verify: Some(Depth::Fast),
            queues: Queues::default(),
            stall_limit: Some(DEFAULT_STALL_LIMIT),
        }
    }
}

/// Longer than a processor takes for any one frame, tiles and all.
const DEFAULT_STALL_LIMIT: Duration = Duration::from_secs(1800);

/// Where and how the network runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InferenceOptions {
    /// CPU or GPU.
    pub device: DeviceChoice,
    /// What runs the network; `None` for the first that works of TensorRT, CUDA and, if `device` does not exclude it, CPU.
    pub provider: Option<Provider>,
    /// What the network computes in.
    pub precision: Precision,
    /// GPU memory that the job may take, in MiB; `None` for all there is.
    pub vram_limit_mib: Option<u64>,
    /// What to do about values that are not finite.
    pub on_nan: OnNan,
    /// TensorRT's cache and calibration.
    pub tensorrt: TensorRtOptions,
}

/// Where frames are converted and enlarged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first GPU if it can be used, otherwise the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of this number, from 0.
    Cuda(usize),
    /// The GPUs of these numbers, among which the frames are dealt. One that is named twice works on two frames at once.
    Several(Vec<usize>),
    /// Every GPU, as for [`Several`](Self::Several).
    All,
}

/// Lanes in which frames are enlarged at the same time.
const MOST_LANES: usize = 16;

/// What decodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecoderChoice {
    /// NVDEC if the job runs on a GPU that can decode the stream, otherwise FFmpeg.
    #[default]
    Auto,
    /// NVDEC.
    Nvdec,
    /// FFmpeg on the CPU.
    Software,
}

/// Options that contradict each other.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Contradiction(pub(super) String);

impl CodedError for Contradiction {
    fn code(&self) -> Code {
        Code::OptionInvalid
    }
}

impl UpscaleOptions {
    /// Refuses what can never be met.
    pub(super) fn check(&self) -> Result<(), Error> {
        let InferenceOptions { device, provider, .. } = &self.inference;
        let refuse = |text: String| Err(Error::leaf(Contradiction(text)));
        match (device, provider) {
            (DeviceChoice::Several(gpus), _) if gpus.is_empty() => refuse("no GPU is listed".into()),
            (DeviceChoice::Several(gpus), _) if gpus.len() > MOST_LANES => {
                refuse(format!("{} GPUs are listed, at most {MOST_LANES} can work on one job", gpus.len()))
            }
            (DeviceChoice::Several(_) | DeviceChoice::All, Some(Provider::Cpu)) => {
                refuse("provider cpu needs no GPU, but several are to work".into())
            }
            (DeviceChoice::Cpu, Some(provider @ (Provider::TensorRt | Provider::Cuda))) => {
                refuse(format!("provider {provider} needs a GPU, but the device is to be the CPU"))
            }
            (DeviceChoice::Cpu, _) if self.decoder == DecoderChoice::Nvdec => {
                refuse("decoder nvdec needs a GPU, but the device is to be the CPU".into())
            }
            _ if self.model.is_none() && BuiltIn::default_for(self.scale).is_none() => {
                refuse(format!("no built-in model has a factor of {}", self.scale))
            }
            _ if self.decoder == DecoderChoice::Software && self.decode_sessions.is_some() => {
                refuse("sessions are of decoder nvdec, but the decoder is to be software".into())
            }
            _ => Ok(()),
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
