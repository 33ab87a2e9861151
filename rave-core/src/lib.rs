//! The vocabulary of RAVE: what the stages of a video pipeline say to each other.
//!
//! - **Memory is a type, pixel format is a value.** [`Frame<B>`] is generic over its [`Buffer`]; [`HostFrame`] lies in
//!   host memory. What its bytes mean is a [`Layout`] ([`PixelFormat`], size, planes) and a [`ColorSpec`].
//! - **Time is an integer.** A [`Timestamp`] counts ticks of a [`TimeBase`].
//! - **The seam.** A source is an iterator, a [`Stage`] turns items into items, a [`Sink`] ends the line. A stage is
//!   built from the [`VideoInfo`] that it will receive and checks it once.
//! - **Colour is converted here** for frames in host memory ([`Convert`], [`Resampler`]): the reference that every
//!   other implementation is tested against.
//! - **Errors have a [`Code`].** Leaves have typed errors, the seam carries [`BoxError`].
//!
//! ```
//! use rave_core::{ChromaFilter, ColorSpec, Convert, FrameInfo, HostFrame, HostPool, Layout};
//! use rave_core::{PixelFormat, Stage, TimeBase, Timestamp, VideoInfo};
//!
//! let time_base = TimeBase::new(1, 25)?;
//! let video = VideoInfo::new(PixelFormat::NV12, (64, 36), ColorSpec::BT709, time_base);
//! let mut to_rgb = Convert::new(&video, PixelFormat::RGB_F32, video.color.to_rgb(), ChromaFilter::Bilinear)?;
//!
//! let layout = Layout::packed(video.format, video.width, video.height)?;
//! let pts = Timestamp::new(7, time_base);
//! let info = FrameInfo { duration_ticks: Some(1), ..FrameInfo::new(pts) };
//! let frame = HostFrame::from_pool(&HostPool::new(), layout, video.color, info);
//! to_rgb.process(frame, &mut |rgb| {
//!     assert_eq!(rgb.layout().format(), PixelFormat::RGB_F32);
//!     assert_eq!(rgb.info().pts, pts);
//! })?;
//! # Ok::<(), rave_core::BoxError>(())
//! ```
#![forbid(unsafe_code)]

mod buffer;
mod color;
mod comb;
mod convert;
mod deinterlace;
mod device_times;
mod digest;
mod error;
mod format;
mod frame;
mod layout;
mod rate;
mod resample;
mod stage;
mod time;
mod video;

pub use buffer::{Buffer, HostBuffer, HostPool};
pub use color::{
    ColorSpec, ContentLight, InvalidColor, MasteringDisplay, Matrix, Primaries, Range, Siting, Transfer,
};
pub use comb::{CombDetector, CombReport};
pub use convert::{
    ChromaFilter, Convert, Converter, Dither, MatrixCoefficients, Orient, Quantization, Resize,
};
pub use deinterlace::{Deinterlace, Fields};
pub use device_times::{DeviceTimes, DeviceTotals};
pub use digest::Digest;
pub use error::{BoxError, Code, CodedError, CustomError, Error};
pub use format::{Chroma, Packing, PixelFormat, Sample};
pub use frame::{FieldOrder, Frame, FrameInfo, HostFrame, SampleType};
pub use layout::{Layout, MAX_SIDE, Plane};
pub use rate::ConstantRate;
pub use resample::{Kernel, ResampleAxis, Resampler};
pub use stage::{Sink, Stage};
pub use time::{Rational, TimeBase, Timestamp};
pub use video::{Corruption, Packet, PacketSideData, VideoInfo};

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
