//! A thread with a decoder session, for streams that are decoded by several.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};
use rave_core::Packet;

use crate::DecodeError;
use crate::decoder::core::{Core, Picture};
use crate::decoder::sessions::MIN_SEGMENT_PACKETS;

/// What a worker is to do; each job has one answer.
pub(crate) enum Job {
    Decode {
        segment: u64,
        packet: Packet,
    },
    /// The segment has no more packets.
    End,
    /// Nothing comes any more.
    Finish,
}

/// What comes of jobs, in the order of presentation.
pub(crate) enum Item {
    /// A picture of a segment.
    Picture(u64, Box<Picture>),
    /// The segment has no more pictures.
    End(u64),
}

/// The answer to a job.
pub(crate) type Output = Result<Vec<Item>, DecodeError>;

/// A thread with a session.
pub(crate) struct Worker {
    input: Sender<Job>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(crate) fn new(session: usize, core: Core, outputs: &Sender<Output>) -> Self {
        let (input, jobs) = unbounded();
        let outputs = outputs.clone();
        let thread = thread::spawn(move || {
            let worked = catch_unwind(AssertUnwindSafe(|| Lane::new(core).work(&jobs, &outputs)));
            if worked.is_err() {
                // If nobody listens, nobody is to be told.
                let _ = outputs.send(Err(DecodeError::SessionLost { session }));
            }
        });
        Self { input, thread: Some(thread) }
    }

    /// Whether the thread is there to take it.
    pub(crate) fn give(&self, job: Job) -> bool {
        self.input.send(job).is_ok()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.input = unbounded().0;
        if let Some(thread) = self.thread.take() {
            // A panic was reported as an output.
            let _ = thread.join();
        }
    }
}

/// A session, and which segment its pictures belong to.
///
/// A segment begins where nothing before is needed, so that the next one may follow in the same session without draining it: the
/// pictures that are still inside come out with those that follow. It is drained only where few follow.
struct Lane {
    core: Core,
    /// The segment whose packets are decoded.
    decoding: u64,
    /// The segment whose pictures come out.
    showing: u64,
    /// The first packets of the segments in between and of that which is decoded.
    begins: VecDeque<(u64, u64)>,
    /// Whether everything has come out.
    is_drained: bool,
}

impl Lane {
    const fn new(core: Core) -> Self {
        Self { core, decoding: 0, showing: 0, begins: VecDeque::new(), is_drained: true }
    }

    /// Answers jobs until there are no more, nobody listens, or one fails.
    fn work(mut self, jobs: &Receiver<Job>, outputs: &Sender<Output>) {
        for job in jobs {
            let output = self.answer(job, jobs.len());
            let is_over = output.is_err();
            if outputs.send(output).is_err() || is_over {
                return;
            }
        }
    }

    /// `following` jobs wait.
    fn answer(&mut self, job: Job, following: usize) -> Output {
        match job {
            Job::Decode { segment, packet } => self.decode(segment, &packet),
            Job::End if following >= MIN_SEGMENT_PACKETS => Ok(Vec::new()),
            Job::End | Job::Finish => self.drain(),
        }
    }

    fn decode(&mut self, segment: u64, packet: &Packet) -> Output {
        if self.is_drained {
            (self.showing, self.is_drained) = (segment, false);
        } else if segment != self.decoding {
            self.begins.push_back((self.core.next_packet(), segment));
        }
        self.decoding = segment;
        let Self { core, showing, begins, .. } = self;
        let mut items = Vec::new();
        core.decode(packet, &mut |picture| sort(picture, showing, begins, &mut items))?;
        Ok(items)
    }

    fn drain(&mut self) -> Output {
        if self.is_drained {
            return Ok(Vec::new());
        }
        let Self { core, showing, begins, .. } = self;
        let mut items = Vec::new();
        core.drain(&mut |picture| sort(picture, showing, begins, &mut items))?;
        items.extend(
            std::iter::once(*showing).chain(begins.drain(..).map(|(_, segment)| segment)).map(Item::End),
        );
        self.is_drained = true;
        Ok(items)
    }
}

/// Puts a picture to its segment. The first one of a segment ends those before.
fn sort(picture: Picture, showing: &mut u64, begins: &mut VecDeque<(u64, u64)>, items: &mut Vec<Item>) {
    while let Some(&(first, segment)) = begins.front() {
        if picture.packet.is_none_or(|packet| packet < first) {
            break;
        }
        items.push(Item::End(*showing));
        *showing = segment;
        begins.pop_front();
    }
    items.push(Item::Picture(*showing, Box::new(picture)));
}
