//! Raw declarations of NVIDIA's codec libraries: what a C compiler makes of the headers of Video Codec SDK 12.2.
//!
//! Nothing here is checked or safe to use by itself: a pointer is a pointer, and the contract is NVIDIA's (NVDEC and NVENC Video
//! Encoder API programming guides). Names are in this crate's style, and every item has NVIDIA's spelling in its
//! documentation, so that searching for it finds it.
//!
//! - Sizes, alignments, offsets, bit positions, constants and GUIDs are asserted by a test against
//!   `tests/abi/nvcodec-12.2.tsv`, from the same declaration that makes the type. They are those of 64-bit systems; `unsigned
//!   long` is [`c_ulong`](core::ffi::c_ulong), which has 32 bits on Windows.
//! - The signatures of functions and callbacks are those of the API references: no layout can prove them.
//! - `Default` is all zero, as the SDK wants what is reserved to be. A struct with a version word is made by `versioned()`.
//! - An enumeration is a newtype, because a driver may return values that this version does not know.
//! - A bit field is one integer, with accessors; what the accessors do not cover is reserved.

#[macro_use]
mod declare;

pub mod cuvid;
pub mod nvenc;

#[cfg(test)]
mod abi;
