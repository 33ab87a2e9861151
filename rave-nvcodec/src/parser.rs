//! NVDEC's parser: packets in, events out. Its callbacks run inside the driver, so that they only queue.

use std::collections::VecDeque;
use std::ffi::{c_int, c_void};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::coded_picture::{CodedPicture, USUAL_PACKET_BYTES};
use crate::decoder::surface::{DISPLAY_DELAY, surfaces};
use crate::sys::cuvid;
use crate::{Codec, DecodeError, NvdecLibrary};

/// What the parser says, in the order in which it is to be done.
pub(crate) enum Event {
    /// A sequence begins, or changes.
    Sequence(Box<cuvid::VideoFormat>),
    /// A picture is to be decoded.
    Decode(Box<CodedPicture>),
    /// A picture is due for display.
    Display(cuvid::ParserDisplayInfo),
}

/// Where callbacks put what they are told.
struct Inbox {
    codec: Codec,
    /// Where the packet lies that is parsed.
    packet: Range<usize>,
    events: VecDeque<Event>,
    /// Pictures that were decoded, whose memory is used again.
    #[allow(clippy::vec_box, reason = "they go into events and come back, and are large")]
    idle: Vec<Box<CodedPicture>>,
    /// The first thing that went wrong.
    failure: Option<&'static str>,
}

/// More than a packet usually leads to, and the end of a stream, which shows what is held back.
const USUAL_EVENTS: usize = 32;

const FAILED: c_int = 0;
const DONE: c_int = 1;

impl Inbox {
    fn new(codec: Codec) -> Self {
        let (events, idle) = (VecDeque::with_capacity(USUAL_EVENTS), Vec::with_capacity(USUAL_EVENTS));
        Self { codec, packet: 0..0, events, idle, failure: None }
    }

    fn fail(&mut self, reason: &'static str) -> c_int {
        self.failure.get_or_insert(reason);
        FAILED
    }

    /// Returns the number of surfaces that the parser may use.
    fn sequence(&mut self, format: Option<&cuvid::VideoFormat>) -> c_int {
        let Some(format) = format else { return self.fail("it announced a sequence without saying which") };
        self.events.push_back(Event::Sequence(Box::new(*format)));
        // Below 256 + the extra ones.
        surfaces(format) as c_int
    }

    /// # Safety
    /// As for [`CodedPicture::fill`].
    unsafe fn decode(&mut self, params: Option<&cuvid::PictureParams>) -> c_int {
        let Some(params) = params else { return self.fail("it announced a picture without saying which") };
        if params.curr_pic_idx < 0 {
            return self.fail("it announced a picture without a surface");
        }
        let mut params = *params;
        // Of a damaged packet the parser may promise more than there is.
        let start = params.bitstream_data.addr();
        if self.packet.contains(&start) {
            let left = u32::try_from(self.packet.end - start).unwrap_or(u32::MAX);
            params.bitstream_data_len = params.bitstream_data_len.min(left);
        }
        let mut picture = self.idle.pop().unwrap_or_default();
        // SAFETY: the caller vouches for the parameters.
        unsafe { picture.fill(&params, self.codec) };
        self.events.push_back(Event::Decode(picture));
        DONE
    }

    /// Null means the end of the stream.
    fn display(&mut self, info: Option<&cuvid::ParserDisplayInfo>) -> c_int {
        self.events.extend(info.filter(|info| info.picture_index >= 0).copied().map(Event::Display));
        DONE
    }
}

/// Runs a callback's work: no panic leaves it.
///
/// # Safety
/// `user_data` is the parser's inbox, which nobody else uses now.
unsafe fn in_callback(user_data: *mut c_void, work: impl FnOnce(&mut Inbox) -> c_int) -> c_int {
    // SAFETY: the caller vouches for it.
    let Some(inbox) = (unsafe { user_data.cast::<Inbox>().as_mut() }) else { return FAILED };
    match catch_unwind(AssertUnwindSafe(|| work(inbox))) {
        Ok(answer) => answer,
        Err(_) => inbox.fail("a callback panicked"),
    }
}

unsafe extern "system" fn on_sequence(user_data: *mut c_void, format: *mut cuvid::VideoFormat) -> c_int {
    // SAFETY: the parser gives back the user data of its creation, and a format that is valid for the call.
    unsafe { in_callback(user_data, |inbox| inbox.sequence(format.as_ref())) }
}

unsafe extern "system" fn on_decode(user_data: *mut c_void, picture: *mut cuvid::PictureParams) -> c_int {
    // SAFETY: as above; the picture's pointers are valid for the call (NVDEC programming guide).
    unsafe { in_callback(user_data, |inbox| inbox.decode(picture.as_ref())) }
}

unsafe extern "system" fn on_display(
    user_data: *mut c_void,
    picture: *mut cuvid::ParserDisplayInfo,
) -> c_int {
    // SAFETY: as above.
    unsafe { in_callback(user_data, |inbox| inbox.display(picture.as_ref())) }
}

const PADDING_BYTES: usize = 1024;

/// A parser of the driver. It needs no GPU: what it says is queued, for [`next_event`](Self::next_event).
pub(crate) struct Parser {
    library: NvdecLibrary,
    codec: Codec,
    raw: cuvid::Parser,
    padded: Vec<u8>,
    /// Owned. The driver's callbacks have the same pointer, so that it is not a reference in between.
    inbox: *mut Inbox,
}

// SAFETY: the driver ties a parser to no thread, and the inbox is used inside calls of the parser's owner only.
unsafe impl Send for Parser {}

impl Parser {
    /// The parameter sets of `extradata` are read at once.
    pub(crate) fn new(library: &NvdecLibrary, codec: Codec, extradata: &[u8]) -> Result<Self, DecodeError> {
        let inbox = Box::into_raw(Box::new(Inbox::new(codec)));
        let padded = Vec::with_capacity(USUAL_PACKET_BYTES + PADDING_BYTES);
        let mut parser = Self { library: library.clone(), codec, raw: std::ptr::null_mut(), padded, inbox };
        let mut header = sequence_header(codec, extradata);
        let mut params = cuvid::ParserParams {
            codec_type: codec.cuvid(),
            // The answer to the sequence callback counts.
            max_num_decode_surfaces: 1,
            // Damaged pictures are decoded too: the decoder conceals and says so.
            error_threshold: 100,
            max_display_delay: DISPLAY_DELAY,
            user_data: inbox.cast(),
            sequence_callback: Some(on_sequence),
            decode_picture: Some(on_decode),
            display_picture: Some(on_display),
            ext_video_info: header.as_deref_mut().map_or(std::ptr::null_mut(), |header| header),
            ..Default::default()
        };
        let create = library.functions().create_video_parser;
        // SAFETY: parameters and header are valid for the call; the inbox lives as long as the parser.
        let status = unsafe { create(&mut parser.raw, &mut params) };
        DecodeError::check("cuvidCreateVideoParser", codec, status)?;
        if !extradata.is_empty() {
            parser.feed(extradata, 0)?;
        }
        Ok(parser)
    }

    /// Reads a frame or a field: it is announced before the call returns.
    pub(crate) fn parse(&mut self, data: &[u8]) -> Result<(), DecodeError> {
        // Zeros after the end, as libavcodec's packets have them: the parser may look a little further than it should.
        self.padded.clear();
        self.padded.extend_from_slice(data);
        self.padded.resize(data.len() + PADDING_BYTES, 0);
        let padded = std::mem::take(&mut self.padded);
        let parsed = self.feed(&padded[..data.len()], cuvid::PacketFlags::ENDOFPICTURE.0);
        self.padded = padded;
        parsed
    }

    /// Says that the stream, or a part of it that stands by itself, has ended: what is held back becomes events.
    pub(crate) fn drain(&mut self) -> Result<(), DecodeError> {
        self.feed(&[], cuvid::PacketFlags::ENDOFSTREAM.0)
    }

    /// The next thing to do.
    pub(crate) fn next_event(&mut self) -> Option<Event> {
        self.inbox().events.pop_front()
    }

    /// Takes a picture back that was decoded.
    pub(crate) fn give_back(&mut self, picture: Box<CodedPicture>) {
        self.inbox().idle.push(picture);
    }

    /// Whether a picture is to be decoded.
    pub(crate) fn has_picture(&mut self) -> bool {
        self.inbox().events.iter().any(|event| matches!(event, Event::Decode(_)))
    }

    /// The sequence that was announced and not yet taken.
    pub(crate) fn announced(&mut self) -> Option<&cuvid::VideoFormat> {
        self.inbox().events.iter().find_map(|event| match event {
            Event::Sequence(format) => Some(&**format),
            _ => None,
        })
    }

    fn inbox(&mut self) -> &mut Inbox {
        // SAFETY: ours until drop; callbacks use it inside `feed` only.
        unsafe { &mut *self.inbox }
    }

    #[allow(clippy::useless_conversion, reason = "an unsigned long has 32 bits on Windows")]
    fn feed(&mut self, data: &[u8], flags: u32) -> Result<(), DecodeError> {
        let mut packet = cuvid::SourceDataPacket {
            flags: flags.into(),
            payload_size: data.len() as _,
            payload: if data.is_empty() { std::ptr::null() } else { data.as_ptr() },
            timestamp: 0,
        };
        let start = data.as_ptr().addr();
        self.inbox().packet = start..start + data.len();
        // SAFETY: the packet and its bytes are valid for the call, in which the callbacks run; no reference to the inbox
        // exists meanwhile.
        let status = unsafe { (self.library.functions().parse_video_data)(self.raw, &mut packet) };
        let codec = self.codec;
        match self.inbox().failure.take() {
            Some(reason) => Err(DecodeError::Parser { codec, reason }),
            None => DecodeError::check("cuvidParseVideoData", codec, status),
        }
    }
}

/// Codec headers from the container, as `CUVIDEOFORMATEX` holds them, where they fit.
fn sequence_header(codec: Codec, extradata: &[u8]) -> Option<Box<cuvid::VideoFormatEx>> {
    let mut header = Box::<cuvid::VideoFormatEx>::default();
    let target = header.raw_seqhdr_data.get_mut(..extradata.len()).filter(|target| !target.is_empty())?;
    target.copy_from_slice(extradata);
    header.format.codec = codec.cuvid();
    header.format.seqhdr_data_length = extradata.len() as u32;
    Some(header)
}

impl Drop for Parser {
    fn drop(&mut self) {
        if !self.raw.is_null() {
            // SAFETY: created in `new`, destroyed once; nothing can be done about a failure.
            unsafe { (self.library.functions().destroy_video_parser)(self.raw) };
        }
        // SAFETY: from `Box::into_raw`; the parser that had the pointer is gone.
        drop(unsafe { Box::from_raw(self.inbox) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbox() -> Inbox {
        Inbox::new(Codec::H264)
    }

    fn user_data(inbox: &mut Inbox) -> *mut c_void {
        std::ptr::from_mut(inbox).cast()
    }

    #[test]
    fn a_sequence_is_queued_and_answered_with_the_number_of_surfaces() {
        let mut inbox = inbox();
        let mut format =
            cuvid::VideoFormat { min_num_decode_surfaces: 8, coded_width: 64, ..Default::default() };
        // SAFETY: both pointers are valid.
        let answer = unsafe { on_sequence(user_data(&mut inbox), &mut format) };
        assert_eq!(answer, 15);
        assert!(matches!(&inbox.events[0], Event::Sequence(queued) if queued.coded_width == 64));
    }

    #[test]
    fn a_picture_keeps_the_bytes_that_were_lent() {
        let mut inbox = inbox();
        let (mut bytes, mut offsets) = (vec![1, 2, 3], vec![0, 2]);
        let mut params = cuvid::PictureParams {
            curr_pic_idx: 3,
            bitstream_data: bytes.as_ptr(),
            bitstream_data_len: 3,
            slice_data_offsets: offsets.as_ptr(),
            num_slices: 2,
            ..Default::default()
        };
        // SAFETY: the pointers are valid for their lengths.
        assert_eq!(unsafe { on_decode(user_data(&mut inbox), &mut params) }, DONE);
        bytes.fill(9);
        offsets.fill(9);
        let Some(Event::Decode(mut picture)) = inbox.events.pop_front() else {
            panic!("a picture is queued")
        };
        assert_eq!(
            (picture.index(), &picture.bitstream[..], &picture.slice_offsets[..]),
            (3, &[1, 2, 3][..], &[0, 2][..])
        );
        let own = picture.bitstream.as_ptr();
        assert_eq!(picture.params().bitstream_data, own);
    }

    #[test]
    fn a_picture_does_not_reach_beyond_its_packet() {
        let (bytes, offset) = ([7_u8; 4], 0);
        let mut inbox = inbox();
        inbox.packet = bytes.as_ptr().addr()..bytes.as_ptr().addr() + bytes.len();
        let params = cuvid::PictureParams {
            bitstream_data: bytes[1..].as_ptr(),
            bitstream_data_len: 100,
            slice_data_offsets: &raw const offset,
            num_slices: 1,
            ..Default::default()
        };
        // SAFETY: the length is cut down to that of the packet.
        assert_eq!(unsafe { inbox.decode(Some(&params)) }, DONE);
        assert!(matches!(&inbox.events[0], Event::Decode(picture) if picture.bitstream == [7, 7, 7]));
    }

    #[test]
    fn the_end_of_the_stream_and_pictures_without_a_surface_are_no_events() {
        let mut inbox = inbox();
        let mut shown = cuvid::ParserDisplayInfo { picture_index: 2, timestamp: 7, ..Default::default() };
        let mut none = cuvid::ParserDisplayInfo { picture_index: -1, ..Default::default() };
        // SAFETY: null, or valid pointers.
        unsafe {
            assert_eq!(on_display(user_data(&mut inbox), &mut shown), DONE);
            assert_eq!(on_display(user_data(&mut inbox), &mut none), DONE);
            assert_eq!(on_display(user_data(&mut inbox), std::ptr::null_mut()), DONE);
        }
        assert!(matches!(&inbox.events.make_contiguous()[..], [Event::Display(info)] if info.timestamp == 7));
    }

    #[test]
    fn the_first_failure_is_kept_and_answered_with_zero() {
        let mut inbox = inbox();
        let mut params = cuvid::PictureParams { curr_pic_idx: -1, ..Default::default() };
        // SAFETY: null, or valid pointers.
        unsafe {
            assert_eq!(on_decode(user_data(&mut inbox), &mut params), FAILED);
            assert_eq!(on_sequence(user_data(&mut inbox), std::ptr::null_mut()), FAILED);
            assert_eq!(on_decode(user_data(&mut inbox), std::ptr::null_mut()), FAILED);
            assert_eq!(on_sequence(std::ptr::null_mut(), std::ptr::null_mut()), FAILED);
        }
        assert_eq!(inbox.failure, Some("it announced a picture without a surface"));
    }

    #[test]
    fn a_panic_becomes_a_failure() {
        let mut inbox = inbox();
        // SAFETY: a valid pointer.
        let answer = unsafe { in_callback(user_data(&mut inbox), |_| panic!("on purpose")) };
        assert_eq!((answer, inbox.failure), (FAILED, Some("a callback panicked")));
    }

    #[test]
    fn headers_that_fit_are_given_at_creation() {
        let header = sequence_header(Codec::Mpeg4, &[0, 0, 1, 0xb0]).unwrap();
        assert_eq!(
            (header.format.seqhdr_data_length, &header.raw_seqhdr_data[..4]),
            (4, &[0, 0, 1, 0xb0][..])
        );
        assert!(sequence_header(Codec::Mpeg4, &[]).is_none());
        assert!(sequence_header(Codec::Mpeg4, &[0; 1025]).is_none());
    }
}
