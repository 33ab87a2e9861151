use serde_json::{Value, json};

use super::Bench;
use crate::bench::comparison::{Bound, Comparison};
use crate::failure::Failure;

/// Sizes of inputs, which the cost of a megapixel must not depend on.
const SIZES: &str = "960x540,1280x720,1920x1080,2560x1440,3840x2160";
/// Dearest over cheapest.
const WANTED: f64 = 1.1;

/// Cost of a megapixel of input, from 540p to 2160p.
pub fn run(bench: &mut Bench) -> Result<(), Failure> {
    let (mut lines, mut values) = (Vec::new(), Vec::new());
    for index in 0..bench.models.len() {
        let name = bench.models[index].name.clone();
        let what = format!("sizes of {name}");
        if !what.contains(&bench.options.filter) || !bench.has_time_for(&what) {
            continue;
        }
        let costs = bench.rave.costs(&bench.models[index].argument, SIZES, bench.options.rounds);
        let Some(costs) = bench.attempt(&what, costs) else { continue };
        lines.extend(compare(&name, &costs));
        values.push(json!({ "model": name, "costs": costs }));
    }
    bench.keep("sizes", Value::Array(values), lines)
}

/// The dearest size against the cheapest, with conversions.
fn compare(name: &str, costs: &Value) -> Option<Comparison> {
    let sizes = costs["sizes"].as_array()?;
    let of_sizes = sizes.iter().filter_map(|size| size["chain_seconds_per_megapixel"].as_f64());
    let millis = |seconds: f64| format!("{:.3} ms", 1000.0 * seconds);
    Some(Comparison {
        what: format!("{name}: cost of a megapixel, 540p to 2160p, dearest over cheapest"),
        ours: millis(of_sizes.clone().max_by(f64::total_cmp)?),
        theirs: millis(of_sizes.min_by(f64::total_cmp)?),
        ratio: costs["chain_cost_spread"].as_f64()?,
        wanted: Bound::AtMost(WANTED),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dearest_size_is_set_against_the_cheapest() {
        let size = |cost: f64| json!({ "chain_seconds_per_megapixel": cost });
        let costs = json!({ "sizes": [size(0.0084), size(0.008), size(0.0082)], "chain_cost_spread": 1.05 });
        let line = compare("m", &costs).unwrap();
        assert_eq!((line.ours.as_str(), line.theirs.as_str(), line.ratio), ("8.400 ms", "8.000 ms", 1.05));
        assert!(compare("m", &json!({})).is_none());
    }
}
