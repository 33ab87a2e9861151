use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{
    Receiver, RecvTimeoutError, Select, SendTimeoutError, Sender, TryRecvError, TrySendError, bounded, never,
    select,
};
use parking_lot::{Condvar, Mutex};

use crate::Control;
use crate::meter::Meter;

/// How often a worker that waits looks whether the chain is being stopped: to wait for its queue and for the alarm at once would
/// allocate memory each time.
const LOOK: Duration = Duration::from_millis(50);

/// End of stream is a message: a channel that closes without it is a death upstream.
enum Message<T> {
    Item(T),
    End,
}

/// A queue of at most `capacity` items between two workers.
pub(crate) fn queue<T>(capacity: usize) -> (QueueEnd<T>, QueueStart<T>) {
    let (sender, receiver) = bounded(capacity);
    make_room_for_waiters(&sender, &receiver);
    (QueueEnd(sender), QueueStart(receiver))
}

/// A channel takes memory for those who wait when somebody waits for the first time, which may be at any time: here both ends
/// do.
fn make_room_for_waiters<T>(sender: &Sender<Message<T>>, receiver: &Receiver<Message<T>>) {
    let (mut from_empty, mut to_full) = (Select::new(), Select::new());
    from_empty.recv(receiver);
    assert!(from_empty.try_select().is_err(), "nothing was sent");
    while sender.try_send(Message::End).is_ok() {}
    to_full.send(sender);
    assert!(to_full.try_select().is_err(), "there is no room");
    while receiver.try_recv().is_ok() {}
}

/// Has this thread wait for a queue and for a lock, for no time: the records of it that this takes are made when a thread waits
/// for the first time.
pub(crate) fn wait_once() {
    let nothing = never::<()>();
    let mut select = Select::new();
    select.recv(&nothing);
    assert!(select.try_select().is_err(), "nothing ever comes");
    let (lock, condition) = (Mutex::new(()), Condvar::new());
    condition.wait_for(&mut lock.lock(), Duration::ZERO);
}

/// Where a queue is filled.
pub(crate) struct QueueEnd<T>(Sender<Message<T>>);

/// Where a queue is emptied.
pub(crate) struct QueueStart<T>(Receiver<Message<T>>);

/// A worker's view of the queue before it.
pub(crate) struct Input<T> {
    queue: Receiver<Message<T>>,
    control: Control,
    meter: Arc<Meter>,
}

pub(crate) enum Received<T> {
    Item(T),
    /// Nothing came in time.
    Nothing,
    End,
    /// Upstream died, or the chain is being stopped.
    Dead,
}

impl<T> From<Message<T>> for Received<T> {
    fn from(message: Message<T>) -> Self {
        match message {
            Message::Item(item) => Self::Item(item),
            Message::End => Self::End,
        }
    }
}

impl<T> Input<T> {
    pub(crate) fn new(queue: QueueStart<T>, control: &Control, meter: &Arc<Meter>) -> Self {
        Self { queue: queue.0, control: control.clone(), meter: Arc::clone(meter) }
    }

    /// The next item, which is waited for no longer than `patience`; `None` waits for ever.
    pub(crate) fn receive(&self, patience: Option<Duration>) -> Received<T> {
        if self.control.is_stopping() {
            return Received::Dead;
        }
        self.meter.note_queue(self.queue.len(), self.queue.capacity().unwrap_or_default());
        let received = match self.queue.try_recv() {
            Ok(message) => message.into(),
            Err(TryRecvError::Disconnected) => Received::Dead,
            Err(TryRecvError::Empty) => self.meter.waiting_for_input(|| self.wait(patience)),
        };
        if matches!(received, Received::Item(_)) {
            self.meter.items_in.fetch_add(1, Ordering::Relaxed);
        }
        received
    }

    fn wait(&self, patience: Option<Duration>) -> Received<T> {
        let deadline = patience.map(|patience| Instant::now() + patience);
        loop {
            let left = deadline.map_or(LOOK, |deadline| deadline.saturating_duration_since(Instant::now()));
            match self.queue.recv_timeout(left.min(LOOK)) {
                Ok(message) => return message.into(),
                Err(RecvTimeoutError::Disconnected) => return Received::Dead,
                Err(RecvTimeoutError::Timeout) if self.control.is_stopping() => return Received::Dead,
                Err(RecvTimeoutError::Timeout) if left <= LOOK && deadline.is_some() => {
                    return Received::Nothing;
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

/// A worker's view of the queue behind it.
pub(crate) struct Output<T> {
    queue: Sender<Message<T>>,
    control: Control,
    meter: Arc<Meter>,
    is_open: bool,
}

impl<T> Output<T> {
    pub(crate) fn new(queue: QueueEnd<T>, control: &Control, meter: &Arc<Meter>) -> Self {
        Self { queue: queue.0, control: control.clone(), meter: Arc::clone(meter), is_open: true }
    }

    /// Whether somebody still takes what is sent.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Queues an item; once the output is closed, drops it.
    pub(crate) fn send(&mut self, item: T) {
        if self.is_open && self.put(Message::Item(item)) {
            self.meter.count_out();
        }
    }

    pub(crate) fn end(mut self) {
        self.put(Message::End);
    }

    fn put(&mut self, message: Message<T>) -> bool {
        self.is_open = match self.queue.try_send(message) {
            Ok(()) => true,
            Err(TrySendError::Disconnected(_)) => false,
            Err(TrySendError::Full(message)) => self.meter.waiting_for_output(|| self.wait(message)),
        };
        self.is_open
    }

    fn wait(&self, mut message: Message<T>) -> bool {
        loop {
            match self.queue.send_timeout(message, LOOK) {
                Ok(()) => return true,
                Err(SendTimeoutError::Disconnected(_)) => return false,
                Err(SendTimeoutError::Timeout(_)) if self.control.is_stopping() => return false,
                Err(SendTimeoutError::Timeout(back)) => message = back,
            }
        }
    }
}

/// A worker's view of several queues behind it, each of which takes any item.
pub(crate) struct Outputs<T> {
    queues: Vec<Sender<Message<T>>>,
    control: Control,
    meter: Arc<Meter>,
    /// The queue that is preferred among equals.
    turn: usize,
}

impl<T> Outputs<T> {
    pub(crate) fn new(queues: Vec<QueueEnd<T>>, control: &Control, meter: &Arc<Meter>) -> Self {
        let queues = queues.into_iter().map(|queue| queue.0).collect();
        Self { queues, control: control.clone(), meter: Arc::clone(meter), turn: 0 }
    }

    /// Puts an item into the shortest queue, or the first that has room, and says which; `None` if one of them is closed.
    pub(crate) fn send(&mut self, item: T) -> Option<usize> {
        let shortest = self.shortest();
        let taken = match self.queues.get(shortest)?.try_send(Message::Item(item)) {
            Ok(()) => Some(shortest),
            Err(TrySendError::Disconnected(_)) => None,
            Err(TrySendError::Full(message)) => self.meter.waiting_for_output(|| self.wait(message)),
        };
        if taken.is_some() {
            self.meter.count_out();
        }
        taken
    }

    pub(crate) fn end(self) {
        for queue in &self.queues {
            let is_sent = select! {
                send(queue, Message::End) -> result => result.is_ok(),
                recv(self.control.alarmed()) -> _ => false,
            };
            if !is_sent {
                return;
            }
        }
    }

    fn shortest(&mut self) -> usize {
        let count = self.queues.len();
        let in_turn = (0..count).map(|step| (self.turn + step) % count);
        let shortest = in_turn.min_by_key(|&index| self.queues[index].len()).unwrap_or_default();
        self.turn = shortest + 1;
        shortest
    }

    fn wait(&self, message: Message<T>) -> Option<usize> {
        let mut select = Select::new();
        for queue in &self.queues {
            select.send(queue);
        }
        let alarm = select.recv(self.control.alarmed());
        let operation = select.select();
        let index = operation.index();
        if index == alarm {
            // Nothing is ever sent: this is how the operation is completed.
            let _ = operation.recv(self.control.alarmed());
            return None;
        }
        operation.send(&self.queues[index], message).ok().map(|()| index)
    }
}
