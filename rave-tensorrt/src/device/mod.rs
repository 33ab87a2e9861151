//! Models and upscaling on a GPU.

mod fitted;
mod geometry;
mod ladder;
mod lane;
mod model;
mod replays;
mod session;
mod tensorrt;
#[cfg(test)]
mod tests;
mod timing;
mod upscaler;

pub use model::{BiasAddition, ConvolutionSearch, CudaOptions, DeviceModel, DeviceSessionOptions, Multiply};
pub use tensorrt::TensorRtOptions;
pub use timing::ModelTime;
