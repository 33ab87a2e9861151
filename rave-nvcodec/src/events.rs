use std::ffi::c_void;

/// Functions for the operating system's events, which NVENC sets in its asynchronous mode (programming guide, "Asynchronous
/// Mode"). Windows has them; elsewhere the driver has no such mode.
#[derive(Clone, Copy, Debug)]
pub struct EventFunctions {
    /// Makes an event that is not set, and that a wait resets when it ends; null if the system has none left.
    pub create: unsafe extern "system" fn() -> *mut c_void,
    /// Waits for at most so many milliseconds until the event is set; 0 if it was not.
    pub wait: unsafe extern "system" fn(event: *mut c_void, millis: u32) -> i32,
    /// Gives the event back.
    pub close: unsafe extern "system" fn(event: *mut c_void),
}

/// Those of the system that the program runs on.
#[cfg(windows)]
pub(crate) const SYSTEM_EVENTS: Option<EventFunctions> =
    Some(EventFunctions { create: windows::create, wait: windows::wait, close: windows::close });
#[cfg(not(windows))]
pub(crate) const SYSTEM_EVENTS: Option<EventFunctions> = None;

#[cfg(windows)]
mod windows {
    use std::ffi::c_void;
    use std::ptr;

    // synchapi.h, handleapi.h.
    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn CreateEventW(
            attributes: *const c_void,
            manual_reset: i32,
            initial_state: i32,
            name: *const u16,
        ) -> *mut c_void;
        fn WaitForSingleObject(handle: *mut c_void, millis: u32) -> u32;
        fn CloseHandle(handle: *mut c_void) -> i32;
    }

    pub(super) unsafe extern "system" fn create() -> *mut c_void {
        // SAFETY: attributes and name may be null.
        unsafe { CreateEventW(ptr::null(), 0, 0, ptr::null()) }
    }

    pub(super) unsafe extern "system" fn wait(event: *mut c_void, millis: u32) -> i32 {
        const WAIT_OBJECT_0: u32 = 0;
        // SAFETY: the caller gives an event that is not closed.
        i32::from(unsafe { WaitForSingleObject(event, millis) } == WAIT_OBJECT_0)
    }

    pub(super) unsafe extern "system" fn close(event: *mut c_void) {
        // SAFETY: the caller gives an event that is not closed and not used any more.
        unsafe { CloseHandle(event) };
    }
}
