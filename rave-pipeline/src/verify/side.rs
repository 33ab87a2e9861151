//! One of the two files.

use rave_core::{BoxError, Stage, Timestamp, VideoInfo};
use rave_ffmpeg::{
    CodedPicture, Container, Cropping, DecodeReport, DecoderOptions, Demuxer, DemuxerOptions, Input,
    MediaInfo, SoftwareDecoder, StreamInfo, StreamKind, StreamSurvey, Survey, TimeRange, TrialDecoding,
    VideoDescription, VideoStream, trial_decode,
};

use super::Depth;
use super::announced::Announced;

/// What a file is found to hold.
pub(super) struct Side {
    pub(super) survey: Survey,
    pub(super) video: VideoSide,
    /// By index, for [`Depth::Full`]: what decoding the streams gave.
    pub(super) trials: Vec<Option<TrialDecoding>>,
    /// By the file's name, if it names one.
    pub(super) container: Option<Container>,
}

/// The video stream.
pub(super) struct VideoSide {
    pub(super) index: usize,
    /// What the first frame says, and the container where it says nothing.
    pub(super) info: VideoInfo,
    pub(super) codec: String,
    /// FFmpeg's name of the pixel format that the codec gives.
    pub(super) pixel_format: String,
    pub(super) mastering_display: Places,
    pub(super) content_light: Places,
    /// When its frames are shown, in order.
    pub(super) timestamps: Vec<Timestamp>,
    /// How long the last one lasts.
    pub(super) last_duration: Option<Timestamp>,
    /// What decoding it gave, where it was decoded.
    pub(super) decoding: Option<DecodeReport>,
}

/// Where metadata is found that has two places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) container: bool,
    pub(super) bitstream: bool,
}

/// What a job knows of its source, without reading it again.
pub(crate) struct JobSource {
    pub(crate) input: Input,
    pub(crate) media: MediaInfo,
    pub(crate) stream: VideoStream,
}

impl Side {
    /// Reads a file; its video is `stream`, or the best one if `None`, and of that the frames within `range`.
    pub(super) fn read(
        input: &Input,
        stream: Option<usize>,
        depth: Depth,
        range: TimeRange,
    ) -> Result<Self, BoxError> {
        let options = DemuxerOptions { stream, range, cropping: Cropping::Applied, ..Default::default() };
        let demuxer = Demuxer::open(input, &options)?;
        let stream = demuxer.video().clone();
        let index = stream.index();
        let survey = Survey::read(input, |_| true)?;
        let described = survey.media.streams.get(index).and_then(|stream| stream.video.as_ref());
        let coded = CodedPicture::read(input, index)?;
        let has = |of: fn(&VideoDescription) -> bool| described.is_some_and(of);
        let mut video = VideoSide {
            mastering_display: Places {
                container: has(|video| video.mastering_display.is_some()),
                bitstream: coded.mastering_display.is_some(),
            },
            content_light: Places {
                container: has(|video| video.content_light.is_some()),
                bitstream: coded.content_light.is_some(),
            },
            ..VideoSide::of_stream(&stream)
        };
        let packets = survey.streams.get(index).and_then(Option::as_ref);
        video.last_duration = packets.filter(|_| range.is_everything()).and_then(last_duration);
        (video.timestamps, video.decoding) = match depth {
            Depth::Full => decode_all(demuxer)?,
            Depth::Fast => (packets.map(StreamSurvey::shown_times).unwrap_or_default(), None),
        };
        video.timestamps.retain(|&time| stream.shows(time));
        let trials = trials(input, depth, |stream| stream.index != index)?;
        let container = match input {
            Input::File(path) => Container::from_path(path).ok(),
            Input::Stdin => None,
        };
        Ok(Self { survey, video, trials, container })
    }

    /// The source of a job: only the packets of the streams that it took over are read.
    pub(super) fn of_job(source: &JobSource, announced: &Announced, depth: Depth) -> Result<Self, BoxError> {
        let index = source.stream.index();
        let is_taken_over = |stream: &StreamInfo| {
            let plan = announced.stream(stream.index);
            stream.index != index && plan.is_some_and(|plan| plan.output_index.is_some())
        };
        // An input that can be read only once has no such streams.
        let (survey, trials) = if source.media.streams.iter().any(is_taken_over) {
            (Survey::read(&source.input, is_taken_over)?, trials(&source.input, depth, is_taken_over)?)
        } else {
            let streams = source.media.streams.iter().map(|_| None).collect();
            (Survey { media: source.media.clone(), streams }, Vec::new())
        };
        let timestamps = announced.timestamps.clone().unwrap_or_default();
        let video = VideoSide { timestamps, ..VideoSide::of_stream(&source.stream) };
        Ok(Self { survey, video, trials, container: None })
    }

    pub(super) fn streams(&self) -> &[StreamInfo] {
        &self.survey.media.streams
    }

    pub(super) fn packets(&self, index: usize) -> Option<&StreamSurvey> {
        self.survey.streams.get(index)?.as_ref()
    }

    /// By how many seconds the packets end before the header says; 0 where that is not known.
    pub(super) fn missing_seconds(&self) -> f64 {
        const TOLERANCE_SECONDS: f64 = 0.5;
        let is_told = HEADERS_WITH_DURATION.contains(&self.format()) && self.is_read_whole();
        let Some(told) = self.survey.media.duration.filter(|_| is_told) else { return 0.0 };
        let frame_seconds = self.video.info.frame_rate.map_or(0.0, |rate| rate.inverse().to_f64());
        let video = self.video.timestamps.iter().max().map(|last| last.seconds() + frame_seconds);
        let others = self.survey.streams.iter().flatten().filter_map(StreamSurvey::end);
        let end = others.map(Timestamp::seconds).chain(video).fold(f64::NEG_INFINITY, f64::max);
        let missing = told.seconds() - end;
        if missing.is_finite() && missing > TOLERANCE_SECONDS { missing } else { 0.0 }
    }

    /// Whether the packets of every stream were read; pictures and attachments have no time.
    fn is_read_whole(&self) -> bool {
        self.streams().iter().all(|stream| {
            let is_timeless = stream.is_attached_picture || stream.kind == StreamKind::Attachment;
            is_timeless || stream.index == self.video.index || self.packets(stream.index).is_some()
        })
    }

    /// Whether frames have times: a raw stream has only their order.
    pub(super) fn has_timestamps(&self) -> bool {
        !RAW.contains(&self.format())
    }

    /// FFmpeg's name of the demuxer.
    pub(super) fn format(&self) -> &str {
        &self.survey.media.format
    }

    /// Whether it is MP4 or QuickTime.
    pub(super) fn is_mov(&self) -> bool {
        self.format().split(',').any(|name| name == "mov")
    }
}

/// FFmpeg's names of the containers whose header tells how long everything is, but not how many frames there are.
const HEADERS_WITH_DURATION: [&str; 2] = ["matroska,webm", "flv"];

const RAW: [&str; 6] = ["h264", "hevc", "obu", "m4v", "mpegvideo", "mjpeg"];

impl VideoSide {
    fn of_stream(stream: &VideoStream) -> Self {
        Self {
            index: stream.index(),
            info: *stream.info(),
            codec: stream.codec_name().to_owned(),
            pixel_format: stream.source_pixel_format().to_owned(),
            mastering_display: Places::default(),
            content_light: Places::default(),
            timestamps: Vec::new(),
            last_duration: None,
            decoding: None,
        }
    }
}

/// Decodes the wanted streams, if everything is to be decoded and there are any.
fn trials(
    input: &Input,
    depth: Depth,
    is_wanted: impl Fn(&StreamInfo) -> bool,
) -> Result<Vec<Option<TrialDecoding>>, BoxError> {
    match depth {
        Depth::Full => Ok(trial_decode(input, is_wanted)?),
        Depth::Fast => Ok(Vec::new()),
    }
}

fn last_duration(packets: &StreamSurvey) -> Option<Timestamp> {
    let last =
        packets.packets.iter().filter(|packet| !packet.is_discarded).max_by_key(|packet| packet.time)?;
    Some(Timestamp::new(last.duration_ticks?, last.time?.time_base()))
}

/// The times of every frame that comes out, and what happened.
fn decode_all(demuxer: Demuxer) -> Result<(Vec<Timestamp>, Option<DecodeReport>), BoxError> {
    let mut decoder = SoftwareDecoder::new(demuxer.video(), &DecoderOptions::default())?;
    let report = decoder.report();
    let mut times = Vec::new();
    for packet in demuxer {
        decoder.process(packet?, &mut |frame| times.push(frame.info().pts))?;
    }
    decoder.finish(&mut |frame| times.push(frame.info().pts))?;
    Ok((times, Some(report.get())))
}
