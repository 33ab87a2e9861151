//! The vocabulary of RAVE: what the stages of a video pipeline say to each other.
//!
//! - **Memory is a type, pixel format is a value.** [`Frame<B>`] is generic over its [`Buffer`]; [`HostFrame`] lies in
//!   host memory. What its bytes mean is a [`Layout`] ([`PixelFormat`], size, planes) and a [`ColorSpec`].
//! - **Time is an integer.** A [`Timestamp`] counts ticks of a [`TimeBase`].
//! - **The seam.** A source is an iterator, a [`Stage`] turns items into items, a [`Sink`] ends the line. A stage is
//!   built from the [`VideoInfo`] that it will receive and checks it once.
//! - **Errors have a [`Code`].** Leaves have typed errors, the seam carries [`BoxError`].
#![forbid(unsafe_code)]

mod buffer;
mod color;
mod convert;
mod error;
mod format;
mod frame;
mod layout;
mod resample;
mod stage;
mod time;
mod video;

pub use buffer::{Buffer, HostBuffer, HostPool};
pub use color::{ColorSpec, ContentLight, MasteringDisplay, Matrix, Primaries, Range, Siting, Transfer};
pub use convert::{ChromaFilter, Convert, Converter, MatrixCoefficients, Quantization};
pub use error::{BoxError, Code, CodedError, CustomError, Error};
pub use format::{Chroma, Packing, PixelFormat, Sample};
pub use frame::{FieldOrder, Frame, FrameInfo, HostFrame, SampleType};
pub use layout::{Layout, MAX_SIDE, Plane};
pub use resample::{Kernel, ResampleAxis, Resampler};
pub use stage::{Sink, Stage};
pub use time::{Rational, TimeBase, Timestamp};
pub use video::{Packet, PacketSideData, VideoInfo};
