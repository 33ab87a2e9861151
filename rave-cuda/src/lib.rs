//! NVIDIA GPUs for the frames of [`rave_core`]: devices, pooled memory, copies across the bus, and kernels.
//!
//! - A [`Device`] is a GPU that was opened. Where there is no driver or no GPU, opening one is a typed error.
//! - A [`Pool`] lends memory. A [`CudaFrame`] is a [`Frame`](rave_core::Frame) in it; when it is dropped its memory goes
//!   back, and after warm-up the driver's allocator is not called any more.
//! - **Ordering is by events.** Each stage has a [`Stream`] of its own. Whoever wants the address of a buffer names the
//!   stream that will use it ([`CudaBuffer::read`], [`CudaBuffer::write`]): the stream waits on the GPU for earlier uses,
//!   and the [`Access`] makes what was enqueued the buffer's latest use. The host waits in [`Download`] alone.
//! - [`Upload`], [`CudaConvert`], [`CudaResize`] and [`Download`] are [`Stage`](rave_core::Stage)s, built from the
//!   [`VideoInfo`](rave_core::VideoInfo) that they will receive, like those for host memory.
//! - The kernels compute what `rave_core` computes, operation by operation. Their sources are CUDA C++; the PTX made of
//!   them is built in, so that a user needs the driver and nothing else.
//!
//! ```no_run
//! use rave_core::{ChromaFilter, ColorSpec, HostFrame, PixelFormat, Stage, VideoInfo};
//! use rave_cuda::{CudaConvert, Device, Download, Error, Pool, PoolOptions, Upload};
//!
//! /// Frames as a network wants them, by way of the GPU.
//! fn to_rgb(video: &VideoInfo, frames: &[HostFrame]) -> Result<Vec<HostFrame>, rave_core::BoxError> {
//!     let pool = Pool::new(&Device::open(0)?, PoolOptions { limit_mib: Some(2048) });
//!     let mut upload = Upload::new(&pool, video)?;
//!     let rgb = video.color.to_rgb();
//!     let mut convert = CudaConvert::new(&pool, video, PixelFormat::RGB_F16, rgb, ChromaFilter::Bilinear)?;
//!     let mut download = Download::new(&pool, convert.output_info())?;
//!     let mut converted = Vec::new();
//!     for frame in frames {
//!         let on_gpu = convert.convert(&upload.upload(frame)?)?;
//!         download.process(on_gpu, &mut |frame| converted.push(frame))?;
//!     }
//!     download.finish(&mut |frame| converted.push(frame))?;
//!     Ok(converted)
//! }
//! ```

mod account;
mod buffer;
mod convert;
mod device;
mod digest;
#[cfg(test)]
mod emulator;
mod error;
mod filter;
mod graph;
mod kernels;
mod layout;
mod params;
mod peer;
mod pool;
mod resize;
mod shelves;
mod staging;
mod statistics;
mod stream;
mod tiles;
mod timer;
mod transfer;

pub use account::PoolHealth;
pub use buffer::{Access, CudaBuffer, CudaFrame};
pub use convert::{CudaConvert, CudaConverter};
pub use device::{Device, DeviceInfo};
pub use digest::{DigestTaker, PendingDigest};
pub use error::Error;
pub use graph::Graph;
pub use layout::device_layout;
pub use peer::PeerCopy;
pub use pool::{Pool, PoolOptions, Reservation};
pub use resize::CudaResize;
pub use statistics::{PendingStatistics, PlaneStatistics, Statistics};
pub use stream::Stream;
pub use tiles::{Feather, TensorAt, TensorAxes, TensorShape, TileCopier, Window};
pub use timer::WorkTimer;
pub use transfer::{Download, Upload};

/// For work of one's own on a [`Stream`]: its types are those that [`Stream::cudarc`] and [`Device::context`] give.
pub use cudarc;

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
