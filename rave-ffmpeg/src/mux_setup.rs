//! The streams, tags and options of an output, up to its header.

use rave_core::{Rational, TimeBase, Timestamp};

use crate::container::Family;
use crate::copy::CopyReader;
use crate::cut::{Cut, Trim};
use crate::dry_run::CodecDelay;
use crate::muxer::Track;
use crate::plan::Facts;
use crate::range::ClockRange;
use crate::sys::{
    AvError, Dictionary, InputContext, MediaType, NewStream, OutputContext, OutputFormat, SideData,
    StreamRef, SubtitleConverter, ffi,
};
use crate::tags;
use crate::{
    Container, EncodedStream, Error, Incompatible, MuxerOptions, Selection, StreamInfo, StreamKind,
    StreamOutcome, StreamPlan, VideoCodec, VideoStream, capability, demuxer, describe, mux_settings, plan,
    selection,
};

/// What is decided before anything is created.
#[derive(Default)]
pub(crate) struct Setup {
    pub(crate) plan: Vec<StreamPlan>,
    /// What of the whole file is lost.
    pub(crate) notes: Vec<String>,
    /// The second reader of the source.
    pub(crate) reader: Option<InputContext>,
    /// By index in the source.
    converters: Vec<Option<SubtitleConverter>>,
    /// The part of the source that is wanted.
    range: ClockRange,
    /// The source's index of the video that was worked on.
    source_video: usize,
}

/// What there is once the header is written.
pub(crate) struct Written {
    pub(crate) plan: Vec<StreamPlan>,
    pub(crate) notes: Vec<String>,
    pub(crate) video_index: usize,
    pub(crate) copies: Option<CopyReader>,
    pub(crate) tracks: Vec<Track>,
    /// What is added to every timestamp because the source's clock starts anywhere, in the video's time base.
    pub(crate) clock_shift_ticks: i64,
}

impl Setup {
    pub(crate) fn new(
        container: &Container,
        source: Option<&VideoStream>,
        options: &MuxerOptions,
    ) -> Result<Self, Error> {
        let Some(stream) = source else {
            return Ok(Self::default());
        };
        let input = &stream.shared.input;
        let reader = match input.is_seekable() {
            true => Some(demuxer::open(input, &stream.shared.options)?),
            false => None,
        };
        let streams = match &reader {
            Some(reader) => describe::media(reader).streams,
            None => stream.shared.streams.clone(),
        };
        let chosen = selection::chosen(&options.copy.maps, &streams).map_err(|map| {
            let reason = format!("{map} matches no stream");
            Error::InputOption { option: "map", input: input.clone(), reason }
        })?;
        let (facts, converters) = match &reader {
            Some(reader) => streams.iter().map(|stream| ask(stream, reader, container)).unzip(),
            None => (Vec::new(), Vec::new()),
        };
        let facts = reader.is_some().then_some(facts.as_slice());
        let mut plan = plan::plan(&streams, stream.index(), container, options, chosen.as_deref(), facts)?;
        let notes = reader
            .as_ref()
            .map_or_else(Vec::new, |reader| tags::file_notes(reader, container, &options.copy));
        let (range, source_video) = (stream.shared.range, stream.index());
        if range.start.is_some() && tags::has_timecode(&streams[source_video]) {
            let note = "its timecode is left out: it is that of the source's first frame".to_owned();
            plan[source_video].notes.push(note);
        }
        Ok(Self { plan, notes, reader, converters, range, source_video })
    }
}

/// What FFmpeg's libraries say of a stream, and the converter for its text where one is needed.
fn ask(
    stream: &StreamInfo,
    reader: &InputContext,
    container: &Container,
) -> (Facts, Option<SubtitleConverter>) {
    let Some(source) = reader.stream(stream.index) else { return (Facts::default(), None) };
    let holds = holds(container, source.parameters().codec_id());
    let codec = stream.codec.as_deref().unwrap_or_default();
    let target =
        capability::text_codec(codec, container).filter(|_| !capability::can_hold(codec, container, holds));
    // A converter that does not open is none: the stream is then one that the container cannot hold.
    let converter = target.and_then(|target| {
        SubtitleConverter::open(source.parameters(), source.time_base(), target).ok().flatten()
    });
    (Facts { holds, converts: converter.is_some() }, converter)
}

/// Whether the container holds a codec, as far as FFmpeg says. Matroska takes the codecs of AVI by its numbers for them
/// (`V_MS/VFW/FOURCC`, `A_MS/ACM`), which FFmpeg's muxer writes but does not tell.
fn holds(container: &Container, codec_id: i32) -> Option<bool> {
    let holds = container.format().holds(codec_id);
    let is_as_in_avi = || OutputFormat::find("avi").and_then(|avi| avi.holds(codec_id)) == Some(true);
    if holds == Some(false) && container.name() == "mkv" && is_as_in_avi() { Some(true) } else { holds }
}

pub(crate) fn write_header(
    output: &mut OutputContext,
    mut setup: Setup,
    delays: &[CodecDelay],
    container: &Container,
    video: &EncodedStream,
    options: &MuxerOptions,
) -> Result<Written, AvError> {
    let (tracks, video_index) = add_streams(output, &mut setup, delays, container, video, options)?;
    let Setup { plan, notes, reader, range, source_video, .. } = setup;
    let clock_shift_ticks =
        reader.as_ref().map_or(0, |reader| clock_shift(reader, range, container, video.time_base()));
    if let Some(reader) = &reader {
        let shift = Timestamp::new(clock_shift_ticks, video.time_base());
        add_file_tags(output, reader, range, shift, options)?;
    }
    output.write_header(&mut mux_settings::settings(container, video, reader.as_ref())?)?;
    let copies = reader.map(|reader| copies(reader, &plan, container, range, source_video));
    Ok(Written { plan, notes, video_index, copies, tracks, clock_shift_ticks })
}

/// The tracks, and which of them is the encoded video.
fn add_streams(
    output: &mut OutputContext,
    setup: &mut Setup,
    delays: &[CodecDelay],
    container: &Container,
    video: &EncodedStream,
    options: &MuxerOptions,
) -> Result<(Vec<Track>, usize), AvError> {
    let Setup { plan, reader, converters, range, .. } = setup;
    let (mut tracks, mut video_index) = (Vec::new(), 0);
    for entry in &*plan {
        let source = reader.as_ref().and_then(|reader| reader.stream(entry.source_index));
        let source_index = Some(entry.source_index);
        tracks.push(match (&entry.outcome, source) {
            (StreamOutcome::Encoded { .. }, source) => {
                video_index =
                    output.add_stream(encoded_stream(container, video, source, *range, options)?)?;
                Track::default()
            }
            (StreamOutcome::Copied { .. }, Some(source)) => {
                add_copy(output, container, source, options)?;
                let delay = delays.get(entry.source_index).copied().unwrap_or_default();
                Track { source_index, delay, is_cover: source.is_attached_picture(), ..Track::default() }
            }
            (StreamOutcome::Converted { .. }, Some(source)) => {
                let converter = converters.get_mut(entry.source_index).and_then(Option::take);
                let converter = converter.ok_or(AvError::INVALID_DATA)?;
                add_converted(output, container, source, &converter, options)?;
                Track { source_index, converter: Some(converter), ..Track::default() }
            }
            _ => continue,
        });
    }
    if plan.is_empty() {
        video_index = output.add_stream(encoded_stream(container, video, None, *range, options)?)?;
        tracks.push(Track::default());
    }
    Ok((tracks, video_index))
}

/// The source read again, from where the wanted part begins.
fn copies(
    mut reader: InputContext,
    plan: &[StreamPlan],
    container: &Container,
    range: ClockRange,
    source_video: usize,
) -> CopyReader {
    let copied = copied(plan, &reader, container);
    let trim = if container.family() == Family::Mov { Trim::ByContainer } else { Trim::WholePackets };
    let cut = Cut::new(range, trim, &reader);
    cut.seek(&mut reader, source_video);
    CopyReader::new(reader, &copied, cut)
}

/// The copied streams whose packets are to be read, and whether each is dense. Attachments lie in the header.
fn copied(plan: &[StreamPlan], reader: &InputContext, container: &Container) -> Vec<(usize, bool)> {
    let is_attachment = |entry: &StreamPlan| {
        let stream = reader.stream(entry.source_index);
        let is_cover = stream.is_some_and(StreamRef::is_attached_picture);
        entry.kind == StreamKind::Attachment || is_cover && container.family() == Family::Matroska
    };
    let is_dense = |entry: &StreamPlan| {
        let stream = reader.stream(entry.source_index);
        let is_cover = stream.is_some_and(StreamRef::is_attached_picture);
        matches!(entry.kind, StreamKind::Video | StreamKind::Audio) && !is_cover
    };
    plan.iter()
        .filter(|entry| entry.outcome.is_taken_over() && !is_attachment(entry))
        .map(|entry| (entry.source_index, is_dense(entry)))
        .collect()
}

pub(crate) fn encoded_stream<'a>(
    container: &Container,
    video: &'a EncodedStream,
    source: Option<StreamRef<'_>>,
    range: ClockRange,
    options: &MuxerOptions,
) -> Result<NewStream<'a>, AvError> {
    let shared = &video.shared;
    let mut side_data = Vec::new();
    if let Some(matrix) = shared.display_matrix {
        let bytes = matrix.into_iter().flat_map(i32::to_ne_bytes).collect();
        side_data.push((SideData::DisplayMatrix.number(), bytes));
    }
    if let Some(display) = &shared.mastering_display {
        side_data.push((SideData::MasteringDisplay.number(), describe::mastering_display_bytes(display)));
    }
    if let Some(light) = shared.content_light {
        side_data.push((SideData::ContentLight.number(), describe::content_light_bytes(light)));
    }
    let metadata = match source.filter(|_| options.copy.metadata == Selection::Keep) {
        Some(source) => tags::of_encoded(source, container, range)?,
        None => Dictionary::new(),
    };
    Ok(NewStream {
        parameters: shared.parameters.as_ref(),
        codec_tag: video_tag(container, shared.codec),
        time_base: shared.time_base,
        sample_aspect_ratio: shared.sample_aspect_ratio,
        frame_rate: shared.frame_rate,
        disposition: source.map_or(ffi::AV_DISPOSITION_DEFAULT, StreamRef::disposition),
        metadata,
        side_data,
    })
}

/// Apple's players know HEVC in MP4 only by this tag; zero leaves the choice to the muxer.
fn video_tag(container: &Container, codec: VideoCodec) -> u32 {
    match (container.family(), codec) {
        (Family::Mov, VideoCodec::Hevc) => u32::from_le_bytes(*b"hvc1"),
        _ => 0,
    }
}

fn add_copy(
    output: &mut OutputContext,
    container: &Container,
    source: StreamRef<'_>,
    options: &MuxerOptions,
) -> Result<(), AvError> {
    let mut parameters = source.parameters().to_owned()?;
    let (codec_id, tag) = (source.parameters().codec_id(), source.parameters().codec_tag());
    let codec_tag = if container.format().has_tag(codec_id, tag) { tag } else { 0 };
    let mut metadata = tags::of_copy(source, container, &options.copy)?;
    let is_cover = source.is_attached_picture() && container.family() == Family::Matroska;
    if is_cover {
        parameters.set_attachment(source.attached_picture())?;
    }
    if is_cover || parameters.as_ref().media_type() == MediaType::Attachment {
        name_attachment(&mut metadata, source)?;
    }
    output.add_stream(NewStream {
        parameters: parameters.as_ref(),
        codec_tag,
        time_base: source.time_base(),
        sample_aspect_ratio: source.sample_aspect_ratio(),
        frame_rate: source.average_frame_rate(),
        disposition: if is_cover { 0 } else { source.disposition() },
        metadata,
        side_data: source.copy_side_data(),
    })?;
    Ok(())
}

fn add_converted(
    output: &mut OutputContext,
    container: &Container,
    source: StreamRef<'_>,
    converter: &SubtitleConverter,
    options: &MuxerOptions,
) -> Result<(), AvError> {
    let parameters = converter.parameters()?;
    output.add_stream(NewStream {
        parameters: parameters.as_ref(),
        codec_tag: 0,
        time_base: source.time_base(),
        sample_aspect_ratio: None,
        frame_rate: None,
        disposition: source.disposition(),
        metadata: tags::of_copy(source, container, &options.copy)?,
        side_data: Vec::new(),
    })?;
    Ok(())
}

fn name_attachment(metadata: &mut Dictionary, source: StreamRef<'_>) -> Result<(), AvError> {
    let (suffix, mimetype) = match source.parameters().codec().as_deref() {
        Some("mjpeg") => ("cover.jpg", "image/jpeg"),
        Some("png") => ("cover.png", "image/png"),
        Some("bmp") => ("cover.bmp", "image/bmp"),
        Some("ttf") => ("font.ttf", "application/x-truetype-font"),
        Some("otf") => ("font.otf", "application/vnd.ms-opentype"),
        _ => ("attachment", "application/octet-stream"),
    };
    if metadata.as_ref().get(c"filename").is_none() {
        metadata.set("filename", suffix)?;
    }
    if metadata.as_ref().get(c"mimetype").is_none() {
        metadata.set("mimetype", mimetype)?;
    }
    Ok(())
}

/// A range starts at zero. Broadcast clocks start anywhere: unless the output is of that kind too, the earliest stream
/// starts at zero.
fn clock_shift(reader: &InputContext, range: ClockRange, container: &Container, time_base: TimeBase) -> i64 {
    if let Some(start) = range.start {
        return -start.rescale(time_base).ticks();
    }
    if !reader.has_arbitrary_clock() || container.family() == Family::TransportStream {
        return 0;
    }
    reader.earliest_start().map_or(0, |start| -start.rescale(time_base).ticks())
}

fn add_file_tags(
    output: &mut OutputContext,
    reader: &InputContext,
    range: ClockRange,
    shift: Timestamp,
    options: &MuxerOptions,
) -> Result<(), AvError> {
    if options.copy.metadata == Selection::Keep {
        output.add_metadata(tags::of_file(reader)?.as_ref())?;
    }
    if options.copy.chapters == Selection::Keep {
        for chapter in reader.chapters() {
            let unit = crate::sys::time_base(chapter.time_base);
            let [start, end] = [chapter.start, chapter.end].map(|ticks| Timestamp::new(ticks, unit));
            if let Some([start, end]) = range.clip(start, end) {
                let shift = shift.rescale(unit).ticks();
                output.add_chapter(&chapter, start.ticks() + shift, end.ticks() + shift)?;
            }
        }
    }
    Ok(())
}

/// Refuses a container that would lose the shape of the pixels, unless such things are to be dropped.
pub(crate) fn check_aspect_ratio(
    video: &EncodedStream,
    container: &Container,
    options: &MuxerOptions,
) -> Result<Option<String>, Error> {
    let ratio = video.shared.sample_aspect_ratio.unwrap_or(Rational::ONE);
    if ratio == Rational::ONE || container.has_sample_aspect_ratio() {
        return Ok(None);
    }
    if options.incompatible == Incompatible::Drop {
        let note = format!("{container} cannot hold the aspect ratio of the pixels, {ratio}: it is left out");
        return Ok(Some(note));
    }
    Err(Error::StreamIncompatible {
        container: container.name(),
        stream: format!("the aspect ratio of the pixels, {ratio}"),
        reason: "use .mkv or .mp4, or have it left out".to_owned(),
    })
}
