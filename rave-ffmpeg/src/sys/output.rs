use std::ffi::{CStr, CString};
use std::ptr::{self, NonNull};

use rave_core::{Rational, TimeBase};

use super::{
    AvError, AvPacket, Dictionary, DictionaryRef, ParametersRef, RawChapter, av_rational, av_time_base, ffi,
    quiet, time_base,
};

/// A muxer of libavformat.
#[derive(Clone, Copy)]
pub(crate) struct OutputFormat(NonNull<ffi::AVOutputFormat>);

// SAFETY: it points to a constant.
unsafe impl Send for OutputFormat {}
// SAFETY: as above.
unsafe impl Sync for OutputFormat {}

impl OutputFormat {
    pub(crate) fn find(name: &str) -> Option<Self> {
        quiet();
        let name = CString::new(name).ok()?;
        // SAFETY: the name lives during the call; muxers are constants.
        let format = unsafe { ffi::av_guess_format(name.as_ptr(), ptr::null(), ptr::null()) };
        NonNull::new(format.cast_mut()).map(Self)
    }

    fn flags(self) -> i32 {
        // SAFETY: a constant.
        unsafe { self.0.as_ref().flags }
    }

    pub(crate) fn wants_global_header(self) -> bool {
        self.flags() & ffi::AVFMT_GLOBALHEADER != 0
    }

    /// Whether two packets of a stream may have the same decoding time.
    pub(crate) fn allows_equal_dts(self) -> bool {
        self.flags() & ffi::AVFMT_TS_NONSTRICT != 0
    }

    /// Whether the muxer can hold the codec; `None` if libav does not know.
    pub(crate) fn holds(self, codec_id: i32) -> Option<bool> {
        // SAFETY: a constant, and a number that libav gave for the same enum.
        let answer = unsafe {
            let id = std::mem::transmute::<u32, ffi::AVCodecID>(codec_id.cast_unsigned());
            ffi::avformat_query_codec(self.0.as_ptr(), id, ffi::FF_COMPLIANCE_NORMAL)
        };
        match answer {
            0 => Some(false),
            1.. => Some(true),
            _ => None,
        }
    }

    /// Whether the container knows the codec by this very tag.
    pub(crate) fn has_tag(self, codec_id: i32, tag: u32) -> bool {
        // SAFETY: a constant; `codec_tag` is null or a list of the library.
        let found = unsafe {
            let tags = self.0.as_ref().codec_tag;
            !tags.is_null() && ffi::av_codec_get_id(tags, tag) as i32 == codec_id
        };
        found && tag != 0
    }
}

/// What a stream of an output gets besides its codec parameters.
pub(crate) struct NewStream<'a> {
    pub(crate) parameters: ParametersRef<'a>,
    pub(crate) codec_tag: u32,
    pub(crate) time_base: TimeBase,
    pub(crate) sample_aspect_ratio: Option<Rational>,
    pub(crate) frame_rate: Option<Rational>,
    pub(crate) disposition: i32,
    pub(crate) metadata: Dictionary,
    /// Kinds by their number, and the bytes.
    pub(crate) side_data: Vec<(i32, Vec<u8>)>,
}

/// A muxer with its file open.
pub(crate) struct OutputContext(NonNull<ffi::AVFormatContext>);

// SAFETY: a muxer has one owner and is tied to no thread.
unsafe impl Send for OutputContext {}

impl OutputContext {
    /// Creates the file, or empties it.
    pub(crate) fn create(format: OutputFormat, url: &CStr) -> Result<Self, AvError> {
        let mut raw = ptr::null_mut();
        // SAFETY: a constant format and a living url; null means no name.
        AvError::check(unsafe {
            ffi::avformat_alloc_output_context2(&mut raw, format.0.as_ptr(), ptr::null(), url.as_ptr())
        })?;
        let context = Self(NonNull::new(raw).ok_or(AvError::NO_MEMORY)?);
        // SAFETY: a fresh context, whose IO context is ours to open.
        unsafe {
            (*raw).avoid_negative_ts = ffi::AVFMT_AVOID_NEG_TS_DISABLED;
            // FLAC and TrueHD in MP4 are standardised, but older releases call them experimental.
            (*raw).strict_std_compliance = ffi::FF_COMPLIANCE_EXPERIMENTAL;
            AvError::check(ffi::avio_open(&raw mut (*raw).pb, url.as_ptr(), ffi::AVIO_FLAG_WRITE))?;
        }
        Ok(context)
    }

    /// Adds a stream; its index.
    pub(crate) fn add_stream(&mut self, new: NewStream<'_>) -> Result<usize, AvError> {
        // SAFETY: a context whose header is not written yet; the stream belongs to it and its fields are ours to set.
        unsafe {
            let stream = ffi::avformat_new_stream(self.0.as_ptr(), ptr::null());
            if stream.is_null() {
                return Err(AvError::NO_MEMORY);
            }
            AvError::check(ffi::avcodec_parameters_copy((*stream).codecpar, new.parameters.as_ptr()))?;
            (*(*stream).codecpar).codec_tag = new.codec_tag;
            (*stream).time_base = av_time_base(new.time_base);
            if let Some(ratio) = new.sample_aspect_ratio {
                (*stream).sample_aspect_ratio = av_rational(ratio);
                (*(*stream).codecpar).sample_aspect_ratio = av_rational(ratio);
            }
            if let Some(rate) = new.frame_rate {
                (*stream).avg_frame_rate = av_rational(rate);
            }
            (*stream).disposition = new.disposition;
            (*stream).metadata = new.metadata.into_raw();
            for (kind, data) in &new.side_data {
                add_side_data(stream, *kind, data)?;
            }
            Ok(usize::try_from((*stream).index).expect("libav numbers streams from 0"))
        }
    }

    /// Adds pairs to the file's metadata.
    pub(crate) fn add_metadata(&mut self, metadata: DictionaryRef<'_>) -> Result<(), AvError> {
        // SAFETY: both dictionaries are valid or null, the target is the context's.
        AvError::check(unsafe {
            ffi::av_dict_copy(&raw mut (*self.0.as_ptr()).metadata, metadata.as_ptr(), 0)
        })?;
        Ok(())
    }

    /// Adds a chapter, from `start` to `end` in its own time base.
    pub(crate) fn add_chapter(
        &mut self,
        source: &RawChapter<'_>,
        start: i64,
        end: i64,
    ) -> Result<(), AvError> {
        let context = self.0.as_ptr();
        // SAFETY: the list and its elements are allocated by libav's allocator, which frees them with the context;
        // the count is raised only when the element is in its place.
        unsafe {
            let count = (*context).nb_chapters as usize;
            let list = ffi::av_realloc_array(
                (*context).chapters.cast(),
                count + 1,
                size_of::<*mut ffi::AVChapter>(),
            );
            if list.is_null() {
                return Err(AvError::NO_MEMORY);
            }
            (*context).chapters = list.cast();
            let chapter = ffi::av_mallocz(size_of::<ffi::AVChapter>()).cast::<ffi::AVChapter>();
            if chapter.is_null() {
                return Err(AvError::NO_MEMORY);
            }
            (*chapter).id = source.id;
            (*chapter).time_base = source.time_base;
            (*chapter).start = start;
            (*chapter).end = end;
            *(*context).chapters.add(count) = chapter;
            (*context).nb_chapters += 1;
            AvError::check(ffi::av_dict_copy(&raw mut (*chapter).metadata, source.metadata.as_ptr(), 0))?;
        }
        Ok(())
    }

    /// Writes the header. Options that the muxer does not know stay in `options`.
    pub(crate) fn write_header(&mut self, options: &mut Dictionary) -> Result<(), AvError> {
        // SAFETY: a context with its streams and an open file.
        AvError::check(unsafe { ffi::avformat_write_header(self.0.as_ptr(), options.as_mut_ptr()) })?;
        self.io_error()
    }

    /// The time base that the muxer chose for a stream when the header was written.
    pub(crate) fn time_base(&self, index: usize) -> TimeBase {
        // SAFETY: ours until drop.
        let context = unsafe { self.0.as_ref() };
        assert!(index < context.nb_streams as usize, "no output stream {index}");
        // SAFETY: the index is checked.
        time_base(unsafe { (**context.streams.add(index)).time_base })
    }

    /// Writes a packet, whose times are in its stream's time base.
    pub(crate) fn write(&mut self, packet: &mut AvPacket) -> Result<(), AvError> {
        // SAFETY: a context whose header is written and a valid packet.
        AvError::check(unsafe { ffi::av_write_frame(self.0.as_ptr(), packet.as_ptr()) })?;
        self.io_error()
    }

    /// Completes and closes the file; its length in bytes.
    pub(crate) fn finish(self) -> Result<u64, AvError> {
        // SAFETY: a context whose header is written; the IO context is closed here and set to null by the call, so
        // that drop does not close it again.
        unsafe {
            AvError::check(ffi::av_write_trailer(self.0.as_ptr()))?;
            self.io_error()?;
            let size = ffi::avio_size((*self.0.as_ptr()).pb);
            AvError::check(ffi::avio_closep(&raw mut (*self.0.as_ptr()).pb))?;
            Ok(u64::try_from(size).unwrap_or(0))
        }
    }

    /// A write error that a buffered call has kept to itself.
    fn io_error(&self) -> Result<(), AvError> {
        // SAFETY: the file is open until `finish` or drop.
        AvError::check(unsafe { (*(*self.0.as_ptr()).pb).error })?;
        Ok(())
    }
}

/// # Safety
/// `stream` belongs to an output whose header is not written yet; `kind` came from libav.
#[cfg(not(ffmpeg_8_0))]
unsafe fn add_side_data(stream: *mut ffi::AVStream, kind: i32, data: &[u8]) -> Result<(), AvError> {
    // SAFETY: the caller vouches for the stream; the new array holds `data.len()` bytes.
    unsafe {
        let kind = std::mem::transmute::<i32, ffi::AVPacketSideDataType>(kind);
        let target = ffi::av_stream_new_side_data(stream, kind, data.len());
        if target.is_null() {
            return Err(AvError::NO_MEMORY);
        }
        target.copy_from_nonoverlapping(data.as_ptr(), data.len());
    }
    Ok(())
}

/// # Safety
/// `stream` belongs to an output whose header is not written yet; `kind` came from libav.
#[cfg(ffmpeg_8_0)]
unsafe fn add_side_data(stream: *mut ffi::AVStream, kind: i32, data: &[u8]) -> Result<(), AvError> {
    // SAFETY: the caller vouches for the stream; the new element holds `data.len()` bytes.
    unsafe {
        let kind = std::mem::transmute::<i32, ffi::AVPacketSideDataType>(kind);
        let parameters = (*stream).codecpar;
        let target = ffi::av_packet_side_data_new(
            &raw mut (*parameters).coded_side_data,
            &raw mut (*parameters).nb_coded_side_data,
            kind,
            data.len(),
            0,
        );
        if target.is_null() {
            return Err(AvError::NO_MEMORY);
        }
        (*target).data.copy_from_nonoverlapping(data.as_ptr(), data.len());
    }
    Ok(())
}

impl Drop for OutputContext {
    fn drop(&mut self) {
        let context = self.0.as_ptr();
        // SAFETY: allocated in `create`, freed once; closing a null IO context does nothing.
        unsafe {
            ffi::avio_closep(&raw mut (*context).pb);
            ffi::avformat_free_context(context);
        }
    }
}
