//! The whole job on a GPU, against its network alone and against the usual pipeline in Python.

mod clips;
mod depths;
mod models;
mod options;
mod peer;
mod program;
mod sizes;
mod speed;
mod start;

use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::comparison::{self, Comparison};
use super::{ready, save_record};
use crate::failure::Failure;
use crate::run as build;
use crate::workspace::Workspace;

use models::Model;
use options::{Options, Part};
use program::Rave;

/// `bench gpu`.
pub fn task(words: &[&str]) -> Result<(), Failure> {
    let mut bench = Bench::prepare(options::parse(words)?)?;
    for part in bench.options.parts.clone() {
        eprintln!("bench: {}", part.name());
        match part {
            Part::Depths => depths::run(&mut bench)?,
            Part::Start => start::run(&mut bench)?,
            Part::Sizes => sizes::run(&mut bench)?,
            Part::Speed => speed::run(&mut bench)?,
        }
    }
    bench.conclude()
}

/// What all parts share, and what they have found.
struct Bench {
    workspace: Workspace,
    options: Options,
    rave: Rave,
    clips: Vec<PathBuf>,
    models: Vec<Model>,
    started: Instant,
    results: Map<String, Value>,
    comparisons: Vec<Comparison>,
    /// What was not measured, and why.
    absent: Vec<String>,
    failures: Vec<String>,
}

impl Bench {
    fn prepare(options: Options) -> Result<Self, Failure> {
        let workspace = if options.rave.is_some() { Workspace::current_folder()? } else { ready()? };
        let program = match &options.rave {
            Some(program) => program.clone(),
            None => build::build_program(&workspace)?,
        };
        let rave = Rave { program };
        let clips = clips::find(&workspace, &options)?;
        let (models, absent) = models::find(&workspace, &options)?;
        let results = Map::from_iter([
            ("rave".to_string(), json!(rave.version())),
            ("devices".to_string(), rave.devices()?),
        ]);
        Ok(Self {
            workspace,
            options,
            rave,
            clips,
            models,
            started: Instant::now(),
            results,
            comparisons: Vec::new(),
            absent,
            failures: Vec::new(),
        })
    }

    /// Whether something may still be begun; names it if not.
    fn has_time_for(&mut self, what: &str) -> bool {
        let is_over = self.options.budget.is_some_and(|budget| self.started.elapsed() >= budget);
        if is_over {
            self.absent.push(format!("{what}: the budget was spent"));
        }
        !is_over
    }

    /// Keeps what was measured, in the file too, so that what comes later cannot take it away.
    fn keep(&mut self, part: &str, value: Value, comparisons: Vec<Comparison>) -> Result<(), Failure> {
        for line in &comparisons {
            eprintln!("bench: {line}");
        }
        self.comparisons.extend(comparisons);
        self.results.insert(part.to_string(), value);
        self.save().map(drop)
    }

    /// A failure does not end the other measurements.
    fn attempt<T>(&mut self, what: &str, result: Result<T, Failure>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(Failure::Message(message) | Failure::Usage(message)) => {
                eprintln!("bench: {what}: {message}");
                self.failures.push(format!("{what}: {message}"));
                None
            }
            Err(Failure::Exit(status)) => {
                self.failures.push(format!("{what}: exit status {status}"));
                None
            }
        }
    }

    fn save(&mut self) -> Result<PathBuf, Failure> {
        self.results.insert("absent".into(), json!(self.absent));
        self.results.insert("failures".into(), json!(self.failures));
        save_record(&self.workspace, "gpu", &Value::Object(self.results.clone()))
    }

    fn conclude(mut self) -> Result<(), Failure> {
        print!("{}", comparison::to_table(&self.comparisons).to_text());
        for line in &self.absent {
            println!("not measured: {line}");
        }
        println!("\nwritten to {}", self.save()?.display());
        match self.failures.first() {
            None => comparison::conclude(&self.comparisons),
            Some(failure) => Err(Failure::Message(failure.clone())),
        }
    }
}
