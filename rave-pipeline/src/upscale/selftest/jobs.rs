use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use rave_core::{Digest, PixelFormat, TimeBase, Timestamp};
use rave_cuda::Pool;
use rave_ffmpeg::{Input, VideoCodec};
use rave_tensorrt::{BuiltIn, ModelSource, Precision, Provider, Runtime};

use super::{Check, Checked, Not, Run, ensure, needed};
use crate::Error;
use crate::upscale::synthetic::write_clip;
use crate::upscale::{
    DecoderChoice, Destination, DeviceChoice, Existing, FrameTarget, Part, Queues, SampleFile, Target,
    UpscaleJob, UpscaleOptions, UpscaleReport, Written,
};

const SIZE: (u32, u32) = (320, 180);
const FRAMES: u64 = 48;

/// Whole jobs on a clip that is made for it.
pub(super) fn check<F: FnMut(&Check)>(
    runtime: &Runtime,
    options: &UpscaleOptions,
    gpu: &Result<Pool, String>,
    folder: &Path,
    run: &mut Run<F>,
) {
    let jobs = Jobs { runtime, options, folder };
    let clips = [
        ("h264", VideoCodec::H264, PixelFormat::YUV420P),
        ("hevc", VideoCodec::Hevc, PixelFormat::YUV420P),
        ("hevc10", VideoCodec::Hevc, PixelFormat::YUV420P10),
    ];
    for (name, codec, format) in clips {
        let path = jobs.clip(name);
        run.check(format!("clip: {codec} {format} encoded"), || {
            write_clip(&path, codec, format, SIZE, FRAMES)?;
            Ok(format!("{FRAMES} frames"))
        });
    }
    for (name, codec, format) in clips {
        run.check(format!("decoders: nvdec and software, {codec} {format}"), || {
            needed(gpu)?;
            jobs.decoders_agree(&jobs.clip(name))
        });
    }
    // 97 and 67 dB were seen (docs/gpu.md); algorithms, and so the rounding, differ from GPU to GPU.
    for (precision, least_decibels) in [(Precision::Fp32, 60.0), (Precision::Fp16, 45.0)] {
        run.check(format!("model: GPU in {precision} against CPU in fp32"), || {
            needed(gpu)?;
            jobs.gpu_agrees_with_cpu(precision, least_decibels)
        });
    }
    run.check("job: every frame once, the same for every queue and every run", || {
        jobs.queues_do_not_matter()
    });
    run.check("job: the same frames from one lane and from two", || jobs.lanes_do_not_matter(needed(gpu)?));
    run.check("job: no frame crosses the bus", || jobs.nothing_crosses_the_bus(needed(gpu)?));
    run.check("job: a file that passes its check", || jobs.file_is_checked());
}

struct Jobs<'a> {
    runtime: &'a Runtime,
    options: &'a UpscaleOptions,
    folder: &'a Path,
}

impl Jobs<'_> {
    fn clip(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.mkv"))
    }

    fn run(&self, input: &Path, target: &Target, options: &UpscaleOptions) -> Result<UpscaleReport, Not> {
        if !input.exists() {
            return Err(Not::Run("there is no clip".into()));
        }
        let options = UpscaleOptions { existing: Existing::Replace, ..options.clone() };
        let job = UpscaleJob::open(self.runtime, &Input::File(input.to_path_buf()), target, &options)?;
        Ok(job.run(|_| {})?)
    }

    fn digests(&self, input: &Path, options: &UpscaleOptions) -> Result<(Vec<Digest>, UpscaleReport), Not> {
        let report = self.run(input, &Target::Frames(FrameTarget::Digest), options)?;
        match &report.written {
            Written::Frames { summary, .. } => Ok((summary.digests.clone(), report)),
            Written::File { .. } => Err(Not::Passed("a file was written".into())),
        }
    }

    /// With the network that merely interpolates, so that a difference is the decoders'.
    fn decoders_agree(&self, input: &Path) -> Checked {
        let of = |decoder| {
            let model = BuiltIn::find("resize-cubic-x2").map(ModelSource::BuiltIn);
            self.digests(input, &UpscaleOptions { decoder, model, ..self.options.clone() })
        };
        let (software, _) = of(DecoderChoice::Software)?;
        let (nvdec, _) = of(DecoderChoice::Nvdec)?;
        let equal = software.iter().zip(&nvdec).filter(|(a, b)| a == b).count();
        ensure(
            software.len() == nvdec.len() && equal == software.len(),
            format!("{equal} frames are equal, of {} and {}", software.len(), nvdec.len()),
        )?;
        Ok(format!("{equal} frames are equal"))
    }

    fn gpu_agrees_with_cpu(&self, precision: Precision, least_decibels: f64) -> Checked {
        if self.options.inference.provider == Some(Provider::Cpu) {
            return Err(Not::Run("the model is to run on the CPU".into()));
        }
        let model = self.options.model.clone().or(BuiltIn::find("rave-x2").map(ModelSource::BuiltIn));
        let samples = |device: DeviceChoice, precision, name: &str| {
            let mut options = UpscaleOptions { model: model.clone(), ..self.options.clone() };
            options.inference.provider =
                self.options.inference.provider.filter(|_| device != DeviceChoice::Cpu);
            (options.inference.device, options.inference.precision) = (device, precision);
            options.decoder = DecoderChoice::Software;
            let path = self.folder.join(name);
            let target = FrameTarget::Samples(SampleFile::Raw, Destination::File(path.clone()));
            self.run(&self.clip("h264"), &Target::Frames(target), &options)?;
            fs::read(&path).map_err(|error| Not::Passed(error.to_string()))
        };
        let on_gpu = match &self.options.inference.device {
            DeviceChoice::Auto | DeviceChoice::Cpu => DeviceChoice::Cuda(0),
            device => device.clone(),
        };
        let expected = samples(DeviceChoice::Cpu, Precision::Fp32, "cpu.yuv")?;
        let decibels = psnr(&expected, &samples(on_gpu, precision, "gpu.yuv")?)?;
        ensure(decibels >= least_decibels, format!("{decibels:.1} dB, {least_decibels} dB are needed"))?;
        Ok(format!("{decibels:.1} dB"))
    }

    /// On one GPU, since others may round differently.
    fn lanes_do_not_matter(&self, gpu: &Pool) -> Checked {
        if self.options.inference.provider == Some(Provider::Cpu) {
            return Err(Not::Run("the model is to run on the CPU".into()));
        }
        let ordinal = gpu.device().ordinal();
        let on = |device| {
            let mut options = self.options.clone();
            options.inference.device = device;
            self.digests(&self.clip("h264"), &options)
        };
        let (one, _) = on(DeviceChoice::Cuda(ordinal))?;
        let (two, report) = on(DeviceChoice::Several(vec![ordinal; 2]))?;
        let shares: Vec<_> = report.lanes.iter().map(|lane| lane.frames().to_string()).collect();
        ensure(one.len() as u64 == FRAMES && one == two, "two lanes give other frames than one")?;
        Ok(format!("{FRAMES} frames, {} in the lanes", shares.join(" and ")))
    }

    fn queues_do_not_matter(&self) -> Checked {
        let mut first: Option<Vec<Digest>> = None;
        for depth in [4, 1, 8, 4] {
            let queues = Queues { decoded: depth, preprocessed: depth, upscaled: depth, ..Queues::default() };
            let (digests, _) =
                self.digests(&self.clip("h264"), &UpscaleOptions { queues, ..self.options.clone() })?;
            ensure(digests.len() as u64 == FRAMES, format!("{} frames of {FRAMES}", digests.len()))?;
            let expected = first.get_or_insert_with(|| digests.clone());
            ensure(*expected == digests, format!("queues of {depth} give other frames"))?;
        }
        Ok(format!("{FRAMES} frames, queues of 1, 4 and 8"))
    }

    /// What each frame adds to the traffic is its digest and its statistics. Tables, and the pictures that a network is tried
    /// with, go up once, so that two lengths of one clip are compared.
    fn nothing_crosses_the_bus(&self, gpu: &Pool) -> Checked {
        let sessions = NonZeroUsize::MIN;
        let mut whole = UpscaleOptions { decode_sessions: Some(sessions), ..self.options.clone() };
        // Between GPUs frames do cross it.
        if let DeviceChoice::Several(_) | DeviceChoice::All = whole.inference.device {
            whole.inference.device = DeviceChoice::Cuda(gpu.device().ordinal());
        }
        let mut part = whole.clone();
        let seconds = TimeBase::new(1, 1).map_err(Error::leaf)?;
        part.demuxer.range.end = Some(Timestamp::new(1, seconds));
        let [part, whole] = [self.traffic(&part)?, self.traffic(&whole)?];
        ensure(whole.frames > part.frames, format!("{} of {} frames", part.frames, whole.frames))?;
        let frames = whole.frames - part.frames;
        let of = |whole: u64, part: u64| whole.abs_diff(part) / frames;
        let (up, down) = (of(whole.up, part.up), of(whole.down, part.down));
        let traffic = format!("a frame takes {up} bytes up and {down} bytes down");
        ensure(up == 0 && down < u64::from(SIZE.0) * u64::from(SIZE.1) / 2, traffic.clone())?;
        Ok(traffic)
    }

    fn traffic(&self, options: &UpscaleOptions) -> Result<Traffic, Not> {
        let (digests, report) = self.digests(&self.clip("hevc"), options)?;
        let decoder = report.plan.choices.iter().find(|choice| choice.part == Part::Decoder);
        if let Some(software) = decoder.filter(|choice| choice.taken != "nvdec") {
            return Err(Not::Run(software.to_string()));
        }
        let Some(gpu) = &report.gpu else { return Err(Not::Run("the job ran on the CPU".into())) };
        let (up, down) = (gpu.pool.uploaded_bytes, gpu.pool.downloaded_bytes);
        Ok(Traffic { frames: digests.len() as u64, up, down })
    }

    fn file_is_checked(&self) -> Checked {
        let report =
            self.run(&self.clip("h264"), &Target::File(self.folder.join("file.mp4")), self.options)?;
        ensure(report.frames() == FRAMES, format!("{} frames of {FRAMES}", report.frames()))?;
        let choices: Vec<_> = report.plan.choices.iter().map(|choice| choice.taken.as_str()).collect();
        Ok(format!("by {}", choices.join(", ")))
    }
}

/// Frames of a job, and what crossed the bus for them, in bytes.
struct Traffic {
    frames: u64,
    up: u64,
    down: u64,
}

/// Of 8-bit samples.
fn psnr(a: &[u8], b: &[u8]) -> Result<f64, Not> {
    ensure(a.len() == b.len() && !a.is_empty(), format!("{} and {} bytes", a.len(), b.len()))?;
    let squared = |(a, b): (&u8, &u8)| f64::from(a.abs_diff(*b)).powi(2);
    let mean = a.iter().zip(b).map(squared).sum::<f64>() / a.len() as f64;
    Ok(if mean == 0.0 { f64::INFINITY } else { 10.0 * (255.0 * 255.0 / mean).log10() })
}
