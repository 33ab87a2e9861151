//! From frames to packets, by NVENC or by FFmpeg's encoders.

mod nvenc;

use rave_core::{Packet, VideoInfo};
use rave_ffmpeg::{AlphaEncoder, Container, EncodedStream, EncoderChoice, EncoderOptions, SoftwareEncoder};

use super::alpha::{AlphaPlan, WithAlpha};
use super::choice::{Choice, Part, Refused};
use super::convert::Wanted;
use super::end::{Assembling, Source};
use super::line::{Line, LineIn};
use super::options::{DeviceChoice, UpscaleOptions};
use crate::{Chain, Error};
use nvenc::Nvenc;

/// The line behind an encoder.
pub(super) struct Encoded {
    pub(super) chain: Chain<Packet>,
    pub(super) stream: EncodedStream,
    /// The frames that are encoded.
    pub(super) info: VideoInfo,
    /// The encoder and its settings.
    pub(super) description: String,
}

impl Encoded {
    /// Appends the conversion to the encoder's format and the encoder: NVENC where the frames are on a GPU that has it and
    /// it does what is asked for, unless the options say otherwise.
    pub(super) fn new(
        line: Line,
        source: &Source<'_>,
        container: &Container,
        job: &mut Assembling<'_>,
    ) -> Result<Self, Error> {
        let options = encoder_options(job.options, container);
        let coded = source.wanted(source.coded_format(), job);
        let pool = match (&options.encoder, line.pool()) {
            (EncoderChoice::Nvenc, None) => Some(nvenc::pool(job.options)?),
            (EncoderChoice::Auto | EncoderChoice::Nvenc, pool) => pool.cloned(),
            (EncoderChoice::Software | EncoderChoice::Named(_), _) => None,
        };
        let refused = match pool.map(|pool| Nvenc::open(&pool, line.info(), coded, &options, container)) {
            Some(Ok(nvenc)) => {
                AlphaPlan::without(source, "NVENC does not encode it").kept(&mut job.notices);
                return nvenc.append(line, coded, job);
            }
            Some(Err(error)) if options.encoder == EncoderChoice::Nvenc => return Err(Error::Leaf(error)),
            Some(Err(error)) => vec![Refused::by("nvenc", &*error)],
            None if options.encoder == EncoderChoice::Auto
                && job.options.inference.device != DeviceChoice::Cpu =>
            {
                vec![Refused::because("nvenc", "the frames are in host memory")]
            }
            None => Vec::new(),
        };
        job.choices.push(Choice { part: Part::Encoder, taken: "software".into(), refused });
        Self::in_software(line, source, coded, &options, container, job)
    }

    fn in_software(
        line: Line,
        source: &Source<'_>,
        coded: Wanted,
        options: &EncoderOptions,
        container: &Container,
        job: &mut Assembling<'_>,
    ) -> Result<Self, Error> {
        let queue = job.options.queues.upscaled;
        let enlarged_source = VideoInfo { format: coded.format, color: source.info.color, ..*line.info() };
        let alpha = AlphaPlan::new(source, &enlarged_source, options, container)?;
        let alpha = alpha.kept(&mut job.notices);
        let format = match alpha {
            Some(format) => format,
            None => {
                let (format, changes) =
                    SoftwareEncoder::pixel_format(&enlarged_source, options).map_err(Error::leaf)?;
                job.notices.extend(changes);
                format
            }
        };
        let line = line.convert("postprocess", coded.with(format), &mut job.notices)?;
        let line = line.queue(queue).into_host()?.queue(queue);
        let held = SoftwareEncoder::frames_held(&line.info, options).map_err(Error::leaf)?;
        let LineIn { chain, info, .. } = line.taken_by(held + 1);
        job.memory.add_queue(&info, queue + held)?;
        job.memory.check()?;
        if alpha.is_some() {
            let chain = chain.then("alpha", WithAlpha::new(source, &info, job)?);
            let encoder = AlphaEncoder::new(&info, options, container).map_err(Error::leaf)?;
            let (stream, description) = (encoder.stream(), encoder.description());
            return Ok(Self { chain: chain.queue(queue).then("encode", encoder), stream, info, description });
        }
        let encoder = SoftwareEncoder::new(&info, options, container).map_err(Error::leaf)?;
        let (stream, description) = (encoder.stream(), encoder.description());
        Ok(Self { chain: chain.then("encode", encoder), stream, info, description })
    }
}

fn encoder_options(options: &UpscaleOptions, container: &Container) -> EncoderOptions {
    let mut encoder = options.encoder.clone();
    encoder.codec = options.codec.or(encoder.encoder.codec()).unwrap_or_else(|| container.default_codec());
    encoder
}
