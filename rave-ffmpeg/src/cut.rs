//! Which packets of the copied streams a range leaves, so that they begin and end with the picture.

use rave_core::{Rational, TimeBase, Timestamp};

use crate::range::ClockRange;
use crate::sys::{AvPacket, InputContext, MediaType, ffi};

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Keep,
    Leave,
    /// It is shown behind the range, but a picture that is decoded after it and shown in the range may refer to it: kept
    /// if one comes.
    Hold,
    /// It and everything after it in its stream is behind the range.
    Behind,
}

/// Whether the container's player drops the part of a packet that is before the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trim {
    /// An edit list does it, to the sample.
    ByContainer,
    /// Sound begins with the first whole packet.
    WholePackets,
}

/// A range, and what each stream is.
pub(crate) struct Cut {
    range: ClockRange,
    trim: Trim,
    /// By index in the source.
    streams: Vec<Stream>,
}

struct Stream {
    kind: MediaType,
    time_base: TimeBase,
    is_cover: bool,
    /// Whether each packet is a text with a duration, which may begin earlier and end later.
    is_text: bool,
    /// When the first key frame of a video that is copied from a moment on is shown. What is decoded after it and shown
    /// before it refers to pictures that are not there.
    first_key: Option<Timestamp>,
}

/// Before the start, so that texts that are still shown are found.
const LOOKBACK_SECONDS: i64 = 10;

impl Cut {
    pub(crate) fn new(range: ClockRange, trim: Trim, source: &InputContext) -> Self {
        let streams = source.streams().map(|stream| {
            let parameters = stream.parameters();
            Stream {
                kind: parameters.media_type(),
                time_base: stream.time_base(),
                is_cover: stream.is_attached_picture(),
                is_text: parameters.codec().is_some_and(|codec| crate::capability::is_text(&codec)),
                first_key: None,
            }
        });
        Self { range, trim, streams: streams.collect() }
    }

    pub(crate) fn end(&self) -> Option<Timestamp> {
        self.range.end
    }

    /// Puts `source` where reading has to begin; `video` is the stream whose index is used.
    pub(crate) fn seek(&self, source: &mut InputContext, video: usize) {
        let (Some(start), Some(stream)) = (self.range.start, self.streams.get(video)) else { return };
        let lookback =
            Timestamp::new(LOOKBACK_SECONDS, Rational::ONE.into()).rescale(stream.time_base).ticks();
        let target = start.rescale(stream.time_base).ticks().saturating_sub(lookback);
        // What cannot be sought is read from where it is, its beginning.
        if source.seek(video, target).is_err() {
            let _ = source.rewind(video);
        }
    }

    /// Decides on a packet whose decoding time, or the best guess at it, is `time`. A text that begins before the start
    /// or ends behind the end is shortened.
    pub(crate) fn decide(&mut self, index: usize, packet: &mut AvPacket, time: Timestamp) -> Verdict {
        let Some(stream) = self.streams.get_mut(index).filter(|stream| !stream.is_cover) else {
            return Verdict::Keep;
        };
        if self.range.is_behind(time) {
            return Verdict::Behind;
        }
        let shown = packet.pts().map_or(time, |ticks| Timestamp::new(ticks, stream.time_base));
        if self.range.is_behind(shown) {
            return if stream.kind == MediaType::Video { Verdict::Hold } else { Verdict::Leave };
        }
        let until = shown.plus_ticks(packet.duration().unwrap_or(0));
        let is_over = self.range.start.is_some_and(|start| until <= start && shown < start);
        let is_early = self.range.is_before(shown);
        let keeps = match stream.kind {
            _ if is_over => false,
            MediaType::Video if self.range.start.is_none() => true,
            MediaType::Video => {
                let is_key = packet.flags() & ffi::AV_PKT_FLAG_KEY != 0;
                if is_key && !is_early {
                    stream.first_key.get_or_insert(shown);
                }
                stream.first_key.is_some_and(|first| shown >= first)
            }
            _ if stream.is_text => {
                shorten(packet, &self.range, shown, until);
                true
            }
            MediaType::Audio => !is_early || self.trim == Trim::ByContainer,
            _ => !is_early,
        };
        if keeps { Verdict::Keep } else { Verdict::Leave }
    }
}

fn shorten(packet: &mut AvPacket, range: &ClockRange, shown: Timestamp, until: Timestamp) {
    if let Some([from, to]) = range.clip(shown, until).filter(|&clipped| clipped != [shown, until]) {
        let ticks = Some(from.ticks());
        packet.set_times(ticks, ticks, Some(to.ticks() - from.ticks()));
    }
}
