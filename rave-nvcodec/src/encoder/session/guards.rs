//! What belongs to a session: each is given back when it is dropped, and the session after the last of them.

use std::sync::Arc;

use super::Session;
use crate::encoder::EncodeError;
use crate::sys::nvenc;

impl Session {
    pub(in crate::encoder) fn create_bitstream_buffer(self: &Arc<Self>) -> Result<OutputBuffer, EncodeError> {
        let mut params = nvenc::CreateBitstreamBuffer::versioned();
        call!(self, create_bitstream_buffer("nvEncCreateBitstreamBuffer", &mut params))?;
        Ok(OutputBuffer { pointer: params.bitstream_buffer, session: Arc::clone(self) })
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

/// A buffer for coded pictures, destroyed when it is dropped.
pub(in crate::encoder) struct OutputBuffer {
    pointer: nvenc::OutputPointer,
    session: Arc<Session>,
}

// SAFETY: the pointer is a name for the driver's use, given to calls that `Session` makes one at a time.
unsafe impl Send for OutputBuffer {}

impl OutputBuffer {
    pub(in crate::encoder) const fn pointer(&self) -> nvenc::OutputPointer {
        self.pointer
    }

    /// Waits for the picture in this buffer.
    pub(in crate::encoder) fn lock(&self) -> Result<Locked<'_>, EncodeError> {
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
