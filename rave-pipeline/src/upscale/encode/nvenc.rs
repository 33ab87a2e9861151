//! The encoder of a GPU at the end of a line.

use std::num::NonZeroU32;

use rave_core::{BoxError, Chroma, Code, CodedError, PixelFormat, VideoInfo};
use rave_cuda::{Device, Pool, PoolOptions};
use rave_ffmpeg::{Container, EncodedStream, EncoderOptions, Quality, VideoCodec};
use rave_nvcodec::{
    NvEncoder, NvencCodec, NvencLibrary, NvencOptions, NvencParameterSets, NvencPreset, NvencRateControl,
    NvencTuning,
};

use super::Encoded;
use crate::Error;
use crate::upscale::choice::{Choice, Part};
use crate::upscale::convert::Wanted;
use crate::upscale::end::Assembling;
use crate::upscale::line::Line;
use crate::upscale::options::{Contradiction, DeviceChoice, UpscaleOptions};

/// Memory of a GPU that encodes what comes in host memory.
///
/// # Errors
/// Those of [`Device::open`]; a [`Contradiction`] if the job is to do without a GPU.
pub(super) fn pool(options: &UpscaleOptions) -> Result<Pool, Error> {
    let ordinal = match &options.inference.device {
        DeviceChoice::Cpu => {
            let reason = "encoder nvenc needs a GPU, but the device is to be the CPU".to_owned();
            return Err(Error::leaf(Contradiction(reason)));
        }
        DeviceChoice::Cuda(ordinal) => *ordinal,
        DeviceChoice::Several(ordinals) => ordinals.first().copied().unwrap_or(0),
        DeviceChoice::Auto | DeviceChoice::All => 0,
    };
    let device = Device::open(ordinal).map_err(Error::leaf)?;
    Ok(Pool::new(&device, PoolOptions { limit_mib: options.inference.vram_limit_mib }))
}

/// A session of NVENC for frames that are still to be converted.
pub(super) struct Nvenc {
    /// Memory of the GPU that encodes.
    pool: Pool,
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
    pub(super) fn open(
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
        Ok(Self { pool: pool.clone(), encoder, stream, info })
    }

    /// Appends the conversion, the way to the encoder's GPU, and the encoder.
    pub(super) fn append(
        self,
        line: Line,
        coded: Wanted,
        job: &mut Assembling<'_>,
    ) -> Result<Encoded, Error> {
        let queue = job.options.queues.upscaled;
        let wanted = coded.with(self.info.format);
        let line = line.convert("postprocess", wanted, &mut job.notices)?.queue(queue);
        if let Line::Host(line) = &line {
            job.memory.add_queue(&line.info, queue)?;
        }
        job.choices.push(Choice::first(Part::Encoder, "nvenc"));
        job.memory.check()?;
        let description = self.encoder.description();
        let line = line.into_device(&self.pool)?.queue(queue).taken_by(1, &self.pool)?;
        let chain = line.chain.then("encode", self.encoder);
        job.pools.push(self.pool);
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
    let base = NvencOptions::new(codec(options.codec)?);
    if !container.has_timestamps() {
        return Err(Unfit(format!("{container}, which has no times")).into());
    }
    if let Some(workers) = options.workers.filter(|workers| workers.get() > 1) {
        let reason = "the GPU shares the work among its engines by itself";
        return Err(Unfit(format!("{workers} workers: {reason}")).into());
    }
    Ok(NvencOptions {
        tuning: tuning(options)?,
        preset: preset(options)?.unwrap_or(base.preset),
        rate_control: rate_control(options)?.unwrap_or(base.rate_control),
        gop: options.gop.unwrap_or(base.gop),
        bframes: options.bframes,
        parameter_sets: match container.has_global_header() {
            true => NvencParameterSets::Separate,
            false => NvencParameterSets::InBand,
        },
        ..base
    })
}

fn codec(codec: VideoCodec) -> Result<NvencCodec, Unfit> {
    match codec {
        VideoCodec::H264 => Ok(NvencCodec::H264),
        VideoCodec::Hevc => Ok(NvencCodec::Hevc),
        VideoCodec::Av1 => Ok(NvencCodec::Av1),
        other => Err(Unfit(other.to_string())),
    }
}

fn tuning(options: &EncoderOptions) -> Result<NvencTuning, Unfit> {
    match options.tune.as_deref() {
        None | Some("hq") => Ok(NvencTuning::HighQuality),
        Some("ll" | "zerolatency") => Ok(NvencTuning::LowLatency),
        Some(tune) => Err(Unfit(format!("tune {tune}, only for hq and ll"))),
    }
}

fn preset(options: &EncoderOptions) -> Result<Option<NvencPreset>, Unfit> {
    let Some(preset) = &options.preset else { return Ok(None) };
    let parsed = preset.parse().map_err(|_| Unfit(format!("preset {preset}, only for p1 to p7")))?;
    Ok(Some(parsed))
}

/// `None` for NVENC's default.
fn rate_control(options: &EncoderOptions) -> Result<Option<NvencRateControl>, Unfit> {
    let maximum_kilobits_per_second = options.max_bitrate.map(NonZeroU32::get);
    match (options.quality, maximum_kilobits_per_second) {
        (Quality::Bitrate { kilobits_per_second }, Some(maximum)) if maximum == kilobits_per_second => {
            Ok(Some(NvencRateControl::Cbr { kilobits_per_second }))
        }
        (Quality::Bitrate { kilobits_per_second }, _) => Ok(Some(NvencRateControl::Vbr {
            average_kilobits_per_second: kilobits_per_second,
            maximum_kilobits_per_second,
        })),
        (Quality::Default | Quality::Crf(_) | Quality::Lossless, Some(_)) => {
            Err(Unfit("a maximum of the bit rate without an average".into()))
        }
        (Quality::Default, None) => Ok(None),
        (Quality::Crf(quality), None) => Ok(Some(NvencRateControl::ConstantQuality(quality))),
        (Quality::Lossless, None) => Ok(Some(NvencRateControl::Lossless)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroUsize;
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
    fn the_gpu_that_encodes_is_that_of_the_job_and_a_missing_one_is_named() {
        let on = |device: DeviceChoice| {
            let mut options = UpscaleOptions::default();
            options.inference.device = device;
            pool(&options).map(|pool| pool.device().ordinal()).map_err(|error| error.code())
        };
        assert_eq!(on(DeviceChoice::Cpu), Err(Code::OptionInvalid));
        match rave_cuda::Device::open(0) {
            Ok(_) => assert_eq!(on(DeviceChoice::Auto), Ok(0)),
            Err(error) => {
                let asked = [DeviceChoice::Auto, DeviceChoice::All, DeviceChoice::Cuda(0)];
                assert!(asked.into_iter().all(|device| on(device) == Err(error.code())), "{error}");
            }
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
