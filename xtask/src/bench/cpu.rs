use serde_json::{Map, Value};

use super::comparison::{self, Comparison};
use super::{convert, memory, model, peer, write_record};
use crate::failure::Failure;
use crate::workspace::Workspace;

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
    print!("{}", comparison::to_table(&comparisons).to_text());
    let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
    write_record(workspace, &record_name(&names), &Value::Object(results))?;
    comparison::conclude(&comparisons)
}

/// A run of some parts does not replace the record of a whole run.
fn record_name(parts: &[&str]) -> String {
    if parts.len() == PARTS.len() { "cpu".into() } else { format!("cpu-{}", parts.join("-")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_part_is_a_usage_error() {
        assert!(matches!(parse(&["pear"]), Err(Failure::Usage(_))));
        assert_eq!(parse(&["memory"]).unwrap().len(), 1);
        assert_eq!(parse(&[]).unwrap().len(), PARTS.len());
    }
}
