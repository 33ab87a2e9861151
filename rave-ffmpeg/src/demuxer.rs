use std::collections::VecDeque;
use std::sync::Arc;

use rave_core::{Packet, Rational, TimeBase, Timestamp};

use crate::sys::{
    AvError, AvFrame, AvPacket, DecoderContext, DecoderSettings, Dictionary, InputContext, Received,
    SideData, StreamRef, codec_name, ffi,
};
use crate::{
    DemuxerOptions, Error, Input, MediaInfo, StreamInfo, StreamKind, VideoStream, describe, format, stream,
};

/// What a file holds, from its header and its first packets. Nothing is decoded to the end.
///
/// # Errors
/// [`Error::InputMissing`], [`Error::InputUnreadable`], [`Error::InputNotMedia`] and [`Error::Demux`], each with what
/// can be done.
pub fn probe(input: &Input) -> Result<MediaInfo, Error> {
    open(input, &DemuxerOptions::default()).map(|context| describe::media(&context))
}

/// Opens an input and looks at its first packets.
pub(crate) fn open(input: &Input, options: &DemuxerOptions) -> Result<InputContext, Error> {
    input.check()?;
    let (demuxer, mut settings) = demuxer_settings(input, options)?;
    let mut context =
        InputContext::open(&input.url(), demuxer, &mut settings).map_err(|error| not_media(input, error))?;
    if settings.as_ref().get(c"framerate").is_some() {
        let reason = "its container has timestamps, which are kept".to_owned();
        return Err(Error::InputOption { option: "frame rate", input: input.clone(), reason });
    }
    if TEXT_DEMUXERS.contains(&context.format_name().as_str()) {
        return Err(input.not_media("it is text, which FFmpeg would draw"));
    }
    context.find_stream_info().map_err(|source| Error::Demux { input: input.clone(), source })?;
    Ok(context)
}

/// Demuxers that take any file by its extension.
const TEXT_DEMUXERS: [&str; 4] = ["tty", "bin", "adf", "idf"];

/// No playlist may reach for the network.
const PROTOCOLS: &str = "file,pipe,fd,crypto,data,subfile,concat";

fn demuxer_settings(
    input: &Input,
    options: &DemuxerOptions,
) -> Result<(Option<&'static str>, Dictionary), Error> {
    let mut settings = Dictionary::new();
    let memory = |_| Error::OutOfMemory;
    settings.set("protocol_whitelist", PROTOCOLS).map_err(memory)?;
    if let Some(rate) = options.frame_rate {
        settings.set("framerate", &rate.to_string()).map_err(memory)?;
    }
    let Some(raw) = options.raw else {
        return Ok((None, settings));
    };
    let Some(format) = format::descriptor(raw.format) else {
        let reason = format!("FFmpeg has no pixel format {}", raw.format);
        return Err(Error::InputOption { option: "raw", input: input.clone(), reason });
    };
    settings.set("video_size", &format!("{}x{}", raw.width, raw.height)).map_err(memory)?;
    settings.set("pixel_format", &format.name()).map_err(memory)?;
    Ok((Some("rawvideo"), settings))
}

fn not_media(input: &Input, error: AvError) -> Error {
    match input.guess() {
        Some(guess) => input.not_media(guess),
        None if error.is_unwritable() => input.unreadable(&error.to_string()),
        None => input.not_media(&format!("FFmpeg says {error:?}", error = error.to_string())),
    }
}

/// The packets of one video stream, in decoding order.
///
/// Other streams are skipped inside libavformat. A few packets are decoded when it is opened, so that
/// [`video`](Self::video) describes what the decoder really gives; they come out of the iterator all the same.
pub struct Demuxer {
    context: InputContext,
    media: MediaInfo,
    video: VideoStream,
    time_base: TimeBase,
    ahead: VecDeque<Packet>,
    scratch: AvPacket,
    is_done: bool,
}

impl Demuxer {
    /// Opens an input and its video stream.
    ///
    /// # Errors
    /// As [`probe`]; [`Error::InputNoVideo`] where there is none, or only a cover; [`Error::InputNoFrames`],
    /// [`Error::InputEncrypted`] and [`Error::DecoderMissing`] where no frame comes out; [`Error::InputOption`] where an
    /// option does not fit.
    pub fn open(input: &Input, options: &DemuxerOptions) -> Result<Self, Error> {
        let mut context = open(input, options)?;
        let media = describe::media(&context);
        let index = choose(input, &media, options.stream)?;
        context.discard_unless(|other| other == index);
        let mut scratch = AvPacket::new().map_err(|_| Error::OutOfMemory)?;
        let first = first_frame(input, &mut context, index, &mut scratch)?;
        let stream = context.stream(index).expect("the index was chosen from the streams");
        let time_base = stream.time_base();
        let video = video_stream(input, &media, stream, &first, options)?;
        let ahead = first.packets;
        Ok(Self { context, media, video, time_base, ahead, scratch, is_done: false })
    }

    /// What the whole file holds.
    pub const fn media(&self) -> &MediaInfo {
        &self.media
    }

    /// The stream whose packets come out.
    pub const fn video(&self) -> &VideoStream {
        &self.video
    }

    fn read(&mut self) -> Result<Option<Packet>, Error> {
        let index = self.video.index();
        let failed = |source| Error::Demux { input: self.video.shared.input.clone(), source };
        while self.context.read(&mut self.scratch).map_err(failed)? {
            if self.scratch.stream_index() == index {
                return Ok(Some(to_packet(&self.scratch, self.time_base)));
            }
        }
        Ok(None)
    }
}

impl Iterator for Demuxer {
    type Item = Result<Packet, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(packet) = self.ahead.pop_front() {
            return Some(Ok(packet));
        }
        if self.is_done {
            return None;
        }
        let item = self.read().transpose();
        self.is_done = !matches!(item, Some(Ok(_)));
        item
    }
}

pub(crate) fn choose(input: &Input, media: &MediaInfo, wanted: Option<usize>) -> Result<usize, Error> {
    let no_video = |reason: String| Error::InputNoVideo { input: input.clone(), reason };
    let Some(index) = wanted else {
        return media.best_video.ok_or_else(|| no_video(what_instead(media)));
    };
    match media.streams.get(index) {
        None => Err(no_video(format!("there is no stream {index}, only {}", media.streams.len()))),
        Some(stream) if stream.kind != StreamKind::Video => {
            Err(no_video(format!("stream {index} is {}", stream.kind)))
        }
        Some(stream) if stream.is_attached_picture => {
            Err(no_video(format!("stream {index} is cover art, a still picture")))
        }
        Some(_) => Ok(index),
    }
}

fn what_instead(media: &MediaInfo) -> String {
    if media.streams.iter().any(|stream| stream.is_attached_picture) {
        return "its only picture is cover art".to_owned();
    }
    let kinds: Vec<&str> = media.streams.iter().map(|stream| stream.kind.name()).collect();
    match kinds.as_slice() {
        [] => "it has no streams".to_owned(),
        _ => format!("it holds only {}", kinds.join(", ")),
    }
}

pub(crate) fn to_packet(packet: &AvPacket, time_base: TimeBase) -> Packet {
    let at = |ticks| Timestamp::new(ticks, time_base);
    let has = |flag| packet.flags() & flag != 0;
    Packet {
        data: packet.data().to_vec(),
        pts: packet.pts().map(at),
        dts: packet.dts().map(at),
        duration_ticks: packet.duration(),
        is_key: has(ffi::AV_PKT_FLAG_KEY),
        is_discarded: has(ffi::AV_PKT_FLAG_DISCARD),
        is_corrupt: has(ffi::AV_PKT_FLAG_CORRUPT),
        side_data: packet.side_data(),
    }
}

/// The first frame that is shown, and the packets that were read for it.
struct First {
    frame: Option<AvFrame>,
    packets: VecDeque<Packet>,
}

/// Bounds on what is read before the first frame.
const MAX_AHEAD_PACKETS: usize = 600;
const MAX_AHEAD_BYTES: usize = 256 << 20;

/// FFmpeg's number for a codec that it does not know.
const NO_CODEC: i32 = 0;

fn first_frame(
    input: &Input,
    context: &mut InputContext,
    index: usize,
    scratch: &mut AvPacket,
) -> Result<First, Error> {
    let stream = context.stream(index).expect("the index was chosen from the streams");
    let time_base = stream.time_base();
    let is_encrypted = stream.side_data(SideData::EncryptionInit).is_some();
    let codec = codec_name(stream.parameters().codec_id());
    let settings =
        DecoderSettings { time_base, frame_rate: stream.average_frame_rate(), threads: 1, is_strict: false };
    let opened = DecoderContext::open(stream.parameters(), &settings);
    let unusable = |reason| Error::InputNoFrames { input: input.clone(), stream: index, reason };
    if stream.parameters().codec_id() == NO_CODEC {
        return Err(unusable("the file does not say its codec: its header is damaged or cut off".to_owned()));
    }
    let mut decoder = match opened {
        Ok(Some(decoder)) => decoder,
        Ok(None) => return Err(Error::DecoderMissing { codec }),
        Err(error) => return Err(unusable(format!("the {codec} decoder does not open: {error}"))),
    };
    let mut search = Search { frame: AvFrame::new().map_err(|_| Error::OutOfMemory)?, error: None };
    let mut first = First { frame: None, packets: VecDeque::new() };
    let mut bytes = 0;
    while first.packets.len() < MAX_AHEAD_PACKETS && bytes < MAX_AHEAD_BYTES {
        let more = context.read(scratch).map_err(|source| Error::Demux { input: input.clone(), source })?;
        if more && scratch.stream_index() != index {
            continue;
        }
        if more {
            bytes += scratch.data().len();
            first.packets.push_back(to_packet(scratch, time_base));
        }
        if search.feed(&mut decoder, more.then_some(scratch)) {
            first.frame = Some(search.frame);
            return Ok(first);
        }
        if !more {
            break;
        }
    }
    let has_encryption =
        |packet: &Packet| packet.side_data.iter().any(|data| data.kind == SideData::Encryption.number());
    if is_encrypted || first.packets.iter().any(has_encryption) {
        let reason = "the container says how its samples are encrypted";
        return Err(Error::InputEncrypted { input: input.clone(), stream: index, reason });
    }
    let stream = context.stream(index).expect("as above");
    if is_scrambled(input, context, stream) {
        let reason = "its transport stream packets are scrambled";
        return Err(Error::InputEncrypted { input: input.clone(), stream: index, reason });
    }
    Err(unusable(search.reason(&codec, first.packets.len())))
}

struct Search {
    frame: AvFrame,
    error: Option<AvError>,
}

impl Search {
    /// Whether a frame came out.
    fn feed(&mut self, decoder: &mut DecoderContext, packet: Option<&mut AvPacket>) -> bool {
        if let Err(error) = decoder.send(packet.as_deref()) {
            self.error = Some(error);
        }
        match decoder.receive(&mut self.frame) {
            Ok(received) => received == Received::Item,
            Err(error) => {
                self.error = Some(error);
                false
            }
        }
    }

    fn reason(&self, codec: &str, packets: usize) -> String {
        match (packets, self.error) {
            (0, _) => "the file announces it but holds no data for it".to_owned(),
            (_, Some(error)) => format!("the {codec} decoder says of the first {packets} packets: {error}"),
            (_, None) => format!("the {codec} decoder gives nothing for the first {packets} packets"),
        }
    }
}

/// Whether the stream's packets in an MPEG transport stream say that they are scrambled (ISO/IEC 13818-1, 2.4.3.3).
fn is_scrambled(input: &Input, context: &InputContext, stream: StreamRef<'_>) -> bool {
    use std::io::Read;
    const PACKET_BYTES: usize = 188;
    const PEEK_BYTES: u64 = 1 << 20;
    let Input::File(path) = input else {
        return false;
    };
    if context.format_name() != "mpegts" || !input.is_seekable() {
        return false;
    }
    let mut start = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(PEEK_BYTES).read_to_end(&mut start));
    read.is_ok()
        && start.chunks_exact(PACKET_BYTES).any(|packet| {
            let pid = i32::from(packet[1] & 0x1f) << 8 | i32::from(packet[2]);
            packet[0] == 0x47 && pid == stream.id() && packet[3] & 0xc0 != 0
        })
}

fn video_stream(
    input: &Input,
    media: &MediaInfo,
    stream: StreamRef<'_>,
    first: &First,
    options: &DemuxerOptions,
) -> Result<VideoStream, Error> {
    let frame = first.frame.as_ref().expect("a first frame was found");
    let info = &media.streams[stream.index()];
    let pace = options.frame_rate.or_else(|| frame_rate(stream)).unwrap_or_else(default_rate);
    let (video, notices) = stream::video_info(input, stream, frame, options.frame_rate)?;
    let source = stream::source_format(input, frame)?;
    let shared = stream::Shared {
        input: input.clone(),
        index: stream.index(),
        parameters: stream.parameters().to_owned().map_err(|_| Error::OutOfMemory)?,
        info: video,
        codec_name: info.codec.clone().unwrap_or_default(),
        source_format: source.number(),
        source_format_name: source.name(),
        estimated_frames: info.frame_count.or_else(|| estimate(info, pace)),
        start: info.start,
        duration: info.duration,
        pace,
        is_untimed: options.frame_rate.is_some(),
        notices,
        options: options.clone(),
        streams: media.streams.clone(),
    };
    Ok(VideoStream { shared: Arc::new(shared) })
}

/// What FFmpeg's raw demuxers assume.
fn default_rate() -> Rational {
    Rational::new(25, 1).expect("25 is positive")
}

/// The average rate, unless it is beyond what video has and the guessed one is not.
pub(crate) fn frame_rate(stream: StreamRef<'_>) -> Option<Rational> {
    const IMPLAUSIBLE: f64 = 480.0;
    let (average, real) = (stream.average_frame_rate(), stream.real_frame_rate());
    match (average, real) {
        (Some(average), Some(real)) if average.to_f64() > IMPLAUSIBLE && real < average => Some(real),
        (Some(average), _) => Some(average),
        (None, real) => real.filter(|rate| rate.to_f64() <= IMPLAUSIBLE),
    }
}

fn estimate(info: &StreamInfo, pace: Rational) -> Option<u64> {
    let frames = info.duration?.seconds() * pace.to_f64();
    (frames >= 1.0).then_some(frames.round() as u64)
}
