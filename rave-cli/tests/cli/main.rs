//! The program, run as a user runs it.

mod failures;
mod support;
mod upscale;
