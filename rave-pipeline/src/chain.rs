use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, unbounded};
use parking_lot::Mutex;
use rave_core::{BoxError, Sink, Stage};

use crate::meter::{Meter, Report};
use crate::port::{QueueEnd, QueueStart, queue};
#[cfg(all(test, feature = "upscale"))]
use crate::trap::Trapped;
use crate::worker::{Worker, run_sink, run_source, run_stage};
use crate::{Control, Error};

/// Items that a queue holds unless [`Chain::queue`] says otherwise.
const DEFAULT_QUEUE: usize = 4;

/// How often [`Assembly::run`] reports progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// How long the other stages of a stalled chain are waited for.
const STALL_GRACE: Duration = Duration::from_secs(2);

/// A line of stages under construction whose open end gives `T`.
///
/// Each link checks at compile time that a stage takes what the one before gives. Nothing runs before
/// [`Assembly::run`].
///
/// ```
/// use rave_core::{BoxError, Sink, Stage};
/// use rave_pipeline::{Chain, Control};
///
/// struct Double;
/// impl Stage for Double {
///     type Input = u32;
///     type Output = u32;
///     fn process(&mut self, input: u32, emit: &mut dyn FnMut(u32)) -> Result<(), BoxError> {
///         emit(2 * input);
///         Ok(())
///     }
///     fn finish(&mut self, _: &mut dyn FnMut(u32)) -> Result<(), BoxError> {
///         Ok(())
///     }
/// }
///
/// struct Sum(u32);
/// impl Sink for Sum {
///     type Input = u32;
///     type Summary = u32;
///     fn write(&mut self, input: u32) -> Result<(), BoxError> {
///         self.0 += input;
///         Ok(())
///     }
///     fn finish(self) -> Result<u32, BoxError> {
///         Ok(self.0)
///     }
/// }
///
/// let numbers = (1..=3).map(Ok::<u32, BoxError>);
/// let chain = Chain::source("count", numbers).then("double", Double).sink("sum", Sum(0));
/// let (sum, report) = chain.run(&Control::new(), |_| {})?;
/// assert_eq!(sum, 12);
/// assert_eq!(report.stages[1].items_out, 3);
/// # Ok::<(), rave_pipeline::Error>(())
/// ```
#[must_use = "a chain does nothing before it has a sink and is run"]
pub struct Chain<T> {
    workers: Vec<Worker>,
    capacity: usize,
    open: Open<T>,
    /// What is added to the names of stages.
    label: String,
}

impl<T> fmt::Debug for Chain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("stages", &names(&self.workers))
            .field("queue", &self.capacity)
            .finish_non_exhaustive()
    }
}

/// The open end.
enum Open<T> {
    /// The last worker, which lacks only the queue that it fills.
    Worker(Box<dyn FnOnce(QueueEnd<T>) -> Worker + Send>),
    /// A queue that a dealer fills.
    Queue(QueueStart<T>),
}

impl<T: Send + 'static> Chain<T> {
    /// Starts with an iterator of items or errors; the first error ends the run.
    pub fn source<I, E>(name: &str, source: I) -> Self
    where
        I: Iterator<Item = Result<T, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        let name = name.to_owned();
        #[cfg(all(test, feature = "upscale"))]
        let source = Trapped::new(&name, source);
        let open = move |output| {
            Worker::new(&name, move |control, meter| run_source(source, output, control, meter))
        };
        Self::going_on(Vec::new(), open)
    }

    /// Goes on behind other workers.
    pub(crate) fn going_on(
        workers: Vec<Worker>,
        open: impl FnOnce(QueueEnd<T>) -> Worker + Send + 'static,
    ) -> Self {
        let open = Open::Worker(Box::new(open));
        Self { workers, capacity: DEFAULT_QUEUE, open, label: String::new() }
    }

    /// Begins at a queue that a dealer fills.
    pub(crate) fn lane(label: &str, start: QueueStart<T>) -> Self {
        let (workers, label) = (Vec::new(), format!(" {label}"));
        Self { workers, capacity: DEFAULT_QUEUE, open: Open::Queue(start), label }
    }

    /// Sets how many items the queue at the open end holds: at least 1, 4 if this is not called.
    pub fn queue(mut self, capacity: usize) -> Self {
        self.capacity = capacity.max(1);
        self
    }

    /// Appends a stage.
    pub fn then<S>(self, name: &str, stage: S) -> Chain<S::Output>
    where
        S: Stage<Input = T> + 'static,
        S::Output: 'static,
    {
        let (name, label) = (self.named(name), self.label.clone());
        #[cfg(all(test, feature = "upscale"))]
        let stage = Trapped::new(&name, stage);
        let (workers, start) = self.close();
        let open = move |output| {
            Worker::new(&name, move |control, meter| run_stage(stage, start, output, control, meter))
        };
        Chain { label, ..Chain::going_on(workers, open) }
    }

    /// Ends the line.
    pub fn sink<K>(self, name: &str, sink: K) -> Assembly<K::Summary>
    where
        K: Sink<Input = T> + 'static,
        K::Summary: 'static,
    {
        let name = self.named(name);
        #[cfg(all(test, feature = "upscale"))]
        let sink = Trapped::new(&name, sink);
        let (mut workers, start) = self.close();
        let summary = Arc::new(Mutex::new(None));
        let result = Arc::clone(&summary);
        workers
            .push(Worker::new(&name, move |control, meter| run_sink(sink, start, &result, control, meter)));
        Assembly { workers, summary, stall_limit: None }
    }

    /// The workers so far, and the queue from which the next one takes.
    pub(crate) fn close(self) -> (Vec<Worker>, QueueStart<T>) {
        let mut workers = self.workers;
        match self.open {
            Open::Queue(start) => (workers, start),
            Open::Worker(open) => {
                let (end, start) = queue(self.capacity);
                workers.push(open(end));
                (workers, start)
            }
        }
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn named(&self, name: &str) -> String {
        format!("{name}{}", self.label)
    }
}

/// A complete line from source to sink, whose sink gives a `Summary` at the end.
#[must_use = "a chain does nothing before it is run"]
pub struct Assembly<Summary> {
    workers: Vec<Worker>,
    summary: Arc<Mutex<Option<Summary>>>,
    /// `None` waits for ever.
    stall_limit: Option<Duration>,
}

impl<Summary> fmt::Debug for Assembly<Summary> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assembly")
            .field("stages", &names(&self.workers))
            .field("stall_limit", &self.stall_limit)
            .finish_non_exhaustive()
    }
}

impl<Summary> Assembly<Summary> {
    /// Lets the run fail when no item has moved anywhere for this long, instead of waiting for ever.
    pub fn stall_limit(mut self, limit: Option<Duration>) -> Self {
        self.stall_limit = limit;
        self
    }

    /// Runs every worker on a thread of its own, and returns when all have ended.
    ///
    /// `progress` is called from this thread about five times a second, and once at the end.
    ///
    /// # Errors
    /// The first failure of any worker, by time; [`Error::Abandoned`] after [`Control::abandon`]. [`Error::Stalled`] if
    /// the [stall limit](Self::stall_limit) has passed: every other thread has ended then, but for the one of the stage
    /// that does not return, which nobody can end.
    pub fn run(
        self,
        control: &Control,
        mut progress: impl FnMut(&Report),
    ) -> Result<(Summary, Report), Error> {
        let start = Instant::now();
        let meters: Vec<_> = self.workers.iter().map(|worker| Arc::clone(&worker.meter)).collect();
        let cause = Arc::new(Mutex::new(None));
        let mut watch = Watch::new(self.stall_limit);
        let (ended, mut running) = spawn_all(self.workers, control, &cause);
        while running > 0 {
            match ended.recv_timeout(watch.interval()) {
                Ok(()) => {
                    running -= 1;
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => progress(&read(&meters, start)),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if let Some(stalled) = watch.check(&meters) {
                cause.lock().get_or_insert(stalled);
                control.sound_alarm();
                wait_for_others(&ended, running - 1);
                break;
            }
        }
        let report = read(&meters, start);
        progress(&report);
        if let Some(error) = cause.lock().take() {
            return Err(error);
        }
        match self.summary.lock().take() {
            Some(summary) if !control.is_abandoning() => Ok((summary, report)),
            _ => Err(Error::Abandoned),
        }
    }
}

fn names(workers: &[Worker]) -> Vec<&str> {
    workers.iter().map(|worker| worker.meter.name.as_str()).collect()
}

/// Notices when nothing moves any more.
struct Watch {
    limit: Option<Duration>,
    activity: u64,
    since: Instant,
}

impl Watch {
    fn new(limit: Option<Duration>) -> Self {
        Self { limit, activity: 0, since: Instant::now() }
    }

    fn interval(&self) -> Duration {
        self.limit.map_or(PROGRESS_INTERVAL, |limit| limit.min(PROGRESS_INTERVAL))
    }

    /// The error, if no item has come or gone anywhere for too long.
    fn check(&mut self, meters: &[Arc<Meter>]) -> Option<Error> {
        let activity = meters.iter().fold(0, |sum: u64, meter| sum.wrapping_add(meter.activity()));
        if activity != self.activity {
            (self.activity, self.since) = (activity, Instant::now());
            return None;
        }
        let limit = self.limit.filter(|&limit| self.since.elapsed() >= limit)?;
        // The last of those that work: whatever comes before it is held up by full queues, or is a source that waits.
        let stage = meters.iter().rfind(|meter| meter.is_working()).map_or("", |meter| meter.name.as_str());
        Some(Error::Stalled { stage: stage.to_owned(), limit })
    }
}

fn read(meters: &[Arc<Meter>], start: Instant) -> Report {
    Report { elapsed: start.elapsed(), stages: meters.iter().map(|meter| meter.read(start)).collect() }
}

/// Waits until `count` workers have ended, which those that wait on a queue do at once after the alarm.
fn wait_for_others(ended: &Receiver<()>, count: usize) {
    let deadline = Instant::now() + STALL_GRACE;
    let _ = (0..count).try_for_each(|_| ended.recv_deadline(deadline));
}

/// Starts the workers, and says how many; each sends a message when it has ended and dropped all that it held.
fn spawn_all(
    workers: Vec<Worker>,
    control: &Control,
    cause: &Arc<Mutex<Option<Error>>>,
) -> (Receiver<()>, usize) {
    let (sender, ended) = unbounded();
    let mut running = 0;
    for worker in workers {
        let (sender, control, thread_cause) = (sender.clone(), control.clone(), Arc::clone(cause));
        let thread = thread::Builder::new().name(worker.meter.name.clone());
        let spawned = thread.spawn(move || {
            worker.run(&control, &thread_cause);
            let _ = sender.send(());
        });
        if let Err(error) = spawned {
            cause.lock().get_or_insert(Error::Thread(error));
            break;
        }
        running += 1;
    }
    if cause.lock().is_some() {
        control.sound_alarm();
    }
    (ended, running)
}
