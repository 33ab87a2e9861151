//! The default model of the CPU against the processor's peak.

use serde_json::Value;

use super::comparison::{Bound, Comparison};
use super::cpu::Outcome;
use super::machine;
use crate::failure::Failure;
use crate::workspace::Workspace;
use crate::{process, setup};

/// The network's operations a second over those of a loop that only multiplies and adds.
const WANTED_OF_LOOP: f64 = 0.6;
/// The same over a large matrix product's, which has to move its operands too.
const WANTED_OF_PRODUCT: f64 = 0.8;

pub fn run(workspace: &Workspace) -> Result<Outcome, Failure> {
    let mut cargo = process::cargo(&workspace.root);
    cargo.args(["run", "--quiet", "--release", "-p", "rave-tensorrt", "--example", "model_speed", "--"]);
    cargo.arg(setup::onnxruntime_library(&workspace.target)).arg(machine::threads().to_string());
    let value: Value = serde_json::from_str(&process::output(&mut cargo)?)
        .map_err(|cause| format!("model_speed's JSON: {cause}"))?;
    Ok((comparisons(&value)?, value))
}

fn comparisons(value: &Value) -> Result<Vec<Comparison>, Failure> {
    let figure = |name: &str| {
        value[name].as_f64().ok_or_else(|| Failure::Message(format!("model_speed does not print {name}")))
    };
    let (ours, frames) = (figure("gflops")?, figure("frames_per_second")?);
    let against = |peak: f64, of: &str, wanted: f64| Comparison {
        what: format!("rave-fast-x2, 540p to 1080p, {} threads, against {of}", value["threads"]),
        ours: format!("{frames:.2} fps, {ours:.0} GFLOP/s"),
        theirs: format!("{peak:.0} GFLOP/s"),
        ratio: ours / peak,
        wanted: Bound::AtLeast(wanted),
    };
    Ok(vec![
        against(figure("loop_gflops")?, "multiply-adds in registers", WANTED_OF_LOOP),
        against(figure("product_gflops")?, "a 2048 x 2048 matrix product", WANTED_OF_PRODUCT),
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_network_is_set_against_both_peaks() {
        let value = json!({ "threads": 2, "frames_per_second": 12.5, "gflops": 140.0, "loop_gflops": 200.0,
            "product_gflops": 160.0 });
        let ratios: Vec<f64> = comparisons(&value).unwrap().iter().map(|line| line.ratio).collect();
        assert_eq!(ratios, [0.7, 0.875]);
        assert!(comparisons(&json!({ "gflops": 1.0 })).is_err());
    }
}
