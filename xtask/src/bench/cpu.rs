use serde_json::{Map, Value};

use super::table::Table;
use super::{convert, memory, model, peer, write_record};
use crate::failure::Failure;
use crate::workspace::Workspace;

/// A figure beside the one that it is compared with.
pub struct Comparison {
    pub what: String,
    pub ours: String,
    pub theirs: String,
    pub ratio: f64,
    pub wanted: Bound,
}

/// What a ratio must keep to.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    fn holds(self, ratio: f64) -> bool {
        match self {
            Bound::AtLeast(least) => ratio >= least,
            Bound::AtMost(most) => ratio <= most,
        }
    }

    fn sign(self) -> String {
        match self {
            Bound::AtLeast(least) => format!(">= {least}"),
            Bound::AtMost(most) => format!("<= {most}"),
        }
    }
}

/// What a part gives: lines for the table, and all that was measured.
pub type Outcome = (Vec<Comparison>, Value);

type Part = (&'static str, fn(&Workspace) -> Result<Outcome, Failure>);

const PARTS: &[Part] =
    &[("peer", peer::run), ("model", model::run), ("convert", convert::run), ("memory", memory::run)];

/// The parts that the words name; all of them without words.
pub fn parse(words: &[&str]) -> Result<Vec<&'static Part>, Failure> {
    if words.is_empty() {
        return Ok(PARTS.iter().collect());
    }
    let find = |word: &&str| PARTS.iter().find(|(name, _)| name == word);
    words
        .iter()
        .map(|word| find(word).ok_or_else(|| Failure::Usage(format!("bench cpu has no part `{word}`"))))
        .collect()
}

pub fn run(workspace: &Workspace, parts: &[&Part]) -> Result<(), Failure> {
    let mut comparisons = Vec::new();
    let mut results = Map::new();
    for (name, part) in parts {
        eprintln!("bench: {name}");
        let (lines, value) = part(workspace)?;
        comparisons.extend(lines);
        results.insert(name.to_string(), value);
    }
    print!("{}", to_table(&comparisons).to_text());
    let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
    write_record(workspace, &record_name(&names), &Value::Object(results))?;
    match comparisons.iter().find(|line| !line.wanted.holds(line.ratio)) {
        None => Ok(()),
        Some(line) => {
            Err(Failure::Message(format!("{}: {:.3}, wanted {}", line.what, line.ratio, line.wanted.sign())))
        }
    }
}

/// A run of some parts does not replace the record of a whole run.
fn record_name(parts: &[&str]) -> String {
    if parts.len() == PARTS.len() { "cpu".into() } else { format!("cpu-{}", parts.join("-")) }
}

fn to_table(comparisons: &[Comparison]) -> Table {
    let mut table = Table::new(&["what", "rave", "peer", "ratio", "wanted"]);
    for line in comparisons {
        let ratio = format!("{:.3}", line.ratio);
        table.push([line.what.clone(), line.ours.clone(), line.theirs.clone(), ratio, line.wanted.sign()]);
    }
    table
}

/// The middle one; the mean of the two middle ones of an even number.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => (sorted[count / 2 - 1] + sorted[count / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_at_their_edge() {
        assert!(Bound::AtLeast(1.35).holds(1.35) && !Bound::AtLeast(1.35).holds(1.34));
        assert!(Bound::AtMost(3.0).holds(3.0) && !Bound::AtMost(3.0).holds(3.1));
        assert!(!Bound::AtLeast(1.0).holds(f64::NAN) && !Bound::AtMost(1.0).holds(f64::NAN));
    }

    #[test]
    fn the_median_ignores_an_outlier() {
        assert_eq!(median(&[3.0, 100.0, 2.0]), 3.0);
        assert_eq!(median(&[1.0, 2.0, 3.0, 100.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn an_unknown_part_is_a_usage_error() {
        assert!(matches!(parse(&["pear"]), Err(Failure::Usage(_))));
        assert_eq!(parse(&["memory"]).unwrap().len(), 1);
        assert_eq!(parse(&[]).unwrap().len(), PARTS.len());
    }
}
