//! What belongs to a session: each is given back when it is dropped, and the session after the last of them.

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::Arc;

use super::Session;
use crate::encoder::EncodeError;
use crate::events::EventFunctions;
use crate::sys::nvenc;

impl Session {
    pub(in crate::encoder) fn create_bitstream_buffer(self: &Arc<Self>) -> Result<OutputBuffer, EncodeError> {
        let mut params = nvenc::CreateBitstreamBuffer::versioned();
        call!(self, create_bitstream_buffer("nvEncCreateBitstreamBuffer", &mut params))?;
        let pointer = params.bitstream_buffer;
        let mut buffer = OutputBuffer { pointer, completion: None, session: Arc::clone(self) };
        buffer.completion = self.create_completion()?;
        Ok(buffer)
    }

    /// An event of its own for each use; `None` in the synchronous mode.
    pub(in crate::encoder) fn create_completion(self: &Arc<Self>) -> Result<Option<Completion>, EncodeError> {
        let Some(functions) = self.events else { return Ok(None) };
        let event = Event::new(functions)?;
        let mut params = event.params();
        call!(self, register_async_event("nvEncRegisterAsyncEvent", &mut params))?;
        Ok(Some(Completion { event, was_set: Cell::new(false), session: Arc::clone(self) }))
    }

    /// # Safety
    /// The memory that `params` names stays for as long as the registration.
    pub(in crate::encoder) unsafe fn register(
        self: &Arc<Self>,
        mut params: nvenc::RegisterResource,
    ) -> Result<Registration, EncodeError> {
        call!(self, register_resource("nvEncRegisterResource", &mut params))?;
        Ok(Registration { pointer: params.registered_resource, session: Arc::clone(self) })
    }
}

/// An event of the operating system, closed when it is dropped.
struct Event {
    handle: *mut c_void,
    functions: EventFunctions,
}

// SAFETY: events are there for threads to wait for one another.
unsafe impl Send for Event {}

impl Event {
    fn new(functions: EventFunctions) -> Result<Self, EncodeError> {
        // SAFETY: whoever gave the functions vouches for them.
        let handle = unsafe { (functions.create)() };
        if handle.is_null() { Err(EncodeError::NoEvent) } else { Ok(Self { handle, functions }) }
    }

    fn params(&self) -> nvenc::EventParams {
        nvenc::EventParams { completion_event: self.handle, ..nvenc::EventParams::versioned() }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: made in `new`, closed once.
        unsafe { (self.functions.close)(self.handle) };
    }
}

/// An event that the driver knows, until it is dropped, and sets when a picture is coded.
pub(in crate::encoder) struct Completion {
    // Closed after the driver has forgotten it.
    event: Event,
    /// Whether it was set since it was given away: the end of a wait resets the event.
    was_set: Cell<bool>,
    session: Arc<Session>,
}

/// No picture takes as long.
const MOST_MILLIS: u32 = 20_000;

impl Completion {
    /// The event, to be given away; null in the synchronous mode.
    pub(in crate::encoder) fn begin(completion: Option<&Self>) -> *mut c_void {
        let begin = |completion: &Self| {
            completion.was_set.set(false);
            completion.event.handle
        };
        completion.map_or(std::ptr::null_mut(), begin)
    }

    pub(in crate::encoder) fn wait(&self) -> Result<(), EncodeError> {
        let Event { handle, functions } = &self.event;
        // SAFETY: the event is open; whoever gave the functions vouches for them.
        if !self.was_set.get() && unsafe { (functions.wait)(*handle, MOST_MILLIS) } == 0 {
            return Err(EncodeError::Broken { what: format!("did not code a picture in {MOST_MILLIS} ms") });
        }
        self.was_set.set(true);
        Ok(())
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        let _ = self.session.device.bind();
        let mut params = self.event.params();
        let _ = call!(self.session, unregister_async_event("nvEncUnregisterAsyncEvent", &mut params));
    }
}

/// A buffer for coded pictures, destroyed when it is dropped.
pub(in crate::encoder) struct OutputBuffer {
    pointer: nvenc::OutputPointer,
    completion: Option<Completion>,
    session: Arc<Session>,
}

// SAFETY: the pointer is a name for the driver's use, given to calls that `Session` makes one at a time.
unsafe impl Send for OutputBuffer {}

impl OutputBuffer {
    pub(in crate::encoder) const fn pointer(&self) -> nvenc::OutputPointer {
        self.pointer
    }

    /// What is set when the picture in this buffer is coded, to be given away with it.
    pub(in crate::encoder) fn begin(&self) -> *mut c_void {
        Completion::begin(self.completion.as_ref())
    }

    /// Waits for the picture in this buffer.
    pub(in crate::encoder) fn lock(&self) -> Result<Locked<'_>, EncodeError> {
        self.completion.as_ref().map_or(Ok(()), Completion::wait)?;
        let mut params =
            nvenc::LockBitstream { output_bitstream: self.pointer, ..nvenc::LockBitstream::versioned() };
        call!(self.session, lock_bitstream("nvEncLockBitstream", &mut params))?;
        Ok(Locked { params, buffer: Some(self) })
    }
}

impl Drop for OutputBuffer {
    fn drop(&mut self) {
        let _ = self.session.device.bind();
        let _ = call!(self.session, destroy_bitstream_buffer("nvEncDestroyBitstreamBuffer", self.pointer));
    }
}

/// A coded picture, unlocked when it is dropped.
pub(in crate::encoder) struct Locked<'a> {
    params: nvenc::LockBitstream,
    /// Taken when it is unlocked.
    buffer: Option<&'a OutputBuffer>,
}

impl Locked<'_> {
    pub(in crate::encoder) fn bytes(&self) -> &[u8] {
        let len = self.params.bitstream_size_in_bytes as usize;
        let start: *const u8 = self.params.bitstream_buffer_ptr.cast_const().cast();
        if start.is_null() {
            return &[];
        }
        // SAFETY: while the buffer is locked, the driver keeps that many bytes there (`NV_ENC_LOCK_BITSTREAM`).
        unsafe { std::slice::from_raw_parts(start, len) }
    }

    /// The number that the frame was sent with.
    pub(in crate::encoder) const fn stamp(&self) -> u64 {
        self.params.output_time_stamp
    }

    pub(in crate::encoder) fn is_key(&self) -> bool {
        self.params.picture_type == nvenc::PicType::IDR
    }

    pub(in crate::encoder) fn unlock(mut self) -> Result<(), EncodeError> {
        self.buffer.take().map_or(Ok(()), unlock)
    }
}

fn unlock(buffer: &OutputBuffer) -> Result<(), EncodeError> {
    call!(buffer.session, unlock_bitstream("nvEncUnlockBitstream", buffer.pointer))
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let _ = self.buffer.take().map(unlock);
    }
}

/// Memory that the encoder knows, until it is dropped.
pub(in crate::encoder) struct Registration {
    pointer: nvenc::RegisteredPointer,
    session: Arc<Session>,
}

// SAFETY: as for `OutputBuffer`.
unsafe impl Send for Registration {}

impl Registration {
    /// Hands the memory to the encoder.
    pub(in crate::encoder) fn map(&self) -> Result<Mapping, EncodeError> {
        let mut params = nvenc::MapInputResource {
            registered_resource: self.pointer,
            ..nvenc::MapInputResource::versioned()
        };
        call!(self.session, map_input_resource("nvEncMapInputResource", &mut params))?;
        Ok(Mapping { pointer: params.mapped_resource, session: Some(Arc::clone(&self.session)) })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let _ = self.session.device.bind();
        let _ = call!(self.session, unregister_resource("nvEncUnregisterResource", self.pointer));
    }
}

/// An input that the encoder has, until it is dropped.
pub(in crate::encoder) struct Mapping {
    pointer: nvenc::InputPointer,
    /// Taken when it is unmapped.
    session: Option<Arc<Session>>,
}

// SAFETY: as for `OutputBuffer`.
unsafe impl Send for Mapping {}

impl Mapping {
    pub(in crate::encoder) const fn pointer(&self) -> nvenc::InputPointer {
        self.pointer
    }

    /// Takes the memory back.
    pub(in crate::encoder) fn unmap(mut self) -> Result<(), EncodeError> {
        self.release()
    }

    fn release(&mut self) -> Result<(), EncodeError> {
        let Some(session) = self.session.take() else { return Ok(()) };
        call!(session, unmap_input_resource("nvEncUnmapInputResource", self.pointer))
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let _ = self.session.as_ref().map(|session| session.device.bind());
        let _ = self.release();
    }
}
