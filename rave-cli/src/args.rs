use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use rave_ffmpeg::{StreamMap, VideoCodec};
use rave_pipeline::{DecoderChoice, DeviceChoice};
use rave_tensorrt::{BuiltIn, OnNan, Precision, Provider};

use crate::compare::CompareArgs;
use crate::verify::VerifyArgs;

/// Upscale video with a neural network.
///
/// Without a command, `upscale` is meant: rave -i IN -o OUT.
#[derive(Debug, Parser)]
#[command(name = "rave", version, disable_help_subcommand = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Upscale a video file; every other stream is copied
    Upscale(Box<UpscaleArgs>),
    /// Show what a media file holds
    Probe(ProbeArgs),
    /// List the built-in models
    Models(ModelsArgs),
    /// List the GPUs and what can run on them
    Devices(DevicesArgs),
    /// Check that an output holds everything that its source does
    Verify(VerifyArgs),
    /// Measure how near one video is to another: PSNR, SSIM, VMAF
    Compare(CompareArgs),
}

impl Command {
    /// The names that stand for a command; anything else belongs to `upscale`.
    pub const NAMES: &[&str] = &["upscale", "probe", "models", "devices", "verify", "compare"];
}

#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0 done, 2 usage, 3 input, 4 model, 5 device or library, 6 output, \
    7 the output did not pass its check, 130/143 stopped by a signal, 1 anything else.")]
pub struct UpscaleArgs {
    /// Video to upscale; `-` reads standard input (then only the video is kept)
    #[arg(short, long, value_name = "FILE")]
    pub input: PathBuf,
    /// File to write; its extension chooses the container. `null:` and `hash:` write nothing, .y4m and .yuv bare samples,
    /// `-` is YUV4MPEG2 on standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// ONNX model file, or the name of a built-in model (see `rave models`)
    #[arg(short, long, value_name = "MODEL", help_heading = "Model")]
    pub model: Option<PathBuf>,
    /// Factor of the built-in model
    #[arg(long, value_name = "N", default_value = "2", value_parser = parse_scale, conflicts_with = "model", help_heading = "Model")]
    pub scale: u32,
    /// Where frames are converted and enlarged: auto, cpu, or cuda:N (or only N)
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

    /// Video codec: h264, hevc, av1, ffv1 or vp9 [default: the container's usual one]
    #[arg(long, value_name = "CODEC", help_heading = "Encoding")]
    pub codec: Option<VideoCodec>,
    /// Encoder by FFmpeg's name, such as libx265 [default: the codec's usual one]
    #[arg(long, value_name = "NAME", help_heading = "Encoding")]
    pub encoder: Option<String>,
    /// Constant quality: lower is better [default: 18 for libx264]
    #[arg(long, value_name = "CRF", value_parser = parse_crf, conflicts_with = "bitrate", help_heading = "Encoding")]
    pub crf: Option<f32>,
    /// Average bit rate in kbit/s, in place of constant quality
    #[arg(long, value_name = "KBPS", help_heading = "Encoding")]
    pub bitrate: Option<NonZeroU32>,
    /// The encoder's own preset, such as `slow`
    #[arg(long, value_name = "PRESET", help_heading = "Encoding")]
    pub preset: Option<String>,
    /// Longest distance between key frames
    #[arg(long, value_name = "FRAMES", help_heading = "Encoding")]
    pub gop: Option<NonZeroU32>,
    /// Consecutive B-frames
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=16), help_heading = "Encoding")]
    pub bframes: Option<u32>,

    /// Upscale this stream instead of the best video stream
    #[arg(long, value_name = "INDEX", help_heading = "Streams")]
    pub stream: Option<usize>,
    /// Take over only these streams, by FFmpeg's specifiers: 0:a, 0:s:1, -0:d, 0:a:m:language:eng; may be repeated
    #[arg(long, value_name = "SPECIFIER", allow_hyphen_values = true, help_heading = "Streams")]
    pub map: Vec<StreamMap>,
    /// Leave out sound (also -an)
    #[arg(long, help_heading = "Streams")]
    pub no_audio: bool,
    /// Leave out subtitles (also -sn)
    #[arg(long, help_heading = "Streams")]
    pub no_subtitles: bool,
    /// Leave out data streams (also -dn)
    #[arg(long, help_heading = "Streams")]
    pub no_data: bool,
    /// Leave out attachments, such as fonts
    #[arg(long, help_heading = "Streams")]
    pub no_attachments: bool,
    /// Leave out chapters
    #[arg(long, help_heading = "Streams")]
    pub no_chapters: bool,
    /// Leave out the tags of the file and of its streams
    #[arg(long, help_heading = "Streams")]
    pub no_metadata: bool,
    /// Leave out streams that the output's container cannot hold, instead of refusing the job
    #[arg(long, help_heading = "Streams")]
    pub drop_incompatible: bool,
    /// Fail at the first damaged packet, instead of concealing it
    #[arg(long, help_heading = "Streams")]
    pub strict: bool,
    /// Frame rate of a stream without timestamps: numerator
    #[arg(long, value_name = "N", value_parser = parse_rate, help_heading = "Streams")]
    pub fps_num: Option<NonZeroU32>,
    /// Frame rate of a stream without timestamps: denominator
    #[arg(long, value_name = "N", value_parser = parse_rate, requires = "fps_num", help_heading = "Streams")]
    pub fps_den: Option<NonZeroU32>,

    /// Replace an existing output file
    #[arg(short = 'y', help_heading = "Behaviour", conflicts_with = "no_overwrite")]
    pub overwrite: bool,
    /// Never replace an existing output file (the default)
    #[arg(short = 'n', help_heading = "Behaviour")]
    pub no_overwrite: bool,
    /// Queue length behind the decoder, in frames
    #[arg(long, value_name = "N", default_value = "4", value_parser = parse_queue, help_heading = "Behaviour")]
    pub decode_cap: usize,
    /// Queue length behind the conversion to the model's format, in frames
    #[arg(long, value_name = "N", default_value = "2", value_parser = parse_queue, help_heading = "Behaviour")]
    pub preprocess_cap: usize,
    /// Queue length behind the model, in frames
    #[arg(long, value_name = "N", default_value = "4", value_parser = parse_queue, help_heading = "Behaviour")]
    pub upscale_cap: usize,
    /// ONNX Runtime's shared library, or the folder that holds it
    #[arg(long, value_name = "PATH", help_heading = "Behaviour")]
    pub ort_lib: Option<PathBuf>,
    /// Fail when nothing has moved for this many seconds; 0 waits for ever
    #[arg(long, value_name = "SECONDS", default_value = "1800", help_heading = "Behaviour")]
    pub stall_limit: u32,
    #[command(flatten)]
    pub reporting: ReportingArgs,
}

#[derive(Debug, Args)]
pub struct ReportingArgs {
    /// How progress is shown on standard error
    #[arg(long, value_name = "HOW", default_value = "auto", help_heading = "Reporting")]
    pub progress: ProgressMode,
    /// Print the result as one JSON object on standard output
    #[arg(long, help_heading = "Reporting")]
    pub json: bool,
    /// Write the result, with times, queues and memory, to this file as JSON
    #[arg(long, value_name = "FILE", help_heading = "Reporting")]
    pub report: Option<PathBuf>,
    /// Print nothing but errors
    #[arg(short, long, help_heading = "Reporting")]
    pub quiet: bool,
    /// Log more on standard error; twice for each frame
    #[arg(short, long, action = ArgAction::Count, help_heading = "Reporting")]
    pub verbose: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProgressMode {
    /// A bar on a terminal, lines elsewhere
    Auto,
    /// A bar
    Bar,
    /// A line each ten seconds
    Plain,
    /// A JSON object a line, five a second
    Json,
    /// Nothing
    None,
}

#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// Media file; `-` reads standard input
    #[arg(value_name = "FILE")]
    pub input: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ModelsArgs {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct DevicesArgs {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// ONNX Runtime's shared library, or the folder that holds it
    #[arg(long, value_name = "PATH")]
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

/// `cuda:1`, or `1` alone.
fn parse_device(text: &str) -> Result<DeviceChoice, String> {
    let ordinal = |number: &str| match number.parse() {
        Ok(ordinal @ 0..=255) => Ok(DeviceChoice::Cuda(ordinal)),
        _ => {
            Err("expected auto, cpu, cuda:N, or N, the number of a GPU that `rave devices` lists".to_owned())
        }
    };
    match text {
        "auto" => Ok(DeviceChoice::Auto),
        "cpu" => Ok(DeviceChoice::Cpu),
        "cuda" => Ok(DeviceChoice::Cuda(0)),
        _ => ordinal(text.strip_prefix("cuda:").unwrap_or(text)),
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

/// A factor of which there is a built-in model.
fn parse_scale(text: &str) -> Result<u32, String> {
    let known = text.parse().ok().filter(|&scale| BuiltIn::default_for(scale).is_some());
    known.ok_or_else(|| "no built-in model has this factor; `rave models` lists them".into())
}

fn parse_crf(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(crf) if (0.0..=63.0).contains(&crf) => Ok(crf),
        _ => Err("expected a number from 0 to 63".into()),
    }
}

fn parse_threads(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse() {
        Ok(threads @ 1..=1024) => NonZeroUsize::new(threads).ok_or_else(String::new),
        _ => Err("expected a number of threads from 1 to 1024".into()),
    }
}

fn parse_rate(text: &str) -> Result<NonZeroU32, String> {
    match text.parse() {
        Ok(part @ 1..=1_000_000) => NonZeroU32::new(part).ok_or_else(String::new),
        _ => Err("expected a number from 1 to 1000000".into()),
    }
}

fn parse_queue(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(capacity @ 1..=256) => Ok(capacity),
        _ => Err("expected a number of frames from 1 to 256".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_a_name() {
        let names: Vec<_> =
            Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
        assert_eq!(names, Command::NAMES);
    }

    #[test]
    fn devices_have_a_long_and_a_short_name() {
        for (text, device) in [
            ("auto", DeviceChoice::Auto),
            ("cpu", DeviceChoice::Cpu),
            ("cuda", DeviceChoice::Cuda(0)),
            ("cuda:3", DeviceChoice::Cuda(3)),
            ("0", DeviceChoice::Cuda(0)),
        ] {
            assert_eq!(parse_device(text), Ok(device), "{text}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for flag in [
            "--crf=NaN",
            "--crf=-1",
            "--crf=inf",
            "--bitrate=0",
            "--bitrate=-5",
            "--threads=0",
            "--tile=0",
            "--tile=-16",
            "--decode-cap=0",
            "--fps-num=0",
            "--gop=0",
            "--bframes=-1",
            "--device=cuda:",
            "--device=-1",
            "--device=gpu",
            "--provider=cudnn",
            "--precision=int8",
            "--vram-limit=0",
            "--on-nan=ignore",
            "--decoder=cuvid",
            "--decode-sessions=0",
        ] {
            let result = Cli::try_parse_from(["rave", "upscale", "-i", "a", "-o", "b.mkv", flag]);
            assert!(result.is_err(), "{flag}");
        }
    }
}
