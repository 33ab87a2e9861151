use std::io;
use std::panic;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// A thread that turns one item at a time into another.
pub(crate) struct Worker<I, O> {
    desk: Arc<Desk<I, O>>,
    thread: Option<JoinHandle<()>>,
    is_busy: bool,
}

/// Where a worker's thread and its owner hand items to each other. Unlike a channel it takes no memory when somebody waits.
struct Desk<I, O> {
    place: Mutex<Place<I, O>>,
    changed: Condvar,
}

enum Place<I, O> {
    Empty,
    Item(I),
    Result(O),
    /// One side is gone.
    Closed,
}

impl<I, O> Desk<I, O> {
    /// No user of it panics while the place is locked.
    fn lock(&self) -> MutexGuard<'_, Place<I, O>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, place: MutexGuard<'a, Place<I, O>>) -> MutexGuard<'a, Place<I, O>> {
        self.changed.wait(place).unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the other side is there to take it.
    fn put(&self, what: Place<I, O>) -> bool {
        let mut place = self.lock();
        if matches!(*place, Place::Closed) {
            return false;
        }
        *place = what;
        self.changed.notify_all();
        true
    }

    /// The next item; `None` if there are no more.
    fn item(&self) -> Option<I> {
        let mut place = self.lock();
        loop {
            match std::mem::replace(&mut *place, Place::Empty) {
                Place::Item(item) => return Some(item),
                Place::Closed => {
                    *place = Place::Closed;
                    return None;
                }
                other => *place = other,
            }
            place = self.wait(place);
        }
    }

    /// The result, if it is there; an error if none will be.
    fn result_if_ready(place: &mut Place<I, O>) -> Result<Option<O>, Gone> {
        match std::mem::replace(place, Place::Empty) {
            Place::Result(result) => Ok(Some(result)),
            Place::Closed => {
                *place = Place::Closed;
                Err(Gone)
            }
            other => {
                *place = other;
                Ok(None)
            }
        }
    }

    fn result(&self) -> Result<O, Gone> {
        let mut place = self.lock();
        loop {
            if let Some(result) = Self::result_if_ready(&mut place)? {
                return Ok(result);
            }
            place = self.wait(place);
        }
    }
}

/// The thread has ended.
struct Gone;

/// Closes a desk when its thread ends, by a panic too.
struct Closing<'a, I, O>(&'a Desk<I, O>);

impl<I, O> Drop for Closing<'_, I, O> {
    fn drop(&mut self) {
        self.0.put(Place::Closed);
    }
}

impl<I: Send + 'static, O: Send + 'static> Worker<I, O> {
    pub(crate) fn new(name: String, mut work: impl FnMut(I) -> O + Send + 'static) -> io::Result<Self> {
        let desk = Arc::new(Desk { place: Mutex::new(Place::Empty), changed: Condvar::new() });
        let own = Arc::clone(&desk);
        let run = move || {
            let _closing = Closing(&own);
            while let Some(item) = own.item() {
                if !own.put(Place::Result(work(item))) {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name(name).spawn(run)?;
        Ok(Self { desk, thread: Some(thread), is_busy: false })
    }

    /// Gives the thread an item. It must not have one already.
    pub(crate) fn give(&mut self, item: I) {
        debug_assert!(!self.is_busy, "a worker has one item at a time");
        if !self.desk.put(Place::Item(item)) {
            self.rethrow();
        }
        self.is_busy = true;
    }

    /// Waits for the result of the item given last, if it was not taken yet.
    pub(crate) fn take(&mut self) -> Option<O> {
        if !std::mem::take(&mut self.is_busy) {
            return None;
        }
        match self.desk.result() {
            Ok(result) => Some(result),
            Err(Gone) => self.rethrow(),
        }
    }

    /// The result of the item given last, if it is there.
    pub(crate) fn take_if_ready(&mut self) -> Option<O> {
        let ready = Desk::result_if_ready(&mut self.desk.lock());
        match ready {
            Ok(Some(result)) => {
                self.is_busy = false;
                Some(result)
            }
            Ok(None) => None,
            Err(Gone) => self.rethrow(),
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
        self.desk.put(Place::Closed);
        if let Some(thread) = self.thread.take() {
            // A panic was rethrown already, or its item is not wanted any more.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn every_item_becomes_its_result() {
        let mut worker = Worker::new("double".into(), |item: u64| 2 * item).unwrap();
        assert_eq!((worker.take(), worker.take_if_ready()), (None, None));
        for item in 0..1000 {
            worker.give(item);
            assert!(worker.is_busy());
            let result = worker.take_if_ready().or_else(|| worker.take());
            assert_eq!((result, worker.is_busy()), (Some(2 * item), false));
        }
        worker.give(7);
    }

    #[test]
    fn a_panic_comes_back_to_the_owner_and_to_nobody_else() {
        let work = |item: u64| if item == 3 { panic!("three") } else { item };
        let mut worker = Worker::new("three".into(), work).unwrap();
        worker.give(2);
        assert_eq!(worker.take(), Some(2));
        worker.give(3);
        let payload = catch_unwind(AssertUnwindSafe(|| worker.take())).unwrap_err();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"three"));
        drop(worker);
        let mut dropped = Worker::new("three".into(), work).unwrap();
        dropped.give(3);
    }
}
