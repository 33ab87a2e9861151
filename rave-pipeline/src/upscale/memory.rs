use rave_core::{Layout, VideoInfo};

use super::Queues;
use crate::Error;

/// Frames that an encoder may hold for look-ahead, reordering and its threads.
const ENCODER_FRAMES: u64 = 64;

/// Formats and sizes along the chain.
pub(super) struct Stops<'a> {
    pub(super) source: &'a VideoInfo,
    /// What the model itself takes, in bytes.
    pub(super) model_bytes: u64,
    pub(super) model_input: &'a VideoInfo,
    pub(super) model_output: &'a VideoInfo,
    pub(super) encoder: &'a VideoInfo,
}

/// Refuses a job that needs more memory than the system has available.
pub(super) fn check_memory(stops: &Stops<'_>, queues: Queues) -> Result<(), Error> {
    let needed_bytes = needed_bytes(stops, queues)?;
    match available_bytes() {
        Some(available_bytes) if needed_bytes > available_bytes => {
            Err(Error::Memory { needed_bytes, available_bytes })
        }
        _ => Ok(()),
    }
}

fn needed_bytes(stops: &Stops<'_>, queues: Queues) -> Result<u64, Error> {
    // Each queue's frames, one that is being made and one that is being used.
    let held = |capacity: usize| capacity as u64 + 2;
    let frames = [
        (stops.source, held(queues.decoded)),
        (stops.model_input, held(queues.preprocessed)),
        (stops.model_output, held(queues.upscaled)),
        (stops.encoder, held(queues.upscaled) + ENCODER_FRAMES),
    ];
    let mut total = stops.model_bytes;
    for (info, count) in frames {
        let frame_bytes =
            Layout::packed(info.format, info.width, info.height).map_err(Error::leaf)?.size_bytes();
        total = total.saturating_add(count.saturating_mul(frame_bytes as u64));
    }
    Ok(total)
}

/// What the system can give without swapping, where it says so.
fn available_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[test]
    fn the_available_memory_is_known() {
        assert!(super::available_bytes().unwrap() > 1 << 20);
    }
}
