use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use rave_core::{ColorSpec, Packet, Rational, TimeBase, Timestamp, VideoInfo};

use crate::crop::Crop;
use crate::first_frame::{self, First};
use crate::range::ClockRange;
use crate::sys::{AvError, AvPacket, Dictionary, InputContext, StreamRef};
use crate::{
    Cropping, DemuxerOptions, Error, Input, MediaInfo, StreamInfo, StreamKind, TimeRange, VideoStream,
    describe, format, seek, stream,
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
    open_with_tags(input, options).map(|(context, _)| context)
}

/// As [`open`], with the colours that the container says, by stream: once the first packets are read they are mixed with
/// the codec's.
fn open_with_tags(input: &Input, options: &DemuxerOptions) -> Result<(InputContext, Vec<ColorSpec>), Error> {
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
    let tags = context.streams().map(|stream| stream.parameters().color()).collect();
    context.find_stream_info().map_err(|source| Error::Demux { input: input.clone(), source })?;
    Ok((context, tags))
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
        _ if error.is_out_of_files() => input.unreadable(&error.to_string()),
        Some(guess) => input.not_media(guess),
        None if error.is_unwritable() => input.unreadable(&error.to_string()),
        None if *input == Input::Stdin => input.not_media(&format!(
            "FFmpeg says {error:?}; a file whose index is at its end has to be read from a disk",
            error = error.to_string()
        )),
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

impl fmt::Debug for Demuxer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Demuxer").field("video", &self.video).finish_non_exhaustive()
    }
}

impl Demuxer {
    /// Opens an input and its video stream.
    ///
    /// # Errors
    /// As [`probe`]; [`Error::InputNoVideo`] where there is none, or only a cover; [`Error::InputNoFrames`],
    /// [`Error::InputEncrypted`] and [`Error::DecoderMissing`] where no frame comes out; [`Error::InputOption`] where an
    /// option does not fit.
    pub fn open(input: &Input, options: &DemuxerOptions) -> Result<Self, Error> {
        let (mut context, tags) = open_with_tags(input, options)?;
        let media = describe::media(&context);
        let index = choose(input, &media, options.stream)?;
        let range = options.range.on_clock_of(&context);
        seek::check(input, &options.range, &media)?;
        context.discard_unless(|other| other == index);
        let mut scratch = AvPacket::new().map_err(|_| Error::OutOfMemory)?;
        let mut first = None;
        if let Some(start) = range.start.filter(|_| input.is_seekable()) {
            first = seek::first_frame_before(input, &mut context, index, start, &mut scratch)?;
            if first.is_none() {
                context = open(input, options)?;
                context.discard_unless(|other| other == index);
            }
        }
        let first = match first {
            Some(first) => first,
            None => first_frame::find(input, &mut context, index, &mut scratch)?,
        };
        let stream = context.stream(index).expect("the index was chosen from the streams");
        let time_base = stream.time_base();
        let tags = tags.get(index).copied();
        let video = video_stream(input, &media, stream, &first, (options, range, tags))?;
        tracing::debug!(%input, ?video, info = ?video.info(), "demuxer");
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
            if self.scratch.stream_index() != index {
                continue;
            }
            let packet = self.scratch.to_packet(self.time_base);
            // No frame is shown before it is decoded.
            let is_behind = packet.dts.is_some_and(|dts| self.video.shared.range.is_behind(dts));
            return Ok((!is_behind).then_some(packet));
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

fn video_stream(
    input: &Input,
    media: &MediaInfo,
    stream: StreamRef<'_>,
    first: &First,
    (options, range, tags): (&DemuxerOptions, ClockRange, Option<ColorSpec>),
) -> Result<VideoStream, Error> {
    let info = &media.streams[stream.index()];
    let pace = options.frame_rate.or_else(|| stream::frame_rate(stream)).unwrap_or_else(default_rate);
    let (whole, mut notices) = stream::video_info(input, stream, &first.frame, options.frame_rate, tags)?;
    let (wanted, display) = Crop::of_container(input, media, stream.index());
    let wanted = (wanted.fitted(&whole, first.frame.field_order()), display);
    let (video, crop) = cropped(&whole, wanted, options.cropping, &mut notices);
    let source = stream::source_format(input, &first.frame)?;
    let shared = stream::Shared {
        input: input.clone(),
        index: stream.index(),
        parameters: stream.parameters().to_owned().map_err(|_| Error::OutOfMemory)?,
        info: video,
        codec_name: info.codec.clone().unwrap_or_default(),
        source_format: source.number(),
        source_format_name: source.name(),
        estimated_frames: estimate(info, media, pace, &options.range),
        range,
        start: info.start,
        duration: info.duration,
        pace,
        is_untimed: options.frame_rate.is_some(),
        notices,
        crop,
        options: options.clone(),
        streams: media.streams.clone(),
    };
    Ok(VideoStream { shared: Arc::new(shared) })
}

/// The pictures without what is to be left out, and that; `display` is the size that they are shown with.
fn cropped(
    whole: &VideoInfo,
    (crop, display): (Crop, Option<(u32, u32)>),
    cropping: Cropping,
    notices: &mut Vec<String>,
) -> (VideoInfo, Crop) {
    if crop.is_nothing() {
        return (*whole, crop);
    }
    notices.push(crop.notice(whole, cropping));
    if cropping == Cropping::Ignored {
        return (*whole, Crop::default());
    }
    let shape = display.map_or(whole.sample_aspect_ratio, |size| crop.sample_aspect_ratio(whole, size));
    (VideoInfo { sample_aspect_ratio: shape, ..crop.applied(whole) }, crop)
}

/// What FFmpeg's raw demuxers assume.
fn default_rate() -> Rational {
    Rational::new(25, 1).expect("25 is positive")
}

/// What the header says, or the duration gives: the stream's, or where only that is told, as in Matroska, the whole file's.
fn estimate(info: &StreamInfo, media: &MediaInfo, pace: Rational, range: &TimeRange) -> Option<u64> {
    if range.is_everything() && info.frame_count.is_some() {
        return info.frame_count;
    }
    let duration = info.duration.or(media.duration);
    let seconds = |time: Option<Timestamp>| time.map(Timestamp::seconds);
    let end = match (seconds(range.end), seconds(duration)) {
        (Some(end), Some(duration)) => end.min(duration),
        (end, duration) => end.or(duration)?,
    };
    let frames = (end - seconds(range.start).unwrap_or(0.0)) * pace.to_f64();
    (frames >= 1.0).then_some(frames.round() as u64)
}
