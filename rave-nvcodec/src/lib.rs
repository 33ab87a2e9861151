//! NVDEC and NVENC for RAVE: the video decoder and the video encoder of NVIDIA's GPUs.
//!
//! - **Decoding.** [`NvDecoder`] is a stage from packets to frames in GPU memory, [`DecodeSessions`] the same with several of
//!   the GPU's decoders. [`Capabilities`] tells what a GPU decodes; what it does not is a [`Refusal`] in a sentence. [`Replay`] keeps
//!   what another decoder needs to go on where one breaks.
//! - **Encoding.** [`NvEncoder`] is a stage from frames in GPU memory to packets of H.264, HEVC or AV1, as [`NvencOptions`]
//!   say. [`EncoderCapabilities`] tells what a GPU's encoder can do; that there is none is an [`EncodeError`] in a
//!   sentence. **No NVENC hardware has run this code yet**: it was written by the documentation and is tested against a
//!   double of the driver's functions that holds it to every rule of that documentation, with frames in the host's memory
//!   and in a GPU's. What an encoder makes of its parameters, its speed and its quality are not known.
//! - [`sys`]: raw declarations of the interfaces of Video Codec SDK 12.2, asserted against the headers' layouts, and how
//!   13.0 differs.
//! - **Loading at run time.** [`NvdecLibrary`] and [`NvencLibrary`] open the driver's libraries; nothing is needed to build,
//!   and a [`LibraryError`] names the places tried with the loader's words. NVENC's version is checked.
//! - **One stream on several decoders.** [`GopSplitter`] deals a packet stream to sessions at closed GOP boundaries,
//!   [`SegmentJoiner`] puts their frames back in order. [`StreamCodec::random_access`] tells where decoding can start.
//!
//! ```
//! use rave_core::Packet;
//! use rave_nvcodec::{GopSplitter, NvdecLibrary, SegmentJoiner, SplitOptions, StreamCodec};
//!
//! match NvdecLibrary::open() {
//!     Ok(_) => println!("the driver can be asked for its decoders"),
//!     Err(error) => println!("decoding in software: {error}"),
//! }
//!
//! // Three groups of pictures for two sessions; here a "decoder" gives the length of each packet.
//! let (idr, p) = ([0, 0, 1, 0x65, 0x88].to_vec(), [0, 0, 1, 0x41].to_vec());
//! let stream = [&idr, &p, &idr, &idr].map(|data| Packet { data: data.clone(), ..Packet::default() });
//! let options = SplitOptions { sessions: 2, min_segment_packets: 1 };
//! let mut splitter = GopSplitter::new(StreamCodec::H264, options)?;
//! let routed = stream.map(|packet| splitter.route(packet));
//! assert_eq!(routed.each_ref().map(|packet| (packet.segment, packet.session)), [(0, 0), (0, 0), (1, 1), (2, 0)]);
//!
//! let mut frames = Vec::new();
//! let mut joiner = SegmentJoiner::new();
//! // The second session is faster.
//! for segment in [1, 0, 2] {
//!     for packet in routed.iter().filter(|packet| packet.segment == segment) {
//!         joiner.push(segment, packet.packet.data.len(), &mut |frame| frames.push(frame))?;
//!     }
//!     joiner.finish_segment(segment, &mut |frame| frames.push(frame))?;
//! }
//! joiner.finish(3)?;
//! assert_eq!(frames, [5, 4, 5, 5]);
//! # Ok::<(), rave_core::BoxError>(())
//! ```
//!
//! # Invariants
//!
//! - Building needs no CUDA, no SDK and no driver.
//! - `unsafe` is in [`sys`], in loading and in the sessions of decoder and encoder; splitter, joiner and replay are safe code on plain data.
//! - A function of a library is never called after the library was unloaded: the library is kept beside its functions.

mod bitstream;
mod capabilities;
mod codec;
mod coded_picture;
mod decoder;
mod encoder;
mod entry;
mod events;
mod headers;
mod join;
mod library;
mod parser;
mod replay;
mod split;
#[allow(missing_debug_implementations, reason = "structs with unions in them have no one value to show")]
pub mod sys;
mod timings;

pub use bitstream::{RandomAccess, StreamCodec};
pub use capabilities::{Capabilities, CodedChroma, CodedFormat};
pub use codec::Codec;
pub use decoder::{
    CodedVideo, DecodeError, DecodeReport, DecodeReportHandle, DecodeSessions, DecoderOptions, Deinterlace,
    NvDecoder, Refusal, SessionOptions,
};
pub use encoder::{
    CodecCapabilities, EncodeError, EncoderCapabilities, NvEncoder, NvencBReferences, NvencCodec,
    NvencMultiPass, NvencOptions, NvencParameterSets, NvencPreset, NvencProfile, NvencRateControl,
    NvencSpatialAq, NvencSwitch, NvencTuning, UnknownPreset,
};
pub use events::EventFunctions;
pub use join::SegmentJoiner;
pub use library::{Attempt, Interface, LibraryError, NvdecLibrary, NvencLibrary, NvencVersion};
pub use replay::{Replay, Resume};
pub use split::{GopSplitter, RoutedPacket, SplitError, SplitOptions};

pub use rave_core::Corruption;

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
