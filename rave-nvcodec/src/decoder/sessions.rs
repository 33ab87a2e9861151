use std::fmt;
use std::num::NonZeroUsize;

use crossbeam_channel::{Receiver, never, unbounded};
use rave_core::{BoxError, DeviceTimes, Packet, Stage, VideoInfo};
use rave_cuda::{CudaFrame, Pool, device_layout};

use crate::decoder::Stamper;
use crate::decoder::core::{Core, Picture};
use crate::decoder::worker::{Item, Job, Output, Worker};
use crate::{
    Capabilities, Codec, CodedFormat, CodedVideo, DecodeError, DecodeReportHandle, DecoderOptions,
    GopSplitter, NvdecLibrary, SegmentJoiner, SplitError, SplitOptions,
};

/// How one stream is decoded by several sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionOptions {
    /// Sessions that decode at the same time. `None` for as many as the GPU has decoders, or one where the codec's stream
    /// cannot be split.
    pub sessions: Option<NonZeroUsize>,
    /// GPU memory for frames that were decoded before those that are shown earlier, in MiB; at most half of what the pool may
    /// take. All sessions are busy if it holds a group of pictures for each.
    pub ahead_mib: u64,
    /// How each session works.
    pub decoder: DecoderOptions,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { sessions: None, ahead_mib: 2048, decoder: DecoderOptions::default() }
    }
}

/// Packets to frames in GPU memory, through several NVDEC sessions, each on a thread of its own.
///
/// The stream is split at closed groups of pictures ([`GopSplitter`]), which are dealt to the sessions; their frames are put
/// back in order ([`SegmentJoiner`]). What comes out is what [`NvDecoder`](crate::NvDecoder) gives. A stream without closed
/// groups is decoded by one of the sessions.
pub struct DecodeSessions {
    splitter: Splitter,
    workers: Vec<Worker>,
    outputs: Receiver<Output>,
    joiner: SegmentJoiner<Picture>,
    stamper: Stamper,
    info: VideoInfo,
    codec: Codec,
    /// The segment that packets are given to now.
    segment: u64,
    session: usize,
    /// Jobs that were given and not yet answered.
    outstanding: usize,
    /// The most jobs and waiting frames, together.
    most_ahead: usize,
    packets: u64,
    report: DecodeReportHandle,
}

impl fmt::Debug for DecodeSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodeSessions")
            .field("info", &self.info)
            .field("sessions", &self.workers.len())
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

/// Deals packets, or gives them all to the one session.
enum Splitter {
    Gops(GopSplitter),
    Whole,
}

/// Short groups are put together: what a segment leaves in its session comes out with the next one's pictures, or when the session
/// is drained, which costs a few pictures' time.
pub(crate) const MIN_SEGMENT_PACKETS: usize = 32;

impl DecodeSessions {
    /// Makes the sessions and their threads.
    ///
    /// # Errors
    /// As for [`NvDecoder::new`](crate::NvDecoder::new); [`DecodeError::Unsplittable`] if several sessions are wanted for a
    /// codec whose stream cannot be split.
    pub fn new(
        library: &NvdecLibrary,
        pool: &Pool,
        video: &CodedVideo,
        options: &SessionOptions,
    ) -> Result<Self, DecodeError> {
        let count = session_count(library, pool, video, options.sessions)?;
        let splitter = splitter(video.codec, count)?;
        let report = DecodeReportHandle::new(count);
        let cores = (0..count).map(|_| Core::new(library, pool, video, &options.decoder, &report));
        let cores = cores.collect::<Result<Vec<_>, DecodeError>>()?;
        let info = *cores[0].info();
        let frame_bytes = device_layout(info.format, info.width, info.height)?.size_bytes();
        let ahead_mib =
            pool.health().limit_mib.map_or(options.ahead_mib, |limit| options.ahead_mib.min(limit / 2));
        let most_ahead = most_ahead(ahead_mib, frame_bytes, count);
        // Sessions run ahead until as many wait, which are given back at once when their turn has come.
        pool.expect(frame_bytes, most_ahead);
        let (to_joiner, outputs) = unbounded();
        let workers = cores.into_iter().enumerate();
        Ok(Self {
            splitter,
            workers: workers.map(|(session, core)| Worker::new(session, core, &to_joiner)).collect(),
            outputs,
            joiner: SegmentJoiner::new(),
            stamper: Stamper::new(&info, &report),
            info,
            codec: video.codec,
            segment: 0,
            session: 0,
            outstanding: 0,
            most_ahead,
            packets: 0,
            report,
        })
    }

    /// What is true of every frame.
    pub const fn info(&self) -> &VideoInfo {
        &self.info
    }

    /// Counts of all sessions together, that can be read while they work.
    pub fn report(&self) -> DecodeReportHandle {
        self.report.clone()
    }

    fn give(&mut self, session: usize, job: Job, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), DecodeError> {
        if !self.workers[session].give(job) {
            return Err(self.last_words(session));
        }
        self.outstanding += 1;
        while self.outstanding > 0 && self.outstanding + self.joiner.waiting() > self.most_ahead {
            self.wait(session, emit)?;
        }
        while let Ok(output) = self.outputs.try_recv() {
            self.take(output, emit)?;
        }
        Ok(())
    }

    fn wait(&mut self, session: usize, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), DecodeError> {
        let output = self.outputs.recv().map_err(|_| DecodeError::SessionLost { session })?;
        self.take(output, emit)
    }

    fn take(&mut self, output: Output, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), DecodeError> {
        let Self { joiner, stamper, .. } = self;
        let mut emit = |picture| emit(stamper.stamp(picture));
        self.outstanding -= 1;
        for item in output? {
            match item {
                Item::Picture(segment, picture) => joiner.push(segment, *picture, &mut emit)?,
                Item::End(segment) => joiner.finish_segment(segment, &mut emit)?,
            }
        }
        Ok(())
    }

    /// Why a session has ended.
    fn last_words(&mut self, session: usize) -> DecodeError {
        let error = self.outputs.try_iter().find_map(Result::err);
        error.unwrap_or(DecodeError::SessionLost { session })
    }
}

impl Stage for DecodeSessions {
    type Input = Packet;
    type Output = CudaFrame;

    fn process(&mut self, packet: Packet, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), BoxError> {
        self.packets += 1;
        let (segment, session, packet) = match &mut self.splitter {
            Splitter::Gops(splitter) => {
                let routed = splitter.route(packet);
                (routed.segment, routed.session, routed.packet)
            }
            Splitter::Whole => (0, 0, packet),
        };
        if segment != self.segment {
            self.give(self.session, Job::End, emit)?;
            (self.segment, self.session) = (segment, session);
        }
        Ok(self.give(session, Job::Decode { segment, packet }, emit)?)
    }

    fn finish(&mut self, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), BoxError> {
        for session in 0..self.workers.len() {
            self.give(session, Job::Finish, emit)?;
        }
        while self.outstanding > 0 {
            self.wait(self.session, emit)?;
        }
        let segment = self.joiner.current();
        if self.packets > 0 && segment <= self.segment {
            return Err(DecodeError::from(SplitError::Unfinished { segment }).into());
        }
        Ok(self.stamper.check(self.codec, self.packets)?)
    }

    fn device_times(&self) -> Option<DeviceTimes> {
        Some(self.report().device_times())
    }
}

impl Drop for DecodeSessions {
    fn drop(&mut self) {
        // Whoever still works finds nobody to give it to, and ends.
        self.outputs = never();
        self.workers.clear();
    }
}

fn session_count(
    library: &NvdecLibrary,
    pool: &Pool,
    video: &CodedVideo,
    wanted: Option<NonZeroUsize>,
) -> Result<usize, DecodeError> {
    match (wanted, video.codec.stream_codec()) {
        (Some(wanted), None) if wanted.get() > 1 => Err(DecodeError::Unsplittable { codec: video.codec }),
        (Some(wanted), _) => Ok(wanted.get()),
        (None, None) => Ok(1),
        (None, Some(_)) => {
            let format = CodedFormat::new(video.codec, video.info.format)?;
            let capabilities = Capabilities::query(library, pool.device(), format)?;
            Ok(capabilities.engines.max(1) as usize)
        }
    }
}

fn splitter(codec: Codec, sessions: usize) -> Result<Splitter, DecodeError> {
    match codec.stream_codec().filter(|_| sessions > 1) {
        Some(codec) => {
            let options = SplitOptions { sessions, min_segment_packets: MIN_SEGMENT_PACKETS };
            Ok(Splitter::Gops(GopSplitter::new(codec, options)?))
        }
        None => Ok(Splitter::Whole),
    }
}

/// How many frames may be on their way: each session needs some for itself, whatever the memory.
fn most_ahead(ahead_mib: u64, frame_bytes: usize, sessions: usize) -> usize {
    const LEAST_PER_SESSION: usize = 16;
    let frames = (ahead_mib << 20) / (frame_bytes.max(1) as u64);
    usize::try_from(frames).unwrap_or(usize::MAX).max(LEAST_PER_SESSION * sessions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_bounds_how_far_sessions_run_ahead() {
        let full_hd = 1920 * 1080 * 3 / 2;
        assert_eq!(most_ahead(2048, full_hd, 7), 690);
        assert_eq!(most_ahead(0, full_hd, 7), 112);
        assert_eq!(most_ahead(1, 0, 1), 1 << 20);
    }

    #[test]
    fn a_stream_that_cannot_be_split_has_one_session() {
        assert!(matches!(splitter(Codec::Mpeg2, 1), Ok(Splitter::Whole)));
        assert!(matches!(splitter(Codec::H264, 1), Ok(Splitter::Whole)));
        assert!(matches!(splitter(Codec::H264, 2), Ok(Splitter::Gops(_))));
    }
}
