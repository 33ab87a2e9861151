use std::ffi::{CStr, c_char, c_int};
use std::fmt;

use ffmpeg_next::error as errno;

use super::ffi;

/// An error of libav, with libav's own words.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AvError(c_int);

impl AvError {
    pub(crate) const EOF: Self = Self(ffi::AVERROR_EOF);
    pub(crate) const AGAIN: Self = Self(-errno::EAGAIN);
    pub(crate) const NO_MEMORY: Self = Self(-errno::ENOMEM);
    pub(crate) const DEMUXER_NOT_FOUND: Self = Self(ffi::AVERROR_DEMUXER_NOT_FOUND);
    pub(crate) const INVALID_DATA: Self = Self(ffi::AVERROR_INVALIDDATA);

    /// `Ok` for what is not negative.
    pub(crate) fn check(result: c_int) -> Result<c_int, Self> {
        if result < 0 { Err(Self(result)) } else { Ok(result) }
    }

    /// The number that libav returned: negative; an errno's negative, or a tag of four letters.
    pub const fn code(self) -> i32 {
        self.0
    }

    pub(crate) fn is_disk_full(self) -> bool {
        self.0 == -errno::ENOSPC
    }

    /// Whether a codec that does not open lacks memory, or a thread.
    pub(crate) fn is_out_of_memory(self) -> bool {
        self == Self::NO_MEMORY || self == Self::AGAIN
    }

    /// Whether the process has no room for another file, whatever that holds.
    pub(crate) fn is_out_of_files(self) -> bool {
        [errno::EMFILE, errno::ENFILE].iter().any(|&number| self.0 == -number)
    }

    pub(crate) fn is_unwritable(self) -> bool {
        [errno::EACCES, errno::EPERM, errno::EROFS, errno::ENOENT, errno::ENOTDIR, errno::EISDIR]
            .iter()
            .any(|&number| self.0 == -number)
    }
}

impl fmt::Display for AvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = [0 as c_char; ffi::AV_ERROR_MAX_STRING_SIZE];
        // SAFETY: the length given is the buffer's; av_strerror ends the text with zero even for unknown numbers.
        let text = unsafe {
            ffi::av_strerror(self.0, buffer.as_mut_ptr(), buffer.len());
            CStr::from_ptr(buffer.as_ptr())
        };
        f.write_str(&text.to_string_lossy())
    }
}

impl fmt::Debug for AvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AvError({}: {self})", self.0)
    }
}

impl std::error::Error for AvError {}
