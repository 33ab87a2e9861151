use std::path::{Path, PathBuf};

use rave_core::{ChromaFilter, ColorSpec, Convert, Matrix, PixelFormat, Timestamp, VideoInfo};
use rave_ffmpeg::{
    Container, DecodeReport, DecodeReportHandle, DecoderOptions, Demuxer, EncoderOptions, Input, MuxSummary,
    Muxer, SoftwareDecoder, SoftwareEncoder, StreamPlan, VideoCodec,
};
use rave_tensorrt::{
    BuiltIn, Model, ModelInfo, ModelSource, Runtime, SessionOptions, Upscaler, UpscalerOptions,
};

use super::check::{CheckReport, Expected, check_output};
use super::memory::{Stops, check_memory};
use super::output::{OutputFile, check_target};
use super::progress::{Progress, ProgressMeter};
use super::stages::{Conversions, Output, RecordingDecoder, SharedRecord};
use super::{Queues, UpscaleOptions};
use crate::{Assembly, Chain, Control, Error, Report};

/// What a job is going to do.
#[derive(Clone, Debug)]
pub struct UpscalePlan {
    /// The decoded video, its colour as assumed where the source does not say.
    pub source: VideoInfo,
    /// The network.
    pub model: ModelInfo,
    /// The video that is encoded.
    pub output: VideoInfo,
    /// The encoder and its settings.
    pub encoder: String,
    /// What happens to each stream of the source.
    pub streams: Vec<StreamPlan>,
    /// Frames of the source, as its header or duration says.
    pub estimated_frames: Option<u64>,
    /// What was assumed or had to be changed, a sentence each.
    pub notices: Vec<String>,
}

/// What a job did.
#[derive(Clone, Debug)]
pub struct UpscaleReport {
    /// What it was to do.
    pub plan: UpscalePlan,
    /// The file that was written.
    pub output: PathBuf,
    /// Frames decoded, concealed, reconstructed.
    pub decoding: DecodeReport,
    /// Packets and bytes written.
    pub muxing: MuxSummary,
    /// The comparison of the output with the source.
    pub check: CheckReport,
    /// Times and counts of the stages.
    pub stages: Report,
    /// Frames that the source's header announces but that are not in the file or could not be decoded.
    pub missing_frames: u64,
    /// Frames that are two fields: they were enlarged as if they were pictures, and are encoded as such.
    pub interlaced_frames: u64,
    /// Whether [`Control::finish`] ended it before the source did.
    pub is_cut_short: bool,
}

/// An upscaling job: every file is open, every choice is made, nothing has been decoded.
#[must_use = "a job does nothing before it is run"]
pub struct UpscaleJob {
    plan: UpscalePlan,
    chain: Assembly<MuxSummary>,
    output: OutputFile,
    output_path: PathBuf,
    container: Container,
    /// What the header says, if it counts frames.
    announced_frames: Option<u64>,
    record: SharedRecord,
    decoding: DecodeReportHandle,
    control: Control,
}

impl UpscaleJob {
    /// Opens source, model, encoder and output, and checks that they fit together.
    ///
    /// The output is created under a temporary name beside `output`.
    ///
    /// # Errors
    /// Whatever makes the job impossible: see [`Code`](rave_core::Code) 201 to 335, 404, 501 to 505 and 701.
    pub fn open(
        runtime: &Runtime,
        input: &Input,
        output: &Path,
        options: &UpscaleOptions,
    ) -> Result<Self, Error> {
        let container = Container::from_path(output).map_err(Error::leaf)?;
        let source_path = match input {
            Input::File(path) => Some(path.as_path()),
            Input::Stdin => None,
        };
        check_target(output, source_path, options.existing)?;
        let demuxer = Demuxer::open(input, &options.demuxer).map_err(Error::leaf)?;
        let line = Line::open(runtime, &demuxer, &container, options)?;
        let source = Some((input, demuxer.video()));
        // Last, so that nothing is left of a job that never ran.
        let file = OutputFile::create(output, source_path, options.existing)?;
        let muxer =
            Muxer::create(file.temporary(), &container, &line.encoder.stream(), source, &options.muxer)
                .map_err(Error::leaf)?;
        let mut plan = line.plan(muxer.plan(), demuxer.video().estimated_frames());
        plan.notices.extend_from_slice(muxer.notes());
        let video = &demuxer.media().streams[demuxer.video().index()];
        let announced_frames = video.frame_count;
        let (record, decoding) = (SharedRecord::default(), line.decoder.report());
        let control = Control::new();
        let sink = Output { muxer, control: control.clone() };
        let chain = line.chain(demuxer, sink, SharedRecord::clone(&record), options.queues);
        let output_path = output.to_path_buf();
        Ok(Self {
            plan,
            chain,
            output: file,
            output_path,
            container,
            announced_frames,
            record,
            decoding,
            control,
        })
    }

    /// Stops the job while it runs, from any thread.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// What the job is going to do.
    pub const fn plan(&self) -> &UpscalePlan {
        &self.plan
    }

    /// Runs the job, checks the output and gives it its final name.
    ///
    /// `progress` is called about five times a second, from this thread.
    ///
    /// # Errors
    /// The first failure of any stage; nothing is left then. [`Error::Mismatch`] if the output is not what it has to
    /// be: it then keeps its temporary name, which the error tells, as [`Error::OutputUnnamed`] does.
    /// [`Error::Abandoned`] after [`Control::abandon`].
    pub fn run(self, mut progress: impl FnMut(&Progress)) -> Result<UpscaleReport, Error> {
        let mut meter = ProgressMeter::new(self.plan.estimated_frames);
        let ran = self.chain.run(&self.control, |report| progress(&meter.update(report)));
        let record = self.record.lock();
        let is_cut_short = self.control.is_finishing();
        let (muxing, stages) = match ran {
            Err(_) if is_cut_short && record.timestamps.is_empty() => return Err(Error::Abandoned),
            ran => ran?,
        };
        let check = match check(&self.plan, &self.container, &record.timestamps, self.output.temporary()) {
            Ok(check) => check,
            Err(error) => {
                self.output.keep_temporary()?;
                return Err(error);
            }
        };
        self.output.publish()?;
        let decoding = self.decoding.get();
        let accounted = decoding.frames + decoding.discarded_by_edit_list;
        let announced = self.announced_frames.filter(|_| !is_cut_short);
        Ok(UpscaleReport {
            plan: self.plan,
            output: self.output_path,
            decoding,
            muxing,
            check,
            stages,
            missing_frames: announced.map_or(0, |announced| announced.saturating_sub(accounted)),
            interlaced_frames: record.interlaced_frames,
            is_cut_short,
        })
    }
}

fn check(
    plan: &UpscalePlan,
    container: &Container,
    timestamps: &[Timestamp],
    written: &Path,
) -> Result<CheckReport, Error> {
    let expected = Expected {
        timestamps,
        width: plan.output.width,
        height: plan.output.height,
        display_aspect_ratio: plan.output.display_aspect_ratio().map_err(Error::leaf)?,
        color: plan.output.color,
        format: plan.output.format,
        container,
        streams: &plan.streams,
    };
    check_output(written, &expected)
}

/// The stages between demuxer and muxer, each built from what the one before it gives.
struct Line {
    source: VideoInfo,
    model: ModelInfo,
    notices: Vec<String>,
    decoder: SoftwareDecoder,
    to_model: Conversions,
    upscaler: Upscaler<rave_core::HostBuffer>,
    from_model: Conversions,
    output: VideoInfo,
    encoder: SoftwareEncoder,
}

impl Line {
    fn open(
        runtime: &Runtime,
        demuxer: &Demuxer,
        container: &Container,
        options: &UpscaleOptions,
    ) -> Result<Self, Error> {
        let decoder_options = DecoderOptions { threads: None, corruption: options.corruption };
        let decoder = SoftwareDecoder::new(demuxer.video(), &decoder_options).map_err(Error::leaf)?;
        let (source, mut notices) = resolved(decoder.info());
        notices.extend_from_slice(demuxer.video().notices());
        let model = load_model(runtime, options)?;
        let model_info = model.info().clone();
        let to_model = convert(&source, model_info.input_format(source.format), working_color(&source))?;
        let model_input = last(&to_model, &source);
        let upscaler_options = UpscalerOptions { tile: options.tile, ..Default::default() };
        let upscaler = Upscaler::new(model, &model_input, &upscaler_options).map_err(Error::leaf)?;
        let model_output = *upscaler.output_info();

        let encoder_options = encoder_options(options, container);
        let enlarged_source = VideoInfo { format: source.format, color: source.color, ..model_output };
        let (encoder_format, changes) =
            SoftwareEncoder::pixel_format(&enlarged_source, &encoder_options).map_err(Error::leaf)?;
        notices.extend(changes);
        let from_model = convert(&model_output, encoder_format, coded_color(&source, encoder_format))?;
        let output = last(&from_model, &model_output);
        let stops = Stops {
            source: &source,
            model_bytes: upscaler.memory_estimate(),
            model_input: &model_input,
            model_output: &model_output,
            encoder: &output,
        };
        check_memory(&stops, options.queues)?;
        let encoder = SoftwareEncoder::new(&output, &encoder_options, container).map_err(Error::leaf)?;
        Ok(Self {
            source,
            model: model_info,
            notices,
            decoder,
            to_model,
            upscaler,
            from_model,
            output,
            encoder,
        })
    }

    fn plan(&self, streams: &[StreamPlan], estimated_frames: Option<u64>) -> UpscalePlan {
        UpscalePlan {
            source: self.source,
            model: self.model.clone(),
            output: self.output,
            encoder: self.encoder.description(),
            streams: streams.to_vec(),
            estimated_frames,
            notices: self.notices.clone(),
        }
    }

    fn chain(
        self,
        demuxer: Demuxer,
        output: Output,
        record: SharedRecord,
        queues: Queues,
    ) -> Assembly<MuxSummary> {
        let decoder = RecordingDecoder { decoder: self.decoder, record, control: output.control.clone() };
        Chain::source("demux", demuxer)
            .queue(queues.packets)
            .then("decode", decoder)
            .queue(queues.decoded)
            .then("preprocess", self.to_model)
            .queue(queues.preprocessed)
            .then("upscale", self.upscaler)
            .queue(queues.upscaled)
            .then("postprocess", self.from_model)
            .queue(queues.upscaled)
            .then("encode", self.encoder)
            .queue(queues.packets)
            .sink("mux", output)
    }
}

/// The decoder's frames, with a sentence for each colour property that had to be assumed.
fn resolved(decoded: &VideoInfo) -> (VideoInfo, Vec<String>) {
    let (color, assumed) = decoded.color.resolve(decoded.width, decoded.height);
    let notices = match assumed.as_slice() {
        [] => vec![],
        assumed => vec![format!("the source does not say its colours, assumed {}", assumed.join(", "))],
    };
    (VideoInfo { color, ..*decoded }, notices)
}

fn encoder_options(options: &UpscaleOptions, container: &Container) -> EncoderOptions {
    let mut encoder = options.encoder.clone();
    let named = encoder.encoder.as_deref();
    let is_its_encoder = |codec: &VideoCodec| named.is_some_and(|name| codec.encoders().contains(&name));
    let implied = VideoCodec::ALL.into_iter().find(is_its_encoder);
    encoder.codec = options.codec.or(implied).unwrap_or_else(|| container.default_codec());
    encoder
}

fn load_model(runtime: &Runtime, options: &UpscaleOptions) -> Result<Model, Error> {
    let source = options.model.clone().unwrap_or_else(|| ModelSource::BuiltIn(default_model()));
    let session = SessionOptions { threads: options.threads };
    Model::load(runtime, &source, &session).map_err(Error::leaf)
}

fn default_model() -> BuiltIn {
    BuiltIn::default_for(2).expect("a model that doubles the size is built in")
}

/// The colour of the Y'CbCr that the source is, or is turned into.
fn working_color(source: &VideoInfo) -> ColorSpec {
    if source.color.matrix != Matrix::Identity {
        return source.color;
    }
    let (standard, _) = ColorSpec::default().resolve(source.width, source.height);
    ColorSpec { matrix: standard.matrix, range: standard.range, siting: standard.siting, ..source.color }
}

/// The colour of the encoded samples.
fn coded_color(source: &VideoInfo, format: PixelFormat) -> ColorSpec {
    match format {
        PixelFormat::Rgb { .. } => source.color.to_rgb(),
        _ => working_color(source),
    }
}

/// Converts to `format` with the Y'CbCr colour `color`, by way of R'G'B' where there is no direct way.
fn convert(from: &VideoInfo, format: PixelFormat, color: ColorSpec) -> Result<Conversions, Error> {
    let target = |format, color: ColorSpec| match format {
        PixelFormat::Rgb { .. } => color.to_rgb(),
        _ => color,
    };
    let one =
        |from: &VideoInfo, format| Convert::new(from, format, target(format, color), ChromaFilter::Bilinear);
    match one(from, format) {
        Ok(direct) => Ok(Conversions(vec![direct])),
        Err(error) if from.format.chroma() == format.chroma() => Err(Error::leaf(error)),
        Err(_) => {
            let to_rgb = one(from, PixelFormat::RGB_F32).map_err(Error::leaf)?;
            let from_rgb = one(to_rgb.output_info(), format).map_err(Error::leaf)?;
            Ok(Conversions(vec![to_rgb, from_rgb]))
        }
    }
}

fn last(conversions: &Conversions, input: &VideoInfo) -> VideoInfo {
    conversions.0.last().map_or(*input, |conversion| *conversion.output_info())
}
