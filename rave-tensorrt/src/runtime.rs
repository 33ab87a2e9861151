use std::env;
use std::error::Error as _;
use std::ffi::CStr;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::LoadDynamicError;
use ort::environment::Environment;
use ort::logging::LogLevel;

use crate::error::{Attempt, Error};

/// The ONNX Runtime library, loaded once for the whole process. Clones are the same runtime.
///
/// The library is opened at run time, so a program that links this crate starts without it.
#[derive(Clone)]
pub struct Runtime {
    environment: Environment,
    path: Arc<Path>,
    version: Arc<str>,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("path", &self.path)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// ONNX Runtime allows one environment for each process, and the library is never unloaded.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

impl Runtime {
    /// Loads the library: `explicit` if given, otherwise the first that can be used of
    ///
    /// 1. the places in `further`, in order;
    /// 2. the folder of the executable;
    /// 3. `onnxruntime` in the folders above the executable, four at most, so that `cargo run` finds what the project's
    ///    set-up put there;
    /// 4. the places of the system's loader.
    ///
    /// A place is a library file or a folder with one in it. The environment is not read.
    ///
    /// Later calls return the library that is loaded already.
    ///
    /// # Errors
    /// [`Error::RuntimeMissing`] with every place that was tried, also if `explicit` cannot be used or is not the
    /// library that the process loaded before; [`Error::RuntimeVersion`] if the only library found is too old;
    /// [`Error::RuntimeFailed`] if it does not start.
    pub fn load(explicit: Option<&Path>, further: &[PathBuf]) -> Result<Self, Error> {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*loaded {
            return runtime.reused(explicit);
        }
        let places = match explicit {
            Some(path) => vec![path.to_path_buf()],
            None => further.iter().cloned().chain(default_places()).collect(),
        };
        let runtime = first_usable(&places)?;
        tracing::debug!(path = %runtime.path().display(), version = runtime.version(), "ONNX Runtime loaded");
        Ok(loaded.insert(runtime).clone())
    }

    /// The library's version, such as `1.31.1`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The library's file; a bare name if the system's loader found it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    fn reused(&self, explicit: Option<&Path>) -> Result<Self, Error> {
        let Some(place) = explicit else { return Ok(self.clone()) };
        let is_this = |path: &PathBuf| same_file(path, &self.path);
        if libraries_at(place).is_ok_and(|paths| paths.iter().any(is_this)) {
            return Ok(self.clone());
        }
        let reason = match libraries_at(place) {
            Ok(_) => format!("this process has loaded {} before", self.path.display()),
            Err(reason) => reason,
        };
        Err(Error::RuntimeMissing { tried: vec![Attempt { place: place.to_path_buf(), reason }] })
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    a == b || fs::canonicalize(a).is_ok_and(|a| fs::canonicalize(b).is_ok_and(|b| a == b))
}

/// Names under which the system's loader may know the library.
const SYSTEM_NAMES: &[&str] = if cfg!(target_os = "windows") {
    &["onnxruntime.dll"]
} else if cfg!(target_os = "macos") {
    &["libonnxruntime.dylib"]
} else {
    &["libonnxruntime.so", "libonnxruntime.so.1"]
};

fn default_places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    if let Ok(executable) = env::current_exe() {
        let folders = executable.ancestors().skip(1);
        places.extend(folders.clone().take(1).map(Path::to_path_buf));
        // From target/TRIPLE/release/examples up to target.
        places.extend(folders.take(4).map(|folder| folder.join("onnxruntime")));
    }
    places.extend(SYSTEM_NAMES.iter().map(PathBuf::from));
    places
}

fn first_usable(places: &[PathBuf]) -> Result<Runtime, Error> {
    let mut tried = Vec::new();
    let mut too_old = None;
    for place in places {
        let paths = libraries_at(place).unwrap_or_else(|reason| {
            tried.push(Attempt { place: place.clone(), reason });
            Vec::new()
        });
        for path in paths {
            match load(&path) {
                Ok(runtime) => return Ok(runtime),
                Err(Error::RuntimeMissing { tried: failed }) => tried.extend(failed),
                Err(error @ Error::RuntimeVersion { .. }) => {
                    tried.push(Attempt { place: path, reason: error.to_string() });
                    too_old.get_or_insert(error);
                }
                Err(other) => return Err(other),
            }
        }
    }
    Err(too_old.unwrap_or(Error::RuntimeMissing { tried }))
}

/// The library files that `place` stands for.
fn libraries_at(place: &Path) -> Result<Vec<PathBuf>, String> {
    let is_system_name = place.parent() == Some(Path::new("")) && !place.exists();
    if is_system_name {
        return Ok(vec![place.to_path_buf()]);
    }
    let place = std::path::absolute(place).map_err(|error| error.to_string())?;
    match fs::metadata(&place) {
        Ok(metadata) if metadata.is_dir() => libraries_in(&place),
        Ok(_) => Ok(vec![place]),
        Err(error) if error.kind() == ErrorKind::NotFound => Err("does not exist".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn libraries_in(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .map_err(|error| error.to_string())?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| is_library(path))
        .collect();
    // Of several, newer versions first.
    found.sort_unstable_by(|a, b| b.cmp(a));
    if found.is_empty() { Err("holds no ONNX Runtime library".into()) } else { Ok(found) }
}

fn is_library(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if cfg!(target_os = "windows") {
        name.eq_ignore_ascii_case("onnxruntime.dll")
    } else if cfg!(target_os = "macos") {
        name.starts_with("libonnxruntime.") && name.ends_with(".dylib")
    } else {
        name.starts_with("libonnxruntime.so")
    }
}

fn load(path: &Path) -> Result<Runtime, Error> {
    let environment = ort::init_from(path)
        .map_err(|error| refusal(path, error))?
        .with_name("rave")
        .with_telemetry(false)
        .with_logger(Arc::new(log))
        .build()
        .map_err(Error::RuntimeFailed)?;
    environment.set_log_level(LogLevel::Warning);
    let version = version_of(path).unwrap_or_else(|| "unknown".into());
    Ok(Runtime { environment, path: path.into(), version: version.into() })
}

fn refusal(path: &Path, error: LoadDynamicError) -> Error {
    let reason = match error {
        LoadDynamicError::BadVersion { version_str, path } => {
            return Error::RuntimeVersion { path, version: version_str, needed: ort::MINOR_VERSION };
        }
        // The loader's words are behind the error, not in it.
        LoadDynamicError::Dlopen { error, path } => {
            let reason = error.source().unwrap_or(&error).to_string();
            reason.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&reason).to_owned()
        }
        LoadDynamicError::MissingApi { .. } => "is not ONNX Runtime: it has no OrtGetApiBase".into(),
        other => other.to_string(),
    };
    Error::RuntimeMissing { tried: vec![Attempt { place: path.to_path_buf(), reason }] }
}

/// What the library at `path`, which is loaded already, says about itself.
fn version_of(path: &Path) -> Option<String> {
    type GetApiBase = unsafe extern "system" fn() -> *const ort::sys::OrtApiBase;
    // SAFETY: `ort` has opened this library before, so its initialisers have run; opening it again only counts.
    let library = unsafe { libloading::Library::new(path) }.ok()?;
    // SAFETY: `OrtGetApiBase` has this signature in every version (onnxruntime_c_api.h).
    let get_api_base = unsafe { library.get::<GetApiBase>(b"OrtGetApiBase\0") }.ok()?;
    // SAFETY: the function takes nothing and returns a static structure or null.
    let base = unsafe { get_api_base().as_ref() }?;
    // SAFETY: the returned string is static and ends with a zero (onnxruntime_c_api.h, GetVersionString).
    let version = unsafe { CStr::from_ptr((base.GetVersionString)()) };
    Some(version.to_string_lossy().into_owned())
}

/// ONNX Runtime's errors come back as results too, so nothing it logs is more than a detail.
fn log(level: LogLevel, _category: &str, _id: &str, location: &str, message: &str) {
    match level {
        LogLevel::Verbose | LogLevel::Info => tracing::trace!(location, "{message}"),
        LogLevel::Warning | LogLevel::Error | LogLevel::Fatal => tracing::debug!(location, "{message}"),
    }
}
