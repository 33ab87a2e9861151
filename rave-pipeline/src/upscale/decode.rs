//! From a file to frames.

use rave_core::{Packet, VideoInfo};
use rave_ffmpeg::{DecodeReport, DecodeReportHandle, DecoderOptions, Demuxer, SoftwareDecoder, VideoStream};

use super::choice::{Choice, Part, Refused};
use super::device::Gpu;
use super::end::Assembling;
use super::line::{Line, LineIn};
use super::stages::{Recording, SharedRecord};
use crate::{Chain, Error};

/// The first part of a job: its frames as they are decoded.
pub(super) struct Decoded {
    pub(super) line: Line,
    /// The frames, their colour as assumed where the source does not say.
    pub(super) info: VideoInfo,
    pub(super) record: SharedRecord,
    pub(super) counts: DecodeCounts,
}

/// Counts of a decoder at work.
#[derive(Clone, Debug)]
pub(super) enum DecodeCounts {
    Software(DecodeReportHandle),
}

impl DecodeCounts {
    pub(super) fn get(&self) -> DecodeReport {
        match self {
            Self::Software(report) => report.get(),
        }
    }
}

impl Decoded {
    /// Opens a decoder for the demuxer's video.
    pub(super) fn open(demuxer: Demuxer, gpu: Option<&Gpu>, job: &mut Assembling<'_>) -> Result<Self, Error> {
        let stream = demuxer.video().clone();
        let packets = Chain::source("demux", demuxer).queue(job.options.queues.packets);
        Self::in_software(packets, &stream, Vec::new(), job)
    }

    fn in_software(
        packets: Chain<Packet>,
        stream: &VideoStream,
        refused: Vec<Refused>,
        job: &mut Assembling<'_>,
    ) -> Result<Self, Error> {
        let (options, queue) = (job.options, job.options.queues.decoded);
        let decoder_options = DecoderOptions { threads: None, corruption: options.corruption };
        let decoder = SoftwareDecoder::new(stream, &decoder_options).map_err(Error::leaf)?;
        let info = job.resolved(decoder.info(), stream);
        job.choices.push(Choice { part: Part::Decoder, taken: "software".into(), refused });
        job.memory.add_queue(&info, queue)?;
        let (record, counts) = (SharedRecord::default(), DecodeCounts::Software(decoder.report()));
        let stage = Recording { decoder, record: SharedRecord::clone(&record), control: job.control.clone() };
        let line = Line::Host(LineIn { chain: packets.then("decode", stage).queue(queue), info });
        Ok(Self { line, info, record, counts })
    }
}

impl Assembling<'_> {
    /// The decoder's frames with every colour property said, and a sentence for each that had to be assumed.
    fn resolved(&mut self, decoded: &VideoInfo, stream: &VideoStream) -> VideoInfo {
        let (color, assumed) = decoded.color.resolve(decoded.width, decoded.height);
        if !assumed.is_empty() {
            let assumed = assumed.join(", ");
            self.notices.push(format!("the source does not say its colours, assumed {assumed}"));
        }
        self.notices.extend_from_slice(stream.notices());
        VideoInfo { color, ..*decoded }
    }
}
