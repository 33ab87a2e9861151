use std::collections::VecDeque;

use cudarc::driver::{CudaContext, HostSlice, PinnedHostSlice, result};
use rave_core::{BoxError, DeviceTimes, HostBuffer, HostFrame, HostPool, Layout, Plane, Stage, VideoInfo};
use std::fmt;
use std::sync::Arc;

use crate::buffer::{CudaBuffer, CudaFrame};
use crate::error::{During, Error};
use crate::layout::device_layout;
use crate::pool::Pool;
use crate::stream::Stream;
use crate::timer::WorkTimer;

/// Frames that are on their way at once: one is copied by the GPU while the host copies the other.
const DEPTH: usize = 2;

/// `CU_MEMHOSTALLOC_WRITECOMBINED` is fast to write and to upload from, and very slow to read.
const WRITE_COMBINED: u32 = cudarc::driver::sys::CU_MEMHOSTALLOC_WRITECOMBINED;
const PLAIN: u32 = 0;

/// Page-locked host memory. It is waited for, by cudarc's slice, before the host touches or frees it.
struct Staging {
    memory: PinnedHostSlice<u8>,
}

impl Staging {
    fn new(context: &Arc<CudaContext>, len_bytes: usize, flags: u32) -> Result<Self, Error> {
        // SAFETY: the memory is unset; it is written before it is read.
        let memory = unsafe { context.alloc_pinned_with_flags(len_bytes, flags) };
        Ok(Self { memory: memory.during("allocate page-locked memory")? })
    }

    fn ring(context: &Arc<CudaContext>, len_bytes: usize, flags: u32) -> Result<VecDeque<Self>, Error> {
        (0..DEPTH).map(|_| Self::new(context, len_bytes, flags)).collect()
    }

    /// Enqueues the copy of everything to the device.
    fn upload(
        &mut self,
        stream: &Stream,
        target: &mut CudaFrame,
        timer: &mut WorkTimer,
    ) -> Result<(), Error> {
        let access = target.buffer_mut().write(stream)?;
        stream.bind()?;
        // SAFETY: the slice is used on this stream only; the guard, which records the event that the host waits for,
        // lives until after the enqueue.
        let (bytes, _recorded) = unsafe { self.memory.stream_synced_slice(stream.cudarc()) };
        timer.around(|| {
            // SAFETY: the staging has the length of the layout, which `Frame::new` has found in the buffer; the staging is
            // neither written nor freed before its event.
            unsafe { result::memcpy_htod_async(access.address(), bytes, stream.as_raw()) }
                .during("copy a frame to the GPU")
        })
    }

    /// Enqueues the copy of everything from the device.
    fn download(&mut self, stream: &Stream, source: &CudaFrame, timer: &mut WorkTimer) -> Result<(), Error> {
        let access = source.buffer().read(stream)?;
        stream.bind()?;
        // SAFETY: as in `upload`.
        let (bytes, _recorded) = unsafe { self.memory.stream_synced_mut_slice(stream.cudarc()) };
        let bytes = &mut bytes[..source.layout().size_bytes()];
        timer.around(|| {
            // SAFETY: `Frame::new` has found the layout's bytes in the buffer; the staging is not read before its event.
            unsafe { result::memcpy_dtoh_async(bytes, access.address(), stream.as_raw()) }
                .during("copy a frame from the GPU")
        })
    }
}

/// Copies frames from host memory to GPU memory.
///
/// It has a stream of its own and two write-combined staging buffers, so that one frame crosses the bus while the host
/// fills the other buffer. The host waits only for a staging buffer to be free again.
pub struct Upload {
    info: VideoInfo,
    layout: Layout,
    pool: Pool,
    stream: Stream,
    staging: VecDeque<Staging>,
    timer: WorkTimer,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("info", &self.info).field("pool", &self.pool).finish_non_exhaustive()
    }
}

impl Upload {
    /// A stage for the frames that `input` describes, whatever their strides.
    ///
    /// # Errors
    /// [`Error::Frame`] if the size is impossible; [`Error::Cuda`] if page-locked memory or a stream cannot be had.
    pub fn new(pool: &Pool, input: &VideoInfo) -> Result<Self, Error> {
        let layout = device_layout(input.format, input.width, input.height)?;
        let staging = Staging::ring(pool.device().context(), layout.size_bytes(), WRITE_COMBINED)?;
        let stream = pool.device().new_stream()?;
        let timer = WorkTimer::new(pool.device(), &stream)?;
        Ok(Self { info: *input, layout, pool: pool.clone(), stream, staging, timer })
    }

    /// Enqueues the copy of one frame; its time, colour and field order stay.
    ///
    /// # Errors
    /// [`Error::Frame`] if format or size are not those of the [`VideoInfo`]; as for [`Pool::take`].
    pub fn upload(&mut self, frame: &HostFrame) -> Result<CudaFrame, Error> {
        frame.layout().check(self.info.format, (self.info.width, self.info.height))?;
        let mut target = self.pool.frame(self.layout, frame.color(), frame.info())?;
        self.staging.rotate_left(1);
        let staging = &mut self.staging[0];
        let bytes = staging.memory.as_mut_slice().during("wait for an upload")?;
        copy_rows(frame.buffer().as_bytes(), frame.layout(), bytes, &self.layout);
        staging.upload(&self.stream, &mut target, &mut self.timer)?;
        self.pool.count_upload(self.layout.size_bytes());
        Ok(target)
    }
}

impl Stage for Upload {
    type Input = HostFrame;
    type Output = CudaFrame;

    fn process(&mut self, input: HostFrame, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), BoxError> {
        emit(self.upload(&input)?);
        Ok(())
    }

    fn finish(&mut self, _emit: &mut dyn FnMut(CudaFrame)) -> Result<(), BoxError> {
        Ok(())
    }

    fn device_times(&self) -> Option<DeviceTimes> {
        Some(self.timer.times())
    }
}

/// Copies frames from GPU memory to host memory: the one place where the host waits for the GPU.
///
/// It has a stream of its own and two plain page-locked staging buffers; a frame is handed on when the next one's copy is
/// on its way, so that the bus is busy while the host empties a buffer.
pub struct Download {
    info: VideoInfo,
    layout: Layout,
    device_pool: Pool,
    stream: Stream,
    idle: VecDeque<Staging>,
    pending: VecDeque<Pending>,
    pool: HostPool,
    timer: WorkTimer,
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("info", &self.info)
            .field("pool", &self.device_pool)
            .finish_non_exhaustive()
    }
}

/// A frame whose bytes are on their way.
struct Pending {
    staging: Staging,
    /// Layout, colour and time, with an empty buffer in place of the memory.
    layout: Layout,
    color: rave_core::ColorSpec,
    info: rave_core::FrameInfo,
}

impl Download {
    /// A stage for the frames that `input` describes; those that it emits are packed.
    ///
    /// # Errors
    /// As for [`Upload::new`].
    pub fn new(pool: &Pool, input: &VideoInfo) -> Result<Self, Error> {
        let (format, width, height) = (input.format, input.width, input.height);
        let staged = device_layout(format, width, height)?.size_bytes();
        let stream = pool.device().new_stream()?;
        Ok(Self {
            info: *input,
            layout: Layout::packed(format, width, height)?,
            device_pool: pool.clone(),
            timer: WorkTimer::new(pool.device(), &stream)?,
            stream,
            idle: Staging::ring(pool.device().context(), staged, PLAIN)?,
            pending: VecDeque::new(),
            pool: HostPool::new(),
        })
    }

    /// The pool in host memory that its frames come from, and what each of them takes, in bytes.
    pub fn memory(&self) -> (HostPool, usize) {
        (self.pool.clone(), self.layout.size_bytes())
    }

    /// Enqueues the copy of one frame, and gives the oldest on its way if all staging is taken.
    fn push(&mut self, frame: &CudaFrame) -> Result<Option<HostFrame>, Error> {
        frame.layout().check(self.info.format, (self.info.width, self.info.height))?;
        let ready = if self.idle.is_empty() { self.pop()? } else { None };
        let Some(mut staging) = self.idle.pop_front() else { return Ok(ready) };
        let needed = frame.layout().size_bytes();
        if staging.memory.len() < needed {
            staging = Staging::new(self.stream.cudarc().context(), needed, PLAIN)?;
        }
        staging.download(&self.stream, frame, &mut self.timer)?;
        self.device_pool.count_download(needed);
        let (layout, color, info) = (*frame.layout(), frame.color(), frame.info());
        self.pending.push_back(Pending { staging, layout, color, info });
        Ok(ready)
    }

    /// Waits for the oldest frame on its way.
    fn pop(&mut self) -> Result<Option<HostFrame>, Error> {
        let Some(pending) = self.pending.pop_front() else { return Ok(None) };
        let mut frame = HostFrame::from_pool(&self.pool, self.layout, pending.color, pending.info);
        let bytes = pending.staging.memory.as_slice().during("wait for a download")?;
        let buffer: &mut HostBuffer = frame.buffer_mut();
        copy_rows(bytes, &pending.layout, buffer.as_bytes_mut(), &self.layout);
        self.idle.push_back(pending.staging);
        Ok(Some(frame))
    }
}

impl Stage for Download {
    type Input = CudaFrame;
    type Output = HostFrame;

    fn process(&mut self, input: CudaFrame, emit: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        self.push(&input)?.into_iter().for_each(emit);
        Ok(())
    }

    fn finish(&mut self, emit: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        while let Some(frame) = self.pop()? {
            emit(frame);
        }
        Ok(())
    }

    fn device_times(&self) -> Option<DeviceTimes> {
        Some(self.timer.times())
    }
}

/// A buffer with these bytes, for tables that are made once: the host waits until they are there.
pub(crate) fn upload_bytes(pool: &Pool, stream: &Stream, bytes: &[u8]) -> Result<CudaBuffer, Error> {
    let mut buffer = pool.take(bytes.len())?;
    let access = buffer.write(stream)?;
    stream.bind()?;
    // SAFETY: the buffer is as long as the bytes, which are borrowed until the stream has run dry.
    unsafe { result::memcpy_htod_async(access.address(), bytes, stream.as_raw()) }
        .during("copy a table to the GPU")?;
    pool.count_upload(bytes.len());
    drop(access);
    stream.synchronize()?;
    Ok(buffer)
}

/// Copies a picture between layouts of the same format and size; whole planes at once where the strides agree.
fn copy_rows(source: &[u8], from: &Layout, target: &mut [u8], to: &Layout) {
    for (from, to) in from.planes().iter().zip(to.planes()) {
        if from.stride_bytes == to.stride_bytes {
            let len = from.end_bytes() - from.offset_bytes;
            target[to.offset_bytes..][..len].copy_from_slice(&source[from.offset_bytes..][..len]);
            continue;
        }
        for y in 0..from.rows {
            target[row(to, y)].copy_from_slice(&source[row(from, y)]);
        }
    }
}

fn row(plane: &Plane, y: usize) -> std::ops::Range<usize> {
    let start = plane.offset_bytes + y * plane.stride_bytes;
    start..start + plane.row_bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use rave_core::PixelFormat;

    #[test]
    fn rows_keep_their_samples_between_layouts() {
        let packed = Layout::packed(PixelFormat::NV12, 5, 3).unwrap();
        let padded = Layout::aligned(PixelFormat::NV12, 5, 3, 64).unwrap();
        let source: Vec<u8> = (0..packed.size_bytes() as u8).collect();
        let (mut wide, mut back) = (vec![0xff; padded.size_bytes()], vec![0; packed.size_bytes()]);
        copy_rows(&source, &packed, &mut wide, &padded);
        assert_eq!(wide[..5], source[..5]);
        assert_eq!(wide[5..64], [0xff; 59]);
        copy_rows(&wide, &padded, &mut back, &packed);
        assert_eq!(back, source);
    }
}
