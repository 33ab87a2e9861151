//! What the decoder does, seen by an emulated NVDEC.

mod damage;
mod frames;
mod sessions;
mod support;
