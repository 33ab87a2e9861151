use std::sync::Arc;

use parking_lot::Mutex;
use rave_core::{BoxError, Convert, HostFrame, Packet, Sink, Stage, Timestamp};
use rave_ffmpeg::{MuxSummary, Muxer, SoftwareDecoder};

use crate::Control;

/// The presentation times of decoded frames, in order, for the check of the output.
pub(super) type Timestamps = Arc<Mutex<Vec<Timestamp>>>;

/// A decoder whose frames' times are written down.
pub(super) struct RecordingDecoder {
    pub(super) decoder: SoftwareDecoder,
    pub(super) timestamps: Timestamps,
}

impl Stage for RecordingDecoder {
    type Input = Packet;
    type Output = HostFrame;

    fn process(&mut self, packet: Packet, emit: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        self.decoder.process(packet, &mut recorded(&self.timestamps, emit))
    }

    fn finish(&mut self, emit: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        self.decoder.finish(&mut recorded(&self.timestamps, emit))
    }
}

fn recorded(timestamps: &Timestamps, emit: &mut dyn FnMut(HostFrame)) -> impl FnMut(HostFrame) {
    move |frame| {
        timestamps.lock().push(frame.info().pts);
        emit(frame);
    }
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
