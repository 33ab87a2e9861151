mod check;
mod job;
mod memory;
mod options;
mod output;
mod progress;
mod stages;

pub use check::{CheckReport, Mismatch};
pub use job::{UpscaleJob, UpscalePlan, UpscaleReport};
pub use options::{Queues, UpscaleOptions};
pub use output::Existing;
pub use progress::Progress;
