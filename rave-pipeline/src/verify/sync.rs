//! When the packets of a stream come, against the video.

use rave_core::Timestamp;
use rave_ffmpeg::{PacketRecord, StreamInfo, StreamKind, StreamSurvey};

use super::announced::Announced;
use super::finding::{Aspect, Finding, Verdict};
use super::streams::{Pair, is_still, parts_of};
use super::times::{frame_nanoseconds, nanoseconds};

/// What is equal packet by packet has to be at the same times; of what is converted start and end are compared.
pub(super) struct Sync<'a> {
    pair: &'a Pair<'a>,
    before: &'a StreamSurvey,
    after: &'a StreamSurvey,
    announced: &'a Announced,
    shift_nanoseconds: i64,
    half_frame: i64,
}

/// How far times are off at most, and how far they may be, in nanoseconds.
#[derive(Clone, Copy)]
struct Off {
    what: &'static str,
    nanoseconds: i64,
    tolerance: i64,
}

impl<'a> Sync<'a> {
    /// `None` for streams without times.
    pub(super) fn new(
        pair: &'a Pair<'a>,
        (before, after): (&'a StreamSurvey, &'a StreamSurvey),
        announced: &'a Announced,
        shift: Option<Timestamp>,
    ) -> Option<Self> {
        let is_timed = matches!(
            pair.before.kind,
            StreamKind::Audio | StreamKind::Subtitle | StreamKind::Data | StreamKind::Video
        );
        let is_there = !before.packets.is_empty() && !after.packets.is_empty();
        (is_timed && !is_still(pair.before) && is_there).then(|| Self {
            pair,
            before,
            after,
            announced,
            shift_nanoseconds: shift.map_or(0, nanoseconds),
            half_frame: frame_nanoseconds(&pair.source.video.timestamps) / 2,
        })
    }

    /// `None` where nothing can be said.
    pub(super) fn finding(&self) -> Option<Finding> {
        let off = match self.part() {
            Some(start) if self.is_whole_in_packets() => self.worst_packet(start),
            // Sound that was cut begins and ends within a packet.
            _ if self.announced.is_of_part() => return None,
            _ => self.ends(),
        };
        let Some(Off { what, nanoseconds, tolerance }) = off else {
            return Some(Finding::new(Aspect::Sync, "no times", "no times", Verdict::Same));
        };
        let finding = |verdict| Finding::new(Aspect::Sync, begins(self.before), begins(self.after), verdict);
        let milliseconds = nanoseconds as f64 / 1e6;
        let plan = self.announced.stream(self.pair.before.index);
        let told =
            plan.filter(|plan| plan.mentions(&["stepped back"])).and_then(|plan| plan.reason.as_deref());
        let found = match nanoseconds.abs() {
            off if off <= tolerance => finding(Verdict::Same),
            off if off <= self.half_frame => finding(Verdict::Converted)
                .noted(format!("{what}{milliseconds:+.1} ms off against the video, less than half a frame")),
            _ => finding(Verdict::Different)
                .noted(format!("{what}up to {milliseconds:+.1} ms off against the video")),
        };
        Some(found.announced_by(told))
    }

    /// At which packet of the source those of the output begin, if they are some of its packets in a row. Packets of
    /// silence are alike: of all places that they could come from, the one at their time is meant.
    fn part(&self) -> Option<usize> {
        let off = |start: &usize| {
            let first = self.before.packets.get(*start).zip(self.after.packets.first());
            let off = first.and_then(|(before, after)| Some(self.off(before.time?, after.time?)));
            off.map_or(i64::MAX, i64::abs)
        };
        parts_of(self.after, self.before).min_by_key(off).filter(|_| !self.before.is_continuous)
    }

    fn is_whole_in_packets(&self) -> bool {
        self.announced.is_of_part() || self.before.packets.len() == self.after.packets.len()
    }

    fn off(&self, before: Timestamp, after: Timestamp) -> i64 {
        nanoseconds(after) - nanoseconds(before) - self.shift_nanoseconds
    }

    fn worst_packet(&self, start: usize) -> Option<Off> {
        let packets = || self.before.packets[start..].iter().zip(&self.after.packets);
        let tolerance = self.ticks();
        let starts =
            packets().filter(|(before, _)| !self.begins_early(before)).filter_map(|(before, after)| {
                let nanoseconds = self.off(before.time?, after.time?);
                Some(Off { what: "", nanoseconds, tolerance })
            });
        let ends = packets().filter(|(before, _)| !self.ends_late(before)).filter_map(|(before, after)| {
            let nanoseconds = self.off(caption_end(before)?, caption_end(after)?);
            Some(Off { what: "a caption ends ", nanoseconds, tolerance })
        });
        let is_caption = self.pair.before.kind == StreamKind::Subtitle;
        starts.chain(ends.filter(|_| is_caption)).max_by_key(|off| off.nanoseconds.abs())
    }

    /// The start and the end. Half a frame is allowed, or a packet: the pieces of what was converted begin elsewhere.
    fn ends(&self) -> Option<Off> {
        let piece = |survey: &StreamSurvey, stream: &StreamInfo| {
            let ticks = survey.packets.iter().filter_map(|packet| packet.duration_ticks).max().unwrap_or(0);
            nanoseconds(Timestamp::new(ticks, stream.time_base))
        };
        let pieces = piece(self.before, self.pair.before).max(piece(self.after, self.pair.after));
        let tolerance = self.ticks() + self.half_frame.max(pieces);
        let start = self.off(start(self.before)?, start(self.after)?);
        let end = self.off(end(self.before)?, end(self.after)?);
        let nanoseconds = if end.abs() > start.abs() { end } else { start };
        Some(Off { what: "", nanoseconds, tolerance })
    }

    /// A sum, as what one container tells in microseconds another rounds to milliseconds.
    fn ticks(&self) -> i64 {
        let tick = |stream: &StreamInfo| nanoseconds(Timestamp::new(1, stream.time_base));
        let video = &self.pair.output.streams()[self.pair.output.video.index];
        tick(self.pair.before) + tick(self.pair.after) + tick(video)
    }

    /// Whether it is a caption that began before the part that was asked for, so that it now begins with the part.
    fn begins_early(&self, packet: &PacketRecord) -> bool {
        let begins = self.pair.output.video.timestamps.first().copied().map(nanoseconds);
        let is_earlier = |begun, begins| begun + self.shift_nanoseconds < begins;
        self.is_caption_of_part()
            && packet
                .time
                .map(nanoseconds)
                .zip(begins)
                .is_some_and(|(begun, begins)| is_earlier(begun, begins))
    }

    /// Whether it is a caption that is shown longer than the part that was asked for, so that it may end with the part.
    fn ends_late(&self, packet: &PacketRecord) -> bool {
        let last = self.pair.output.video.timestamps.last().copied().map(nanoseconds);
        let is_later = |ended, last| ended + self.shift_nanoseconds > last;
        self.is_caption_of_part()
            && caption_end(packet)
                .map(nanoseconds)
                .zip(last)
                .is_some_and(|(ended, last)| is_later(ended, last))
    }

    fn is_caption_of_part(&self) -> bool {
        self.announced.is_of_part() && self.pair.before.kind == StreamKind::Subtitle
    }
}

fn caption_end(packet: &PacketRecord) -> Option<Timestamp> {
    let duration = packet.duration_ticks.filter(|&ticks| ticks > 0)?;
    packet.time.map(|time| time.plus_ticks(duration))
}

fn begins(survey: &StreamSurvey) -> String {
    let first = survey.packets.iter().find_map(|packet| packet.time);
    first.map_or_else(|| "no times".to_owned(), |time| format!("from {:.3} s", time.seconds()))
}

fn start(survey: &StreamSurvey) -> Option<Timestamp> {
    survey.packets.iter().filter_map(|packet| packet.time).min()
}

fn end(survey: &StreamSurvey) -> Option<Timestamp> {
    let ends = survey
        .packets
        .iter()
        .filter_map(|packet| packet.time.map(|time| time.plus_ticks(packet.duration_ticks.unwrap_or(0))));
    ends.max()
}
