//! Runs stages as a pipeline, and holds the assembled upscaling job.
//!
//! A [`Chain`] puts a source, [stages](rave_core::Stage) and a [sink](rave_core::Sink) in a line, each on a thread of its
//! own, with a bounded queue between two of them:
//!
//! - the types of neighbours must fit, which the compiler checks; lengths of queues are the only setting;
//! - memory is bounded by the queues: a fast stage waits for a slow one;
//! - the end of the stream is a message. A queue that closes without it means that a stage died: then nothing
//!   downstream finishes, and the first error or panic is the result of the run;
//! - a [`Control`] stops a run in two ways, cleanly at the end of what was read, or at once;
//! - the worker loop, not the stage, measures: a [`Report`] says how long each stage worked and waited.
//!
//! The feature `upscale` (default) adds `UpscaleJob`: a file in, a larger file out, checked. In short:
//!
//! ```no_run
//! # #[cfg(feature = "upscale")] fn main() -> Result<(), rave_core::BoxError> {
//! use rave_pipeline::{Target, UpscaleJob, UpscaleOptions};
//!
//! let runtime = rave_tensorrt::Runtime::load(None, &[])?;
//! let input = rave_ffmpeg::Input::File("clip.mp4".into());
//! let target = Target::File("clip-2x.mp4".into());
//! let job = UpscaleJob::open(&runtime, &input, &target, &UpscaleOptions::default())?;
//! let report = job.run(|progress| eprintln!("{} frames", progress.frames))?;
//! println!("{} frames, limited by {:?}", report.frames(), report.stages.bottleneck());
//! # Ok(()) }
//! # #[cfg(not(feature = "upscale"))] fn main() {}
//! ```
//!
//! and two ways to judge what came out, of whatever program: `verify` says whether a file holds everything that its source
//! does, `compare` how near one video is to another.
//!
//! ```no_run
//! # #[cfg(feature = "upscale")] fn main() -> Result<(), rave_core::BoxError> {
//! use rave_ffmpeg::Input;
//! use rave_pipeline::{CompareOptions, VerifyOptions, compare, verify};
//!
//! let (source, output) = (Input::File("clip.mp4".into()), Input::File("clip-2x.mp4".into()));
//! for finding in verify(&source, &output, &VerifyOptions::default())?.findings {
//!     println!("{finding}");
//! }
//! let comparison = compare(&source, &output, &CompareOptions::default(), |_| {})?;
//! println!("{:.2} dB", comparison.totals.psnr[0].mean);
//! # Ok(()) }
//! # #[cfg(not(feature = "upscale"))] fn main() {}
//! ```
// Only the interface of libvmaf allows it.
#![deny(unsafe_code)]

mod chain;
#[cfg(feature = "upscale")]
mod compare;
mod control;
mod deal;
mod error;
mod meter;
mod overlap;
mod port;
#[cfg(all(test, feature = "upscale"))]
mod trap;
#[cfg(feature = "upscale")]
mod upscale;
#[cfg(feature = "upscale")]
mod verify;
mod worker;

pub use chain::{Assembly, Chain};
#[cfg(feature = "upscale")]
pub use compare::{
    CompareOptions, CompareProgress, Comparison, FrameScore, OtherSize, PictureChoice, PicturePair, Pooled,
    ReportText, Totals, VmafChoice, compare,
};
pub use control::Control;
pub use deal::{Deal, Shares};
pub use error::Error;
pub use meter::{QueueReport, Report, StageReport};
#[cfg(feature = "upscale")]
pub use upscale::{
    AllocationSite, Allocations, BenchOptions, BenchReport, Check, Choice, DecoderChoice, Deinterlacing,
    Destination, DeviceChoice, Existing, FrameSummary, FrameTarget, GpuReport, Growth, InferenceOptions,
    LaneReport, MegapixelOptions, Orientation, Outcome, OutputSize, Pace, Part, PictureOptions, Progress,
    Queues, Refused, SampleFile, SelftestReport, SizeCost, StartStep, StressMemory, StressOptions,
    StressReport, Target, UpscaleJob, UpscaleOptions, UpscalePlan, UpscaleReport, Way, WayReport, Written,
    bench, cost_per_megapixel, cost_spread, note_allocation, selftest, stress,
};
#[cfg(feature = "upscale")]
pub use verify::{
    Announced, AnnouncedStream, AnnouncedVideo, Aspect, Depth, Finding, Verdict, Verification, VerifyOptions,
    check_readable_again, verify,
};

/// The layers below, whose types are in this crate's interface: a program needs to name no other dependency.
pub use rave_core;
#[cfg(feature = "upscale")]
pub use {rave_cuda, rave_ffmpeg, rave_tensorrt};

/// The example of the README is a test.
#[cfg(all(doctest, feature = "upscale"))]
#[doc = include_str!("../README.md")]
struct Readme;
