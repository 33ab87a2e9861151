use std::sync::Arc;

use parking_lot::Mutex;
use rave_core::{
    BoxError, Buffer, DeviceTimes, FieldOrder, Frame, FrameInfo, Packet, Sink, Stage, Timestamp,
};
use rave_ffmpeg::{MuxSummary, Muxer, VideoStream};

use crate::Control;

/// What is noted of the decoded frames.
#[derive(Default)]
pub(super) struct Record {
    /// Presentation times, in order, for the check of the output.
    pub(super) timestamps: Vec<Timestamp>,
    /// When the last frame ends, as far as its duration tells.
    end: Option<Timestamp>,
    /// Frames that are two fields.
    pub(super) interlaced_frames: u64,
}

pub(super) type SharedRecord = Arc<Mutex<Record>>;

impl Record {
    pub(super) fn note(&mut self, frame: FrameInfo) {
        let FrameInfo { pts, duration_ticks, field_order } = frame;
        self.timestamps.push(pts);
        self.end = Some(pts.plus_ticks(duration_ticks.unwrap_or(0)));
        self.interlaced_frames += u64::from(field_order != FieldOrder::Progressive);
    }

    /// Whether no frame is missing between the last one and `next`: half a frame is left for rounding and jitter.
    fn is_followed_by(&self, next: FrameInfo) -> bool {
        let half = next.duration_ticks.unwrap_or(0) / 2;
        self.end.is_none_or(|end| next.pts <= end.rescale(next.pts.time_base()).plus_ticks(half))
    }
}

/// A decoder whose frames are noted, and which ends without a gap when the job is cut short.
pub(super) struct Recording<D> {
    pub(super) decoder: D,
    /// Frames outside its wanted part are not for the job.
    pub(super) stream: VideoStream,
    pub(super) record: SharedRecord,
    pub(super) control: Control,
}

impl<B: Buffer, D: Stage<Input = Packet, Output = Frame<B>>> Stage for Recording<D> {
    type Input = Packet;
    type Output = Frame<B>;

    fn process(&mut self, packet: Packet, emit: &mut dyn FnMut(Frame<B>)) -> Result<(), BoxError> {
        if self.control.is_finishing() {
            // Packets that still wait in the queue are not worth the time.
            return Ok(());
        }
        self.decoder.process(packet, &mut |frame| {
            if !self.stream.shows(frame.info().pts) {
                return;
            }
            self.record.lock().note(frame.info());
            emit(frame);
        })
    }

    fn finish(&mut self, emit: &mut dyn FnMut(Frame<B>)) -> Result<(), BoxError> {
        let is_cut_short = self.control.is_finishing();
        self.decoder.finish(&mut |frame| {
            // Frames behind one whose packet was not decoded any more stay out.
            let is_wanted = self.stream.shows(frame.info().pts);
            if !is_wanted || is_cut_short && !self.record.lock().is_followed_by(frame.info()) {
                return;
            }
            self.record.lock().note(frame.info());
            emit(frame);
        })
    }

    fn device_times(&self) -> Option<DeviceTimes> {
        self.decoder.device_times()
    }
}

/// The muxer; when the job is cut short, the copied streams end where the video does.
pub(super) struct Output {
    pub(super) muxer: Muxer,
    pub(super) control: Control,
}

impl Sink for Output {
    type Input = Packet;
    type Summary = MuxSummary;

    fn write(&mut self, packet: Packet) -> Result<(), BoxError> {
        self.muxer.write(packet)
    }

    fn finish(self) -> Result<MuxSummary, BoxError> {
        if self.control.is_finishing() { Ok(self.muxer.finish_at_video_end()?) } else { self.muxer.finish() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rave_core::TimeBase;

    fn shown(ticks: i64, duration_ticks: i64) -> FrameInfo {
        let pts = Timestamp::new(ticks, TimeBase::new(1, 1000).unwrap());
        FrameInfo { duration_ticks: Some(duration_ticks), ..FrameInfo::new(pts) }
    }

    #[test]
    fn a_gap_is_what_the_last_frame_does_not_fill() {
        let record = Record { end: Some(shown(100, 0).pts), ..Record::default() };
        for (next, follows) in [(100, true), (101, true), (119, true), (140, false)] {
            assert_eq!(record.is_followed_by(shown(next, 40)), follows, "{next}");
        }
        assert!(Record::default().is_followed_by(shown(5000, 40)), "nothing came before");
    }
}
