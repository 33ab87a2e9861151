//! The program, run as a user runs it.

#![allow(clippy::unwrap_used)] // Outside `#[test]` functions the lint does not see that this is a test.

mod alpha;
mod compare;
mod devices;
mod encode;
mod failures;
mod hdr;
mod picture;
mod schema;
mod streams;
mod support;
mod upscale;
mod verify;
