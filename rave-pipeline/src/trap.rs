//! Faults for tests, in any stage of a chain, whoever puts it together.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use rave_core::{BoxError, CustomError, DeviceTimes, Sink, Stage};

/// What happens in a stage.
#[derive(Clone)]
pub(crate) enum Fault {
    Error,
    Panic,
    /// It does not return until the gate is dropped.
    Stall(Receiver<()>),
    /// Something else happens, and the stage goes on.
    Call(Arc<dyn Fn() + Send + Sync>),
}

/// A fault at an item of the stage of this name.
#[derive(Clone)]
pub(crate) struct Trap {
    pub(crate) stage: String,
    /// Counted from 0.
    pub(crate) item: u64,
    pub(crate) fault: Fault,
    /// Every stage holds it for as long as it lives.
    pub(crate) alive: Sender<()>,
}

thread_local! {
    static SET: RefCell<Option<Trap>> = const { RefCell::new(None) };
}

/// Puts the trap into the chains that `build` makes on this thread.
pub(crate) fn with<R>(trap: Trap, build: impl FnOnce() -> R) -> R {
    SET.set(Some(trap));
    let built = build();
    SET.set(None);
    built
}

/// A source, stage or sink that may have a trap.
pub(crate) struct Trapped<S> {
    inner: S,
    trap: Option<Trap>,
    items: AtomicU64,
    _alive: Option<Sender<()>>,
}

impl<S> Trapped<S> {
    pub(crate) fn new(name: &str, inner: S) -> Self {
        let set = SET.with_borrow(Option::clone);
        let alive = set.as_ref().map(|trap| trap.alive.clone());
        Self { inner, trap: set.filter(|trap| trap.stage == name), items: AtomicU64::new(0), _alive: alive }
    }

    fn spring(&self) -> Result<(), BoxError> {
        let item = self.items.fetch_add(1, Ordering::Relaxed);
        match self.trap.as_ref().filter(|trap| trap.item == item).map(|trap| &trap.fault) {
            None => Ok(()),
            Some(Fault::Error) => Err(CustomError::new("broken on purpose").into()),
            Some(Fault::Panic) => panic!("panicked on purpose"),
            Some(Fault::Stall(gate)) => {
                let _ = gate.recv();
                Ok(())
            }
            Some(Fault::Call(action)) => {
                action();
                Ok(())
            }
        }
    }
}

impl<I, T, E> Iterator for Trapped<I>
where
    I: Iterator<Item = Result<T, E>>,
    E: Into<BoxError>,
{
    type Item = Result<T, BoxError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.spring() {
            Err(error) => Some(Err(error)),
            Ok(()) => self.inner.next().map(|item| item.map_err(Into::into)),
        }
    }
}

impl<S: Stage> Stage for Trapped<S> {
    type Input = S::Input;
    type Output = S::Output;

    fn process(&mut self, input: S::Input, emit: &mut dyn FnMut(S::Output)) -> Result<(), BoxError> {
        self.spring()?;
        self.inner.process(input, emit)
    }

    fn finish(&mut self, emit: &mut dyn FnMut(S::Output)) -> Result<(), BoxError> {
        self.inner.finish(emit)
    }

    fn patience(&self) -> Option<Duration> {
        self.inner.patience()
    }

    fn flush(&mut self, emit: &mut dyn FnMut(S::Output)) -> Result<(), BoxError> {
        self.inner.flush(emit)
    }

    fn device_times(&self) -> Option<DeviceTimes> {
        self.inner.device_times()
    }
}

impl<K: Sink> Sink for Trapped<K> {
    type Input = K::Input;
    type Summary = K::Summary;

    fn write(&mut self, input: K::Input) -> Result<(), BoxError> {
        self.spring()?;
        self.inner.write(input)
    }

    fn finish(self) -> Result<K::Summary, BoxError> {
        self.inner.finish()
    }
}
