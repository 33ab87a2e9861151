use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use rave_ffmpeg::{EncoderChoice, StreamMap, VideoCodec};
use rave_pipeline::Way;

use crate::compare::CompareArgs;
use crate::inference::InferenceArgs;
use crate::picture::PictureArgs;
use crate::verify::{VerifyArg, VerifyArgs};

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
    /// Measure the parts of a job, alone and together
    Bench(BenchArgs),
    /// Check the program on this machine
    Selftest(SelftestArgs),
    /// Check that an output holds everything that its source does
    Verify(VerifyArgs),
    /// Measure how near one video is to another: PSNR, SSIM, VMAF
    Compare(CompareArgs),
}

impl Command {
    /// The names that stand for a command; anything else belongs to `upscale`.
    pub const NAMES: &[&str] =
        &["upscale", "probe", "models", "devices", "bench", "selftest", "verify", "compare"];
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
    #[command(flatten)]
    pub inference: InferenceArgs,
    #[command(flatten)]
    pub picture: PictureArgs,

    /// Video codec: h264, hevc, av1, ffv1 or vp9 [default: the container's usual one]
    #[arg(long, value_name = "CODEC", help_heading = "Encoding")]
    pub codec: Option<VideoCodec>,
    /// auto, nvenc, software, or an encoder by FFmpeg's name, such as libx265
    #[arg(long, value_name = "NAME", default_value = "auto", help_heading = "Encoding")]
    pub encoder: EncoderChoice,
    /// Constant quality: lower is better [default: 18 for libx264]
    #[arg(long, value_name = "CRF", value_parser = parse_crf, conflicts_with = "bitrate", help_heading = "Encoding")]
    pub crf: Option<f32>,
    /// Average bit rate in kbit/s, in place of constant quality
    #[arg(long, value_name = "KBPS", help_heading = "Encoding")]
    pub bitrate: Option<NonZeroU32>,
    /// The most that the bit rate may be over a second, in kbit/s
    #[arg(long, value_name = "KBPS", help_heading = "Encoding")]
    pub max_bitrate: Option<NonZeroU32>,
    /// From p1 (fast) to p7 (good), or the encoder's own name for a preset, such as `slow`
    #[arg(long, value_name = "PRESET", help_heading = "Encoding")]
    pub preset: Option<String>,
    /// What the encoder is tuned for, by its own name for it, such as `grain`
    #[arg(long, value_name = "TUNE", help_heading = "Encoding")]
    pub tune: Option<String>,
    /// Longest distance between key frames
    #[arg(long, value_name = "FRAMES", help_heading = "Encoding")]
    pub gop: Option<NonZeroU32>,
    /// Consecutive B-frames
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=16), help_heading = "Encoding")]
    pub bframes: Option<u32>,
    /// Software encoders at once, each on a part of the video [default: by encoder, size and cores]
    #[arg(long, value_name = "N", value_parser = parse_workers, help_heading = "Encoding")]
    pub encode_workers: Option<NonZeroUsize>,

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
    /// How the output is compared with the source before it gets its name
    #[arg(long, value_name = "HOW", default_value = "fast", help_heading = "Behaviour")]
    pub verify: VerifyArg,
    /// Fail at the first damaged packet, instead of concealing it
    #[arg(long, help_heading = "Streams")]
    pub strict: bool,
    /// Frame rate of a stream without timestamps: numerator
    #[arg(long, value_name = "N", value_parser = parse_rate, help_heading = "Streams")]
    pub fps_num: Option<NonZeroU32>,
    /// Frame rate of a stream without timestamps: denominator
    #[arg(long, value_name = "N", value_parser = parse_rate, requires = "fps_num", help_heading = "Streams")]
    pub fps_den: Option<NonZeroU32>,

    /// Replace an existing output or report
    #[arg(short = 'y', help_heading = "Behaviour", conflicts_with = "no_overwrite")]
    pub overwrite: bool,
    /// Never replace an existing output or report (the default)
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
pub struct BenchArgs {
    /// Video to measure with [default: an H.264 clip that is made for it]
    #[arg(short, long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// Size of the clip that is made
    #[arg(long, value_name = "WxH", default_value = "1920x1080", value_parser = parse_size)]
    pub size: (u32, u32),
    /// Frames of the clip that is made
    #[arg(long, value_name = "N", default_value = "300", value_parser = clap::value_parser!(u64).range(2..=1_000_000))]
    pub frames: u64,
    /// What is measured: any of model, chain, decode, end_to_end, hashed, encoded [default: all]
    #[arg(long, value_name = "WAY,..", value_delimiter = ',', value_parser = parse_way)]
    pub ways: Vec<Way>,
    /// Instead, measure what a megapixel costs in pictures of these sizes
    #[arg(long, value_name = "WxH,..", value_delimiter = ',', value_parser = parse_size, conflicts_with_all = ["input", "ways"])]
    pub sizes: Vec<(u32, u32)>,
    /// Instead, run for so many seconds, with `-i` decoding the file over and over, and fail if frames are lost or it is not steady
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400), conflicts_with_all = ["sizes", "ways"])]
    pub stress: Option<u64>,
    /// How often each part is measured, at least 3
    #[arg(long, value_name = "N", default_value = "3", value_parser = parse_rounds)]
    pub rounds: usize,
    #[command(flatten)]
    pub inference: InferenceArgs,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct SelftestArgs {
    #[command(flatten)]
    pub inference: InferenceArgs,
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

fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let side = |text: &str| text.parse().ok().filter(|side| (16..=16_384).contains(side));
    let sides = text.split_once('x').and_then(|(width, height)| Some((side(width)?, side(height)?)));
    sides.ok_or_else(|| "expected width and height from 16 to 16384, such as 1920x1080".into())
}

fn parse_way(name: &str) -> Result<Way, String> {
    let way = Way::ALL.into_iter().find(|way| way.name() == name);
    way.ok_or_else(|| format!("expected one of {}", Way::ALL.map(Way::name).join(", ")))
}

fn parse_rounds(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(rounds @ 3..=1000) => Ok(rounds),
        _ => Err("expected a number of rounds from 3 to 1000".into()),
    }
}

fn parse_workers(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse() {
        Ok(workers @ 1..=64) => NonZeroUsize::new(workers).ok_or_else(String::new),
        _ => Err("expected a number of encoders from 1 to 64".into()),
    }
}

fn parse_crf(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(crf) if (0.0..=63.0).contains(&crf) => Ok(crf),
        _ => Err("expected a number from 0 to 63".into()),
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
            "--batch=0",
            "--batch=17",
            "--decode-cap=0",
            "--fps-num=0",
            "--gop=0",
            "--bframes=-1",
            "--max-bitrate=0",
            "--encode-workers=0",
            "--encode-workers=65",
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
