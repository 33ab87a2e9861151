//! NVIDIA GPUs.

mod account;
mod buffer;
mod convert;
mod device;
#[cfg(test)]
mod emulator;
mod error;
mod filter;
mod kernels;
mod layout;
mod params;
mod pool;
mod resize;
mod shelves;
mod statistics;
mod stream;
mod tiles;
mod transfer;

pub use account::PoolHealth;
pub use buffer::{Access, CudaBuffer, CudaFrame};
pub use convert::{CudaConvert, CudaConverter};
pub use device::{Device, DeviceInfo};
pub use error::Error;
pub use layout::device_layout;
pub use pool::{Pool, PoolOptions};
pub use resize::CudaResize;
pub use statistics::{PendingStatistics, PlaneStatistics, Statistics};
pub use stream::Stream;
pub use tiles::{Feather, TensorAt, TensorAxes, TensorShape, TileCopier, Window};
pub use transfer::{Download, Upload};
