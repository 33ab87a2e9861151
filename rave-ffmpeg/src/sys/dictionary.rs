use std::ffi::{CStr, CString};
use std::marker::PhantomData;
use std::ptr;

use super::{AvError, ffi};

/// Key and value pairs as libav holds them, borrowed from their owner. Bytes are kept as they are.
#[derive(Clone, Copy)]
pub(crate) struct DictionaryRef<'a> {
    raw: *const ffi::AVDictionary,
    owner: PhantomData<&'a ffi::AVDictionary>,
}

impl<'a> DictionaryRef<'a> {
    /// # Safety
    /// `raw` is null or a dictionary that lives, unchanged, for `'a`.
    pub(super) const unsafe fn new(raw: *const ffi::AVDictionary) -> Self {
        Self { raw, owner: PhantomData }
    }

    pub(super) const fn as_ptr(self) -> *const ffi::AVDictionary {
        self.raw
    }

    pub(crate) fn get(self, key: &CStr) -> Option<&'a CStr> {
        // SAFETY: `raw` is valid for 'a (constructor), null counts as empty; entries live as long as the dictionary.
        unsafe {
            let entry = ffi::av_dict_get(self.raw, key.as_ptr(), ptr::null(), 0);
            (!entry.is_null()).then(|| CStr::from_ptr((*entry).value))
        }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = (&'a CStr, &'a CStr)> {
        let mut entry: *const ffi::AVDictionaryEntry = ptr::null();
        std::iter::from_fn(move || {
            // SAFETY: as in `get`; `entry` is null or what the last call returned.
            unsafe {
                entry = ffi::av_dict_get(self.raw, c"".as_ptr(), entry, ffi::AV_DICT_IGNORE_SUFFIX);
                (!entry.is_null()).then(|| (CStr::from_ptr((*entry).key), CStr::from_ptr((*entry).value)))
            }
        })
    }

    /// All pairs as text, for display: bytes that are not UTF-8 are replaced.
    pub(crate) fn to_text(self) -> Vec<(String, String)> {
        let lossy = |bytes: &CStr| bytes.to_string_lossy().into_owned();
        self.iter().map(|(key, value)| (lossy(key), lossy(value))).collect()
    }
}

/// An owned dictionary: options for an open call, or metadata to be written.
pub(crate) struct Dictionary(*mut ffi::AVDictionary);

impl Dictionary {
    pub(crate) const fn new() -> Self {
        Self(ptr::null_mut())
    }

    /// Sets `key`, replacing an earlier value.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<(), AvError> {
        let (Ok(key), Ok(value)) = (CString::new(key), CString::new(value)) else {
            return Err(AvError::INVALID_DATA);
        };
        self.set_bytes(&key, &value)
    }

    pub(crate) fn set_bytes(&mut self, key: &CStr, value: &CStr) -> Result<(), AvError> {
        // SAFETY: both strings live during the call, libav copies them; `self.0` is null or ours.
        AvError::check(unsafe { ffi::av_dict_set(&mut self.0, key.as_ptr(), value.as_ptr(), 0) })?;
        Ok(())
    }

    pub(crate) fn as_ref(&self) -> DictionaryRef<'_> {
        // SAFETY: null or ours, and borrowed from self.
        unsafe { DictionaryRef::new(self.0) }
    }

    /// For a call that takes the pairs it knows and leaves the others.
    pub(super) const fn as_mut_ptr(&mut self) -> *mut *mut ffi::AVDictionary {
        &mut self.0
    }

    /// Gives the pairs up; the caller frees them.
    pub(super) fn into_raw(mut self) -> *mut ffi::AVDictionary {
        std::mem::replace(&mut self.0, ptr::null_mut())
    }

    /// The first key left by such a call.
    pub(crate) fn first_key(&self) -> Option<String> {
        self.as_ref().iter().next().map(|(key, _)| key.to_string_lossy().into_owned())
    }
}

impl Drop for Dictionary {
    fn drop(&mut self) {
        // SAFETY: null or ours; set to null by the call.
        unsafe { ffi::av_dict_free(&mut self.0) };
    }
}
