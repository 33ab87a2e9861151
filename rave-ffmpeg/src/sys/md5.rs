use std::ptr::NonNull;

use super::{AvError, ffi};

/// An MD5 sum that is being made, by libavutil.
pub(crate) struct Md5(NonNull<ffi::AVMD5>);

// SAFETY: the state has one owner and is tied to no thread.
unsafe impl Send for Md5 {}

impl Md5 {
    pub(crate) fn new() -> Result<Self, AvError> {
        // SAFETY: no arguments.
        let state = NonNull::new(unsafe { ffi::av_md5_alloc() }).map(Self).ok_or(AvError::NO_MEMORY)?;
        // SAFETY: the state was just allocated.
        unsafe { ffi::av_md5_init(state.0.as_ptr()) };
        Ok(state)
    }

    pub(crate) fn update(&mut self, data: &[u8]) {
        // SAFETY: an initialised state; `data` holds as many bytes as are named.
        unsafe { ffi::av_md5_update(self.0.as_ptr(), data.as_ptr(), data.len()) };
    }

    /// The sum of everything so far; the state counts for nothing afterwards.
    pub(crate) fn finish(self) -> [u8; 16] {
        let mut sum = [0; 16];
        // SAFETY: an initialised state, and room for the 16 bytes of the sum.
        unsafe { ffi::av_md5_final(self.0.as_ptr(), sum.as_mut_ptr()) };
        sum
    }
}

impl Drop for Md5 {
    fn drop(&mut self) {
        // SAFETY: allocated by libavutil in `new`, freed once.
        unsafe { ffi::av_free(self.0.as_ptr().cast()) };
    }
}

#[cfg(test)]
mod tests {
    use super::Md5;

    #[test]
    fn the_sums_are_those_of_rfc_1321() {
        let sum = |text: &str| {
            let mut md5 = Md5::new().unwrap();
            md5.update(text.as_bytes());
            md5.finish().map(|byte| format!("{byte:02x}")).concat()
        };
        assert_eq!(sum(""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(sum("abc"), "900150983cd24fb0d6963f7d28e17f72");
    }
}
