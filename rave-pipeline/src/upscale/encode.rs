//! From frames to packets, by NVENC or by FFmpeg's encoders.

use rave_core::{BoxError, Chroma, Code, CodedError, Packet, PixelFormat, VideoInfo};
use rave_cuda::Pool;
use rave_ffmpeg::{
    AlphaEncoder, Container, EncodedStream, EncoderChoice, EncoderOptions, Quality, SoftwareEncoder,
    VideoCodec,
};
use rave_nvcodec::{
    NvEncoder, NvencCodec, NvencLibrary, NvencOptions, NvencParameterSets, NvencRateControl, NvencTuning,
};

use super::alpha::{AlphaPlan, WithAlpha};
use super::choice::{Choice, Part, Refused};
use super::convert::Wanted;
use super::end::{Assembling, Source};
use super::line::{Line, LineIn};
use super::options::{Contradiction, DeviceChoice, UpscaleOptions};
use crate::{Chain, Error};

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
        let refused = match (&options.encoder, line.pool()) {
            (EncoderChoice::Nvenc, None) => {
                let reason = "NVENC takes frames in GPU memory, but the model runs on the CPU".to_owned();
                return Err(Error::leaf(Contradiction(reason)));
            }
            (EncoderChoice::Auto | EncoderChoice::Nvenc, Some(pool)) => {
                match Nvenc::open(pool, line.info(), coded, &options, container) {
                    Ok(nvenc) => {
                        AlphaPlan::without(source, "NVENC does not encode it").kept(&mut job.notices);
                        return nvenc.append(line, coded, job);
                    }
                    Err(error) if options.encoder == EncoderChoice::Nvenc => return Err(Error::Leaf(error)),
                    Err(error) => vec![Refused::by("nvenc", &*error)],
                }
            }
            (EncoderChoice::Auto, None) if job.options.inference.device != DeviceChoice::Cpu => {
                vec![Refused::because("nvenc", "the frames are in host memory")]
            }
            (EncoderChoice::Auto | EncoderChoice::Software | EncoderChoice::Named(_), _) => Vec::new(),
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
        let LineIn { chain, info } = line.queue(queue).into_host()?;
        let held = SoftwareEncoder::frames_held(&info, options).map_err(Error::leaf)?;
        job.memory.add_queue(&info, queue + held)?;
        job.memory.check()?;
        if alpha.is_some() {
            let chain = chain.queue(queue).then("alpha", WithAlpha::new(source, &info, job)?);
            let encoder = AlphaEncoder::new(&info, options, container).map_err(Error::leaf)?;
            let (stream, description) = (encoder.stream(), encoder.description());
            return Ok(Self { chain: chain.queue(queue).then("encode", encoder), stream, info, description });
        }
        let encoder = SoftwareEncoder::new(&info, options, container).map_err(Error::leaf)?;
        let (stream, description) = (encoder.stream(), encoder.description());
        Ok(Self { chain: chain.queue(queue).then("encode", encoder), stream, info, description })
    }
}

fn encoder_options(options: &UpscaleOptions, container: &Container) -> EncoderOptions {
    let mut encoder = options.encoder.clone();
    encoder.codec = options.codec.or(encoder.encoder.codec()).unwrap_or_else(|| container.default_codec());
    encoder
}

/// A session of NVENC for frames that are still to be converted.
struct Nvenc {
    encoder: NvEncoder,
    stream: EncodedStream,
    info: VideoInfo,
}

/// What NVENC is not given, though the GPU may have it.
#[derive(Debug, thiserror::Error)]
#[error("NVENC is not used for {0}")]
struct Unfit(String);

impl CodedError for Unfit {
    fn code(&self) -> Code {
        Code::EncoderOptions
    }
}

impl Nvenc {
    /// Opens a session.
    ///
    /// # Errors
    /// [`Unfit`]; those of [`NvencLibrary::open`] and [`NvEncoder::new`].
    fn open(
        pool: &Pool,
        frames: &VideoInfo,
        coded: Wanted,
        options: &EncoderOptions,
        container: &Container,
    ) -> Result<Self, BoxError> {
        let format = nvenc_format(coded.format, options)?;
        let nvenc = nvenc_options(options, container)?;
        let info = VideoInfo { format, color: coded.color, ..*frames };
        let encoder = NvEncoder::new(&NvencLibrary::open()?, pool, &info, &nvenc)?;
        let stream = EncodedStream::new(options.codec, &info, encoder.parameter_sets(), container)?;
        Ok(Self { encoder, stream, info })
    }

    fn append(self, line: Line, coded: Wanted, job: &mut Assembling<'_>) -> Result<Encoded, Error> {
        let queue = job.options.queues.upscaled;
        let pool = line.pool().cloned();
        let wanted = coded.with(self.info.format);
        let line = line.convert("postprocess", wanted, &mut job.notices)?.queue(queue);
        job.choices.push(Choice::first(Part::Encoder, "nvenc"));
        job.memory.check()?;
        let chain = match pool {
            Some(pool) => line.into_device(&pool)?.chain,
            None => return Err(Error::leaf(Contradiction("the frames left the GPU".into()))),
        };
        let description = self.encoder.description();
        let chain = chain.queue(queue).then("encode", self.encoder);
        Ok(Encoded { chain, stream: self.stream, info: self.info, description })
    }
}

/// NV12, or P010 for more than 8 bits; everything that would lose chroma is left to software.
fn nvenc_format(coded: PixelFormat, options: &EncoderOptions) -> Result<PixelFormat, Unfit> {
    let format = match (options.pixel_format.unwrap_or(coded), options.codec) {
        (PixelFormat::Yuv { chroma: Chroma::C420, .. }, _) => options.pixel_format.unwrap_or(coded),
        (other, _) => return Err(Unfit(format!("{other}: it would lose chroma"))),
    };
    match (format.bits(), options.codec) {
        (Some(8), _) => Ok(PixelFormat::NV12),
        (Some(10), VideoCodec::Hevc | VideoCodec::Av1) => Ok(PixelFormat::P010),
        _ => Err(Unfit(format!("{} of {format}: it would lose depth", options.codec))),
    }
}

fn nvenc_options(options: &EncoderOptions, container: &Container) -> Result<NvencOptions, BoxError> {
    let codec = match options.codec {
        VideoCodec::H264 => NvencCodec::H264,
        VideoCodec::Hevc => NvencCodec::Hevc,
        VideoCodec::Av1 => NvencCodec::Av1,
        other => return Err(Unfit(other.to_string()).into()),
    };
    if !container.has_timestamps() {
        return Err(Unfit(format!("{container}, which has no times")).into());
    }
    if let Some(workers) = options.workers.filter(|workers| workers.get() > 1) {
        return Err(
            Unfit(format!("{workers} workers: the GPU shares the work among its engines by itself")).into()
        );
    }
    let mut nvenc = NvencOptions::new(codec);
    nvenc.tuning = match options.tune.as_deref() {
        None | Some("hq") => NvencTuning::HighQuality,
        Some("ll" | "zerolatency") => NvencTuning::LowLatency,
        Some(tune) => return Err(Unfit(format!("tune {tune}, only for hq and ll")).into()),
    };
    if let Some(preset) = &options.preset {
        nvenc.preset = preset.parse().map_err(|_| Unfit(format!("preset {preset}, only for p1 to p7")))?;
    }
    let maximum_kilobits_per_second = options.max_bitrate.map(|maximum| maximum.get());
    nvenc.rate_control = match options.quality {
        Quality::Bitrate { kilobits_per_second }
            if maximum_kilobits_per_second == Some(kilobits_per_second) =>
        {
            NvencRateControl::Cbr { kilobits_per_second }
        }
        Quality::Bitrate { kilobits_per_second } => NvencRateControl::Vbr {
            average_kilobits_per_second: kilobits_per_second,
            maximum_kilobits_per_second,
        },
        Quality::Default | Quality::Crf(_) | Quality::Lossless if maximum_kilobits_per_second.is_some() => {
            return Err(Unfit("a maximum of the bit rate without an average".into()).into());
        }
        Quality::Default => nvenc.rate_control,
        Quality::Crf(quality) => NvencRateControl::ConstantQuality(quality),
        Quality::Lossless => NvencRateControl::Lossless,
    };
    nvenc.gop = options.gop.unwrap_or(nvenc.gop);
    nvenc.bframes = options.bframes;
    if !container.has_global_header() {
        nvenc.parameter_sets = NvencParameterSets::InBand;
    }
    Ok(nvenc)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::{NonZeroU32, NonZeroUsize};
    use std::path::Path;

    fn options(codec: VideoCodec) -> EncoderOptions {
        EncoderOptions::new(codec)
    }

    #[test]
    fn nvenc_gets_what_it_loses_nothing_of() {
        let p016 = PixelFormat::yuv_planar(Chroma::C420, 12);
        for (coded, codec, format) in [
            (PixelFormat::YUV420P, VideoCodec::H264, Some(PixelFormat::NV12)),
            (PixelFormat::YUV420P10, VideoCodec::Hevc, Some(PixelFormat::P010)),
            (PixelFormat::YUV420P10, VideoCodec::Av1, Some(PixelFormat::P010)),
            (PixelFormat::YUV420P10, VideoCodec::H264, None),
            (p016, VideoCodec::Hevc, None),
            (PixelFormat::YUV422P, VideoCodec::Hevc, None),
            (PixelFormat::YUV444P, VideoCodec::H264, None),
        ] {
            assert_eq!(nvenc_format(coded, &options(codec)).ok(), format, "{coded} {codec}");
        }
    }

    #[test]
    fn options_become_those_of_nvenc_or_are_refused() {
        let mkv = Container::from_path(Path::new("a.mkv")).unwrap();
        let of = |options: EncoderOptions| nvenc_options(&options, &mkv);
        let set = EncoderOptions {
            quality: Quality::Crf(24.0),
            preset: Some("p7".into()),
            gop: Some(60),
            bframes: Some(2),
            ..options(VideoCodec::Hevc)
        };
        let nvenc = of(set.clone()).unwrap();
        assert_eq!(nvenc.rate_control, NvencRateControl::ConstantQuality(24.0));
        assert_eq!((nvenc.preset.name(), nvenc.gop, nvenc.bframes), ("p7", 60, Some(2)));
        assert!(of(EncoderOptions { preset: Some("slow".into()), ..set.clone() }).is_err());
        assert!(of(EncoderOptions { tune: Some("grain".into()), ..set.clone() }).is_err());
        assert!(of(EncoderOptions { workers: NonZeroUsize::new(2), ..set.clone() }).is_err());
        assert!(of(options(VideoCodec::Ffv1)).is_err());
        let tuned = of(EncoderOptions { tune: Some("ll".into()), ..set.clone() }).unwrap();
        assert_eq!(tuned.tuning, NvencTuning::LowLatency);
        let rate = |average, maximum| {
            let quality = Quality::Bitrate { kilobits_per_second: average };
            let options = EncoderOptions { quality, max_bitrate: NonZeroU32::new(maximum), ..set.clone() };
            of(options).unwrap().rate_control
        };
        let vbr = |average_kilobits_per_second, maximum_kilobits_per_second| NvencRateControl::Vbr {
            average_kilobits_per_second,
            maximum_kilobits_per_second,
        };
        assert_eq!(rate(900, 0), vbr(900, None));
        assert_eq!(rate(900, 1200), vbr(900, Some(1200)));
        assert_eq!(rate(900, 900), NvencRateControl::Cbr { kilobits_per_second: 900 });
        let raw = Container::from_path(Path::new("a.265")).unwrap();
        assert!(nvenc_options(&set, &raw).is_err());
        let ts = Container::from_path(Path::new("a.ts")).unwrap();
        assert_eq!(nvenc_options(&set, &ts).unwrap().parameter_sets, NvencParameterSets::InBand);
    }
}
