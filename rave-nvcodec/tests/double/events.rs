//! The operating system's events, as the double sets them: at the last moment at which an encoder may.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr;
use std::sync::{Arc, Mutex};

use rave_nvcodec::EventFunctions;

use super::rules::Session;
use super::{CURRENT, State, locked};

pub const EVENTS: EventFunctions = EventFunctions { create, wait, close };

/// The events of all threads' doubles.
static OPEN: Mutex<BTreeMap<usize, Arc<Mutex<State>>>> = Mutex::new(BTreeMap::new());

unsafe extern "system" fn create() -> *mut c_void {
    let Some(state) = CURRENT.with(|current| current.borrow().clone()) else { return ptr::null_mut() };
    let name = locked(&state).new_handle();
    locked(&state).events.insert(name);
    locked(&OPEN).insert(name, state);
    name as *mut c_void
}

unsafe extern "system" fn wait(event: *mut c_void, millis: u32) -> i32 {
    const NAME: &str = "an event";
    let event = event as usize;
    let Some(state) = locked(&OPEN).get(&event).cloned() else { return 0 };
    let mut state = locked(&state);
    if millis == 0 {
        state.breach(NAME, "it is asked for over and over");
    }
    let session = state.sessions.values_mut().find(|session| session.events.contains_key(&event));
    let is_set = session.is_some_and(|session| set(session, event));
    if !is_set && state.lost_from.is_none() {
        state.breach(NAME, "nothing sets it: this would wait for ever");
    }
    i32::from(is_set)
}

/// Whether what the event stands for has happened.
fn set(session: &mut Session, event: usize) -> bool {
    let Some(encoder) = &mut session.encoder else { return false };
    let Some(pending) = session.events.get_mut(&event) else { return false };
    match *pending {
        Some(send) if send < encoder.finished => {
            *pending = None;
            encoder.told.insert(send);
            true
        }
        _ => false,
    }
}

unsafe extern "system" fn close(event: *mut c_void) {
    let event = event as usize;
    let Some(state) = locked(&OPEN).remove(&event) else { return };
    let mut state = locked(&state);
    state.events.remove(&event);
    if state.sessions.values().any(|session| session.events.contains_key(&event) && !session.has_failed) {
        state.breach("NvEncUnregisterAsyncEvent", "the event is closed before");
    }
}
