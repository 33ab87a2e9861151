use std::sync::Arc;

use parking_lot::Mutex;
use rave_core::{BoxError, Convert, FieldOrder, FrameInfo, HostFrame, Packet, Sink, Stage, Timestamp};
use rave_ffmpeg::{MuxSummary, Muxer, SoftwareDecoder};

use crate::Control;

/// What is noted of the decoded frames.
#[derive(Default)]
pub(super) struct Record {
    /// Presentation times, in order, for the check of the output.
    pub(super) timestamps: Vec<Timestamp>,
    /// Frames that are two fields.
    pub(super) interlaced_frames: u64,
}

pub(super) type SharedRecord = Arc<Mutex<Record>>;

impl Record {
    fn note(&mut self, frame: &HostFrame) {
        self.timestamps.push(frame.info().pts);
        self.interlaced_frames += u64::from(frame.info().field_order != FieldOrder::Progressive);
    }
}

/// A decoder whose frames are noted, and which ends without a gap when the job is cut short.
pub(super) struct RecordingDecoder {
    pub(super) decoder: SoftwareDecoder,
    pub(super) record: SharedRecord,
    pub(super) control: Control,
}

impl Stage for RecordingDecoder {
    type Input = Packet;
    type Output = HostFrame;

    fn process(&mut self, packet: Packet, emit: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        if self.control.is_finishing() {
            // Packets that still wait in the queue are not worth the time.
            return Ok(());
        }
        self.decoder.process(packet, &mut |frame| {
            self.record.lock().note(&frame);
            emit(frame);
        })
    }

    fn finish(&mut self, emit: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        let is_cut_short = self.control.is_finishing();
        let mut last = self.record.lock().timestamps.last().copied();
        self.decoder.finish(&mut |frame| {
            // Frames behind one whose packet was not decoded any more stay out.
            if is_cut_short && last.is_some_and(|last| !follows(last, &frame)) {
                return;
            }
            last = Some(frame.info().pts);
            self.record.lock().note(&frame);
            emit(frame);
        })
    }
}

/// Whether no frame can be missing between `last` and `frame`, as far as the frame's duration tells.
fn follows(last: Timestamp, frame: &HostFrame) -> bool {
    let FrameInfo { pts, duration_ticks, .. } = frame.info();
    let longest = duration_ticks.unwrap_or(0).saturating_mul(3) / 2;
    pts <= last.rescale(pts.time_base()).plus_ticks(longest)
}

/// One conversion, or two where there is none in one step.
pub(super) struct Conversions(pub(super) Vec<Convert>);

impl Stage for Conversions {
    type Input = HostFrame;
    type Output = HostFrame;

    fn process(&mut self, frame: HostFrame, emit: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        let mut frame = frame;
        for conversion in &mut self.0 {
            frame = conversion.convert(&frame)?;
        }
        emit(frame);
        Ok(())
    }

    fn finish(&mut self, _: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        Ok(())
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
