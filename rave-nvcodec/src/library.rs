use std::ffi::OsStr;
use std::fmt;
use std::sync::Arc;

use libloading::Library;
use rave_core::{Code, CodedError};

use crate::events::{EventFunctions, SYSTEM_EVENTS};
use crate::sys::{cuvid, nvenc};

#[cfg(windows)]
const NVCUVID: &[&str] = &["nvcuvid.dll"];
#[cfg(not(windows))]
const NVCUVID: &[&str] = &["libnvcuvid.so.1", "libnvcuvid.so"];
#[cfg(windows)]
const NVENC: &[&str] = &["nvEncodeAPI64.dll"];
#[cfg(not(windows))]
const NVENC: &[&str] = &["libnvidia-encode.so.1", "libnvidia-encode.so"];

/// A library of the NVIDIA driver that holds an interface for codecs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interface {
    /// Decoding: `libnvcuvid.so.1`, `nvcuvid.dll`.
    Nvdec,
    /// Encoding: `libnvidia-encode.so.1`, `nvEncodeAPI64.dll`.
    Nvenc,
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Interface::Nvdec => "NVDEC",
            Interface::Nvenc => "NVENC",
        })
    }
}

/// A place where a library was looked for, and what the loader said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The name or path that the loader was given.
    pub place: String,
    /// The loader's words.
    pub reason: String,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Loaders mostly begin with the name that they were given.
        match self.reason.contains(&self.place) {
            true => f.write_str(&self.reason),
            false => write!(f, "{}: {}", self.place, self.reason),
        }
    }
}

/// Why a codec library cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// No place holds the library.
    #[error("the driver's {interface} library was not found ({})", list(.tried))]
    Missing {
        /// Which library.
        interface: Interface,
        /// Where it was looked for, in this order.
        tried: Vec<Attempt>,
    },
    /// The library lacks a function.
    #[error("the driver's {interface} library {place} has no function {symbol}: {reason}")]
    Symbol {
        /// Which library.
        interface: Interface,
        /// The name or path that was loaded.
        place: String,
        /// The function.
        symbol: &'static str,
        /// The loader's words.
        reason: String,
    },
    /// The driver speaks an older version of NVENC.
    #[error("the driver supports NVENC {driver}, {needed} is needed: install driver 550 or later")]
    Version {
        /// What the driver supports.
        driver: NvencVersion,
        /// What this crate is written to.
        needed: NvencVersion,
    },
    /// The library refused before there was a session.
    #[error("{function} failed with {}", status_name(.status))]
    Call {
        /// The function.
        function: &'static str,
        /// What it returned.
        status: nvenc::Status,
    },
}

impl CodedError for LibraryError {
    fn code(&self) -> Code {
        match self {
            LibraryError::Missing { interface: Interface::Nvdec, .. } => Code::NvdecMissing,
            LibraryError::Missing { interface: Interface::Nvenc, .. } | LibraryError::Call { .. } => {
                Code::NvencMissing
            }
            LibraryError::Symbol { .. } | LibraryError::Version { .. } => Code::CodecDriverTooOld,
        }
    }
}

fn list(tried: &[Attempt]) -> String {
    let attempts: Vec<_> = tried.iter().map(ToString::to_string).collect();
    attempts.join("; ")
}

/// NVIDIA's name of a status, or its number.
pub(crate) fn status_name(status: &nvenc::Status) -> String {
    status.name().map_or_else(|| format!("status {}", status.0), str::to_string)
}

/// A version of the NVENC interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NvencVersion {
    /// `NVENCAPI_MAJOR_VERSION`
    pub major: u32,
    /// `NVENCAPI_MINOR_VERSION`
    pub minor: u32,
}

impl NvencVersion {
    /// What this crate is written to.
    pub const NEEDED: Self = Self { major: nvenc::MAJOR_VERSION, minor: nvenc::MINOR_VERSION };

    /// From the word of `NvEncodeAPIGetMaxSupportedVersion`: the minor version is in the low four bits.
    const fn from_word(word: u32) -> Self {
        Self { major: word >> 4, minor: word & 0xf }
    }

    fn check(self) -> Result<Self, LibraryError> {
        match self >= Self::NEEDED {
            true => Ok(self),
            false => Err(LibraryError::Version { driver: self, needed: Self::NEEDED }),
        }
    }
}

impl fmt::Display for NvencVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The driver's decoding library. Clones are the same library, which is unloaded with the last of them.
#[derive(Clone, Debug)]
pub struct NvdecLibrary {
    functions: cuvid::Functions,
    // Holds what `functions` points into.
    _library: Arc<Library>,
}

impl NvdecLibrary {
    /// Loads the library by the platform's names, where the system's loader looks.
    ///
    /// # Errors
    /// [`LibraryError::Missing`], [`LibraryError::Symbol`].
    pub fn open() -> Result<Self, LibraryError> {
        // SAFETY: these are the names of the driver's libraries.
        unsafe { Self::open_from(NVCUVID) }
    }

    /// Loads the library from the first of these names or paths that can be loaded.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    ///
    /// # Safety
    /// - Loading what is found there runs its initialisers: they must be harmless.
    /// - If it exports functions of the names in [`sys`](crate::sys), they have the signatures given there.
    pub unsafe fn open_from(places: &[impl AsRef<OsStr>]) -> Result<Self, LibraryError> {
        let interface = Interface::Nvdec;
        // SAFETY: the caller vouches for what is there.
        let (library, place) = unsafe { load_first(interface, places) }?;
        // SAFETY: the caller vouches for the signatures, and the library is kept beside the functions.
        let functions = unsafe { cuvid::Functions::load(&library) };
        let functions = functions.map_err(|error| symbol_error(interface, place, error))?;
        Ok(Self { functions, _library: Arc::new(library) })
    }

    /// The functions; a copy may not be called after this library and its clones were dropped.
    pub fn functions(&self) -> &cuvid::Functions {
        &self.functions
    }
}

/// The driver's encoding library, of a version that this crate can speak to.
///
/// That it loads does not mean that the GPU has an encoder: [`EncoderCapabilities::query`] tells. Clones are the same
/// library, which stays loaded for as long as one of them, or an encoder made from it, lives.
///
/// [`EncoderCapabilities::query`]: crate::EncoderCapabilities::query
#[derive(Clone, Debug)]
pub struct NvencLibrary {
    functions: nvenc::Functions,
    version: NvencVersion,
    /// `None` where the driver has no asynchronous mode.
    events: Option<EventFunctions>,
    /// Holds what `functions` points into; `None` where somebody else does.
    _library: Option<Arc<Library>>,
}

impl NvencLibrary {
    /// Loads the library by the platform's names, where the system's loader looks, and asks for its version.
    ///
    /// # Errors
    /// [`LibraryError::Missing`], [`LibraryError::Symbol`], [`LibraryError::Version`], [`LibraryError::Call`].
    pub fn open() -> Result<Self, LibraryError> {
        // SAFETY: these are the names of the driver's libraries.
        unsafe { Self::open_from(NVENC) }
    }

    /// Loads the library from the first of these names or paths that can be loaded, and asks for its version.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    ///
    /// # Safety
    /// - Loading what is found there runs its initialisers: they must be harmless.
    /// - If it exports functions of the names in [`sys`](crate::sys), they have the signatures given there.
    pub unsafe fn open_from(places: &[impl AsRef<OsStr>]) -> Result<Self, LibraryError> {
        let interface = Interface::Nvenc;
        // SAFETY: the caller vouches for what is there.
        let (library, place) = unsafe { load_first(interface, places) }?;
        // SAFETY: the caller vouches for the signatures, and the library is kept beside the functions.
        let functions = unsafe { nvenc::Functions::load(&library) };
        let functions = functions.map_err(|error| symbol_error(interface, place, error))?;
        let version = max_supported_version(&functions)?.check()?;
        Ok(Self { functions, version, events: SYSTEM_EVENTS, _library: Some(Arc::new(library)) })
    }

    /// Uses functions that were found in another way: a library that is linked in or already loaded, a layer between
    /// this crate and the driver.
    ///
    /// # Errors
    /// [`LibraryError::Version`], [`LibraryError::Call`].
    ///
    /// # Safety
    /// - They do what NVENC's documentation says of functions of these names.
    /// - They, and those that they give in a [`FunctionList`](nvenc::FunctionList), can be called for as long as this
    ///   library, a clone of it or an encoder made from it lives.
    pub unsafe fn from_functions(functions: nvenc::Functions) -> Result<Self, LibraryError> {
        let version = max_supported_version(&functions)?.check()?;
        Ok(Self { functions, version, events: SYSTEM_EVENTS, _library: None })
    }

    /// Has encoders work in the asynchronous mode, by these events, wherever the GPU says that it has one. Without it they do so
    /// on Windows alone, by the system's.
    ///
    /// # Safety
    /// The functions do what [`EventFunctions`] says, and can be called for as long as those of the library.
    #[must_use]
    pub unsafe fn with_events(self, events: EventFunctions) -> Self {
        Self { events: Some(events), ..self }
    }

    pub(crate) const fn events(&self) -> Option<EventFunctions> {
        self.events
    }

    /// The newest version that the driver supports, at least [`NvencVersion::NEEDED`].
    pub fn version(&self) -> NvencVersion {
        self.version
    }

    /// The exported functions; a copy may not be called after this library was dropped.
    pub fn functions(&self) -> &nvenc::Functions {
        &self.functions
    }

    /// The functions of encoder sessions; a copy may not be called after this library was dropped.
    ///
    /// # Errors
    /// [`LibraryError::Call`].
    pub fn function_list(&self) -> Result<nvenc::FunctionList, LibraryError> {
        let mut list = nvenc::FunctionList::versioned();
        // SAFETY: the list is valid for the call and has its version word.
        let status = unsafe { (self.functions.create_instance)(&mut list) };
        succeeded("NvEncodeAPICreateInstance", status)?;
        Ok(list)
    }
}

fn max_supported_version(functions: &nvenc::Functions) -> Result<NvencVersion, LibraryError> {
    let mut word = 0;
    // SAFETY: the word is valid for the call; the function needs no session.
    let status = unsafe { (functions.get_max_supported_version)(&mut word) };
    succeeded("NvEncodeAPIGetMaxSupportedVersion", status)?;
    Ok(NvencVersion::from_word(word))
}

fn succeeded(function: &'static str, status: nvenc::Status) -> Result<(), LibraryError> {
    match status {
        nvenc::Status::SUCCESS => Ok(()),
        status => Err(LibraryError::Call { function, status }),
    }
}

/// # Safety
/// As for [`NvdecLibrary::open_from`].
unsafe fn load_first(
    interface: Interface,
    places: &[impl AsRef<OsStr>],
) -> Result<(Library, String), LibraryError> {
    let mut tried = Vec::new();
    for place in places {
        let place = place.as_ref();
        // SAFETY: the caller vouches for the initialisers.
        match unsafe { Library::new(place) } {
            Ok(library) => return Ok((library, place.display().to_string())),
            Err(error) => tried.push(Attempt { place: place.display().to_string(), reason: words(&error) }),
        }
    }
    Err(LibraryError::Missing { interface, tried })
}

fn symbol_error(
    interface: Interface,
    place: String,
    (symbol, error): (&'static str, libloading::Error),
) -> LibraryError {
    LibraryError::Symbol { interface, place, symbol, reason: words(&error) }
}

/// What the system said, which may be the source of what libloading says.
fn words(error: &libloading::Error) -> String {
    let error: &dyn std::error::Error = error;
    error.source().unwrap_or(error).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_word_has_the_minor_version_in_its_low_bits() {
        assert_eq!(NvencVersion::from_word(0xc2), NvencVersion::NEEDED);
        assert_eq!(NvencVersion::from_word(0xd0), NvencVersion { major: 13, minor: 0 });
    }

    #[test]
    fn an_older_driver_is_refused_with_both_versions() {
        assert_eq!(NvencVersion::from_word(0xd0).check(), Ok(NvencVersion { major: 13, minor: 0 }));
        let error = NvencVersion::from_word(0xb1).check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the driver supports NVENC 11.1, 12.2 is needed: install driver 550 or later"
        );
        assert_eq!(error.code(), Code::CodecDriverTooOld);
    }

    #[test]
    fn a_refusal_is_named_with_nvidias_spelling() {
        let error = succeeded("NvEncodeAPICreateInstance", nvenc::Status::INVALID_VERSION).unwrap_err();
        assert_eq!(error.to_string(), "NvEncodeAPICreateInstance failed with NV_ENC_ERR_INVALID_VERSION");
        let unknown = succeeded("NvEncodeAPICreateInstance", nvenc::Status(77)).unwrap_err();
        assert_eq!(unknown.to_string(), "NvEncodeAPICreateInstance failed with status 77");
    }
}
