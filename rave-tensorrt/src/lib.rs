//! Super-resolution models through ONNX Runtime: what turns frames into larger frames.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use rave_core::{BoxError, HostBuffer, HostFrame, Stage, VideoInfo};
//! use rave_tensorrt::{Model, ModelSource, Runtime, SessionOptions, Upscaler, UpscalerOptions};
//!
//! fn upscale(frames: Vec<HostFrame>, video: VideoInfo) -> Result<Vec<HostFrame>, BoxError> {
//!     let runtime = Runtime::load(None, &[])?;
//!     let source = ModelSource::File("model-x2.onnx".into());
//!     let model = Model::load(&runtime, &source, &SessionOptions::default())?;
//!     println!("{}: {}", model.info().name, model.info());
//!     assert_eq!(video.format, model.info().input_format(video.format), "frames are to be converted first");
//!
//!     let mut upscaler = Upscaler::<HostBuffer>::new(model, &video, &UpscalerOptions::default())?;
//!     let mut upscaled = Vec::new();
//!     for frame in frames {
//!         upscaler.process(frame, &mut |frame| upscaled.push(frame))?;
//!     }
//!     upscaler.finish(&mut |frame| upscaled.push(frame))?;
//!     Ok(upscaled)
//! }
//! ```
//!
//! - [`Runtime`] is the ONNX Runtime library, opened at run time: version 1.17 or later.
//! - [`Model`] is a model that was seen to work; [`ModelInfo`] says what it takes. Any ONNX file with one picture in and
//!   one picture out, up to four times as large, is a model: see [`Model::load`]. Some are [built in](built_in_models).
//! - [`Upscaler`] is the [`Stage`](rave_core::Stage). It pads by reflection what the network cannot take as it is, cuts
//!   what is too large into tiles, and enlarges chroma bicubically beside a luma-only network. Frames that are too small to
//!   keep a GPU busy go through together ([`Batch`]); NaN and infinity are looked for in each ([`OnNan`]).
//!
//! Where frame and tensor have the same layout, the network reads the frame's memory and writes the output frame's:
//! nothing is copied.
//!
//! # On a GPU
//!
//! The same stage works on frames in GPU memory, through an execution provider of ONNX Runtime that is chosen when the
//! model is loaded. [`DeviceModel::refusals`] says why a better one was not; an explicit one that cannot be had is an error.
//!
//! ```no_run
//! use rave_core::{BoxError, Stage, VideoInfo};
//! use rave_cuda::{CudaBuffer, CudaFrame, Device, Pool, PoolOptions};
//! use rave_tensorrt::{
//!     DeviceModel, DeviceSessionOptions, ModelSource, Precision, Runtime, Upscaler, UpscalerOptions,
//! };
//!
//! fn stage(video: &VideoInfo) -> Result<impl Stage<Input = CudaFrame, Output = CudaFrame>, BoxError> {
//!     let runtime = Runtime::load(None, &[])?;
//!     let pool = Pool::new(&Device::open(0)?, PoolOptions { limit_mib: Some(8192) });
//!     let options = DeviceSessionOptions { precision: Precision::Fp16, ..DeviceSessionOptions::default() };
//!     let source = ModelSource::File("model-x2.onnx".into());
//!     let model = DeviceModel::load(&runtime, &source, &pool, &options)?;
//!     println!("{} on {}", model.info(), model.provider());
//!     for refused in model.refusals() {
//!         println!("not on {refused}");
//!     }
//!     let upscaler = Upscaler::<CudaBuffer>::new(model, video, &UpscalerOptions::default())?;
//!     let report = upscaler.report();
//!     println!("{} MiB for the network", report.get().runtime_bytes >> 20);
//!     Ok(upscaler)
//! }
//! ```
//!
//! Runs are only enqueued: no frame waits for the host, and the host waits for nothing but the values of a frame some frames
//! ago. Where memory does not suffice, the same frames are tried again with less at once, and the report has each step.
//! Output frames come from the pool; what ONNX Runtime itself takes counts against the pool's limit.

mod checked;
mod chroma;
mod conversion;
mod device;
mod error;
mod gathering;
mod graph;
mod host;
mod info;
mod lane;
mod model;
mod nan;
mod network;
#[doc(hidden)]
pub mod onnx;
mod origin;
mod plan;
mod planes;
mod precision;
mod probe;
mod provider;
mod report;
mod runtime;
mod single;
mod source;
mod tiling;
mod upscaler;
mod wire;
mod worker;

pub use device::{
    BiasAddition, ConvolutionSearch, CudaOptions, DeviceModel, DeviceSessionOptions, ModelTime, Multiply,
    TensorRtOptions,
};
pub use error::{Attempt, Error};
pub use info::{ModelColor, ModelInfo, TensorAxes, memory_estimate};
pub use model::{Model, SessionOptions};
pub use nan::OnNan;
pub use plan::{Batch, Tile, UpscalerOptions};
pub use precision::Precision;
pub use provider::{Provider, Refused};
pub use report::{BatchReason, MemoryStep, ReportHandle, UpscaleReport};
pub use runtime::Runtime;
pub use source::{BuiltIn, ModelSource, built_in_models};
pub use upscaler::Upscaler;

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
