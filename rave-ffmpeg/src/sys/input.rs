use std::ffi::{CStr, CString};
use std::ptr::{self, NonNull};

use rave_core::Timestamp;

use super::{AvError, AvPacket, Dictionary, DictionaryRef, StreamRef, ffi, known, quiet, text, write_enum};

/// A chapter as libav holds it.
pub(crate) struct RawChapter<'a> {
    pub(crate) id: i64,
    pub(crate) time_base: ffi::AVRational,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) metadata: DictionaryRef<'a>,
}

/// An open demuxer.
pub(crate) struct InputContext(NonNull<ffi::AVFormatContext>);

// SAFETY: a demuxer has one owner and is tied to no thread.
unsafe impl Send for InputContext {}

impl InputContext {
    /// Opens `url` and reads its header. `format` forces a demuxer by its name. Options that are not
    /// known stay in `options`.
    pub(crate) fn open(url: &CStr, format: Option<&str>, options: &mut Dictionary) -> Result<Self, AvError> {
        quiet();
        let format = match format {
            Some(name) => find_format(name)?,
            None => ptr::null(),
        };
        let mut context = ptr::null_mut();
        // SAFETY: url and options live during the call; on failure libav frees the context and leaves it null.
        AvError::check(unsafe {
            ffi::avformat_open_input(&mut context, url.as_ptr(), format, options.as_mut_ptr())
        })?;
        NonNull::new(context).map(Self).ok_or(AvError::NO_MEMORY)
    }

    /// Reads packets until every stream's parameters are known, as far as they can be.
    pub(crate) fn find_stream_info(&mut self) -> Result<(), AvError> {
        // SAFETY: an open context.
        AvError::check(unsafe { ffi::avformat_find_stream_info(self.0.as_ptr(), ptr::null_mut()) })?;
        Ok(())
    }

    fn get(&self) -> &ffi::AVFormatContext {
        // SAFETY: ours until drop.
        unsafe { self.0.as_ref() }
    }

    pub(crate) fn streams(&self) -> impl ExactSizeIterator<Item = StreamRef<'_>> {
        let context = self.get();
        (0..context.nb_streams as usize).map(move |index| {
            // SAFETY: `streams` holds `nb_streams` pointers; a stream lives as long as its context.
            unsafe {
                StreamRef::new(NonNull::new(*context.streams.add(index)).expect("streams are not null"))
            }
        })
    }

    pub(crate) fn stream(&self, index: usize) -> Option<StreamRef<'_>> {
        self.streams().nth(index)
    }

    /// The video stream that libav ranks first, which may be an attached picture.
    pub(crate) fn best_video(&self) -> Option<usize> {
        let video = ffi::AVMediaType::AVMEDIA_TYPE_VIDEO;
        // SAFETY: an open context, and no decoder is asked for.
        let found = unsafe { ffi::av_find_best_stream(self.0.as_ptr(), video, -1, -1, ptr::null_mut(), 0) };
        usize::try_from(found).ok()
    }

    /// Makes the demuxer skip the packets of every stream that `wanted` does not name.
    pub(crate) fn discard_unless(&mut self, wanted: impl Fn(usize) -> bool) {
        let context = self.get();
        for index in 0..context.nb_streams as usize {
            let discard =
                if wanted(index) { ffi::AVDiscard::AVDISCARD_DEFAULT } else { ffi::AVDiscard::AVDISCARD_ALL };
            // SAFETY: as in `streams`; the field is the application's to set.
            unsafe { write_enum!(*context.streams.add(index), discard, discard as i32) };
        }
    }

    /// Goes to the last key frame of a stream that is not later than `ticks` of its time base, as far as its index
    /// knows.
    pub(crate) fn seek(&mut self, stream: usize, ticks: i64) -> Result<(), AvError> {
        let stream = i32::try_from(stream).map_err(|_| AvError::INVALID_DATA)?;
        // SAFETY: an open context; libav checks the stream's number.
        AvError::check(unsafe {
            ffi::avformat_seek_file(self.0.as_ptr(), stream, i64::MIN, ticks, ticks, 0)
        })?;
        Ok(())
    }

    /// Goes to the beginning.
    pub(crate) fn rewind(&mut self, stream: usize) -> Result<(), AvError> {
        let ticks = self.stream(stream).and_then(StreamRef::start).unwrap_or(0);
        let stream = i32::try_from(stream).map_err(|_| AvError::INVALID_DATA)?;
        // SAFETY: as in `seek`.
        AvError::check(unsafe {
            ffi::avformat_seek_file(self.0.as_ptr(), stream, i64::MIN, ticks, i64::MAX, 0)
        })?;
        Ok(())
    }

    /// The earliest start of a stream.
    pub(crate) fn earliest_start(&self) -> Option<Timestamp> {
        self.streams().filter_map(|stream| Some(Timestamp::new(stream.start()?, stream.time_base()))).min()
    }

    /// The next packet of any stream; `false` at the end.
    pub(crate) fn read(&mut self, packet: &mut AvPacket) -> Result<bool, AvError> {
        packet.clear();
        // SAFETY: an open context and an empty packet.
        match AvError::check(unsafe { ffi::av_read_frame(self.0.as_ptr(), packet.as_ptr()) }) {
            Ok(_) => Ok(true),
            Err(AvError::EOF) => self.end_of_file(),
            Err(error) => Err(error),
        }
    }

    /// libav hides a read error behind the end of the file.
    fn end_of_file(&self) -> Result<bool, AvError> {
        let io = self.get().pb;
        if io.is_null() {
            return Ok(false);
        }
        // SAFETY: the IO context belongs to the open context.
        match AvError::check(unsafe { (*io).error }) {
            Ok(_) | Err(AvError::EOF) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn format_name(&self) -> String {
        // SAFETY: an open context has a demuxer, whose name is a constant.
        unsafe { text((*self.get().iformat).name) }.unwrap_or_default()
    }

    /// Whether timestamps count from an arbitrary moment and may jump, as in broadcasting.
    pub(crate) fn has_arbitrary_clock(&self) -> bool {
        // SAFETY: as above.
        unsafe { (*self.get().iformat).flags & ffi::AVFMT_TS_DISCONT != 0 }
    }

    /// The earliest start of a stream, in microseconds.
    pub(crate) fn start_micros(&self) -> Option<i64> {
        known(self.get().start_time)
    }

    pub(crate) fn duration_micros(&self) -> Option<i64> {
        known(self.get().duration).filter(|&ticks| ticks > 0)
    }

    pub(crate) fn bit_rate(&self) -> Option<u64> {
        u64::try_from(self.get().bit_rate).ok().filter(|&rate| rate > 0)
    }

    pub(crate) fn metadata(&self) -> DictionaryRef<'_> {
        // SAFETY: it belongs to the context.
        unsafe { DictionaryRef::new(self.get().metadata) }
    }

    pub(crate) fn chapters(&self) -> impl Iterator<Item = RawChapter<'_>> {
        let context = self.get();
        (0..context.nb_chapters as usize).map(move |index| {
            // SAFETY: `chapters` holds `nb_chapters` pointers that live as long as the context.
            unsafe {
                let chapter = *context.chapters.add(index);
                RawChapter {
                    id: (*chapter).id,
                    time_base: (*chapter).time_base,
                    start: (*chapter).start,
                    end: (*chapter).end,
                    metadata: DictionaryRef::new((*chapter).metadata),
                }
            }
        })
    }
}

fn find_format(name: &str) -> Result<*const ffi::AVInputFormat, AvError> {
    let name = CString::new(name).map_err(|_| AvError::INVALID_DATA)?;
    // SAFETY: the name lives during the call; demuxers are constants.
    let format = unsafe { ffi::av_find_input_format(name.as_ptr()) };
    if format.is_null() { Err(AvError::DEMUXER_NOT_FOUND) } else { Ok(format) }
}

impl Drop for InputContext {
    fn drop(&mut self) {
        let mut context = self.0.as_ptr();
        // SAFETY: opened in `open`, closed once.
        unsafe { ffi::avformat_close_input(&mut context) };
    }
}
