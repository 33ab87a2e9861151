//! rave-tensorrt.
#![deny(unsafe_op_in_unsafe_fn)]

mod chroma;
mod error;
mod graph;
mod info;
mod lane;
mod model;
mod network;
#[doc(hidden)]
pub mod onnx;
mod plan;
mod planes;
mod probe;
mod runtime;
mod source;
mod tiling;
mod upscaler;
mod worker;

pub use error::{Attempt, Error};
pub use info::{ModelColor, ModelInfo, TensorAxes, memory_estimate};
pub use model::{Model, SessionOptions};
pub use plan::{Tile, UpscalerOptions};
pub use runtime::Runtime;
pub use source::{BuiltIn, ModelSource, built_in_models};
pub use upscaler::Upscaler;
