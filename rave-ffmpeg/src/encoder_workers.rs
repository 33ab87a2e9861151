//! Several encoders at once, each on a segment of the stream.

use std::collections::VecDeque;
use std::panic;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rave_core::{Packet, Timestamp};

use crate::Error;
use crate::encoder_plan::EncoderPlan;
use crate::encoder_session::{Session, Template};
use crate::sys::AvFrame;

/// Cuts the stream into segments, has them encoded, each by a fresh encoder on a thread of its own, and joins the packets.
///
/// A fresh encoder starts with a key frame that nothing refers across, so segments can be decoded and joined freely.
pub(crate) struct Workers {
    template: Arc<Template>,
    /// What every encoder has to give, since the container has it once.
    parameter_sets: Arc<[u8]>,
    plan: EncoderPlan,
    /// For the first segment: the one that told the stream's parameters.
    first: Option<Session>,
    places: Places,
    room: Places,
    /// The oldest first. Packets are taken from that one; frames go to the last.
    segments: VecDeque<Segment>,
    started: usize,
    frames: u64,
    /// Number of the frame that the next segment starts with.
    next_start: u64,
    joint: Joint,
}

struct Segment {
    frames: Option<Sender<Input>>,
    results: Receiver<Result<Packet, Error>>,
    thread: Option<JoinHandle<()>>,
}

/// What a worker is given. A channel that closes without an end means that the stream is given up.
enum Input {
    Frame(AvFrame, Place),
    End,
}

impl Workers {
    pub(crate) fn new(template: Template, first: Session, plan: EncoderPlan) -> Result<Self, Error> {
        Ok(Self {
            template: Arc::new(template),
            parameter_sets: first.parameters()?.as_ref().extradata().into(),
            first: Some(first),
            places: Places::new(plan.workers()),
            room: Places::new(plan.queued_frames()),
            segments: VecDeque::new(),
            started: 0,
            frames: 0,
            next_start: 0,
            joint: Joint::default(),
            plan,
        })
    }

    /// Hands a frame on and emits packets that are ready. Waits while the workers have as many frames as they may.
    pub(crate) fn encode(
        &mut self,
        frame: AvFrame,
        ticks: i64,
        emit: &mut dyn FnMut(Packet),
    ) -> Result<(), Error> {
        self.emit_ready(emit)?;
        if self.frames == self.next_start {
            self.start_segment(emit)?;
            self.next_start += self.plan.segment_frames(self.started);
            self.started += 1;
        }
        self.frames += 1;
        if self.template.reorders() {
            self.joint.presented.push_back(ticks);
        }
        let input = Input::Frame(frame, self.room.take());
        let last = self.segments.back().and_then(|segment| segment.frames.as_ref());
        if last.is_some_and(|frames| frames.send(input).is_err()) {
            return self.fail(emit);
        }
        self.emit_ready(emit)
    }

    /// Emits the packets that are left.
    pub(crate) fn finish(&mut self, emit: &mut dyn FnMut(Packet)) -> Result<(), Error> {
        self.end_segment();
        while !self.segments.is_empty() {
            self.emit_oldest(emit)?;
        }
        Ok(())
    }

    /// Waits for a free worker and gives it the next segment.
    fn start_segment(&mut self, emit: &mut dyn FnMut(Packet)) -> Result<(), Error> {
        self.end_segment();
        // Finished segments behind a slow one are kept, but not without end.
        while self.segments.len() >= 2 * self.plan.workers() {
            self.emit_oldest(emit)?;
        }
        let place = self.places.take();
        let (frames, inputs) = channel();
        let (outputs, results) = channel();
        let (template, parameter_sets) = (Arc::clone(&self.template), Arc::clone(&self.parameter_sets));
        let (first, start) = (self.first.take(), self.frames);
        let work = move || {
            let session = first.map_or_else(|| template.open_alike(&parameter_sets), Ok);
            let encoded = session.and_then(|session| encode_segment(session, start, inputs, &outputs));
            if let Err(error) = encoded {
                // Nobody listens any more if the stream was given up.
                let _ = outputs.send(Err(error));
            }
            drop(place);
        };
        let thread = thread::Builder::new().name("encode-worker".into()).spawn(work);
        let thread = Some(thread.map_err(|_| Error::OutOfMemory)?);
        self.segments.push_back(Segment { frames: Some(frames), results, thread });
        Ok(())
    }

    fn end_segment(&mut self) {
        let frames = self.segments.back_mut().and_then(|segment| segment.frames.take());
        if let Some(frames) = frames {
            // A worker that is gone has left its error.
            let _ = frames.send(Input::End);
        }
    }

    /// Emits what the oldest segments have ready.
    fn emit_ready(&mut self, emit: &mut dyn FnMut(Packet)) -> Result<(), Error> {
        while let Some(oldest) = self.segments.front_mut() {
            match oldest.results.try_recv() {
                Ok(packet) => emit(self.joint.join(packet?)),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => self.remove_oldest(),
            }
        }
        Ok(())
    }

    /// Waits for the end of the oldest segment.
    fn emit_oldest(&mut self, emit: &mut dyn FnMut(Packet)) -> Result<(), Error> {
        if let Some(oldest) = self.segments.front_mut() {
            for packet in &oldest.results {
                emit(self.joint.join(packet?));
            }
            self.remove_oldest();
        }
        Ok(())
    }

    /// The last worker has gone before its time: its error, or an earlier one.
    fn fail(&mut self, emit: &mut dyn FnMut(Packet)) -> Result<(), Error> {
        self.end_segment();
        while !self.segments.is_empty() {
            self.emit_oldest(emit)?;
        }
        unreachable!("a worker ends early with an error or a panic")
    }

    fn remove_oldest(&mut self) {
        let thread = self.segments.pop_front().and_then(|mut segment| segment.thread.take());
        if let Some(Err(payload)) = thread.map(JoinHandle::join) {
            panic::resume_unwind(payload);
        }
    }
}

impl Drop for Segment {
    /// Gives the segment up and waits for its thread, so that nothing of it outlives the stage.
    fn drop(&mut self) {
        self.frames = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// What a worker does.
fn encode_segment(
    mut session: Session,
    start: u64,
    inputs: Receiver<Input>,
    outputs: &Sender<Result<Packet, Error>>,
) -> Result<(), Error> {
    session.start_at(start);
    // Nobody listens any more if the stream was given up.
    let mut emit = |packet| drop(outputs.send(Ok(packet)));
    for input in inputs {
        match input {
            Input::Frame(frame, _place) => session.encode(&frame, &mut emit)?,
            Input::End => return session.finish(&mut emit),
        }
    }
    Ok(())
}

/// A number of places, of which each can be taken by one at a time.
#[derive(Clone)]
struct Places(Arc<(Mutex<usize>, Condvar)>);

/// A place; free again when dropped.
struct Place(Places);

impl Places {
    fn new(count: usize) -> Self {
        Self(Arc::new((Mutex::new(count), Condvar::new())))
    }

    /// Waits until one is free.
    fn take(&self) -> Place {
        let (free, freed) = &*self.0;
        let free = free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Place(self.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (free, freed) = &*self.0.0;
        *free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        freed.notify_one();
    }
}

/// Decoding times across segments.
///
/// Encoders with B-frames give the packet of number n, in decoding order, the time of the frame of number n - delay, in
/// order of presentation (H.264 and H.265, annex C, allow as many frames of reordering). Each encoder has to invent times
/// for its first packets, and where frame durations vary those can lie before the last segment's. Counted over the whole
/// stream the rule holds across segments, and times stay in order and not after the frames' own.
#[derive(Default)]
struct Joint {
    /// Times of frames, from the one whose time the next packet gets.
    presented: VecDeque<i64>,
    packets: usize,
    /// Unknown until a packet has the first frame's time.
    delay: Option<usize>,
}

impl Joint {
    fn join(&mut self, mut packet: Packet) -> Packet {
        if let (None, Some(dts)) = (self.delay, packet.dts)
            && self.presented.front() == Some(&dts.ticks())
        {
            self.delay = Some(self.packets);
        }
        self.packets += 1;
        if self.delay.is_some()
            && let (Some(ticks), Some(pts)) = (self.presented.pop_front(), packet.pts)
        {
            packet.dts = Some(Timestamp::new(ticks, pts.time_base()));
        }
        packet
    }
}

#[cfg(test)]
mod tests {
    use rave_core::{ColorSpec, Frame, FrameInfo, HostBuffer, Layout, PixelFormat, TimeBase, VideoInfo};

    use super::*;
    use crate::encoder_session::Samples;
    use crate::{Container, EncoderOptions, VideoCodec};

    fn template(preset: &str) -> (Template, EncoderPlan) {
        let info =
            VideoInfo::new(PixelFormat::YUV420P, (64, 64), ColorSpec::BT709, TimeBase::new(1, 25).unwrap());
        let options = EncoderOptions {
            preset: Some(preset.into()),
            workers: std::num::NonZeroUsize::new(2),
            ..EncoderOptions::new(VideoCodec::H264)
        };
        let container = Container::from_path("a.mkv".as_ref()).unwrap();
        Template::new(&info, &options, &container, Samples::Picture).unwrap()
    }

    fn gray(ticks: i64, format: i32) -> AvFrame {
        let layout = Layout::packed(PixelFormat::YUV420P, 64, 64).unwrap();
        let pts = Timestamp::new(ticks, TimeBase::new(1, 25).unwrap());
        let info = FrameInfo::new(pts);
        let buffer = HostBuffer::zeroed(layout.size_bytes());
        let frame = Frame::new(buffer, layout, ColorSpec::BT709, info).unwrap();
        let mut wrapped = AvFrame::from_host(frame, format, &[0, 1, 2]).unwrap();
        wrapped.set_pts(ticks);
        wrapped
    }

    #[test]
    fn an_error_of_one_worker_ends_the_stream_with_that_error() {
        let (fast, plan) = template("ultrafast");
        let (good, _) = template("slow");
        let format = good.format_number();
        let mut workers = Workers::new(good, fast.open().unwrap(), plan).unwrap();
        let (mut frames, mut packets) = (0, 0);
        let error = loop {
            match workers.encode(gray(frames, format), frames, &mut |_| packets += 1) {
                Ok(()) => frames += 1,
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains("parameter sets"), "{error}");
        assert!((60..600).contains(&frames), "the second segment starts at frame 60, not {frames}");
        assert_eq!(packets, 60, "the first segment is whole");
    }

    fn packet(pts: i64, dts: i64) -> Packet {
        let at = |ticks| Some(Timestamp::new(ticks, TimeBase::new(1, 25).unwrap()));
        Packet { pts: at(pts), dts: at(dts), ..Packet::default() }
    }

    fn joined(presented: &[i64], packets: &[(i64, i64)]) -> Vec<i64> {
        let mut joint = Joint { presented: presented.iter().copied().collect(), ..Joint::default() };
        packets.iter().map(|&(pts, dts)| joint.join(packet(pts, dts)).dts.unwrap().ticks()).collect()
    }

    #[test]
    fn decoding_times_go_on_over_a_joint_where_durations_vary() {
        // Two segments of I P B and a delay of one; the second encoder invents 30 - (90 - 30) for its first packet.
        let presented = [0, 10, 20, 30, 90, 150];
        let packets = [(0, -10), (20, 0), (10, 10), (30, -30), (150, 30), (90, 90)];
        assert_eq!(joined(&presented, &packets), [-10, 0, 10, 20, 30, 90]);
    }

    #[test]
    fn without_reordering_both_times_are_alike() {
        assert_eq!(joined(&[5, 6, 9], &[(5, 5), (6, 6), (9, 9)]), [5, 6, 9]);
    }

    #[test]
    fn a_place_is_free_again_when_it_is_dropped() {
        let places = Places::new(1);
        let place = places.take();
        let waiting = thread::spawn({
            let places = places.clone();
            move || drop(places.take())
        });
        drop(place);
        waiting.join().unwrap();
        drop(places.take());
    }
}
