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
//!   what is too large into tiles, and enlarges chroma bicubically beside a luma-only network.
//!
//! Everything runs on the CPU. Where frame and tensor have the same layout, the network reads the frame's memory and
//! writes the output frame's: nothing is copied.

mod chroma;
mod conversion;
mod device;
mod error;
mod graph;
mod host;
mod info;
mod lane;
mod model;
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
mod source;
mod tiling;
mod upscaler;
mod wire;
mod worker;

pub use device::{
    ConvolutionSearch, CudaOptions, DeviceModel, DeviceSessionOptions, ModelTime, Multiply, OnNan,
    TensorRtOptions,
};
pub use error::{Attempt, Error};
pub use info::{ModelColor, ModelInfo, TensorAxes, memory_estimate};
pub use model::{Model, SessionOptions};
pub use plan::{Tile, UpscalerOptions};
pub use precision::Precision;
pub use provider::{Provider, Refused};
pub use report::{ReportHandle, UpscaleReport};
pub use runtime::Runtime;
pub use source::{BuiltIn, ModelSource, built_in_models};
pub use upscaler::Upscaler;
