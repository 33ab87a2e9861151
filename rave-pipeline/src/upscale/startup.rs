//! Where the time goes before the first frame has come out.

use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use crate::{Error, Report};

/// A part of a job's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartStep {
    /// What was done, such as `model session`.
    pub name: &'static str,
    /// When it began, since the job was to be opened. Steps may pass at the same time.
    pub start: Duration,
    /// How long it took.
    pub duration: Duration,
}

/// Notes the steps of a start.
#[derive(Clone, Debug)]
pub(super) struct Startup {
    begin: Instant,
    /// When the last step in a row ended.
    last: Instant,
    steps: Vec<StartStep>,
}

impl Startup {
    pub(super) fn begin() -> Self {
        let now = Instant::now();
        Self { begin: now, last: now, steps: Vec::with_capacity(12) }
    }

    /// What was done since the step before is over.
    pub(super) fn done(&mut self, name: &'static str) {
        let now = Instant::now();
        self.add(name, self.last, now);
        self.last = now;
    }

    /// What was waited for is in the steps of another thread.
    pub(super) fn waited(&mut self) {
        self.last = Instant::now();
    }

    fn add(&mut self, name: &'static str, from: Instant, to: Instant) {
        let (start, duration) = (from - self.begin, to - from);
        self.steps.push(StartStep { name, start, duration });
    }

    /// Starts work beside the steps in a row.
    pub(super) fn beside<'scope, R: Send + 'scope>(
        scope: &'scope thread::Scope<'scope, '_>,
        name: &'static str,
        work: impl FnOnce() -> R + Send + 'scope,
    ) -> Result<Beside<'scope, R>, Error> {
        let work = move || {
            let start = Instant::now();
            (work(), start, Instant::now())
        };
        let thread = thread::Builder::new().name(name.into()).spawn_scoped(scope, work);
        Ok(Beside { name, thread: thread.map_err(Error::Thread)? })
    }

    /// The steps in the order in which they began, and the first items of the stages after them, if the line was started at the
    /// end of the last step and gave this report.
    pub(super) fn with_first_items(mut self, report: &Report) -> Vec<StartStep> {
        let start = self.last - self.begin;
        let of_lane =
            |stage: &str, name: &str| name.strip_prefix(stage).is_some_and(|rest| rest.starts_with(' '));
        let first = |stage: &str, name| {
            let lanes = report.stages.iter().filter(|of| of.name == stage || of_lane(stage, &of.name));
            let duration = lanes.filter_map(|stage| stage.first_item).min()?;
            Some(StartStep { name, start, duration })
        };
        let stages = [first("decode", "first frame decoded"), first("upscale", "first frame enlarged")];
        let sink = report.stages.last().and_then(|sink| sink.first_item);
        let out = sink.map(|duration| StartStep { name: FIRST_OUT, start, duration });
        self.steps.sort_by_key(|step| step.start);
        self.steps.extend(stages.into_iter().flatten().chain(out));
        self.steps
    }
}

const FIRST_OUT: &str = "first out";

/// When the first packet or frame was written, since the job was to be opened.
pub(super) fn first_out(steps: &[StartStep]) -> Option<Duration> {
    steps.iter().find(|step| step.name == FIRST_OUT).map(|step| step.start + step.duration)
}

/// Work on a thread of its own.
pub(super) struct Beside<'scope, R> {
    name: &'static str,
    thread: ScopedJoinHandle<'scope, (R, Instant, Instant)>,
}

impl<R> Beside<'_, R> {
    /// Waits for it.
    pub(super) fn join(self, startup: &mut Startup) -> R {
        match self.thread.join() {
            Ok((result, start, end)) => {
                startup.add(self.name, start, end);
                startup.waited();
                result
            }
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_in_a_row_follow_each_other_and_others_are_beside_them() {
        let mut startup = Startup::begin();
        let answer = thread::scope(|scope| {
            let beside = Startup::beside(scope, "beside", || 42).unwrap();
            startup.done("first");
            beside.join(&mut startup)
        });
        startup.done("second");
        let steps = startup.with_first_items(&Report { elapsed: Duration::ZERO, stages: Vec::new() });
        let step = |name| steps.iter().find(|step| step.name == name).copied().unwrap();
        let end = |step: StartStep| step.start + step.duration;
        assert_eq!((answer, steps.len()), (42, 3));
        assert!(end(step("first")) <= step("second").start && end(step("beside")) <= step("second").start);
        assert_eq!(first_out(&steps), None);
    }
}
