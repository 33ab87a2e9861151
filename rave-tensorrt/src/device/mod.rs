//! Models and upscaling on a GPU.

mod fitted;
mod lane;
mod model;
mod replays;
mod session;
mod tensorrt;
mod timing;
mod upscaler;

pub use model::{ConvolutionSearch, CudaOptions, DeviceModel, DeviceSessionOptions, Multiply, OnNan};
pub use tensorrt::TensorRtOptions;
pub use timing::ModelTime;
