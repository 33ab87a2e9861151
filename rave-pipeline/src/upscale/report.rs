//! What a job is going to do, and what it did.

use std::path::PathBuf;
use std::time::Duration;

use rave_core::VideoInfo;
use rave_cuda::{DeviceInfo, PoolHealth};
use rave_ffmpeg::{DecodeReport, MuxSummary, StreamOutcome, StreamPlan};
use rave_tensorrt::ModelInfo;

#[cfg(doc)]
use crate::Control;
use crate::{Report, StageReport, Verification};

use super::choice::Choice;
use super::sinks::FrameSummary;
use super::startup::{self, StartStep};
use super::target::FrameTarget;

/// What a job is going to do.
#[derive(Clone, Debug)]
pub struct UpscalePlan {
    /// The decoded video, its colour as assumed where the source does not say.
    pub source: VideoInfo,
    /// The network.
    pub model: ModelInfo,
    /// The video that is encoded or written.
    pub output: VideoInfo,
    /// The encoder and its settings; `None` where frames are not encoded.
    pub encoder: Option<String>,
    /// What happens to each stream of the source; empty where only the video is kept.
    pub streams: Vec<StreamPlan>,
    /// Frames of the source, as its header or duration says.
    pub estimated_frames: Option<u64>,
    /// What was chosen, and why.
    pub choices: Vec<Choice>,
    /// What was assumed or had to be changed, a sentence each.
    pub notices: Vec<String>,
}

/// What a job did.
#[derive(Clone, Debug)]
pub struct UpscaleReport {
    /// What it was to do.
    pub plan: UpscalePlan,
    /// What was written.
    pub written: Written,
    /// Frames decoded, concealed, reconstructed.
    pub decoding: DecodeReport,
    /// What NVDEC said, if it broke and decoding went on in software.
    pub switched_decoder: Option<String>,
    /// What the network did.
    pub inference: rave_tensorrt::UpscaleReport,
    /// The GPU that it worked on, if any.
    pub gpu: Option<GpuReport>,
    /// What each lane did, where several GPUs, or sessions on one, shared the frames; otherwise empty.
    pub lanes: Vec<LaneReport>,
    /// Times and counts of the stages.
    pub stages: Report,
    /// Where the time went until the first frame came out.
    pub startup: Vec<StartStep>,
    /// Frames that the source's header announces but that are not in the file or could not be decoded.
    pub missing_frames: u64,
    /// Frames that are two fields: they were enlarged as if they were pictures, and are encoded as such.
    pub interlaced_frames: u64,
    /// Whether [`Control::finish`] was called: the output is whole, but may end before the source does.
    pub is_cut_short: bool,
}

/// What came out of a job.
#[derive(Clone, Debug)]
pub enum Written {
    /// A file that holds the encoded video.
    File {
        /// Its name.
        path: PathBuf,
        /// Packets and bytes written.
        muxing: MuxSummary,
        /// The comparison of the file with the source; `None` if it was not asked for.
        verification: Option<Verification>,
    },
    /// Frames as they are.
    Frames {
        /// Where they went.
        target: FrameTarget,
        /// Their number, and their digests.
        summary: FrameSummary,
    },
}

/// A GPU at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuReport {
    /// The GPU, its free memory as of the beginning.
    pub device: DeviceInfo,
    /// The memory of frames, and the bytes that crossed the bus. What the network takes is in
    /// [`rave_tensorrt::UpscaleReport::runtime_bytes`].
    pub pool: PoolHealth,
}

/// A lane in which a part of the frames was enlarged.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneReport {
    /// Its name, which is part of the names of its stages: `cuda:0`, and `cuda:0 #2` if it is the GPU's second.
    pub label: String,
    /// The GPU. Lanes of one GPU have their memory in common.
    pub gpu: GpuReport,
    /// What its network did. Frames have their numbers in the job.
    pub inference: rave_tensorrt::UpscaleReport,
    /// What the stage of its network did.
    pub upscale: StageReport,
}

impl LaneReport {
    /// Frames that it enlarged.
    pub const fn frames(&self) -> u64 {
        self.upscale.items_out
    }
}

impl UpscaleReport {
    /// When the first packet or frame was written, since the job was to be opened.
    pub fn first_out(&self) -> Option<Duration> {
        startup::first_out(&self.startup)
    }

    /// The part, from 0 to 1, of the decoder's time on the GPU during which the model ran, too, of several lanes that of the
    /// first: see [`Report::overlap`]. `None` if one of them is not on the GPU.
    pub fn decoding_during_inference(&self) -> Option<f64> {
        let upscale = self.lanes.first().map_or("upscale", |lane| lane.upscale.name.as_str());
        self.stages.overlap("decode", upscale)
    }

    /// What became of each stream of the source. A stream that was to be copied may turn out to have nothing in the wanted part
    /// of the source, and MP4 has no empty tracks.
    pub fn streams(&self) -> &[StreamPlan] {
        match &self.written {
            Written::File { muxing, .. } => &muxing.streams,
            Written::Frames { .. } => &self.plan.streams,
        }
    }

    /// Those of [`streams`](Self::streams) that were planned to be in the output and are not.
    pub fn left_out(&self) -> impl Iterator<Item = &StreamPlan> {
        let is_dropped = |stream: &StreamPlan| matches!(stream.outcome, StreamOutcome::Dropped { .. });
        let planned = self.plan.streams.iter().zip(self.streams());
        planned.filter(move |(plan, came)| !is_dropped(plan) && is_dropped(came)).map(|(_, came)| came)
    }

    /// Frames in the output: as many as were decoded, if that was checked.
    pub const fn frames(&self) -> u64 {
        match &self.written {
            Written::File { muxing, .. } => muxing.video_packets,
            Written::Frames { summary, .. } => summary.frames,
        }
    }

    /// Bytes written.
    pub const fn bytes(&self) -> u64 {
        match &self.written {
            Written::File { muxing, .. } => muxing.bytes,
            Written::Frames { summary, .. } => summary.bytes,
        }
    }
}
