//! From a file to frames.

use rave_core::{Packet, VideoInfo};
use rave_ffmpeg::{DecodeReport, DecodeReportHandle, DecoderOptions, Demuxer, SoftwareDecoder, VideoStream};

use super::choice::{Choice, Part, Refused};
use super::device::Gpu;
use super::end::Assembling;
use super::hardware::{GpuDecoder, Switch};
use super::line::{Line, LineIn};
use super::options::{DecoderChoice, DeviceChoice};
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
    Hardware(rave_nvcodec::DecodeReportHandle, Switch),
}

impl DecodeCounts {
    pub(super) fn get(&self) -> DecodeReport {
        match self {
            Self::Software(report) => report.get(),
            Self::Hardware(report, switch) => {
                let rest = switch.get().map(|switched| switched.report.get()).unwrap_or_default();
                add(&report.get(), &rest)
            }
        }
    }

    /// What NVDEC said, if decoding went on in software.
    pub(super) fn switched(&self) -> Option<String> {
        match self {
            Self::Software(_) => None,
            Self::Hardware(_, switch) => switch.get().map(|switched| switched.reason),
        }
    }
}

/// What NVDEC counted, and software after it. Frames that software decoded again are counted twice.
fn add(hardware: &rave_nvcodec::DecodeReport, rest: &DecodeReport) -> DecodeReport {
    DecodeReport {
        frames: hardware.frames + rest.frames,
        concealed_frames: hardware.concealed_frames + rest.concealed_frames,
        corrupt_packets: hardware.corrupt_packets + rest.corrupt_packets,
        reconstructed_timestamps: hardware.reconstructed_timestamps + rest.reconstructed_timestamps,
        discarded_by_edit_list: hardware.discarded_by_edit_list + rest.discarded_by_edit_list,
        undecodable_at_start: hardware.undecodable_at_start + rest.undecodable_at_start,
        resized_frames: hardware.resized_frames + rest.resized_frames,
    }
}

impl Decoded {
    /// Opens the decoder that the options name, or the best that can decode the stream, for the demuxer's video.
    pub(super) fn open(
        demuxer: Demuxer,
        gpu: Option<&Gpu>,
        is_model_on_gpu: bool,
        job: &mut Assembling<'_>,
    ) -> Result<Self, Error> {
        let stream = demuxer.video().clone();
        Self::of_packets(Chain::source("demux", demuxer), &stream, gpu, is_model_on_gpu, job)
    }

    /// The same for packets of `stream` that come from elsewhere.
    pub(super) fn of_packets(
        packets: Chain<Packet>,
        stream: &VideoStream,
        gpu: Option<&Gpu>,
        is_model_on_gpu: bool,
        job: &mut Assembling<'_>,
    ) -> Result<Self, Error> {
        let packets = packets.queue(job.options.queues.packets);
        let options = job.options;
        match (options.decoder, gpu) {
            (DecoderChoice::Nvdec, Some(gpu)) => {
                let decoder = GpuDecoder::new(stream, &gpu.pool, options).map_err(Error::Leaf)?;
                Ok(Self::in_hardware(packets, decoder, stream, gpu, job))
            }
            (DecoderChoice::Auto, Some(gpu)) if is_model_on_gpu => {
                match GpuDecoder::or_software(stream, &gpu.pool, options) {
                    Ok(decoder) => Ok(Self::in_hardware(packets, decoder, stream, gpu, job)),
                    Err(error) => {
                        let refused = vec![Refused::by("nvdec", &*error)];
                        Self::in_software(packets, stream, refused, job)
                    }
                }
            }
            (DecoderChoice::Auto, _) if options.inference.device != DeviceChoice::Cpu => {
                let refused = vec![Refused::because("nvdec", "the model runs on the CPU")];
                Self::in_software(packets, stream, refused, job)
            }
            (DecoderChoice::Auto | DecoderChoice::Nvdec | DecoderChoice::Software, _) => {
                Self::in_software(packets, stream, Vec::new(), job)
            }
        }
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
        let memory = decoder.memory();
        let stage = Recording {
            decoder,
            stream: stream.clone(),
            record: SharedRecord::clone(&record),
            control: job.control.clone(),
        };
        let line = LineIn::new(packets.then("decode", stage).queue(queue), info);
        let line = Line::Host(line.with_memory(memory));
        Ok(Self { line, info, record, counts })
    }

    fn in_hardware(
        packets: Chain<Packet>,
        decoder: GpuDecoder,
        stream: &VideoStream,
        gpu: &Gpu,
        job: &mut Assembling<'_>,
    ) -> Self {
        let info = job.resolved(decoder.info(), stream);
        job.choices.push(Choice::first(Part::Decoder, "nvdec"));
        let counts = DecodeCounts::Hardware(decoder.report(), decoder.switch());
        let record = SharedRecord::default();
        let stage = Recording {
            decoder,
            stream: stream.clone(),
            record: SharedRecord::clone(&record),
            control: job.control.clone(),
        };
        let chain = packets.then("decode", stage).queue(job.options.queues.decoded);
        Self { line: Line::Device(LineIn::new(chain, info), gpu.pool.clone()), info, record, counts }
    }
}

impl Assembling<'_> {
    /// The decoder's frames with every colour property said, and a sentence for each that had to be assumed.
    fn resolved(&mut self, decoded: &VideoInfo, stream: &VideoStream) -> VideoInfo {
        let (color, assumed) = self.given_color(decoded).resolve(decoded.width, decoded.height);
        if !assumed.is_empty() {
            let assumed = assumed.join(", ");
            self.notices.push(format!("the source does not say its colours, assumed {assumed}"));
        }
        self.notices.extend_from_slice(stream.notices());
        VideoInfo { color, ..*decoded }
    }
}
