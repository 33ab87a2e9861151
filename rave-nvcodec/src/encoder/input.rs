use std::sync::Arc;

use cudarc::driver::DriverError;
use cudarc::driver::sys::{self, CUDA_MEMCPY2D, CUmemorytype, CUresult};
use rave_core::{ColorSpec, FrameInfo, Layout, VideoInfo};
use rave_cuda::{CudaFrame, Pool, Stream, device_layout};

use super::EncodeError;
use super::capabilities::buffer_format;
use super::session::{Mapping, Registration, Session};
use crate::sys::nvenc;

/// GPU memory that is registered with the encoder, for one frame.
///
/// Frames are copied into it: a registration must not outlive its memory, and a frame's memory goes back to its pool. The
/// copy costs as much as reading and writing the frame once; nothing is registered or allocated per frame.
pub(super) struct Input {
    // Released in this order: the encoder's hold, its knowledge, the memory.
    mapping: Option<Mapping>,
    registration: Registration,
    frame: CudaFrame,
}

impl Input {
    /// `info` gives size and format, which have been checked, and any frame's time.
    pub(super) fn new(
        session: &Arc<Session>,
        pool: &Pool,
        stream: &Stream,
        video: &VideoInfo,
        info: FrameInfo,
    ) -> Result<Self, EncodeError> {
        let layout = device_layout(video.format, video.width, video.height)?;
        let mut frame = pool.frame(layout, ColorSpec::default(), info)?;
        let address = frame.buffer_mut().write(stream)?.address();
        let params = nvenc::RegisterResource {
            resource_type: nvenc::InputResourceType::CUDADEVICEPTR,
            width: video.width,
            height: video.height,
            pitch: pitch(&layout),
            resource_to_register: address as *mut _,
            buffer_format: buffer_format(video.format).unwrap_or(nvenc::BufferFormat::UNDEFINED),
            buffer_usage: nvenc::BufferUsage::INPUT_IMAGE,
            ..nvenc::RegisterResource::versioned()
        };
        // SAFETY: the frame is kept beside the registration and dropped after it.
        let registration = unsafe { session.register(params) }?;
        Ok(Self { mapping: None, registration, frame })
    }

    /// Bytes from one row to the next; the chroma plane follows the last row.
    pub(super) fn pitch(&self) -> u32 {
        pitch(self.frame.layout())
    }

    /// Enqueues the copy of a frame, then hands the memory to the encoder.
    pub(super) fn load(
        &mut self,
        stream: &Stream,
        source: &CudaFrame,
    ) -> Result<nvenc::InputPointer, EncodeError> {
        copy(stream, source, &mut self.frame)?;
        let mapping = self.registration.map()?;
        let pointer = mapping.pointer();
        self.mapping = Some(mapping);
        Ok(pointer)
    }

    /// Takes the memory back after the encoder has read it.
    pub(super) fn unload(&mut self) -> Result<(), EncodeError> {
        self.mapping.take().map_or(Ok(()), Mapping::unmap)
    }
}

fn pitch(layout: &Layout) -> u32 {
    layout.planes().first().map_or(0, |plane| u32::try_from(plane.stride_bytes).unwrap_or(u32::MAX))
}

/// Enqueues the copy of a frame to one of the same size and format, whatever their strides.
fn copy(stream: &Stream, source: &CudaFrame, target: &mut CudaFrame) -> Result<(), EncodeError> {
    let (from, to) = (*source.layout(), *target.layout());
    let reading = source.buffer().read(stream)?;
    let writing = target.buffer_mut().write(stream)?;
    for (from, to) in from.planes().iter().zip(to.planes()) {
        let copy = CUDA_MEMCPY2D {
            srcXInBytes: 0,
            srcY: 0,
            srcMemoryType: CUmemorytype::CU_MEMORYTYPE_DEVICE,
            srcHost: std::ptr::null(),
            srcDevice: reading.address() + from.offset_bytes as u64,
            srcArray: std::ptr::null_mut(),
            srcPitch: from.stride_bytes,
            dstXInBytes: 0,
            dstY: 0,
            dstMemoryType: CUmemorytype::CU_MEMORYTYPE_DEVICE,
            dstHost: std::ptr::null_mut(),
            dstDevice: writing.address() + to.offset_bytes as u64,
            dstArray: std::ptr::null_mut(),
            dstPitch: to.stride_bytes,
            WidthInBytes: from.row_bytes,
            Height: from.rows,
        };
        // SAFETY: `Frame::new` has found both layouts in their buffers, rows and counts are those of one format and
        // size; the guards order the copy with every other use, and live until it is enqueued.
        let result = unsafe { sys::cuMemcpy2DAsync_v2(&copy, stream.as_raw()) };
        if result != CUresult::CUDA_SUCCESS {
            let action = "copy a frame for the encoder";
            return Err(rave_cuda::Error::Cuda { action, source: DriverError(result) }.into());
        }
    }
    Ok(())
}
