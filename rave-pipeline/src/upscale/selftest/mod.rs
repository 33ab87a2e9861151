//! Checks of the program on the machine that it runs on.

mod jobs;
mod kernels;

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use rave_core::{BoxError, Code};
use rave_cuda::{Device, Pool, PoolOptions};
use rave_tensorrt::Runtime;

use super::{DeviceChoice, UpscaleOptions};
use crate::Error;

/// What the checks found.
#[derive(Clone, Debug, PartialEq)]
pub struct SelftestReport {
    /// Every check, in order.
    pub checks: Vec<Check>,
}

impl SelftestReport {
    /// Checks that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| matches!(check.outcome, Outcome::Failed { .. }))
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What it is about.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub elapsed: Duration,
}

/// How a check ended. What was not run has not passed.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Everything was as it has to be.
    Passed {
        /// What was seen.
        detail: String,
    },
    /// Something was not.
    Failed {
        /// What was seen, and what had to be.
        reason: String,
    },
    /// It was not run.
    Skipped {
        /// Why not.
        reason: String,
    },
}

/// Why a check did not pass.
enum Not {
    Passed(String),
    Run(String),
}

impl From<BoxError> for Not {
    fn from(error: BoxError) -> Self {
        let text = format!("{error} ({})", error.code());
        match error.code() {
            // What this machine does not have cannot be checked.
            Code::EncoderMissing
            | Code::DecoderMissing
            | Code::NvdecMissing
            | Code::DecoderUnsupported
            | Code::ProviderMissing
            | Code::ProviderLoadFailed
            | Code::ProviderRefused => Self::Run(text),
            _ => Self::Passed(text),
        }
    }
}

impl From<Error> for Not {
    fn from(error: Error) -> Self {
        BoxError::from(error).into()
    }
}

impl From<rave_core::Error> for Not {
    fn from(error: rave_core::Error) -> Self {
        BoxError::from(error).into()
    }
}

impl From<rave_cuda::Error> for Not {
    fn from(error: rave_cuda::Error) -> Self {
        BoxError::from(error).into()
    }
}

type Checked = Result<String, Not>;

/// Fails unless `holds`.
fn ensure(holds: bool, seen: impl fmt::Display) -> Result<(), Not> {
    if holds { Ok(()) } else { Err(Not::Passed(seen.to_string())) }
}

/// Runs every check; those that need a GPU are skipped, with the reason, where none can be used.
///
/// `folder` is for clips and outputs; the caller removes it. `progress` is called after each check.
///
/// # Errors
/// Options that contradict each other; the driver's or the device's if a GPU is asked for that cannot be opened. That a
/// check fails is no error.
pub fn selftest(
    runtime: &Runtime,
    options: &UpscaleOptions,
    folder: &Path,
    progress: impl FnMut(&Check),
) -> Result<SelftestReport, Error> {
    options.check()?;
    let gpu = gpu(&options.inference.device).map_err(Error::leaf)?;
    let mut run = Run { checks: Vec::new(), progress };
    kernels::check(&gpu, &mut run);
    jobs::check(runtime, options, &gpu, folder, &mut run);
    Ok(SelftestReport { checks: run.checks })
}

/// A pool on the GPU to be checked, or why there is none where none was asked for.
fn gpu(choice: &DeviceChoice) -> Result<Result<Pool, String>, rave_cuda::Error> {
    let ordinal = match choice {
        DeviceChoice::Cpu => return Ok(Err("the device is to be the CPU".into())),
        DeviceChoice::Auto | DeviceChoice::All => 0,
        DeviceChoice::Cuda(ordinal) => *ordinal,
        DeviceChoice::Several(ordinals) => ordinals.first().copied().unwrap_or_default(),
    };
    match Device::open(ordinal) {
        Ok(device) => Ok(Ok(Pool::new(&device, PoolOptions::default()))),
        Err(error) if *choice == DeviceChoice::Auto => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}

/// The checks so far.
struct Run<F> {
    checks: Vec<Check>,
    progress: F,
}

impl<F: FnMut(&Check)> Run<F> {
    fn check(&mut self, name: impl Into<String>, body: impl FnOnce() -> Checked) {
        let start = Instant::now();
        let outcome = match body() {
            Ok(detail) => Outcome::Passed { detail },
            Err(Not::Passed(reason)) => Outcome::Failed { reason },
            Err(Not::Run(reason)) => Outcome::Skipped { reason },
        };
        let check = Check { name: name.into(), outcome, elapsed: start.elapsed() };
        (self.progress)(&check);
        self.checks.push(check);
    }
}

/// The pool, or the reason why the check cannot be run.
fn needed(gpu: &Result<Pool, String>) -> Result<&Pool, Not> {
    gpu.as_ref().map_err(|reason| Not::Run(reason.clone()))
}
