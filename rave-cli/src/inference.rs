use std::env;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use rave_core::Rational;
use rave_pipeline::{DecoderChoice, DeviceChoice, InferenceOptions, OutputSize, UpscaleOptions};
use rave_tensorrt::{Batch, BuiltIn, ModelSource, OnNan, Precision, Provider, TensorRtOptions, Tile};

use crate::picture::parse_scale;

/// Which network runs where.
#[derive(Debug, Args)]
pub struct InferenceArgs {
    /// ONNX model file, or the name of a built-in model (see `rave models`)
    #[arg(short, long, value_name = "MODEL", help_heading = "Model")]
    pub model: Option<PathBuf>,
    /// Enlarge by this factor, such as 2, 3 or 1.5: what the model does not give is resampled [default: the model's]
    #[arg(long, value_name = "R", value_parser = parse_scale, help_heading = "Model")]
    pub scale: Option<Rational>,
    /// Where frames are converted and enlarged: auto, cpu, cuda:N, or several GPUs: cuda:0,1 or cuda:all
    #[arg(short, long, value_name = "DEVICE", default_value = "auto", value_parser = parse_device, help_heading = "Device")]
    pub device: DeviceChoice,
    /// What runs the model: auto, tensorrt, cuda or cpu
    #[arg(long, value_name = "NAME", default_value = "auto", value_parser = parse_provider, help_heading = "Device")]
    pub provider: ProviderArg,
    /// What the model computes in: fp16 or fp32 [default: the model's own]
    #[arg(short, long, value_name = "PRECISION", value_parser = parse_precision, help_heading = "Device")]
    pub precision: Option<Precision>,
    /// GPU memory that the job may take, in MiB [default: all there is]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=16_777_216), help_heading = "Device")]
    pub vram_limit: Option<u64>,
    /// What to do when the model gives NaN or infinity: run the frame again in fp32, keep it, or fail (error)
    #[arg(long, value_name = "WHAT", default_value = "fp32", value_parser = parse_on_nan, help_heading = "Device")]
    pub on_nan: OnNan,
    /// Where TensorRT's engines are kept, or `off` to build them each time [default: rave/tensorrt in the user's cache folder]
    #[arg(long, value_name = "FOLDER", help_heading = "Device")]
    pub engine_cache: Option<PathBuf>,
    /// A calibration table of TensorRT's, to compute in 8-bit integers
    #[arg(long, value_name = "FILE", help_heading = "Device")]
    pub int8_calibration: Option<PathBuf>,
    /// What decodes: auto, nvdec or software
    #[arg(long, value_name = "NAME", default_value = "auto", value_parser = parse_decoder, help_heading = "Device")]
    pub decoder: DecoderChoice,
    /// Sessions of NVDEC among which the stream is dealt [default: as many as help]
    #[arg(long, value_name = "N", value_parser = parse_sessions, help_heading = "Device")]
    pub decode_sessions: Option<NonZeroUsize>,

    /// Threads for the model on the CPU [default: all cores]
    #[arg(long, value_name = "N", value_parser = parse_threads, help_heading = "Model")]
    pub threads: Option<NonZeroUsize>,
    /// Run the model on square tiles of this size: `auto`, `off`, or pixels
    #[arg(long, value_name = "SIZE", default_value = "auto", value_parser = parse_tile, help_heading = "Model")]
    pub tile: TileArg,
    /// Frames that go through the model together, at most: `auto`, or a number up to 16
    #[arg(long, value_name = "N", default_value = "auto", value_parser = parse_batch, help_heading = "Model")]
    pub batch: BatchArg,
    /// ONNX Runtime's shared library, or the folder that holds it
    #[arg(long, value_name = "PATH", help_heading = "Behaviour")]
    pub ort_lib: Option<PathBuf>,
}

/// What `--provider` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderArg {
    Auto,
    Only(Provider),
}

/// What `--tile` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TileArg {
    Auto,
    Off,
    Size(u32),
}

/// What `--batch` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchArg {
    Auto,
    Size(u32),
}

impl InferenceArgs {
    /// Sets what they say.
    pub fn put_into(&self, options: &mut UpscaleOptions) {
        options.model = self.model.as_deref().map(model);
        if let Some(factor) = self.scale {
            options.picture.size = OutputSize::Factor(factor);
            options.scale = if factor.to_f64() <= 2.0 { 2 } else { 4 };
        }
        options.inference = InferenceOptions {
            device: self.device.clone(),
            provider: match self.provider {
                ProviderArg::Auto => None,
                ProviderArg::Only(provider) => Some(provider),
            },
            precision: self.precision.unwrap_or_default(),
            vram_limit_mib: self.vram_limit,
            on_nan: self.on_nan,
            tensorrt: TensorRtOptions {
                cache_folder: self.engine_cache(),
                int8_calibration: self.int8_calibration.clone(),
                ..TensorRtOptions::default()
            },
        };
        options.decoder = self.decoder;
        options.decode_sessions = self.decode_sessions;
        options.threads = self.threads;
        options.tile = match self.tile {
            TileArg::Auto => Tile::Auto,
            TileArg::Off => Tile::Off,
            TileArg::Size(pixels) => Tile::Size(pixels),
        };
        options.batch = match self.batch {
            BatchArg::Auto => Batch::Auto,
            BatchArg::Size(frames) => Batch::Size(frames),
        };
    }

    /// The files that are read: a model's name is none.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let named = [&self.model, &self.int8_calibration, &self.ort_lib].into_iter().flatten();
        named.map(PathBuf::as_path).filter(|path| path.is_file())
    }

    /// Where TensorRT's engines are kept.
    fn engine_cache(&self) -> Option<PathBuf> {
        match &self.engine_cache {
            Some(folder) if folder == Path::new("off") => None,
            Some(folder) => Some(folder.clone()),
            None => Some(cache_folder()?.join("rave/tensorrt")),
        }
    }
}

/// The folder for a user's files that can be made again (XDG Base Directory Specification).
fn cache_folder() -> Option<PathBuf> {
    let of = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    of("XDG_CACHE_HOME").or_else(|| of("HOME").map(|home| home.join(".cache")))
}

/// A built-in model's name, unless there is a file of that name.
fn model(path: &Path) -> ModelSource {
    match path.to_str().and_then(BuiltIn::find) {
        Some(built_in) if !path.exists() => ModelSource::BuiltIn(built_in),
        _ => ModelSource::File(path.to_path_buf()),
    }
}

/// `cuda:1`, or `1` alone; `cuda:0,1` and `cuda:all` for several.
fn parse_device(text: &str) -> Result<DeviceChoice, String> {
    match text {
        "auto" => Ok(DeviceChoice::Auto),
        "cpu" => Ok(DeviceChoice::Cpu),
        "cuda" => Ok(DeviceChoice::Cuda(0)),
        "cuda:all" => Ok(DeviceChoice::All),
        _ => match text.split(',').map(parse_ordinal).collect::<Result<Vec<_>, _>>()?.as_slice() {
            [ordinal] => Ok(DeviceChoice::Cuda(*ordinal)),
            several => Ok(DeviceChoice::Several(several.to_vec())),
        },
    }
}

fn parse_ordinal(text: &str) -> Result<usize, String> {
    if matches!(text, "auto" | "cpu" | "all" | "cuda:all") {
        return Err(format!("{text} stands alone: only numbers of GPUs can be listed, such as cuda:0,1"));
    }
    match text.strip_prefix("cuda:").unwrap_or(text).parse() {
        Ok(ordinal @ 0..=255) => Ok(ordinal),
        _ => {
            let known = "auto, cpu, cuda:N, cuda:N,M or cuda:all";
            Err(format!("expected {known}; `rave devices` lists the numbers of the GPUs"))
        }
    }
}

fn parse_provider(text: &str) -> Result<ProviderArg, String> {
    match text {
        "auto" => Ok(ProviderArg::Auto),
        "tensorrt" => Ok(ProviderArg::Only(Provider::TensorRt)),
        "cuda" => Ok(ProviderArg::Only(Provider::Cuda)),
        "cpu" => Ok(ProviderArg::Only(Provider::Cpu)),
        _ => Err("expected auto, tensorrt, cuda or cpu".into()),
    }
}

fn parse_precision(text: &str) -> Result<Precision, String> {
    match text {
        "fp16" => Ok(Precision::Fp16),
        "fp32" => Ok(Precision::Fp32),
        _ => Err("expected fp16 or fp32".into()),
    }
}

fn parse_on_nan(text: &str) -> Result<OnNan, String> {
    match text {
        "error" => Ok(OnNan::Error),
        "fp32" => Ok(OnNan::Fp32),
        "keep" => Ok(OnNan::Keep),
        _ => Err("expected error, fp32 or keep".into()),
    }
}

fn parse_decoder(text: &str) -> Result<DecoderChoice, String> {
    match text {
        "auto" => Ok(DecoderChoice::Auto),
        "nvdec" => Ok(DecoderChoice::Nvdec),
        "software" => Ok(DecoderChoice::Software),
        _ => Err("expected auto, nvdec or software".into()),
    }
}

fn parse_sessions(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse() {
        Ok(sessions @ 1..=64) => NonZeroUsize::new(sessions).ok_or_else(String::new),
        _ => Err("expected a number of sessions from 1 to 64".into()),
    }
}

fn parse_tile(text: &str) -> Result<TileArg, String> {
    match text {
        "auto" => Ok(TileArg::Auto),
        "off" => Ok(TileArg::Off),
        _ => match text.parse() {
            Ok(size @ 16..=65536) => Ok(TileArg::Size(size)),
            _ => Err("expected auto, off, or a number of pixels from 16 to 65536".into()),
        },
    }
}

fn parse_batch(text: &str) -> Result<BatchArg, String> {
    match (text, text.parse()) {
        ("auto", _) => Ok(BatchArg::Auto),
        (_, Ok(frames @ 1..=16)) => Ok(BatchArg::Size(frames)),
        _ => Err("expected auto, or a number of frames from 1 to 16".into()),
    }
}

fn parse_threads(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse() {
        Ok(threads @ 1..=1024) => NonZeroUsize::new(threads).ok_or_else(String::new),
        _ => Err("expected a number of threads from 1 to 1024".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_a_long_and_a_short_name() {
        for (text, device) in [
            ("auto", DeviceChoice::Auto),
            ("cpu", DeviceChoice::Cpu),
            ("cuda", DeviceChoice::Cuda(0)),
            ("cuda:3", DeviceChoice::Cuda(3)),
            ("0", DeviceChoice::Cuda(0)),
            ("cuda:0,1", DeviceChoice::Several(vec![0, 1])),
            ("0,0", DeviceChoice::Several(vec![0, 0])),
            ("cuda:2,cuda:1", DeviceChoice::Several(vec![2, 1])),
            ("cuda:all", DeviceChoice::All),
        ] {
            assert_eq!(parse_device(text), Ok(device), "{text}");
        }
    }

    #[test]
    fn what_is_no_list_of_gpus_is_refused_with_what_may_be_said() {
        for (text, said) in [
            ("cuda:0,cpu", "cpu stands alone"),
            ("cuda:0,all", "all stands alone"),
            ("cuda:0,", "expected auto"),
            ("cuda:0,256", "expected auto"),
            ("gpu", "expected auto"),
        ] {
            let refused = parse_device(text).unwrap_err();
            assert!(refused.contains(said), "{text}: {refused}");
        }
    }
}
