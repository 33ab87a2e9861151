use std::process::Command;

use serde_json::{Value, json};

use super::Bench;
use super::program::{Rave, way};
use crate::bench::comparison::{Bound, Comparison};
use crate::failure::Failure;

/// Sizes of inputs, which the cost of a megapixel must not depend on.
const SIZES: &[(u32, u32)] = &[(960, 540), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160)];
/// Dearest over cheapest.
const WANTED: f64 = 1.1;

/// Cost of a megapixel of input.
pub fn run(bench: &mut Bench) -> Result<(), Failure> {
    Ok(())
}
