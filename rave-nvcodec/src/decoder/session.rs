//! A decoder of the driver and the surfaces that are mapped from it, each with its guard.

use std::collections::VecDeque;
use std::sync::Arc;

use cudarc::driver::{CudaEvent, DriverError, sys};
use rave_core::DeviceTimes;
use rave_cuda::{CudaFrame, Device, Stream, WorkTimer};

use crate::coded_picture::CodedPicture;
use crate::decoder::Deinterlace;
use crate::decoder::surface::{OUTPUT_SURFACES, PlaneCopy, Sequence, SurfaceFormat, plane_copies};
use crate::sys::cuvid;
use crate::{Codec, DecodeError, NvdecLibrary, Refusal};

/// A decoder for one sequence. The device's context is the thread's in every call.
pub(crate) struct Session {
    /// Emptied before the decoder goes.
    copies: VecDeque<PendingCopy>,
    idle_events: Vec<CudaEvent>,
    decoder: Arc<Decoder>,
    sequence: Sequence,
    /// The surfaces' greatest size.
    max_size: (u32, u32),
    stream: Stream,
    timer: WorkTimer,
}

impl Session {
    pub(crate) fn new(
        library: &NvdecLibrary,
        device: &Device,
        stream: &Stream,
        sequence: Sequence,
        deinterlace: Deinterlace,
        times: &DeviceTimes,
    ) -> Result<Self, DecodeError> {
        let format = sequence.format;
        let surface = SurfaceFormat::of(format).ok_or(Refusal::Format { format })?;
        let mut info = sequence.create_info(surface, deinterlace);
        let decoder = Decoder::new(library, device, format.codec, &mut info)?;
        Ok(Self {
            copies: VecDeque::with_capacity(OUTPUT_SURFACES),
            idle_events: Vec::with_capacity(OUTPUT_SURFACES),
            decoder: Arc::new(decoder),
            sequence,
            max_size: sequence.surface_size(),
            stream: stream.clone(),
            timer: WorkTimer::with_times(device, stream, times)?,
        })
    }

    pub(crate) const fn sequence(&self) -> &Sequence {
        &self.sequence
    }

    /// Goes on with another sequence; `false` if that needs another decoder.
    pub(crate) fn follow(&mut self, sequence: Sequence) -> Result<bool, DecodeError> {
        if sequence.is_decoded_alike(&self.sequence) {
            self.sequence = Sequence { surfaces: self.sequence.surfaces, ..sequence };
            return Ok(true);
        }
        self.finish_copies();
        if !sequence.can_follow(&self.sequence, self.max_size) {
            return Ok(false);
        }
        // What the decoder was made with stays the measure of what can follow.
        let sequence = Sequence { surfaces: self.sequence.surfaces, ..sequence };
        self.decoder.reconfigure(&mut sequence.reconfigure_info())?;
        self.sequence = sequence;
        Ok(true)
    }

    /// Gives the hardware a picture, after the copies out of the surface that it overwrites.
    pub(crate) fn decode(&mut self, picture: &mut CodedPicture) -> Result<(), DecodeError> {
        while self.copies.iter().any(|copy| copy.index == picture.index()) {
            self.finish_oldest_copy();
        }
        self.decoder.decode(picture)
    }

    /// Waits for a picture and enqueues its copy into `target`; returns how its decoding went.
    pub(crate) fn copy(
        &mut self,
        shown: &cuvid::ParserDisplayInfo,
        target: &mut CudaFrame,
    ) -> Result<cuvid::DecodeStatus, DecodeError> {
        while self.copies.len() >= OUTPUT_SURFACES {
            self.finish_oldest_copy();
        }
        let event = self.event()?;
        let layout = *target.layout();
        let access = target.buffer_mut().write(&self.stream)?;
        let Self { decoder, sequence, stream, timer, .. } = self;
        let (surface, status, enqueued) = timer.around(|| {
            let mut params = processing_params(shown, stream);
            // Returns when the hardware has decoded the picture.
            let surface = MappedSurface::new(decoder, shown.picture_index, &mut params)?;
            let status = decoder.status(shown.picture_index);
            let mut copies = plane_copies(sequence, &layout, surface.pitch_bytes);
            let enqueued = copies.try_for_each(|copy| {
                // SAFETY: the surface is mapped and holds the sequence's picture; the frame holds its layout and is ours
                // until the access is dropped.
                unsafe { enqueue_copy(&copy, &surface, access.address(), stream) }
            });
            Ok::<_, DecodeError>((surface, status, enqueued))
        })?;
        drop(access);
        if event.record(self.stream.cudarc()).is_err() {
            // Nothing else tells when the copies are done; what failed is reported below or by the next call.
            let _ = self.stream.synchronize();
        }
        self.copies.push_back(PendingCopy { index: shown.picture_index, event, surface });
        enqueued.map_err(cuda("copy a decoded picture"))?;
        Ok(status)
    }

    /// Waits until nothing is mapped any more.
    pub(crate) fn finish_copies(&mut self) {
        while !self.copies.is_empty() {
            self.finish_oldest_copy();
        }
    }

    fn finish_oldest_copy(&mut self) {
        if let Some(copy) = self.copies.pop_front() {
            self.idle_events.push(copy.finish());
        }
    }

    fn event(&mut self) -> Result<CudaEvent, DecodeError> {
        match self.idle_events.pop() {
            Some(event) => Ok(event),
            None => Ok(self.stream.cudarc().context().new_event(None).map_err(cuda("create an event"))?),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.finish_copies();
    }
}

fn cuda(action: &'static str) -> impl Fn(DriverError) -> rave_cuda::Error {
    move |source| rave_cuda::Error::Cuda { action, source }
}

fn processing_params(shown: &cuvid::ParserDisplayInfo, stream: &Stream) -> cuvid::ProcessingParams {
    cuvid::ProcessingParams {
        progressive_frame: shown.progressive_frame,
        top_field_first: shown.top_field_first,
        unpaired_field: i32::from(shown.repeat_first_field < 0),
        output_stream: stream.as_raw().cast(),
        ..Default::default()
    }
}

/// # Safety
/// The copy lies within the surface and within the memory at `target`; both stay until the stream has done it.
unsafe fn enqueue_copy(
    copy: &PlaneCopy,
    surface: &MappedSurface,
    target: u64,
    stream: &Stream,
) -> Result<(), DriverError> {
    let params = sys::CUDA_MEMCPY2D {
        srcMemoryType: sys::CUmemorytype::CU_MEMORYTYPE_DEVICE,
        srcDevice: surface.address + copy.source_offset_bytes,
        srcPitch: surface.pitch_bytes,
        dstMemoryType: sys::CUmemorytype::CU_MEMORYTYPE_DEVICE,
        dstDevice: target + copy.target_offset_bytes,
        dstPitch: copy.target_stride_bytes,
        WidthInBytes: copy.row_bytes,
        Height: copy.rows,
        srcXInBytes: 0,
        srcY: 0,
        srcHost: std::ptr::null(),
        srcArray: std::ptr::null_mut(),
        dstXInBytes: 0,
        dstY: 0,
        dstHost: std::ptr::null_mut(),
        dstArray: std::ptr::null_mut(),
    };
    // SAFETY: the caller vouches for both sides.
    unsafe { sys::cuMemcpy2DAsync_v2(&params, stream.as_raw()) }.result()
}

/// A copy that is on its way.
struct PendingCopy {
    /// The decoder's surface that is copied.
    index: i32,
    event: CudaEvent,
    surface: MappedSurface,
}

impl PendingCopy {
    /// Waits for the copy, then unmaps.
    fn finish(self) -> CudaEvent {
        let Self { event, surface, .. } = self;
        // A failure is the device's, and every later call says so.
        let _ = event.synchronize();
        drop(surface);
        event
    }
}

/// A surface that is mapped: unmapped when it is dropped, which is to be after its copy's event.
struct MappedSurface {
    decoder: Arc<Decoder>,
    address: u64,
    pitch_bytes: usize,
}

impl MappedSurface {
    fn new(
        decoder: &Arc<Decoder>,
        index: i32,
        params: &mut cuvid::ProcessingParams,
    ) -> Result<Self, DecodeError> {
        let (mut address, mut pitch) = (0, 0);
        let map = decoder.library.functions().map_video_frame;
        // SAFETY: the decoder is alive; the index is the parser's; everything pointed to is valid for the call.
        let status = unsafe { map(decoder.raw, index, &mut address, &mut pitch, params) };
        DecodeError::check("cuvidMapVideoFrame64", decoder.codec, status)?;
        Ok(Self { decoder: Arc::clone(decoder), address, pitch_bytes: pitch as usize })
    }
}

impl Drop for MappedSurface {
    fn drop(&mut self) {
        // SAFETY: mapped in `new`, unmapped once.
        unsafe { (self.decoder.library.functions().unmap_video_frame)(self.decoder.raw, self.address) };
    }
}

/// The driver's handle.
struct Decoder {
    library: NvdecLibrary,
    device: Device,
    codec: Codec,
    raw: cuvid::Decoder,
}

// SAFETY: the driver ties a decoder to no thread, only to its context, which every call finds bound.
unsafe impl Send for Decoder {}
// SAFETY: NVDEC's functions may be called from several threads for one decoder (NVDEC programming guide, multi-threading).
unsafe impl Sync for Decoder {}

impl Decoder {
    fn new(
        library: &NvdecLibrary,
        device: &Device,
        codec: Codec,
        info: &mut cuvid::DecodeCreateInfo,
    ) -> Result<Self, DecodeError> {
        let mut raw = std::ptr::null_mut();
        // SAFETY: handle and parameters are valid for the call; the context is bound.
        let status = unsafe { (library.functions().create_decoder)(&mut raw, info) };
        DecodeError::check("cuvidCreateDecoder", codec, status)?;
        Ok(Self { library: library.clone(), device: device.clone(), codec, raw })
    }

    fn reconfigure(&self, info: &mut cuvid::ReconfigureDecoderInfo) -> Result<(), DecodeError> {
        // SAFETY: the decoder is alive and nothing of it is mapped.
        let status = unsafe { (self.library.functions().reconfigure_decoder)(self.raw, info) };
        DecodeError::check("cuvidReconfigureDecoder", self.codec, status)
    }

    fn decode(&self, picture: &mut CodedPicture) -> Result<(), DecodeError> {
        // SAFETY: the decoder is alive; the picture's pointers are valid for the call.
        let status = unsafe { (self.library.functions().decode_picture)(self.raw, picture.params()) };
        DecodeError::check("cuvidDecodePicture", self.codec, status)
    }

    /// How the decoding of a mapped picture went; `INVALID` if the driver does not say.
    fn status(&self, index: i32) -> cuvid::DecodeStatus {
        let mut answer = cuvid::GetDecodeStatus::default();
        // SAFETY: the decoder is alive, the struct valid for the call.
        let status = unsafe { (self.library.functions().get_decode_status)(self.raw, index, &mut answer) };
        if status == 0 { answer.decode_status } else { cuvid::DecodeStatus::INVALID }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // The last owner may be on any thread. If the device is lost, nothing is left to be destroyed.
        let _ = self.device.bind();
        // SAFETY: created in `new`, destroyed once; guards hold the decoder, so that nothing is mapped.
        unsafe { (self.library.functions().destroy_decoder)(self.raw) };
    }
}
