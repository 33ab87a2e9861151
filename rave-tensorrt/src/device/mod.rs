//! Models and upscaling on a GPU.

#[cfg(test)]
mod emulated;
mod fitted;
mod geometry;
mod ladder;
mod lane;
mod model;
mod replays;
mod session;
mod tensorrt;
mod timing;
mod upscaler;

pub use model::{BiasAddition, ConvolutionSearch, CudaOptions, DeviceModel, DeviceSessionOptions, Multiply};
pub use tensorrt::TensorRtOptions;
pub use timing::ModelTime;
