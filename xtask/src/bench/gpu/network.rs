use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::options::Options;
use crate::bench::comparison::median;
use crate::failure::Failure;
use crate::process;
use crate::workspace::Workspace;

/// Where a bundle has it, seen from the program's folder.
const IN_BUNDLE: &str = "../bench/rave-tensorrt-device_speed";

/// What measures a network without a job around it: the example `device_speed` of rave-tensorrt.
pub struct Networks {
    program: PathBuf,
}

/// A network alone, picture after picture, back to back, and the stage that runs it.
#[derive(Debug, PartialEq)]
pub struct Alone {
    /// Milliseconds for a picture.
    pub model_millis: f64,
    /// Milliseconds for a frame through the stage, with whatever it does beside.
    pub stage_millis: f64,
    /// All that it says.
    pub report: Value,
}

impl Networks {
    /// Builds it, or finds it beside the program that is measured.
    pub fn prepare(workspace: &Workspace, options: &Options) -> Result<Self, Failure> {
        let program = match &options.rave {
            Some(rave) => rave.parent().unwrap_or(Path::new(".")).join(IN_BUNDLE),
            None => {
                let mut cargo = process::cargo(&workspace.root);
                process::run(cargo.args([
                    "build",
                    "--release",
                    "-p",
                    "rave-tensorrt",
                    "--example",
                    "device_speed",
                ]))?;
                workspace.target.join("release/examples/device_speed")
            }
        };
        if program.is_file() {
            return Ok(Self { program });
        }
        Err(Failure::Message(format!(
            "{} is not there: `cargo xtask bundle` puts it there",
            program.display()
        )))
    }

    /// Measures `model` on pictures of this size, `runs` in each round.
    pub fn measure(
        &self,
        model: &str,
        (width, height): (u64, u64),
        runs: u32,
        rounds: usize,
    ) -> Result<Alone, Failure> {
        let mut command = Command::new(&self.program);
        command.args(["--size", &format!("{width}x{height}"), "--runs", &runs.to_string()]);
        let text = process::output(command.args(["--rounds", &rounds.to_string(), model]))?;
        Alone::read(&text)
            .ok_or_else(|| Failure::Message(format!("device_speed gives no times of {model}: {text}")))
    }
}

impl Alone {
    fn read(text: &str) -> Option<Self> {
        let report: Value = text.lines().find_map(|line| serde_json::from_str(line).ok())?;
        let millis = |name: &str| report[name].as_f64();
        Some(Self { model_millis: millis("model_ms")?, stage_millis: millis("stage_ms")?, report })
    }

    /// Frames a second of the network: the median of several measurements.
    pub fn rate(of: &[Self]) -> f64 {
        1000.0 / median(&of.iter().map(|alone| alone.model_millis).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_from_the_line_of_json() {
        let text = "# a GPU driver 13000\n{\"model\":\"m\",\"model_ms\":20.0,\"stage_ms\":20.5}\n";
        let alone = Alone::read(text).unwrap();
        assert_eq!((alone.model_millis, alone.stage_millis), (20.0, 20.5));
        assert_eq!(Alone::rate(&[alone]), 50.0);
        assert_eq!(Alone::read("# a GPU\n"), None);
    }
}
