use std::ptr::{self, NonNull};

use rave_core::{BoxError, Packet, Stage, Timestamp};

use super::{AvError, AvPacket, Received, ffi, quiet};
use crate::{Error, VideoStream};

/// Packets as they lie in a container to packets as decoders outside FFmpeg take them.
///
/// - H.264 and HEVC: NAL units with start codes (annex B of each), parameter sets before each picture at which decoding can
///   start.
/// - MPEG-4: each packet one frame, where AVI packs two. VC-1: frames with start codes (SMPTE ST 421, annex E).
/// - Everything else: as it is.
///
/// A packet that cannot be converted comes out empty and marked as damaged. The timestamps of a stream that was opened with a
/// frame rate of its own are left out: they are made up.
pub struct BitstreamFilter {
    stream: VideoStream,
    chain: Option<Chain>,
    extradata: Vec<u8>,
}

impl BitstreamFilter {
    /// A filter for the packets of a stream.
    ///
    /// # Errors
    /// [`Error::DecoderMissing`] if this build of FFmpeg lacks the filter; [`Error::InputNotMedia`] if the codec's headers in
    /// the container are damaged; [`Error::OutOfMemory`].
    pub fn new(stream: &VideoStream) -> Result<Self, Error> {
        let name = match stream.codec_name() {
            "h264" => Some(c"h264_mp4toannexb"),
            "hevc" => Some(c"hevc_mp4toannexb"),
            "mpeg4" => Some(c"mpeg4_unpack_bframes"),
            _ => None,
        };
        let chain = name.map(|name| Chain::new(stream, name)).transpose()?;
        let headers = match &chain {
            Some(chain) => chain.extradata(),
            None => extradata(stream),
        };
        let extradata = codec_headers(stream.codec_name(), &headers).to_vec();
        Ok(Self { stream: stream.clone(), chain, extradata })
    }

    /// The codec's headers, in the form of the packets; empty where the container has none apart.
    pub fn extradata(&self) -> &[u8] {
        &self.extradata
    }

    fn emit(&self, mut packet: Packet, emit: &mut dyn FnMut(Packet)) {
        if self.stream.shared.is_untimed {
            (packet.pts, packet.dts) = (None, None);
        }
        emit(packet);
    }
}

impl Stage for BitstreamFilter {
    type Input = Packet;
    type Output = Packet;

    fn process(&mut self, packet: Packet, emit: &mut dyn FnMut(Packet)) -> Result<(), BoxError> {
        let time_base = self.stream.info().time_base;
        let Some(chain) = self.chain.as_mut().filter(|_| !packet.data.is_empty()) else {
            let packet = with_start_code(self.stream.codec_name(), packet);
            self.emit(packet, emit);
            return Ok(());
        };
        let filtered = match chain.filter(&packet, time_base) {
            Ok(filtered) => filtered,
            Err(AvError::NO_MEMORY) => return Err(Error::OutOfMemory.into()),
            Err(_) => vec![Packet { data: Vec::new(), is_corrupt: true, ..packet }],
        };
        filtered.into_iter().for_each(|packet| self.emit(packet, emit));
        Ok(())
    }

    fn finish(&mut self, emit: &mut dyn FnMut(Packet)) -> Result<(), BoxError> {
        let time_base = self.stream.info().time_base;
        let left = self.chain.as_mut().map(|chain| chain.finish(time_base));
        // What is held back of a damaged stream may be damaged.
        let left = left.and_then(Result::ok).unwrap_or_default();
        left.into_iter().for_each(|packet| self.emit(packet, emit));
        Ok(())
    }
}

impl std::fmt::Debug for BitstreamFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BitstreamFilter({:?}, {} bytes of headers)", self.stream, self.extradata.len())
    }
}

const START_CODE: [u8; 3] = [0, 0, 1];
/// Of a VC-1 frame (SMPTE ST 421, annex E).
const VC1_FRAME: [u8; 4] = [0, 0, 1, 0x0d];

/// The headers without what the container puts before them.
fn codec_headers<'a>(codec: &str, headers: &'a [u8]) -> &'a [u8] {
    match codec {
        // AV1 Codec ISO Media File Format Binding, 2.3.3: four bytes, then OBUs; the first has the marker bit set.
        "av1" if headers.first().is_some_and(|first| first & 0x80 != 0) => {
            headers.get(4..).unwrap_or_default()
        }
        // ASF puts a byte before the sequence header.
        "vc1" => {
            let start = headers.windows(3).position(|bytes| bytes == START_CODE);
            start.map_or(headers, |start| &headers[start..])
        }
        // Those of a container, which its packets repeat or do not need.
        "vp8" | "vp9" | "mjpeg" => &[],
        _ => headers,
    }
}

fn with_start_code(codec: &str, mut packet: Packet) -> Packet {
    if codec == "vc1" && !packet.data.is_empty() && !packet.data.starts_with(&START_CODE) {
        packet.data.splice(..0, VC1_FRAME);
    }
    packet
}

fn extradata(stream: &VideoStream) -> Vec<u8> {
    // SAFETY: the parameters are the stream's own, unchanged while they are borrowed.
    unsafe { parameters_extradata(stream.shared.parameters.as_ref().as_ptr()) }
}

/// # Safety
/// `parameters` is valid.
unsafe fn parameters_extradata(parameters: *const ffi::AVCodecParameters) -> Vec<u8> {
    // SAFETY: `extradata` is null or points to `extradata_size` bytes.
    unsafe {
        let (data, size) = ((*parameters).extradata, (*parameters).extradata_size);
        match usize::try_from(size) {
            Ok(size) if !data.is_null() => std::slice::from_raw_parts(data, size).to_vec(),
            _ => Vec::new(),
        }
    }
}

/// One of libavcodec's filters.
struct Chain {
    context: NonNull<ffi::AVBSFContext>,
    packet: AvPacket,
}

// SAFETY: a filter has one owner and is tied to no thread.
unsafe impl Send for Chain {}

impl Chain {
    fn new(stream: &VideoStream, name: &std::ffi::CStr) -> Result<Self, Error> {
        quiet();
        // SAFETY: the name ends with zero; filters are constants.
        let filter = unsafe { ffi::av_bsf_get_by_name(name.as_ptr()) };
        if filter.is_null() {
            let codec = format!("{} ({})", stream.codec_name(), name.to_string_lossy());
            return Err(Error::DecoderMissing { codec });
        }
        let mut context = ptr::null_mut();
        // SAFETY: the pointer is set on success.
        AvError::check(unsafe { ffi::av_bsf_alloc(filter, &mut context) }).map_err(|_| Error::OutOfMemory)?;
        let context = NonNull::new(context).ok_or(Error::OutOfMemory)?;
        let packet = AvPacket::new().map_err(|_| Error::OutOfMemory);
        let chain = Self { context, packet: packet? };
        chain.open(stream).map_err(|error| {
            let codec = stream.codec_name();
            stream.shared.input.not_media(&format!("its headers for {codec} are damaged: {error}"))
        })?;
        Ok(chain)
    }

    fn open(&self, stream: &VideoStream) -> Result<(), AvError> {
        let context = self.context.as_ptr();
        // SAFETY: a fresh context, whose input parameters are ours to set before it is opened.
        unsafe {
            let parameters = stream.shared.parameters.as_ref().as_ptr();
            AvError::check(ffi::avcodec_parameters_copy((*context).par_in, parameters))?;
            (*context).time_base_in = super::av_time_base(stream.info().time_base);
            AvError::check(ffi::av_bsf_init(context))?;
        }
        Ok(())
    }

    /// The headers as the filter gives them.
    fn extradata(&self) -> Vec<u8> {
        // SAFETY: an open filter's output parameters are valid.
        unsafe { parameters_extradata((*self.context.as_ptr()).par_out) }
    }

    fn filter(&mut self, packet: &Packet, time_base: rave_core::TimeBase) -> Result<Vec<Packet>, AvError> {
        let ticks = |time: Option<Timestamp>| time.map(|time| time.rescale(time_base).ticks());
        self.packet.set_data(&packet.data)?;
        for data in &packet.side_data {
            self.packet.add_side_data(data.kind, &data.data)?;
        }
        self.packet.set_times(ticks(packet.pts), ticks(packet.dts), packet.duration_ticks);
        self.packet.set_flags(flags(packet));
        // SAFETY: an open filter and a valid packet, which the call takes the contents of.
        let sent = unsafe { ffi::av_bsf_send_packet(self.context.as_ptr(), self.packet.as_ptr()) };
        AvError::check(sent)?;
        self.receive(time_base)
    }

    fn finish(&mut self, time_base: rave_core::TimeBase) -> Result<Vec<Packet>, AvError> {
        // SAFETY: an open filter; null means the end.
        AvError::check(unsafe { ffi::av_bsf_send_packet(self.context.as_ptr(), ptr::null_mut()) })?;
        self.receive(time_base)
    }

    fn receive(&mut self, time_base: rave_core::TimeBase) -> Result<Vec<Packet>, AvError> {
        let mut packets = Vec::new();
        loop {
            // SAFETY: an open filter and a valid packet, which is emptied first.
            let received = unsafe { ffi::av_bsf_receive_packet(self.context.as_ptr(), self.packet.as_ptr()) };
            match Received::from_result(received)? {
                Received::Item => packets.push(self.packet.to_packet(time_base)),
                Received::NeedsInput | Received::End => return Ok(packets),
            }
            self.packet.clear();
        }
    }
}

fn flags(packet: &Packet) -> i32 {
    let flag = |is_set: bool, flag| if is_set { flag } else { 0 };
    flag(packet.is_key, ffi::AV_PKT_FLAG_KEY)
        | flag(packet.is_discarded, ffi::AV_PKT_FLAG_DISCARD)
        | flag(packet.is_corrupt, ffi::AV_PKT_FLAG_CORRUPT)
}

impl Drop for Chain {
    fn drop(&mut self) {
        let mut context = self.context.as_ptr();
        // SAFETY: allocated in `new`, freed once.
        unsafe { ffi::av_bsf_free(&mut context) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_lose_what_only_the_container_wants() {
        let av1c = [0x81, 0x00, 0x0c, 0x00, 0x0a, 0x0b];
        assert_eq!(codec_headers("av1", &av1c), [0x0a, 0x0b]);
        assert_eq!(codec_headers("av1", &[0x0a, 0x0b]), [0x0a, 0x0b]);
        assert_eq!(codec_headers("vc1", &[0x25, 0, 0, 1, 0x0f]), [0, 0, 1, 0x0f]);
        assert_eq!(codec_headers("vp9", &[1, 2, 3]), []);
        assert_eq!(codec_headers("mpeg4", &[0, 0, 1, 0xb0]), [0, 0, 1, 0xb0]);
    }

    #[test]
    fn frames_of_vc1_get_a_start_code_unless_they_have_one() {
        let packet = |data: &[u8]| Packet { data: data.to_vec(), ..Packet::default() };
        assert_eq!(with_start_code("vc1", packet(&[5])).data, [0, 0, 1, 0x0d, 5]);
        assert_eq!(with_start_code("vc1", packet(&[0, 0, 1, 0x0d, 5])).data, [0, 0, 1, 0x0d, 5]);
        assert_eq!(with_start_code("vp9", packet(&[5])).data, [5]);
    }
}
