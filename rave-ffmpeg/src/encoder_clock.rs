//! The times that frames have in the encoder and packets behind it.

use std::collections::BTreeMap;

use rave_core::{HostFrame, Packet, TimeBase, Timestamp};

use crate::{Container, Error, VideoCodec};

/// Turns frames' times into the encoder's, and gives packets what encoders do not carry.
pub(crate) struct EncoderClock {
    times: Times,
    time_base: TimeBase,
    durations: BTreeMap<i64, i64>,
    frames: u64,
    last_ticks: Option<i64>,
    /// Whether no frame follows.
    is_ended: bool,
}

/// What the packets' times are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Times {
    /// The frames' own.
    Own,
    /// The number of the frame: the container has no times.
    Counted,
}

impl EncoderClock {
    pub(crate) fn new(container: &Container, time_base: TimeBase) -> Self {
        let times = if container.has_timestamps() { Times::Own } else { Times::Counted };
        Self { times, time_base, durations: BTreeMap::new(), frames: 0, last_ticks: None, is_ended: false }
    }

    /// The next frame's time in the encoder's time base.
    pub(crate) fn ticks(&mut self, frame: &HostFrame) -> Result<i64, Error> {
        let number = self.frames;
        self.frames += 1;
        let ticks = match self.times {
            Times::Own => frame.info().pts.rescale(self.time_base).ticks(),
            Times::Counted => number.cast_signed(),
        };
        if let Some(last) = self.last_ticks.filter(|&last| last >= ticks) {
            let (last, now) = (Timestamp::new(last, self.time_base), Timestamp::new(ticks, self.time_base));
            return Err(Error::FrameOrder { frame: number, now, last });
        }
        self.last_ticks = Some(ticks);
        if let Some(duration) = self.duration(frame) {
            self.durations.insert(ticks, duration);
        }
        Ok(ticks)
    }

    fn duration(&self, frame: &HostFrame) -> Option<i64> {
        let own = frame.info().duration_ticks.map(|duration| {
            Timestamp::new(duration, frame.info().pts.time_base()).rescale(self.time_base).ticks()
        });
        match self.times {
            Times::Own => own,
            Times::Counted => Some(1),
        }
    }

    /// No frame follows.
    pub(crate) const fn end(&mut self) {
        self.is_ended = true;
    }

    /// Whether the stream is so short that its packets have the order of presentation: the first is a key frame, and nothing
    /// can stand between it and the second.
    const fn is_too_short_to_reorder(&self) -> bool {
        const MOST_FRAMES: u64 = 2;
        self.is_ended && self.frames <= MOST_FRAMES
    }

    /// The packet with its frame's duration, and with a decoding time.
    pub(crate) fn timed(&mut self, mut packet: Packet, codec: VideoCodec) -> Packet {
        if let Some(pts) = packet.pts {
            packet.duration_ticks = self.durations.remove(&pts.ticks()).or(packet.duration_ticks);
        }
        // These codecs' packets are in the order of presentation: hidden frames travel with the next shown one.
        let is_in_order = matches!(codec, VideoCodec::Av1 | VideoCodec::Vp9 | VideoCodec::Ffv1);
        // Of a stream that is shorter than its delay, x265 (3.5) takes a decoding time from memory that it never wrote.
        if is_in_order || self.is_too_short_to_reorder() {
            packet.dts = packet.pts;
        }
        packet
    }
}

#[cfg(test)]
mod tests {
    use rave_core::{ColorSpec, FrameInfo, HostBuffer, Layout, PixelFormat};

    use super::*;

    const TICKS: (i64, i64) = (1, 25);

    fn at(ticks: i64) -> Timestamp {
        Timestamp::new(ticks, TimeBase::new(TICKS.0, TICKS.1).unwrap())
    }

    /// The decoding time of the first packet of a stream of so many frames, whose encoder says `dts`.
    fn first_dts(frames: i64, dts: i64) -> Option<i64> {
        let container = Container::from_path("a.mkv".as_ref()).unwrap();
        let mut clock = EncoderClock::new(&container, TimeBase::new(TICKS.0, TICKS.1).unwrap());
        for ticks in 0..frames {
            let layout = Layout::packed(PixelFormat::YUV420P, 2, 2).unwrap();
            let info = FrameInfo::new(at(ticks));
            let buffer = HostBuffer::zeroed(layout.size_bytes());
            clock.ticks(&HostFrame::new(buffer, layout, ColorSpec::BT709, info).unwrap()).unwrap();
        }
        clock.end();
        let packet = Packet { pts: Some(at(0)), dts: Some(at(dts)), ..Packet::default() };
        clock.timed(packet, VideoCodec::Hevc).dts.map(Timestamp::ticks)
    }

    #[test]
    fn one_or_two_frames_are_decoded_when_they_are_shown_whatever_the_encoder_says() {
        assert_eq!([1, 2, 3].map(|frames| first_dts(frames, -7)), [Some(0), Some(0), Some(-7)]);
        assert_eq!(first_dts(1, 8_402_239_631_658_541_960), Some(0));
    }
}
