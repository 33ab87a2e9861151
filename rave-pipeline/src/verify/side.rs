//! One of the two files.

use rave_core::{BoxError, Stage, Timestamp, VideoInfo};
use rave_ffmpeg::{
    CodedPicture, Container, DecodeReport, DecoderOptions, Demuxer, DemuxerOptions, Input, SoftwareDecoder,
    StreamInfo, StreamSurvey, Survey, TrialDecoding, VideoDescription, trial_decode,
};

use super::Depth;

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
    /// What the container says.
    pub(super) described: VideoDescription,
    /// What the first frame says.
    pub(super) coded: CodedPicture,
    /// When its frames are shown, in order.
    pub(super) timestamps: Vec<Timestamp>,
    /// How long the last one lasts.
    pub(super) last_duration: Option<Timestamp>,
    /// What decoding it gave, where it was decoded.
    pub(super) decoding: Option<DecodeReport>,
}

/// How a file is read.
pub(super) struct Reading<'a> {
    pub(super) depth: Depth,
    /// The video stream; the best one if `None`.
    pub(super) stream: Option<usize>,
    /// When its frames are shown, if that is known already.
    pub(super) timestamps: Option<&'a [Timestamp]>,
}

impl Side {
    pub(super) fn read(input: &Input, reading: &Reading<'_>) -> Result<Self, BoxError> {
        let options = DemuxerOptions { stream: reading.stream, ..Default::default() };
        let demuxer = Demuxer::open(input, &options)?;
        let index = demuxer.video().index();
        // Its packets need not be read if its frames are known.
        let is_needed = |stream: &StreamInfo| reading.timestamps.is_none() || stream.index != index;
        let survey = Survey::read(input, is_needed)?;
        let described = demuxer.media().streams[index].video.clone();
        let described = described.ok_or_else(|| not_video(input, index))?;
        let video = VideoSide {
            index,
            info: *demuxer.video().info(),
            codec: demuxer.video().codec_name().to_owned(),
            pixel_format: demuxer.video().source_pixel_format().to_owned(),
            described,
            coded: CodedPicture::read(input, index)?,
            timestamps: Vec::new(),
            last_duration: None,
            decoding: None,
        };
        let trials = match reading.depth {
            Depth::Fast => Vec::new(),
            Depth::Full => trial_decode(input, |stream| stream.index != index)?,
        };
        let container = match input {
            Input::File(path) => Container::from_path(path).ok(),
            Input::Stdin => None,
        };
        let mut side = Self { survey, video, trials, container };
        side.find_times(demuxer, reading)?;
        Ok(side)
    }

    fn find_times(&mut self, demuxer: Demuxer, reading: &Reading<'_>) -> Result<(), BoxError> {
        let video = &mut self.video;
        let packets = self.survey.streams.get(video.index).and_then(Option::as_ref);
        video.last_duration = packets.and_then(last_duration);
        match (reading.timestamps, reading.depth) {
            (Some(known), _) => video.timestamps = known.to_vec(),
            (None, Depth::Full) => (video.timestamps, video.decoding) = decode_all(demuxer)?,
            (None, Depth::Fast) => {
                video.timestamps = packets.map(StreamSurvey::shown_times).unwrap_or_default();
            }
        }
        Ok(())
    }

    pub(super) fn streams(&self) -> &[StreamInfo] {
        &self.survey.media.streams
    }

    pub(super) fn packets(&self, index: usize) -> Option<&StreamSurvey> {
        self.survey.streams.get(index)?.as_ref()
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

const RAW: [&str; 6] = ["h264", "hevc", "obu", "m4v", "mpegvideo", "mjpeg"];

fn not_video(input: &Input, index: usize) -> BoxError {
    let reason = format!("stream {index} has no picture");
    rave_ffmpeg::Error::InputNoVideo { input: input.clone(), reason }.into()
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
