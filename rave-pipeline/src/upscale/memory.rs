use rave_core::{Layout, VideoInfo};

use crate::Error;

/// What a job holds in host memory at once.
#[derive(Debug, Default)]
pub(super) struct HostMemory {
    bytes: u64,
}

impl HostMemory {
    /// What the model takes, in bytes.
    pub(super) fn add_bytes(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// The frames of a queue, one that is being made and one that is being used.
    pub(super) fn add_queue(&mut self, info: &VideoInfo, capacity: usize) -> Result<(), Error> {
        self.add_frames(info, capacity as u64 + 2)
    }

    fn add_frames(&mut self, info: &VideoInfo, count: u64) -> Result<(), Error> {
        let layout = Layout::packed(info.format, info.width, info.height).map_err(Error::leaf)?;
        self.add_bytes(count.saturating_mul(layout.size_bytes() as u64));
        Ok(())
    }

    /// Refuses a job that needs more memory than the system has available.
    pub(super) fn check(&self) -> Result<(), Error> {
        let needed_bytes = self.bytes;
        match available_bytes() {
            Some(available_bytes) if needed_bytes > available_bytes => {
                Err(Error::Memory { needed_bytes, available_bytes })
            }
            _ => Ok(()),
        }
    }
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
