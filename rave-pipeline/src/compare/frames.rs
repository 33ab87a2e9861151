//! One of the two videos, frame by frame.

use std::collections::VecDeque;

use rave_core::{BoxError, HostFrame, Packet, Stage, VideoInfo};
use rave_ffmpeg::{Cropping, DecoderOptions, Demuxer, DemuxerOptions, Input, SoftwareDecoder};

/// Decodes a video as its frames are asked for.
pub(super) struct Frames {
    packets: Demuxer,
    decoder: SoftwareDecoder,
    ready: VecDeque<HostFrame>,
    is_done: bool,
}

impl Frames {
    pub(super) fn open(input: &Input, stream: Option<usize>) -> Result<Self, BoxError> {
        let packets = Demuxer::open(
            input,
            &DemuxerOptions { stream, cropping: Cropping::Applied, ..Default::default() },
        )?;
        let decoder = SoftwareDecoder::new(packets.video(), &DecoderOptions::default())?;
        Ok(Self { packets, decoder, ready: VecDeque::new(), is_done: false })
    }

    pub(super) fn info(&self) -> VideoInfo {
        *self.decoder.info()
    }

    pub(super) fn has_alpha(&self) -> bool {
        self.packets.video().alpha().is_some()
    }

    pub(super) fn estimated_frames(&self) -> Option<u64> {
        self.packets.video().estimated_frames()
    }

    fn decode(&mut self, packet: Option<Packet>) -> Result<(), BoxError> {
        let emit = &mut |frame| self.ready.push_back(frame);
        match packet {
            Some(packet) => self.decoder.process(packet, emit),
            None => self.decoder.finish(emit),
        }
    }
}

impl Iterator for Frames {
    type Item = Result<HostFrame, BoxError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Some(Ok(frame));
            }
            if self.is_done {
                return None;
            }
            let packet = match self.packets.next().transpose() {
                Ok(packet) => packet,
                Err(error) => {
                    self.is_done = true;
                    return Some(Err(error.into()));
                }
            };
            self.is_done = packet.is_none();
            if let Err(error) = self.decode(packet) {
                self.is_done = true;
                return Some(Err(error));
            }
        }
    }
}
