//! Models and upscaling on a GPU.

mod lane;
mod model;
mod session;
mod tensorrt;
mod upscaler;

pub use model::{ConvolutionSearch, CudaOptions, DeviceModel, DeviceSessionOptions, OnNan};
pub use tensorrt::TensorRtOptions;
