use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;

/// Stops a running chain from another thread; clones stop the same chain.
///
/// There are two stops: [`finish`](Self::finish) ends the input, so that what was read is completed and the output
/// is whole; [`abandon`](Self::abandon) drops everything. A control serves one run.
#[derive(Clone)]
pub struct Control {
    finishing: Arc<AtomicBool>,
    abandoning: Arc<AtomicBool>,
    stopping: Arc<AtomicBool>,
    /// Dropping the sender wakes every thread that waits on a queue.
    alarm: Arc<Mutex<Option<Sender<Infallible>>>>,
    alarmed: Receiver<Infallible>,
}

impl Control {
    /// A control that has not been used.
    pub fn new() -> Self {
        let (sender, alarmed) = bounded(0);
        Self {
            finishing: Arc::default(),
            abandoning: Arc::default(),
            stopping: Arc::default(),
            alarm: Arc::new(Mutex::new(Some(sender))),
            alarmed,
        }
    }

    /// Ends the input after the item that is being read; what was read passes through and the sink completes.
    pub fn finish(&self) {
        self.finishing.store(true, Ordering::Relaxed);
    }

    /// Ends every stage after the item that it is working on; nothing completes.
    pub fn abandon(&self) {
        self.abandoning.store(true, Ordering::Relaxed);
        self.sound_alarm();
    }

    /// Whether [`finish`](Self::finish) was called.
    pub fn is_finishing(&self) -> bool {
        self.finishing.load(Ordering::Relaxed)
    }

    /// Whether [`abandon`](Self::abandon) was called.
    pub fn is_abandoning(&self) -> bool {
        self.abandoning.load(Ordering::Relaxed)
    }

    /// Wakes and ends all workers, because one of them failed or the user abandons.
    pub(crate) fn sound_alarm(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.alarm.lock().take();
    }

    /// Whether the alarm has sounded.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Becomes disconnected when the alarm sounds; never carries an item.
    pub(crate) fn alarmed(&self) -> &Receiver<Infallible> {
        &self.alarmed
    }
}

impl Default for Control {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (finishing, abandoning) = (self.is_finishing(), self.is_abandoning());
        f.debug_struct("Control").field("finishing", &finishing).field("abandoning", &abandoning).finish()
    }
}
