//! A conformance double of NVENC: functions that do what NVIDIA's documentation says, hold the caller to every rule of it,
//! and note each breach. It encodes nothing; its packets tell what it was given.
//!
//! The rules are those of the API reference (`nvEncodeAPI.h` of Video Codec SDK 12.2 and 13.0); each breach names the
//! function whose text has the rule. In the programming guide they are in "Opening an Encode Session", "Initializing the
//! Hardware Encoder Session", "Creating Resources Required to Hold Input/Output Data", "Retrieving Sequence Parameters",
//! "Preparing Input Buffers for Encoding", "Submitting Input for Encoding", "Generating Encoded Output" (with the reordering of
//! B-frames), "End of Encoding" and "Modes of Operation" (asynchronous, synchronous, threading). Where the text leaves room the double is as strict or as lazy as it may be: a
//! frame is read when its picture is taken, not when it is sent.
#![allow(dead_code, reason = "each test program uses its part")]

mod events;
mod functions;
mod order;
mod pictures;
mod rules;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rave_nvcodec::sys::nvenc::{self, Caps, Guid, Status};
use rave_nvcodec::{LibraryError, NvencLibrary};

#[allow(unused_imports, reason = "as above")]
pub use events::EVENTS;
pub use order::{Coded, Kind};
#[allow(unused_imports, reason = "as above")]
pub use pictures::digest;
use rules::Session;

/// How the double behaves.
#[derive(Clone)]
pub struct Settings {
    /// As `NvEncodeAPIGetMaxSupportedVersion` gives it.
    pub version: u32,
    /// What opening a session returns; `SUCCESS` opens one.
    pub open: Status,
    /// The most sessions at once.
    pub sessions: usize,
    /// The codecs.
    pub codecs: Vec<Guid>,
    /// Capabilities that are not the usual ones.
    pub capabilities: Vec<(Caps, i32)>,
    /// What presets stand for: B-frames and frames of look-ahead.
    pub preset: (u32, u32),
    /// Pictures in coding order, in place of the double's own decision.
    pub script: Option<Vec<Coded>>,
    /// Packets by the frame's number, in place of the double's own.
    pub packets: BTreeMap<u64, Vec<u8>>,
    /// How the end of a picture is told.
    pub mode: Mode,
}

/// How the end of a picture is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Locking its output waits: the synchronous mode.
    #[default]
    Lock,
    /// An event is set: the asynchronous mode, which NVIDIA's driver has on Windows.
    Event,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: 0xd0,
            open: Status::SUCCESS,
            sessions: 3,
            codecs: vec![Guid::CODEC_H264, Guid::CODEC_HEVC, Guid::CODEC_AV1],
            capabilities: Vec::new(),
            preset: (2, 0),
            script: None,
            packets: BTreeMap::new(),
            mode: Mode::Lock,
        }
    }
}

/// What was coded, in coding order.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// The frame's number.
    pub stamp: u64,
    /// How it was coded.
    pub kind: Kind,
    /// Of the samples that were in the input when the picture was taken.
    pub digest: u64,
    /// Types and contents of the messages that came with it.
    pub messages: Vec<(u32, Vec<u8>)>,
}

/// The double's driver: all that one test does with it.
pub(crate) struct State {
    pub settings: Settings,
    pub calls: Vec<&'static str>,
    pub failure: Option<(usize, Status)>,
    /// From this call on, all fail.
    pub lost_from: Option<usize>,
    /// Events of the operating system that are not closed.
    pub events: BTreeSet<usize>,
    pub breaches: Vec<String>,
    pub sessions: BTreeMap<usize, Session>,
    pub next_handle: usize,
    pub pictures: Vec<Picture>,
    pub parameters: Option<(nvenc::InitializeParams, nvenc::Config)>,
    pub reconfigured: Vec<(u32, u32)>,
}

// SAFETY: the addresses in it belong to the driver, whose functions any thread may call.
unsafe impl Send for State {}

impl State {
    /// Names are never given twice, so that one that is used too long is seen.
    pub fn new_handle(&mut self) -> usize {
        self.next_handle += 16;
        self.next_handle
    }

    pub fn breach(&mut self, function: &str, rule: impl AsRef<str>) {
        self.breaches.push(format!("{function}: {}", rule.as_ref()));
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Mutex<State>>>> = const { RefCell::new(None) };
}

/// The sessions of all threads' doubles.
static OPEN: Mutex<BTreeMap<usize, Arc<Mutex<State>>>> = Mutex::new(BTreeMap::new());

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A driver with NVENC, for the thread that makes it.
pub struct Double {
    state: Arc<Mutex<State>>,
}

impl Double {
    pub fn new(settings: Settings) -> Self {
        let state = State {
            settings,
            calls: Vec::new(),
            failure: None,
            lost_from: None,
            events: BTreeSet::new(),
            breaches: Vec::new(),
            sessions: BTreeMap::new(),
            // Handles of all doubles differ.
            next_handle: {
                static NEXT: Mutex<usize> = Mutex::new(0);
                let mut next = locked(&NEXT);
                *next += 1 << 24;
                *next
            },
            pictures: Vec::new(),
            parameters: None,
            reconfigured: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        CURRENT.with(|current| *current.borrow_mut() = Some(Arc::clone(&state)));
        Self { state }
    }

    /// Loads it as a driver's library is loaded.
    pub fn library(&self) -> Result<NvencLibrary, LibraryError> {
        // SAFETY: the functions are this program's.
        let library = unsafe { NvencLibrary::from_functions(functions::EXPORTS) }?;
        Ok(match locked(&self.state).settings.mode {
            Mode::Lock => library,
            // SAFETY: as above.
            Mode::Event => unsafe { library.with_events(events::EVENTS) },
        })
    }

    /// Makes the call of this number, counted from 0, fail.
    pub fn fail(&self, call: usize, status: Status) {
        locked(&self.state).failure = Some((call, status));
    }

    /// Takes the GPU away at the call of this number: that one and all that follow fail.
    pub fn lose(&self, call: usize) {
        locked(&self.state).lost_from = Some(call);
    }

    /// NVIDIA's names of the functions that were called.
    pub fn calls(&self) -> Vec<&'static str> {
        locked(&self.state).calls.clone()
    }

    pub fn pictures(&self) -> Vec<Picture> {
        locked(&self.state).pictures.clone()
    }

    /// What the encoder was initialised with.
    pub fn parameters(&self) -> (nvenc::InitializeParams, nvenc::Config) {
        locked(&self.state).parameters.expect("an encoder was initialised")
    }

    /// Average and maximum bit rates that were set later.
    pub fn reconfigured(&self) -> Vec<(u32, u32)> {
        locked(&self.state).reconfigured.clone()
    }

    /// Rules that were broken.
    pub fn breaches(&self) -> Vec<String> {
        locked(&self.state).breaches.clone()
    }

    /// What was not given back.
    pub fn leaks(&self) -> Vec<String> {
        let state = locked(&self.state);
        let events = (!state.events.is_empty()).then(|| format!("event: {}", state.events.len()));
        state.sessions.values().flat_map(Session::leaks).chain(events).collect()
    }

    /// Panics if a rule was broken or something was not given back.
    pub fn assert_clean(&self) {
        assert_eq!(self.breaches(), [""; 0]);
        assert_eq!(self.leaks(), [""; 0]);
    }
}
