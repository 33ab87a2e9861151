use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rave_core::DeviceTimes;

/// What happened while decoding, as counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodeReport {
    /// Frames that came out.
    pub frames: u64,
    /// Frames among them that the hardware says it repaired, or could not.
    pub concealed_frames: u64,
    /// Frames among them that need no other frame.
    pub key_frames: u64,
    /// Packets that are empty or that the container marks as damaged.
    pub corrupt_packets: u64,
    /// Frames whose timestamp was missing, or not after the one before, and was reconstructed.
    pub reconstructed_timestamps: u64,
    /// Packets that an edit list trims: decoded, not shown.
    pub discarded_by_edit_list: u64,
    /// Packets left out at the start, since their pictures refer to pictures before it.
    pub undecodable_at_start: u64,
    /// Frames that were scaled to the first one's size.
    pub resized_frames: u64,
    /// Sequence headers that describe the colour otherwise than [`NvDecoder::info`](crate::NvDecoder::info) does.
    pub color_conflicts: u64,
    /// Decoder sessions that work at the same time.
    pub sessions: u64,
    /// Decoders that the GPU has for the stream's format, so that at most as many sessions decode at full speed.
    pub engines: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) frames: AtomicU64,
    pub(crate) concealed_frames: AtomicU64,
    pub(crate) key_frames: AtomicU64,
    pub(crate) corrupt_packets: AtomicU64,
    pub(crate) reconstructed_timestamps: AtomicU64,
    pub(crate) discarded_by_edit_list: AtomicU64,
    pub(crate) undecodable_at_start: AtomicU64,
    pub(crate) resized_frames: AtomicU64,
    pub(crate) color_conflicts: AtomicU64,
    pub(crate) sessions: AtomicU64,
    pub(crate) engines: AtomicU64,
    /// From when a picture is asked for until its copy is there.
    pub(crate) times: DeviceTimes,
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Counts of a decoder that can be read while it works on another thread.
#[derive(Clone, Default)]
pub struct DecodeReportHandle(pub(crate) Arc<Counters>);

impl DecodeReportHandle {
    pub(crate) fn new(sessions: usize) -> Self {
        let handle = Self::default();
        handle.0.sessions.store(sessions as u64, Ordering::Relaxed);
        handle
    }

    /// When the GPU worked on each picture: from when the picture is asked for, through what the hardware still has to do for it,
    /// until its copy is there. All sessions add to it.
    pub fn device_times(&self) -> DeviceTimes {
        self.0.times.clone()
    }

    /// The counts now.
    pub fn get(&self) -> DecodeReport {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DecodeReport {
            frames: read(&self.0.frames),
            concealed_frames: read(&self.0.concealed_frames),
            key_frames: read(&self.0.key_frames),
            corrupt_packets: read(&self.0.corrupt_packets),
            reconstructed_timestamps: read(&self.0.reconstructed_timestamps),
            discarded_by_edit_list: read(&self.0.discarded_by_edit_list),
            undecodable_at_start: read(&self.0.undecodable_at_start),
            resized_frames: read(&self.0.resized_frames),
            color_conflicts: read(&self.0.color_conflicts),
            sessions: read(&self.0.sessions),
            engines: read(&self.0.engines),
        }
    }
}

impl fmt::Debug for DecodeReportHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}
