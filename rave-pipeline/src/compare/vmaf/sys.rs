//! The C interface of libvmaf 2 and 3, as far as it is needed (`libvmaf/libvmaf.h`, `libvmaf/picture.h`,
//! `libvmaf/model.h` of Netflix's VMAF).
//!
//! Structures that the library fills in, or takes by value, are declared longer than they are in any release so far:
//! later ones may append fields, which are zero here.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::mem::ManuallyDrop;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use libloading::Library;

/// The names of the library: version 3, version 2, and whatever a development package links to.
const NAMES: [&str; 3] = if cfg!(target_os = "macos") {
    ["libvmaf.3.dylib", "libvmaf.1.dylib", "libvmaf.dylib"]
} else if cfg!(windows) {
    ["libvmaf-3.dll", "libvmaf-1.dll", "vmaf.dll"]
} else {
    ["libvmaf.so.3", "libvmaf.so.1", "libvmaf.so"]
};

/// Words for fields that later releases may append.
const SPARE_WORDS: usize = 8;

/// `VmafConfiguration`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Configuration {
    log_level: c_int,
    threads: c_uint,
    subsample: c_uint,
    cpu_mask: u64,
    gpu_mask: u64,
    spare: [u64; SPARE_WORDS],
}

/// `VmafModelConfig`.
#[repr(C)]
struct ModelConfiguration {
    name: *const c_char,
    flags: u64,
    spare: [u64; SPARE_WORDS],
}

/// `VmafPicture`, of which only the first fields are the same in every release.
#[repr(C)]
struct RawPicture {
    format: c_int,
    bits: c_uint,
    widths: [c_uint; 3],
    heights: [c_uint; 3],
    strides: [isize; 3],
    data: [*mut c_void; 3],
    spare: [u64; 2 * SPARE_WORDS],
}

impl RawPicture {
    const EMPTY: Self = Self {
        format: 0,
        bits: 0,
        widths: [0; 3],
        heights: [0; 3],
        strides: [0; 3],
        data: [ptr::null_mut(); 3],
        spare: [0; 2 * SPARE_WORDS],
    };
}

/// `VmafPixelFormat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(super) enum Subsampling {
    C420 = 1,
    C422 = 2,
    C444 = 3,
    Gray = 4,
}

type Init = unsafe extern "C" fn(*mut *mut c_void, Configuration) -> c_int;
type Close = unsafe extern "C" fn(*mut c_void) -> c_int;
type Version = unsafe extern "C" fn() -> *const c_char;
type ModelLoad = unsafe extern "C" fn(*mut *mut c_void, *mut ModelConfiguration, *const c_char) -> c_int;
type ModelDestroy = unsafe extern "C" fn(*mut c_void);
type UseFeatures = unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int;
type PictureAlloc = unsafe extern "C" fn(*mut RawPicture, c_int, c_uint, c_uint, c_uint) -> c_int;
type PictureUnref = unsafe extern "C" fn(*mut RawPicture) -> c_int;
type ReadPictures = unsafe extern "C" fn(*mut c_void, *mut RawPicture, *mut RawPicture, c_uint) -> c_int;
type ScoreAtIndex = unsafe extern "C" fn(*mut c_void, *mut c_void, *mut f64, c_uint) -> c_int;

struct Functions {
    init: Init,
    close: Close,
    model_load: ModelLoad,
    model_destroy: ModelDestroy,
    use_features: UseFeatures,
    picture_alloc: PictureAlloc,
    picture_unref: PictureUnref,
    read_pictures: ReadPictures,
    score_at_index: ScoreAtIndex,
    version: String,
    /// Never closed: libvmaf's threads are detached, and the last instructions of one may come after `vmaf_close`.
    _library: ManuallyDrop<Library>,
}

/// The loaded library.
#[derive(Clone)]
pub(super) struct VmafLibrary(Arc<Functions>);

impl VmafLibrary {
    /// Opens the library at `path`, or the first that the system's loader finds.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, String> {
        // SAFETY: libvmaf has no initialisers that ask anything of the process; who names a path vouches for it.
        let open = |name: &Path| unsafe { Library::new(name) };
        let library = match path {
            Some(path) => open(path).map_err(|error| with_cause(&error))?,
            None => {
                let found = NAMES.iter().find_map(|name| open(Path::new(name)).ok());
                found.ok_or_else(|| format!("none of {} is installed", NAMES.join(", ")))?
            }
        };
        Self::bind(library).map_err(|error| with_cause(&error))
    }

    fn bind(library: Library) -> Result<Self, libloading::Error> {
        // SAFETY: the signatures are those of the header for versions 2 and 3.
        unsafe {
            let version: Version = *library.get(b"vmaf_version\0")?;
            let text = version();
            let version = if text.is_null() {
                String::new()
            } else {
                CStr::from_ptr(text).to_string_lossy().into_owned()
            };
            Ok(Self(Arc::new(Functions {
                init: *library.get(b"vmaf_init\0")?,
                close: *library.get(b"vmaf_close\0")?,
                model_load: *library.get(b"vmaf_model_load\0")?,
                model_destroy: *library.get(b"vmaf_model_destroy\0")?,
                use_features: *library.get(b"vmaf_use_features_from_model\0")?,
                picture_alloc: *library.get(b"vmaf_picture_alloc\0")?,
                picture_unref: *library.get(b"vmaf_picture_unref\0")?,
                read_pictures: *library.get(b"vmaf_read_pictures\0")?,
                score_at_index: *library.get(b"vmaf_score_at_index\0")?,
                version,
                _library: ManuallyDrop::new(library),
            })))
        }
    }

    pub(super) fn version(&self) -> &str {
        &self.0.version
    }
}

/// The system's words are in the cause.
fn with_cause(error: &libloading::Error) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

fn check(what: &str, result: c_int) -> Result<(), String> {
    if result == 0 { Ok(()) } else { Err(format!("{what} gives {result}")) }
}

/// A computation with one of the models that are built into the library.
pub(super) struct Context {
    library: VmafLibrary,
    context: NonNull<c_void>,
    model: Model,
}

// SAFETY: a context has one owner and is tied to no thread.
unsafe impl Send for Context {}

struct Model {
    library: VmafLibrary,
    raw: NonNull<c_void>,
}

impl Model {
    fn load(library: &VmafLibrary, version: &str) -> Result<Self, String> {
        let name = CString::new(version).map_err(|error| error.to_string())?;
        let mut settings = ModelConfiguration { name: ptr::null(), flags: 0, spare: [0; SPARE_WORDS] };
        let mut model = ptr::null_mut();
        // SAFETY: settings and name live during the call; the model is ours on success.
        let result = unsafe { (library.0.model_load)(&mut model, &mut settings, name.as_ptr()) };
        check(&format!("model {version}: vmaf_model_load"), result)?;
        let raw = NonNull::new(model).ok_or_else(|| format!("no model {version}"))?;
        Ok(Self { library: library.clone(), raw })
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: loaded in `load`, destroyed once.
        unsafe { (self.library.0.model_destroy)(self.raw.as_ptr()) };
    }
}

impl Context {
    /// Without threads of its own: with them libvmaf queues pictures without a limit.
    pub(super) fn new(library: &VmafLibrary, model: &str) -> Result<Self, String> {
        let model = Model::load(library, model)?;
        let settings = Configuration { threads: 0, subsample: 1, ..Default::default() };
        let mut context = ptr::null_mut();
        // SAFETY: the context is ours on success.
        check("vmaf_init", unsafe { (library.0.init)(&mut context, settings) })?;
        let context = NonNull::new(context).ok_or("vmaf_init gives no context")?;
        let context = Self { library: library.clone(), context, model };
        // SAFETY: both are ours and valid.
        let result =
            unsafe { (library.0.use_features)(context.context.as_ptr(), context.model.raw.as_ptr()) };
        check("vmaf_use_features_from_model", result)?;
        Ok(context)
    }

    /// Hands over a pair of pictures; `index` counts up from 0.
    pub(super) fn read(
        &mut self,
        mut reference: Picture,
        mut distorted: Picture,
        index: u32,
    ) -> Result<(), String> {
        let (mut reference, mut distorted) = (reference.give_up(), distorted.give_up());
        // SAFETY: both pictures were allocated by the library, which takes them over.
        let result = unsafe {
            (self.library.0.read_pictures)(self.context.as_ptr(), &mut reference, &mut distorted, index)
        };
        check("vmaf_read_pictures", result)
    }

    /// Tells that no picture follows.
    pub(super) fn flush(&mut self) -> Result<(), String> {
        // SAFETY: null pictures mean the end.
        let result = unsafe {
            (self.library.0.read_pictures)(self.context.as_ptr(), ptr::null_mut(), ptr::null_mut(), 0)
        };
        check("vmaf_read_pictures at the end", result)
    }

    pub(super) fn score(&mut self, index: u32) -> Result<f64, String> {
        let mut score = 0.0;
        // SAFETY: context and model are valid, the score is written during the call.
        let result = unsafe {
            (self.library.0.score_at_index)(self.context.as_ptr(), self.model.raw.as_ptr(), &mut score, index)
        };
        check("vmaf_score_at_index", result).map(|()| score)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: made in `new`, closed once; the model goes after it.
        unsafe { (self.library.0.close)(self.context.as_ptr()) };
    }
}

/// A picture of the library's that is being filled.
pub(super) struct Picture {
    library: VmafLibrary,
    raw: RawPicture,
}

impl Picture {
    pub(super) fn new(
        library: &VmafLibrary,
        subsampling: Subsampling,
        bits: u8,
        (width, height): (u32, u32),
    ) -> Result<Self, String> {
        let mut raw = RawPicture::EMPTY;
        // SAFETY: the structure is at least as long as the library's.
        let result =
            unsafe { (library.0.picture_alloc)(&mut raw, subsampling as c_int, bits.into(), width, height) };
        check("vmaf_picture_alloc", result)?;
        Ok(Self { library: library.clone(), raw })
    }

    /// Copies rows of bytes into plane `index`.
    ///
    /// # Panics
    /// If a row is longer than the plane's.
    pub(super) fn fill<'r>(&mut self, index: usize, rows: impl Iterator<Item = &'r [u8]>) {
        let (start, stride) = (self.raw.data[index].cast::<u8>(), self.raw.strides[index]);
        let height = self.raw.heights[index] as usize;
        for (row, bytes) in rows.take(height).enumerate() {
            assert!(!start.is_null() && bytes.len() <= stride.unsigned_abs(), "plane {index} is too small");
            // SAFETY: the plane has `height` rows of `stride` bytes, and the row fits (both checked above).
            unsafe {
                start.offset(row as isize * stride).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            }
        }
    }

    /// Gives the picture up to the library; what stays behind is empty.
    fn give_up(&mut self) -> RawPicture {
        std::mem::replace(&mut self.raw, RawPicture::EMPTY)
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        if !self.raw.data[0].is_null() {
            // SAFETY: allocated by the library in `new` and not given up: given back once.
            unsafe { (self.library.0.picture_unref)(&mut self.raw) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::{offset_of, size_of};

    #[test]
    fn fields_lie_where_the_header_puts_them() {
        assert_eq!(offset_of!(Configuration, cpu_mask), 16);
        assert_eq!(offset_of!(Configuration, gpu_mask), 24);
        assert_eq!(offset_of!(RawPicture, widths), 8);
        assert_eq!(offset_of!(RawPicture, heights), 20);
        assert_eq!(offset_of!(RawPicture, strides), 32);
        assert_eq!(offset_of!(RawPicture, data), 32 + 3 * size_of::<usize>());
        assert_eq!(offset_of!(ModelConfiguration, flags), size_of::<usize>());
    }

    #[test]
    fn a_library_that_is_not_there_is_named() {
        let error = VmafLibrary::open(Some(Path::new("/no/such/libvmaf.so"))).err().unwrap();
        assert!(error.contains("/no/such/libvmaf.so"), "{error}");
    }
}
