//! Runs stages as a pipeline, and holds the assembled upscaling job.
#![forbid(unsafe_code)]

mod chain;
mod control;
mod error;
mod meter;
mod port;
mod worker;

pub use chain::{Assembly, Chain};
pub use control::Control;
pub use error::Error;
pub use meter::{Report, StageReport};
