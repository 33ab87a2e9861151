//! What `rave verify` says of an output, with the job's own report.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::failure::{Failure, OnPath};

/// The rows that are not simply equal.
#[derive(Debug, Default, PartialEq)]
pub struct Verified {
    announced: Vec<String>,
    /// Different or missing, with both values.
    lost: Vec<String>,
    /// Whether it could be done at all.
    failure: Option<String>,
}

impl Verified {
    /// Decodes both files.
    pub fn run(program: &Path, input: &Path, output: &Path, report: &[u8]) -> Result<Self, Failure> {
        let path = output.with_extension("json");
        fs::write(&path, report).on("write", &path)?;
        let mut command = Command::new("timeout");
        command.arg("600").arg(program).args(["verify", "--full", "--json", "--report"]).arg(&path);
        let result = command.arg(input).arg(output).output().on("start", program)?;
        fs::remove_file(&path).on("remove", &path)?;
        Ok(Self::parse(&result.stdout))
    }

    fn parse(text: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(text).unwrap_or_default();
        let Some(findings) = value["findings"].as_array() else {
            let message = value["error"]["message"].as_str().unwrap_or("no answer");
            return Self { failure: Some(message.to_string()), ..Self::default() };
        };
        let rows = |wanted: &[&str], detailed: bool| {
            let is_wanted =
                |finding: &&Value| wanted.contains(&finding["verdict"].as_str().unwrap_or_default());
            findings.iter().filter(is_wanted).map(|finding| row(finding, detailed)).collect()
        };
        Self {
            announced: rows(&["announced"], false),
            lost: rows(&["different", "missing"], true),
            failure: None,
        }
    }

    #[cfg(test)]
    pub fn passed() -> Self {
        Self::default()
    }

    pub fn is_passed(&self) -> bool {
        self.lost.is_empty() && self.failure.is_none()
    }
}

fn row(finding: &Value, detailed: bool) -> String {
    let word = |key: &str| finding[key].as_str().unwrap_or_default();
    let stream = finding["stream"].as_u64().map_or(String::new(), |index| format!(" {index}"));
    let what = format!("{}{stream}", word("aspect"));
    if !detailed {
        return what;
    }
    let note = finding["note"].as_str().map_or(String::new(), |note| format!(" ({note})"));
    format!("{what}: {} -> {}{note}", word("source"), word("output"))
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(failure) = &self.failure {
            return write!(f, "failed: {failure}");
        }
        if !self.lost.is_empty() {
            return write!(f, "LOST {}", self.lost.join("; "));
        }
        if self.announced.is_empty() {
            return f.write_str("passed");
        }
        write!(f, "passed; announced: {}", self.announced.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_told_from_what_was_announced() {
        let text = br#"{"findings": [
            {"aspect": "frames", "stream": null, "source": "3", "output": "2", "verdict": "different", "note": "one"},
            {"aspect": "stream", "stream": 2, "source": "x", "output": "none", "verdict": "announced", "note": null},
            {"aspect": "size", "stream": null, "source": "a", "output": "b", "verdict": "converted", "note": null}]}"#;
        let verified = Verified::parse(text);
        assert!(!verified.is_passed());
        assert_eq!(verified.to_string(), "LOST frames: 3 -> 2 (one)");
        let announced = Verified { lost: Vec::new(), ..verified };
        assert_eq!(announced.to_string(), "passed; announced: stream 2");
        let failed = Verified::parse(br#"{"error": {"message": "no such file"}}"#);
        assert!(!failed.is_passed() && failed.to_string().contains("no such file"));
    }
}
