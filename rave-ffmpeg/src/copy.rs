//! The streams that are taken over as they are: a second reader of the source.

use std::collections::VecDeque;

use rave_core::{TimeBase, Timestamp};

use crate::cut::{Cut, Verdict};
use crate::decoding_times::DecodingTimes;
use crate::sys::{AvError, AvPacket, InputContext, MediaType};

/// What is read beyond the wanted moment before a stream that has nothing is no longer waited for.
const LOOKAHEAD_SECONDS: f64 = 10.0;
const LOOKAHEAD_BYTES: usize = 64 << 20;

/// Packets of the copied streams, in the order of their decoding times as far as the source allows.
pub(crate) struct CopyReader {
    context: InputContext,
    /// By index in the source; `None` for those that are not copied.
    streams: Vec<Option<CopiedStream>>,
    queued_bytes: usize,
    newest: Option<Timestamp>,
    is_at_end: bool,
    cut: Cut,
}

struct CopiedStream {
    time_base: TimeBase,
    is_video: bool,
    /// Whether it has a packet at least every few seconds, so that it is worth waiting for.
    is_dense: bool,
    queue: VecDeque<Queued>,
    /// Of video: what is not in the queue yet, since its decoding time is not known.
    untimed: DecodingTimes,
    /// What is only wanted if a packet that is kept follows it.
    held: Vec<Queued>,
    last: Option<Timestamp>,
    /// Whether everything that comes is behind the wanted range.
    is_done: bool,
}

impl CopiedStream {
    /// Queues what was held back for this packet and the packet itself; how many bytes they have.
    fn keep(&mut self, queued: Queued) -> usize {
        let kept = self.queue.len();
        self.queue.extend(self.held.drain(..));
        self.queue.push_back(queued);
        self.queue.range(kept..).map(|queued| queued.packet.data().len()).sum()
    }
}

pub(crate) struct Queued {
    pub(crate) packet: AvPacket,
    pub(crate) time_base: TimeBase,
    /// Decoding time, or the best guess at it.
    pub(crate) time: Timestamp,
}

impl CopyReader {
    /// Reads from `context` the streams that `dense` names, with whether each is dense, as far as `cut` leaves them.
    pub(crate) fn new(mut context: InputContext, dense: &[(usize, bool)], cut: Cut) -> Self {
        context.discard_unless(|index| dense.iter().any(|&(copied, _)| copied == index));
        let streams = context
            .streams()
            .map(|stream| {
                let &(_, is_dense) = dense.iter().find(|&&(index, _)| index == stream.index())?;
                Some(CopiedStream {
                    time_base: stream.time_base(),
                    is_video: stream.parameters().media_type() == MediaType::Video,
                    is_dense,
                    queue: VecDeque::new(),
                    untimed: DecodingTimes::default(),
                    held: Vec::new(),
                    last: None,
                    is_done: false,
                })
            })
            .collect();
        Self { context, streams, queued_bytes: 0, newest: None, is_at_end: dense.is_empty(), cut }
    }

    /// Reads until every dense stream has got past `limit`, as far as the lookahead goes; to the end if `None`.
    pub(crate) fn read_past(&mut self, limit: Timestamp) -> Result<(), AvError> {
        while !self.is_past(limit) {
            self.read_one()?;
        }
        Ok(())
    }

    /// The earliest packet that is due at `limit`, or any if the queues are too long.
    pub(crate) fn next_due(&mut self, limit: Timestamp) -> Option<Queued> {
        let is_crowded = self.queued_bytes > LOOKAHEAD_BYTES;
        self.pop_earliest(|time| is_crowded || time <= limit)
    }

    /// The next packet until the end of the source.
    pub(crate) fn next(&mut self) -> Result<Option<Queued>, AvError> {
        while !self.is_at_end && self.dense_is_empty() && self.queued_bytes < LOOKAHEAD_BYTES {
            self.read_one()?;
        }
        Ok(self.pop_earliest(|_| true))
    }

    /// The packets that wait, to look at.
    pub(crate) fn queued(&self) -> impl Iterator<Item = &Queued> {
        self.streams.iter().flatten().flat_map(|stream| &stream.queue)
    }

    fn dense_is_empty(&self) -> bool {
        let mut dense = self.streams.iter().flatten().filter(|stream| stream.is_dense).peekable();
        match dense.peek() {
            Some(_) => dense.any(|stream| stream.queue.is_empty()) && !self.is_too_far(self.earliest()),
            None => self.streams.iter().flatten().all(|stream| stream.queue.is_empty()),
        }
    }

    fn earliest(&self) -> Option<Timestamp> {
        self.queued().map(|queued| queued.time).min()
    }

    fn is_too_far(&self, from: Option<Timestamp>) -> bool {
        match (from, self.newest) {
            (Some(from), Some(newest)) => newest.seconds() > from.seconds() + LOOKAHEAD_SECONDS,
            _ => false,
        }
    }

    fn is_past(&self, limit: Timestamp) -> bool {
        if self.is_at_end || self.queued_bytes > LOOKAHEAD_BYTES || self.is_too_far(Some(limit)) {
            return true;
        }
        let mut dense = self.streams.iter().flatten().filter(|stream| stream.is_dense).peekable();
        match dense.peek() {
            Some(_) => dense.all(|stream| stream.last.is_some_and(|last| last > limit)),
            None => self.newest.is_some_and(|newest| newest > limit),
        }
    }

    fn read_one(&mut self) -> Result<(), AvError> {
        let mut packet = AvPacket::new()?;
        if !self.context.read(&mut packet)? {
            self.is_at_end = true;
            let rest = self.streams.iter_mut().flatten().flat_map(|stream| stream.untimed.settle(None));
            rest.collect::<Vec<_>>().into_iter().for_each(|packet| self.take(packet));
            return Ok(());
        }
        let Some(Some(stream)) = self.streams.get_mut(packet.stream_index()) else {
            return Ok(());
        };
        let timed = if stream.is_video { stream.untimed.push(packet) } else { vec![packet] };
        timed.into_iter().for_each(|packet| self.take(packet));
        Ok(())
    }

    /// Queues a packet, if it is in the range.
    fn take(&mut self, mut packet: AvPacket) {
        let index = packet.stream_index();
        let Some(Some(stream)) = self.streams.get_mut(index) else { return };
        let ticks = packet.dts().or_else(|| packet.pts());
        let guess = || stream.last.unwrap_or_else(|| Timestamp::new(0, stream.time_base));
        let time = ticks.map_or_else(guess, |ticks| Timestamp::new(ticks, stream.time_base));
        let time_base = stream.time_base;
        stream.last = stream.last.max(Some(time));
        self.newest = self.newest.max(Some(time));
        let verdict = self.cut.decide(index, &mut packet, time);
        let queued = Queued { packet, time_base, time };
        match verdict {
            Verdict::Keep => self.queued_bytes += stream.keep(queued),
            Verdict::Hold => stream.held.push(queued),
            Verdict::Leave => {}
            Verdict::Behind => {
                stream.is_done = true;
                self.is_at_end |= self.is_behind_range();
            }
        }
    }

    /// Whether nothing that is wanted can come any more.
    fn is_behind_range(&self) -> bool {
        let mut dense = self.streams.iter().flatten().filter(|stream| stream.is_dense).peekable();
        match dense.peek() {
            Some(_) => dense.all(|stream| stream.is_done),
            None => self.is_too_far(self.cut.end()),
        }
    }

    fn pop_earliest(&mut self, is_wanted: impl Fn(Timestamp) -> bool) -> Option<Queued> {
        let front = |stream: &CopiedStream| stream.queue.front().map(|queued| queued.time);
        let streams = self.streams.iter_mut().flatten();
        let earliest =
            streams.filter(|stream| !stream.queue.is_empty()).min_by_key(|stream| front(stream))?;
        if !earliest.queue.front().is_some_and(|queued| is_wanted(queued.time)) {
            return None;
        }
        let queued = earliest.queue.pop_front()?;
        self.queued_bytes -= queued.packet.data().len();
        Some(queued)
    }
}
