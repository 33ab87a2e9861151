use serde_json::{Value, json};

use super::Bench;
use super::network::Alone;
use crate::bench::comparison::{Bound, Comparison};
use crate::failure::Failure;

/// Sizes of inputs, which the cost of a megapixel must not depend on.
const SIZES: &[(u64, u64)] = &[(960, 540), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160)];
/// Dearest over cheapest.
const WANTED: f64 = 1.1;
/// Pictures in a round.
const RUNS: u32 = 10;

/// Cost of a megapixel of input, by the stage that runs the network.
pub fn run(bench: &mut Bench) -> Result<(), Failure> {
    let (mut lines, mut values) = (Vec::new(), Vec::new());
    for index in 0..bench.models.len() {
        let name = bench.models[index].name.clone();
        if !bench.has_time_for(&format!("sizes of {name}")) {
            continue;
        }
        let measured = measure(bench, &bench.models[index].argument);
        let Some(costs) = bench.attempt(&format!("sizes of {name}"), measured) else { continue };
        values.push(json!({ "model": name, "sizes": SIZES, "milliseconds_for_a_megapixel": costs }));
        lines.extend(compare(&name, &costs));
    }
    bench.keep("sizes", Value::Array(values), lines)
}

/// Milliseconds for a megapixel at each size.
fn measure(bench: &Bench, model: &str) -> Result<Vec<f64>, Failure> {
    let cost = |size: &(u64, u64)| -> Result<f64, Failure> {
        let alone: Alone = bench.networks.measure(model, *size, RUNS, bench.options.rounds)?;
        Ok(alone.stage_millis / ((size.0 * size.1) as f64 / 1e6))
    };
    SIZES.iter().map(cost).collect()
}

/// The dearest size against the cheapest.
fn compare(name: &str, costs: &[f64]) -> Option<Comparison> {
    let order = |first: &&f64, second: &&f64| first.total_cmp(second);
    let (least, most) = (costs.iter().min_by(order)?, costs.iter().max_by(order)?);
    Some(Comparison {
        what: format!("{name}: cost of a megapixel, 540p to 2160p, dearest over cheapest"),
        ours: format!("{most:.2} ms"),
        theirs: format!("{least:.2} ms"),
        ratio: most / least,
        wanted: Bound::AtMost(WANTED),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dearest_size_is_set_against_the_cheapest() {
        let line = compare("m", &[8.4, 8.0, 8.2]).unwrap();
        assert_eq!((line.ours.as_str(), line.theirs.as_str()), ("8.40 ms", "8.00 ms"));
        assert!((line.ratio - 1.05).abs() < 1e-9);
        assert!(compare("m", &[]).is_none());
    }
}
