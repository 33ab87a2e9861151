//! Among how many encoders the work is shared, and how.

use std::fmt;
use std::num::NonZeroUsize;
use std::thread;

use rave_core::{Layout, VideoInfo};

use crate::encoder_kind::Kind;
use crate::{EncoderOptions, Error, Quality};

/// Memory that frames may take while they wait for their worker, if that leaves segments of a sensible length.
const QUEUE_BYTES: usize = 2 << 30;

/// Segments are not shorter, as each costs a key frame, and not longer, as frames wait for as long.
const LEAST_SEGMENT: usize = 48;
const MOST_SEGMENT: usize = 120;

/// More than are of use on any machine: each further worker costs memory for its frames.
const MOST_WORKERS: usize = 64;

/// How the work is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EncoderPlan {
    workers: usize,
    threads: Option<NonZeroUsize>,
    /// See [`Kind::frames_held`].
    frames_per_encoder: usize,
    segment_frames: usize,
    /// Segments are multiples of this.
    group_frames: usize,
}

impl EncoderPlan {
    /// The plan for this machine.
    ///
    /// # Errors
    /// [`Error::EncoderOption`] if the encoder cannot be one of several.
    pub(crate) fn new(encoder: &str, info: &VideoInfo, options: &EncoderOptions) -> Result<Self, Error> {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self::on(cores, encoder, info, options)
    }

    fn on(cores: usize, encoder: &str, info: &VideoInfo, options: &EncoderOptions) -> Result<Self, Error> {
        let kind = Kind::of(encoder);
        let cores = options.threads.map_or(cores, NonZeroUsize::get);
        let workers = match options.workers.map(NonZeroUsize::get) {
            None => default_workers(cores, kind, info, options),
            Some(workers) if workers > 1 && kind == Kind::Other => {
                let reason = "nothing is known of how it starts a stream anew";
                return Err(refuse(encoder, workers, reason));
            }
            Some(workers) if workers > MOST_WORKERS => {
                return Err(refuse(encoder, workers, &format!("there can be {MOST_WORKERS} at most")));
            }
            Some(workers) => workers,
        };
        let threads = match workers {
            1 => options.threads,
            _ => NonZeroUsize::new(threads_of_each(kind, cores, workers)),
        };
        Ok(Self { threads, ..Self::of(workers, cores, kind, info, options) })
    }

    /// With the encoder's own choice of threads.
    fn of(workers: usize, cores: usize, kind: Kind, info: &VideoInfo, options: &EncoderOptions) -> Self {
        let (segment_frames, group_frames) = segment(workers, info, options);
        let frames_per_encoder = kind.frames_held(threads_of_each(kind, cores, workers));
        Self { workers, threads: None, frames_per_encoder, segment_frames, group_frames }
    }

    pub(crate) const fn workers(self) -> usize {
        self.workers
    }

    /// Threads of each encoder; its own choice if `None`.
    pub(crate) const fn threads(self) -> Option<NonZeroUsize> {
        self.threads
    }

    /// Frames of the segment of this number, from 0.
    ///
    /// The first ones are shorter, each by another part: as frames come in order, workers with segments of one length would
    /// start one after the other, each when the last one has all its frames.
    pub(crate) fn segment_frames(self, number: usize) -> u64 {
        let parts = (number + 1).min(self.workers);
        let frames = self.segment_frames * parts / self.workers;
        (frames / self.group_frames * self.group_frames).max(self.group_frames) as u64
    }

    /// Frames that may wait for their worker: all of the first segments but the last, so that every worker starts, and a
    /// little for unevenness. Later, too, the workers have that much when the youngest gets its segment.
    pub(crate) const fn queued_frames(self) -> usize {
        self.segment_frames * (self.workers - 1) / 2 + 4 * self.workers
    }

    /// Frames that are held at most, or what else takes as much memory.
    pub(crate) const fn frames_held(self) -> usize {
        match self.workers {
            1 => self.frames_per_encoder,
            _ => self.workers * self.frames_per_encoder + self.queued_frames(),
        }
    }
}

/// What follows the encoder's description; nothing for one worker.
impl fmt::Display for EncoderPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.workers {
            1 => Ok(()),
            workers => write!(f, ", {workers} workers on segments of {} frames", self.segment_frames),
        }
    }
}

fn refuse(encoder: &str, workers: usize, reason: &str) -> Error {
    let option = format!("{workers} workers");
    Error::EncoderOption { encoder: encoder.to_owned(), option, reason: reason.to_owned() }
}

/// As many as the cores can feed and as their memory allows. With a bit rate there is one, because each worker would have
/// to reach it by itself.
fn default_workers(cores: usize, kind: Kind, info: &VideoInfo, options: &EncoderOptions) -> usize {
    const MOST_BY_DEFAULT: usize = 4;
    const BYTES_PER_CORE: usize = 640 << 20;
    if matches!(options.quality, Quality::Bitrate { .. }) || options.max_bitrate.is_some() {
        return 1;
    }
    let fits = |&workers: &usize| {
        let plan = EncoderPlan::of(workers, cores, kind, info, options);
        plan.frames_held() * frame_bytes(info) <= cores * BYTES_PER_CORE
    };
    let workers = (cores / kind.busy_cores(info.height)).min(MOST_BY_DEFAULT);
    (2..=workers).rev().find(fits).unwrap_or(1)
}

fn frame_bytes(info: &VideoInfo) -> usize {
    Layout::packed(info.format, info.width, info.height).map_or(1, |layout| layout.size_bytes().max(1))
}

/// A few more threads than cores, as the look-ahead of an encoder waits for its slowest part. Not so for x265, whose threads
/// get into each other's way: four workers on 16 cores were slower with six threads each than with four.
const fn threads_of_each(kind: Kind, cores: usize, workers: usize) -> usize {
    let fair = cores.div_ceil(workers);
    match kind {
        Kind::X265 => fair,
        _ => fair + fair.div_ceil(2),
    }
}

/// Frames of a segment, and of a group of pictures in it; the same on every machine, so that the number of workers decides
/// what comes out.
fn segment(workers: usize, info: &VideoInfo, options: &EncoderOptions) -> (usize, usize) {
    let waiting = (workers.max(2) - 1) * frame_bytes(info);
    let wanted = (2 * QUEUE_BYTES / waiting).clamp(LEAST_SEGMENT, MOST_SEGMENT);
    // Whole groups of pictures, if they are not longer.
    match options.gop.map(|gop| gop.max(1) as usize) {
        Some(gop) if gop <= wanted => (wanted / gop * gop, gop),
        _ => (wanted, 1),
    }
}

#[cfg(test)]
mod tests {
    use rave_core::{ColorSpec, PixelFormat, TimeBase};

    use super::*;
    use crate::VideoCodec;

    fn info(width: u32, height: u32) -> VideoInfo {
        VideoInfo::new(PixelFormat::YUV420P, (width, height), ColorSpec::BT709, TimeBase::new(1, 25).unwrap())
    }

    fn plan(cores: usize, encoder: &str, size: (u32, u32), options: &EncoderOptions) -> EncoderPlan {
        EncoderPlan::on(cores, encoder, &info(size.0, size.1), options).unwrap()
    }

    #[test]
    fn small_machines_have_one_worker() {
        let options = EncoderOptions::new(VideoCodec::Hevc);
        for cores in [1, 2, 4] {
            for encoder in ["libx264", "libx265", "libsvtav1", "ffv1"] {
                let plan = plan(cores, encoder, (3840, 2160), &options);
                assert_eq!((plan.workers(), plan.threads(), plan.to_string()), (1, None, String::new()));
            }
        }
    }

    #[test]
    fn many_cores_are_shared_as_far_as_memory_allows() {
        let options = EncoderOptions::new(VideoCodec::Hevc);
        let workers = |cores, encoder, size| plan(cores, encoder, size, &options).workers();
        assert_eq!(workers(16, "libx265", (3840, 2160)), 4);
        let threads = plan(16, "libx265", (3840, 2160), &options).threads();
        assert_eq!(threads, NonZeroUsize::new(4), "as many as there are cores");
        assert_eq!(workers(16, "libx265", (7680, 4320)), 1, "8K frames would need 17 GB");
        assert_eq!(workers(64, "libx265", (7680, 4320)), 4);
        assert_eq!(workers(8, "libx265", (3840, 2160)), 2);
        assert_eq!(workers(16, "libx264", (3840, 2160)), 1);
        assert_eq!(workers(32, "libsvtav1", (3840, 2160)), 2);
        let threads = EncoderOptions { threads: NonZeroUsize::new(4), ..options.clone() };
        assert_eq!(plan(16, "libx265", (3840, 2160), &threads).workers(), 1);
    }

    #[test]
    fn a_bit_rate_is_kept_by_one_worker_unless_more_are_asked_for() {
        let quality = Quality::Bitrate { kilobits_per_second: 1000 };
        let mut options = EncoderOptions { quality, ..EncoderOptions::new(VideoCodec::Hevc) };
        assert_eq!(plan(64, "libx265", (3840, 2160), &options).workers(), 1);
        options.workers = NonZeroUsize::new(3);
        assert_eq!(plan(64, "libx265", (3840, 2160), &options).workers(), 3);
    }

    #[test]
    fn segments_are_whole_groups_of_pictures_and_their_queue_is_bounded() {
        let mut options = EncoderOptions::new(VideoCodec::Hevc);
        options.workers = NonZeroUsize::new(4);
        for (gop, size, expected) in [
            (None, (1920, 1080), 120),
            (None, (3840, 2160), 115),
            (None, (7680, 4320), 48),
            (Some(50), (3840, 2160), 100),
            (Some(1), (3840, 2160), 115),
            (Some(600), (3840, 2160), 115),
        ] {
            options.gop = gop;
            let plan = plan(16, "libx265", size, &options);
            assert_eq!(plan.segment_frames, expected, "{gop:?} {size:?}");
            assert!(plan.queued_frames() > plan.segment_frames, "{plan:?}");
        }
    }

    #[test]
    fn the_first_segments_let_all_workers_start() {
        let mut options = EncoderOptions::new(VideoCodec::Hevc);
        options.workers = NonZeroUsize::new(4);
        let lengths = |options: &EncoderOptions| -> Vec<u64> {
            let plan = plan(16, "libx265", (1920, 1080), options);
            let lengths: Vec<u64> = (0..5).map(|number| plan.segment_frames(number)).collect();
            assert!(lengths[..3].iter().sum::<u64>() < plan.queued_frames() as u64);
            lengths
        };
        assert_eq!(lengths(&options), [30, 60, 90, 120, 120]);
        options.gop = Some(40);
        assert_eq!(lengths(&options), [40, 40, 80, 120, 120]);
        options.gop = Some(7);
        assert_eq!(lengths(&options), [28, 56, 84, 119, 119]);
    }

    #[test]
    fn an_encoder_holds_more_with_more_threads() {
        let held = |cores, encoder, workers| {
            let workers = NonZeroUsize::new(workers);
            let options = EncoderOptions { workers, ..EncoderOptions::new(VideoCodec::Hevc) };
            plan(cores, encoder, (3840, 2160), &options).frames_held()
        };
        // Measured at 4K: 165, 263 and 172 frames' worth of memory with one encoder.
        assert_eq!(
            [held(16, "libx265", 1), held(16, "libx264", 1), held(16, "libsvtav1", 1)],
            [152, 254, 160]
        );
        assert_eq!(held(2, "libx264", 1), 128);
        assert_eq!(held(16, "libx265", 4), 4 * 128 + 115 * 3 / 2 + 16);
    }

    #[test]
    fn an_unknown_encoder_works_alone() {
        let mut options = EncoderOptions::new(VideoCodec::H264);
        assert_eq!(plan(64, "h264_v4l2m2m", (3840, 2160), &options).workers(), 1);
        options.workers = NonZeroUsize::new(2);
        let error = EncoderPlan::on(64, "h264_v4l2m2m", &info(64, 64), &options).unwrap_err();
        assert!(error.to_string().contains("2 workers"), "{error}");
    }
}
