use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use rave_core::{
    BoxError, Code, CodedError, ColorSpec, Matrix, Primaries, Range, Rational, Siting, TimeBase, Timestamp,
    Transfer,
};
use rave_ffmpeg::TimeRange;
use rave_pipeline::{
    Announced, AnnouncedStream, AnnouncedVideo, Aspect, Depth, Finding, Verdict, Verification, VerifyOptions,
};
use serde_json::{Value, json};

use crate::{exit, json, logging, stdout, table, upscale};

#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 passed, 7 something differs or is missing, others as for `rave upscale`."
)]
pub struct VerifyArgs {
    /// The file that the other was made from
    #[arg(value_name = "SOURCE")]
    source: PathBuf,
    /// The file that was made, by whatever program
    #[arg(value_name = "OUTPUT")]
    output: PathBuf,
    /// Decode both files: count frames as they come out, find damage
    #[arg(long)]
    full: bool,
    /// What `rave upscale --json` printed: differences that it told are announced
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Compare this stream of the source instead of the best video stream
    #[arg(long, value_name = "INDEX")]
    stream: Option<usize>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// What `--verify` of `rave upscale` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VerifyArg {
    /// Frames, times, tags, and every packet of the copied streams
    Fast,
    /// The same, and everything in the output is decoded
    Full,
    /// Not at all
    Off,
}

impl VerifyArg {
    pub const fn depth(self) -> Option<Depth> {
        match self {
            Self::Fast => Some(Depth::Fast),
            Self::Full => Some(Depth::Full),
            Self::Off => None,
        }
    }
}

pub fn run(args: &VerifyArgs) -> Result<u8, BoxError> {
    logging::start(false, 0);
    let options = VerifyOptions {
        depth: if args.full { Depth::Full } else { Depth::Fast },
        source_stream: args.stream,
        output_stream: None,
        announced: args.report.as_deref().map(read_report).transpose()?.unwrap_or_default(),
    };
    let (source, output) = (upscale::input(&args.source), upscale::input(&args.output));
    let verification = rave_pipeline::verify(&source, &output, &options)?;
    if args.json {
        let names = [("source", &args.source), ("output", &args.output)];
        let mut value = to_json(&verification);
        for (key, path) in names {
            value[key] = json!(path.to_string_lossy());
        }
        json::print(&value)?;
    } else {
        stdout::print(&describe(&verification))?;
    }
    Ok(if verification.is_passed() { 0 } else { exit::DIFFERENT })
}

/// The rows of a comparison, as a table for people.
pub fn describe(verification: &Verification) -> String {
    let mut rows = vec![["what", "source", "output", "verdict", "note"].map(str::to_owned).to_vec()];
    rows.extend(verification.findings.iter().map(row));
    table::aligned(&rows) + &format!("\n{}\n", conclusion(verification))
}

fn row(finding: &Finding) -> Vec<String> {
    let note = finding.note.clone().unwrap_or_default();
    let cells = [finding.what(), finding.source.clone(), finding.output.clone()];
    cells.into_iter().chain([finding.verdict.to_string(), note]).collect()
}

fn conclusion(verification: &Verification) -> String {
    let failures = verification.findings.iter().filter(|finding| !finding.verdict.is_acceptable()).count();
    match failures {
        0 => "passed: nothing is lost that was not announced".to_owned(),
        1 => "failed: 1 difference".to_owned(),
        _ => format!("failed: {failures} differences"),
    }
}

/// A comparison as JSON, without the files' names.
pub fn to_json(verification: &Verification) -> Value {
    json!({
        "version": json::VERSION,
        "passed": verification.is_passed(),
        "verdict": verification.verdict().name(),
        "frames": verification.frames,
        "streams": verification.streams,
        "timestamp_shift_seconds": verification.shift.map(Timestamp::seconds),
        "findings": verification.findings.iter().map(|finding| json!({
            "aspect": finding.aspect.name(),
            "stream": finding.stream,
            "source": finding.source,
            "output": finding.output,
            "verdict": finding.verdict.name(),
            "note": finding.note,
        })).collect::<Vec<_>>(),
    })
}

/// A report that is not one.
#[derive(Debug)]
struct ReportError {
    path: String,
    reason: String,
}

impl std::fmt::Display for ReportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is not what `rave upscale --json` prints: {}", self.path, self.reason)
    }
}

impl std::error::Error for ReportError {}

impl CodedError for ReportError {
    fn code(&self) -> Code {
        Code::OptionInvalid
    }
}

fn read_report(path: &Path) -> Result<Announced, BoxError> {
    let error = |reason: String| ReportError { path: path.display().to_string(), reason };
    let text = fs::read_to_string(path).map_err(|cause| error(cause.to_string()))?;
    let report: Value = serde_json::from_str(&text).map_err(|cause| error(cause.to_string()))?;
    let streams = report["streams"].as_array().ok_or_else(|| error("it has no list of streams".into()))?;
    Ok(Announced {
        streams: streams.iter().filter_map(stream).collect(),
        video: video(&report["video"]),
        timestamps: None,
        damaged_packets: report["damaged_copied_packets"].as_u64().unwrap_or(0),
        range: range(&report["range"]),
        is_part: report["cut_short"].as_bool().unwrap_or(false),
        notices: sentences(&report["notices"]),
        differences: report["verification"]["findings"]
            .as_array()
            .map_or_else(Vec::new, |findings| findings.iter().filter_map(difference).collect()),
    })
}

/// A row of the job's own check that was not as in the source.
fn difference(finding: &Value) -> Option<(Aspect, Option<usize>)> {
    let is_announced = finding["verdict"].as_str() == Some(Verdict::Announced.name());
    let aspect = Aspect::ALL.iter().find(|aspect| finding["aspect"].as_str() == Some(aspect.name()));
    let stream = finding["stream"].as_u64().and_then(|index| usize::try_from(index).ok());
    aspect.filter(|_| is_announced).map(|&aspect| (aspect, stream))
}

fn sentences(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn stream(value: &Value) -> Option<AnnouncedStream> {
    let index = |name: &str| usize::try_from(value[name].as_u64()?).ok();
    let reason = value["reason"].as_str().map(str::to_owned);
    let reasons: Vec<String> = reason.into_iter().chain(sentences(&value["notes"])).collect();
    Some(AnnouncedStream {
        source_index: index("source_index")?,
        output_index: index("output_index"),
        reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
    })
}

fn video(value: &Value) -> Option<AnnouncedVideo> {
    let side = |name: &str| u32::try_from(value[name].as_u64()?).ok();
    Some(AnnouncedVideo {
        width: side("width")?,
        height: side("height")?,
        pixel_format: value["pixel_format"].as_str()?.to_owned(),
        color: color(&value["color"]),
        sample_aspect_ratio: value["sample_aspect_ratio"].as_str().and_then(ratio),
        display_matrix: serde_json::from_value(value["display_matrix"].clone()).ok(),
    })
}

fn range(value: &Value) -> TimeRange {
    const NANOSECONDS: f64 = 1e9;
    let time = |name: &str| {
        let unit = TimeBase::new(1, NANOSECONDS as i64).ok()?;
        Some(Timestamp::new((value[name].as_f64()? * NANOSECONDS).round() as i64, unit))
    };
    TimeRange { start: time("start_seconds"), end: time("end_seconds") }
}

fn ratio(text: &str) -> Option<Rational> {
    let (numerator, denominator) = text.split_once('/')?;
    Rational::new(numerator.parse().ok()?, denominator.parse().ok()?).ok()
}

fn color(value: &Value) -> ColorSpec {
    let name = |key: &str| value[key].as_str().unwrap_or_default();
    let ranges = [Range::Limited, Range::Full];
    let sitings =
        [Siting::Left, Siting::Center, Siting::TopLeft, Siting::Top, Siting::BottomLeft, Siting::Bottom];
    ColorSpec {
        matrix: Matrix::from_name(name("matrix")).unwrap_or_default(),
        primaries: Primaries::from_name(name("primaries")).unwrap_or_default(),
        transfer: Transfer::from_name(name("transfer")).unwrap_or_default(),
        range: ranges.into_iter().find(|range| range.name() == name("range")).unwrap_or_default(),
        siting: sitings.into_iter().find(|siting| siting.name() == name("siting")).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_announces_streams_and_picture() {
        let folder = std::env::temp_dir().join(format!("rave-report-{}.json", std::process::id()));
        let text = r#"{"streams": [{"source_index": 0, "output_index": 0, "reason": null},
            {"source_index": 2, "output_index": null, "reason": "mp4 has no attachments"}],
            "video": {"width": 64, "height": 36, "pixel_format": "yuv420p",
            "color": {"matrix": "bt709", "primaries": "bt709", "transfer": "bt709", "range": "tv", "siting": "left"}},
            "range": {"start_seconds": 0.4, "end_seconds": null}, "missing_frames": 1, "damaged_copied_packets": 2, "cut_short": true}"#;
        fs::write(&folder, text).unwrap();
        let announced = read_report(&folder).unwrap();
        fs::remove_file(&folder).unwrap();
        assert_eq!(announced.streams[1].reason.as_deref(), Some("mp4 has no attachments"));
        assert_eq!(announced.video.unwrap().color, ColorSpec::BT709);
        assert_eq!((announced.damaged_packets, announced.is_part), (2, true));
        assert_eq!(announced.range.to_string(), "0.400 s to the end");
    }

    #[test]
    fn what_is_no_report_is_a_usage_error() {
        let error = read_report(Path::new(env!("CARGO_MANIFEST_PATH"))).unwrap_err();
        assert_eq!(error.code(), Code::OptionInvalid);
    }
}
