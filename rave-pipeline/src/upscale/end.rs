//! From enlarged frames to where they go.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use rave_core::{Chroma, PixelFormat, Siting, VideoInfo};
use rave_cuda::Pool;
use rave_ffmpeg::{
    Container, CopyOptions, Input, MuxSummary, Muxer, Selection, StreamPlan, VideoCodec, VideoStream,
};

use super::alpha::AlphaPlan;
use super::choice::Choice;
use super::convert::Wanted;
use super::encode::Encoded;
use super::fields::FieldPlan;
use super::line::{Line, Whole};
use super::memory::HostMemory;
use super::options::UpscaleOptions;
use super::output::OutputFile;
use super::samples::{SampleWriter, sample_format};
use super::sinks::{CudaDigestSink, DigestSink, FrameSummary};
use super::stages::Output;
use super::startup::Startup;
use super::target::{Destination, FrameTarget, SampleFile, Target};
use crate::{Assembly, Control, Error};

/// Where a job is to end, as far as that is known at its beginning.
pub(super) enum Goal<'a> {
    File(&'a Path, Container),
    Frames(&'a FrameTarget),
}

impl<'a> Goal<'a> {
    /// # Errors
    /// [`rave_ffmpeg::Error::ContainerUnknown`].
    pub(super) fn new(target: &'a Target) -> Result<Self, Error> {
        Ok(match target {
            Target::File(path) => Self::File(path, Container::from_path(path).map_err(Error::leaf)?),
            Target::Frames(target) => Self::Frames(target),
        })
    }
}

/// A complete line, and what it writes to.
pub(super) enum End {
    File(FileEnd),
    Frames(FrameEnd),
}

impl End {
    /// Appends what is behind the network.
    pub(super) fn new(
        line: Line,
        source: &Source<'_>,
        goal: Goal<'_>,
        job: &mut Assembling<'_>,
    ) -> Result<Self, Error> {
        match goal {
            Goal::File(path, container) => Ok(Self::File(FileEnd::new(line, source, path, container, job)?)),
            Goal::Frames(target) => Ok(Self::Frames(FrameEnd::new(line, source, target, job)?)),
        }
    }

    /// The frames that are encoded or written.
    pub(super) const fn output(&self) -> &VideoInfo {
        match self {
            Self::File(end) => &end.output,
            Self::Frames(end) => &end.output,
        }
    }

    pub(super) fn encoder(&self) -> Option<&str> {
        match self {
            Self::File(end) => Some(&end.encoder),
            Self::Frames(_) => None,
        }
    }

    pub(super) fn streams(&self) -> &[StreamPlan] {
        match self {
            Self::File(end) => &end.streams,
            Self::Frames(_) => &[],
        }
    }
}

/// An encoder and a muxer.
pub(super) struct FileEnd {
    pub(super) chain: Assembly<MuxSummary>,
    pub(super) output: VideoInfo,
    pub(super) encoder: String,
    pub(super) streams: Vec<StreamPlan>,
    pub(super) container: Container,
    pub(super) path: PathBuf,
    pub(super) file: OutputFile,
}

/// A sink of frames.
pub(super) struct FrameEnd {
    pub(super) chain: Assembly<FrameSummary>,
    pub(super) output: VideoInfo,
    pub(super) target: FrameTarget,
    pub(super) file: Option<OutputFile>,
}

/// What the end of a line has to know of its beginning.
pub(super) struct Source<'a> {
    pub(super) input: &'a Input,
    pub(super) stream: VideoStream,
    /// The decoded frames, their colour as assumed where the source does not say.
    pub(super) info: VideoInfo,
}

impl Source<'_> {
    fn path(&self) -> Option<&Path> {
        match self.input {
            Input::File(path) => Some(path),
            Input::Stdin => None,
        }
    }

    /// The format of the coded samples, whatever decodes them: that of the software decoder.
    pub(super) fn coded_format(&self) -> PixelFormat {
        self.stream.info().format
    }

    pub(super) fn wanted(&self, format: PixelFormat, job: &mut Assembling<'_>) -> Wanted {
        Wanted { format, color: job.output_color(&self.info), dither: job.options.picture.dither }
    }
}

/// What the parts of a job add to while it is put together.
pub(super) struct Assembling<'a> {
    pub(super) options: &'a UpscaleOptions,
    pub(super) control: &'a Control,
    pub(super) memory: HostMemory,
    /// Whose memory frames take.
    pub(super) pools: Vec<Pool>,
    pub(super) choices: Vec<Choice>,
    pub(super) notices: Vec<String>,
    /// What is done about fields.
    pub(super) fields: FieldPlan,
    pub(super) startup: Startup,
}

impl<'a> Assembling<'a> {
    pub(super) fn new(options: &'a UpscaleOptions, control: &'a Control) -> Self {
        Self {
            options,
            control,
            memory: HostMemory::default(),
            pools: Vec::new(),
            choices: Vec::new(),
            notices: Vec::new(),
            fields: FieldPlan::Kept,
            startup: Startup::begin(),
        }
    }
}

impl FileEnd {
    /// Appends conversion, encoder and muxer. The file is created last, so that nothing is left of a job that never ran.
    pub(super) fn new(
        line: Line,
        source: &Source<'_>,
        path: &Path,
        container: Container,
        job: &mut Assembling<'_>,
    ) -> Result<Self, Error> {
        let Encoded { chain, stream, info, description } = Encoded::new(line, source, &container, job)?;
        let options = job.options;
        let file = OutputFile::create(path, source.path(), options.existing)?;
        let copied = Some(&source.stream);
        let muxer = Muxer::create(file.temporary(), &container, &stream, copied, &options.muxer)
            .map_err(Error::leaf)?;
        job.notices.extend_from_slice(muxer.notes());
        job.notices.extend(omissions(&options.muxer.copy));
        job.notices.extend(untold_siting(&info, stream.codec()));
        job.notices.extend(lost_hdr(&info, stream.codec(), &container));
        let streams = muxer.plan().to_vec();
        let sink = Output { muxer, control: job.control.clone() };
        Ok(Self {
            chain: chain.queue(options.queues.packets).sink("mux", sink).stall_limit(options.stall_limit),
            output: info,
            encoder: description,
            streams,
            container,
            path: path.to_path_buf(),
            file,
        })
    }
}

impl FrameEnd {
    /// Appends conversion and sink.
    pub(super) fn new(
        line: Line,
        source: &Source<'_>,
        target: &FrameTarget,
        job: &mut Assembling<'_>,
    ) -> Result<Self, Error> {
        let queues = job.options.queues;
        let kind = match target {
            FrameTarget::Samples(kind, _) => *kind,
            FrameTarget::Null | FrameTarget::Digest => SampleFile::Raw,
        };
        AlphaPlan::without(source, "bare samples have no place for it").kept(&mut job.notices);
        let wanted = source.wanted(sample_format(kind, source.coded_format()), job);
        let line = line.convert("postprocess", wanted, &mut job.notices)?.queue(queues.upscaled);
        if let Line::Host(line) = &line {
            job.memory.add_queue(&line.info, queues.upscaled)?;
        }
        job.memory.check()?;
        let (output, mut file) = (*line.info(), None);
        let chain = match target {
            FrameTarget::Null => line.into_null()?,
            FrameTarget::Digest => match line.whole()? {
                Whole::Host(line) => line.taken_by(1).chain.sink("hash", DigestSink::default()),
                Whole::Device(line, pool) => {
                    let sink = CudaDigestSink::new(&pool).map_err(Error::leaf)?;
                    line.taken_by(1, &pool)?.chain.sink("hash", sink)
                }
            },
            FrameTarget::Samples(kind, destination) => {
                let line = line.into_host()?.queue(queues.upscaled);
                let writer = open(destination, source, job.options, &mut file)?;
                let sink = SampleWriter::new(*kind, &line.info, writer).map_err(Error::Leaf)?;
                line.taken_by(1).chain.sink("write", sink)
            }
        };
        Ok(Self { chain: chain.stall_limit(job.options.stall_limit), output, target: target.clone(), file })
    }
}

/// Bytes that are gathered before they are written.
const WRITE_BYTES: usize = 1 << 20;

fn open(
    destination: &Destination,
    source: &Source<'_>,
    options: &UpscaleOptions,
    file: &mut Option<OutputFile>,
) -> Result<Box<dyn Write + Send>, Error> {
    let writer: Box<dyn Write + Send> = match destination {
        Destination::Stdout => Box::new(io::stdout()),
        Destination::File(path) => {
            let created = file.insert(OutputFile::create(path, source.path(), options.existing)?);
            let opened = OpenOptions::new().write(true).open(created.temporary());
            Box::new(opened.map_err(|source| Error::OutputUnwritable { path: path.clone(), source })?)
        }
    };
    Ok(Box::new(BufWriter::with_capacity(WRITE_BYTES, writer)))
}

/// H.264 and H.265 tell where chroma lies in 4:2:0, other codecs and other subsampling not in every build of FFmpeg.
fn untold_siting(info: &VideoInfo, codec: VideoCodec) -> Option<String> {
    let siting = info.color.siting;
    let is_told =
        info.format.chroma() == Some(Chroma::C420) && matches!(codec, VideoCodec::H264 | VideoCodec::Hevc);
    let is_usual = siting.offset() == Siting::Left.offset();
    let has_chroma = info.format.chroma().is_some_and(|chroma| chroma != Chroma::C444);
    (has_chroma && !is_usual && !is_told).then(|| {
        format!(
            "{codec} does not tell the chroma siting {siting} of {}: players take it for left",
            info.format
        )
    })
}

/// HDR10 metadata are kept by the container, or by the bitstreams of encoders that write them.
fn lost_hdr(info: &VideoInfo, codec: VideoCodec, container: &Container) -> Option<String> {
    let is_hdr = info.mastering_display.is_some() || info.content_light.is_some();
    let is_told = ["mp4", "mov", "mkv", "webm"].contains(&container.name())
        || matches!(codec, VideoCodec::Hevc | VideoCodec::Av1);
    (is_hdr && !is_told).then(|| {
        format!(
            "the HDR metadata (mastering display, content light) are left out: {codec} in {container} has no place \
             for them; hevc has"
        )
    })
}

/// What of the whole file is not taken over.
fn omissions(copy: &CopyOptions) -> impl Iterator<Item = String> {
    let parts = [("chapters are", copy.chapters), ("metadata is", copy.metadata)];
    let omitted = parts.into_iter().filter(|(_, selection)| *selection == Selection::Omit);
    omitted.map(|(what, _)| format!("{what} left out on request"))
}
