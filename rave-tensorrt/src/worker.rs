use std::io;
use std::panic;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};

/// A thread that turns one item at a time into another.
pub(crate) struct Worker<I, O> {
    /// `None` only while being dropped.
    jobs: Option<SyncSender<I>>,
    results: Receiver<O>,
    thread: Option<JoinHandle<()>>,
    is_busy: bool,
}

impl<I: Send + 'static, O: Send + 'static> Worker<I, O> {
    pub(crate) fn new(name: String, mut work: impl FnMut(I) -> O + Send + 'static) -> io::Result<Self> {
        let (jobs, incoming) = sync_channel(1);
        let (outgoing, results) = sync_channel(1);
        let run = move || incoming.into_iter().map(&mut work).try_for_each(|result| outgoing.send(result));
        let thread = thread::Builder::new().name(name).spawn(move || drop(run()))?;
        Ok(Self { jobs: Some(jobs), results, thread: Some(thread), is_busy: false })
    }

    /// Gives the thread an item. It must not have one already.
    pub(crate) fn give(&mut self, item: I) {
        debug_assert!(!self.is_busy, "a worker has one item at a time");
        let is_given = self.jobs.as_ref().is_some_and(|jobs| jobs.send(item).is_ok());
        if !is_given {
            self.rethrow();
        }
        self.is_busy = true;
    }

    /// Waits for the result of the item given last, if it was not taken yet.
    pub(crate) fn take(&mut self) -> Option<O> {
        if !std::mem::take(&mut self.is_busy) {
            return None;
        }
        match self.results.recv() {
            Ok(result) => Some(result),
            Err(_) => self.rethrow(),
        }
    }

    /// The result of the item given last, if it is there.
    pub(crate) fn take_if_ready(&mut self) -> Option<O> {
        match self.results.try_recv() {
            Ok(result) => {
                self.is_busy = false;
                Some(result)
            }
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => self.rethrow(),
        }
    }

    /// Whether the thread has an item whose result was not taken.
    pub(crate) const fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// The thread ended although it was not told to: it panicked.
    fn rethrow(&mut self) -> ! {
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(payload)) => panic::resume_unwind(payload),
            _ => unreachable!("a worker's thread ends by a panic or when the worker is dropped"),
        }
    }
}

impl<I, O> Drop for Worker<I, O> {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic was rethrown already, or its item is not wanted any more.
            drop(thread.join());
        }
    }
}
