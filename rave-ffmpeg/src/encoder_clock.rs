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
        Self { times, time_base, durations: BTreeMap::new(), frames: 0, last_ticks: None }
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

    /// The packet with its frame's duration, and with a decoding time.
    pub(crate) fn timed(&mut self, mut packet: Packet, codec: VideoCodec) -> Packet {
        if let Some(pts) = packet.pts {
            packet.duration_ticks = self.durations.remove(&pts.ticks()).or(packet.duration_ticks);
        }
        // These codecs' packets are in the order of presentation: hidden frames travel with the next shown one.
        if matches!(codec, VideoCodec::Av1 | VideoCodec::Vp9 | VideoCodec::Ffv1) {
            packet.dts = packet.pts;
        }
        packet
    }
}
