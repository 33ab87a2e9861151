use rave_core::{Packet, Timestamp};
use rave_ffmpeg::{Demuxer, DemuxerOptions, Error, Input};

use super::allocations;

/// The packets of a file's video over and over, each round later than the one before.
pub(super) struct Looping {
    input: Input,
    options: DemuxerOptions,
    demuxer: Demuxer,
    /// What is added to the times of this round.
    shift_ticks: i64,
    /// The end of what came so far, as it was given out.
    end_ticks: i64,
    /// Whether a packet of this round has come.
    is_begun: bool,
}

impl Looping {
    pub(super) fn new(input: &Input, options: &DemuxerOptions, demuxer: Demuxer) -> Self {
        let (input, options) = (input.clone(), options.clone());
        Self { input, options, demuxer, shift_ticks: 0, end_ticks: i64::MIN, is_begun: false }
    }

    fn shifted(&mut self, packet: Packet) -> Packet {
        let earliest = packet.dts.or(packet.pts).map(Timestamp::ticks);
        if !self.is_begun && self.end_ticks != i64::MIN {
            self.shift_ticks = self.end_ticks - earliest.unwrap_or(0);
        }
        self.is_begun = true;
        let shift = |time: Timestamp| time.plus_ticks(self.shift_ticks);
        let packet = Packet { pts: packet.pts.map(shift), dts: packet.dts.map(shift), ..packet };
        if let Some(last) = packet.pts.max(packet.dts) {
            let end = last.plus_ticks(packet.duration_ticks.unwrap_or(1).max(1));
            self.end_ticks = self.end_ticks.max(end.ticks());
        }
        packet
    }
}

/// Ends only with an error, or if the file has no packet.
impl Iterator for Looping {
    type Item = Result<Packet, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        // Packets are as large as they are, and a file that is opened again is none of the job's.
        allocations::exempt(|| self.read())
    }
}

impl Looping {
    fn read(&mut self) -> Option<Result<Packet, Error>> {
        if let Some(packet) = self.demuxer.next() {
            return Some(packet.map(|packet| self.shifted(packet)));
        }
        if !self.is_begun {
            return None;
        }
        match Demuxer::open(&self.input, &self.options) {
            Ok(demuxer) => (self.demuxer, self.is_begun) = (demuxer, false),
            Err(error) => return Some(Err(error)),
        }
        let packet = self.demuxer.next()?;
        Some(packet.map(|packet| self.shifted(packet)))
    }
}
