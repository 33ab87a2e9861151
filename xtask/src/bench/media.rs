//! Every file of a folder of real and damaged media through the program.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use serde_json::{Value, json};

use super::reference::{self, Decoded};
use super::table::Table;
use super::timing::{self, Timing};
use super::verified::Verified;
use super::{make_models, write_record};
use crate::failure::{Failure, OnPath};
use crate::run as program;
use crate::workspace::Workspace;

/// Seconds after which a file counts as hung.
const TIMEOUT_SECONDS: &str = "600";
/// A model that costs little, since this is about everything else.
const MODEL: &str = "nearest-rgb-x2.onnx";
/// Matroska holds nearly everything. These go to MP4 too, whose edit lists and time bases are another matter.
const ALSO_MP4: &[&str] = &[
    "awesome movie.mov",
    "mp__fire2.mp4",
    "tc__discard_first_keyframe.mp4",
    "tc__test_non_zero_start.mp4",
    "tc__nasa_13013_hdr.mp4",
    "intel__car-detection.mp4",
];

/// The text of `--filter`; empty for all files.
pub fn parse<'a>(options: &[&'a str]) -> Result<&'a str, Failure> {
    match options {
        [] => Ok(""),
        ["--filter", text] => Ok(text),
        _ => Err(Failure::Usage("bench media takes only --filter TEXT".into())),
    }
}

pub fn run(workspace: &Workspace, filter: &str) -> Result<(), Failure> {
    let media = env::var_os("RAVE_MEDIA").map(PathBuf::from).ok_or_else(|| {
        Failure::Usage("bench media wants RAVE_MEDIA, a folder with clips/ and bad/".into())
    })?;
    let setting = Setting::prepare(workspace)?;
    let mut cases = Vec::new();
    for (input, container) in inputs(&media, filter)? {
        let case = Case::run(&setting, &input, container)?;
        eprintln!("{:<10} {} -> {container}", case.verdict.name(), input.display());
        cases.push(case);
    }
    conclude(workspace, &cases)
}

/// Files in `clips` and `bad`, in order, with the extension of the output.
fn inputs(media: &Path, filter: &str) -> Result<Vec<(PathBuf, &'static str)>, Failure> {
    let mut inputs = Vec::new();
    for folder in ["clips", "bad"].map(|name| media.join(name)) {
        for entry in fs::read_dir(&folder).on("read", &folder)?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.contains(filter) {
                inputs.push((entry.path(), "mkv"));
                inputs.extend(ALSO_MP4.contains(&name.as_str()).then(|| (entry.path(), "mp4")));
            }
        }
    }
    inputs.sort();
    Ok(inputs)
}

/// What every file is run with.
struct Setting {
    program: PathBuf,
    model: PathBuf,
    folder: PathBuf,
}

impl Setting {
    fn prepare(workspace: &Workspace) -> Result<Self, Failure> {
        let folder = workspace.target.join("bench/media");
        fs::create_dir_all(&folder).on("create", &folder)?;
        let model = make_models(workspace)?.join(MODEL);
        Ok(Self { program: program::build_program(workspace)?, model, folder })
    }

    /// `timeout` ends with 124 when the time is over, with 137 when it had to kill.
    fn upscale(&self, input: &Path, output: &Path) -> Result<Output, Failure> {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=10", TIMEOUT_SECONDS]).arg(&self.program);
        command.arg("-i").arg(input).arg("-o").arg(output).arg("-m").arg(&self.model);
        command.args(["--preset", "ultrafast", "-y", "--drop-incompatible", "--json", "--progress", "none"]);
        command.output().on("start", &self.program)
    }
}

/// What came of one file.
struct Case {
    file: String,
    container: &'static str,
    reference: Option<Decoded>,
    frames: Option<usize>,
    timing: Option<Timing>,
    verified: Option<Verified>,
    exit: Option<i32>,
    error: Option<(u64, String)>,
    seconds: f64,
    verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    /// Frames and times are those of the source.
    Right,
    /// Refused, for a reason that lies in the input.
    Refused,
    /// Frames or times are not those of the source.
    Wrong,
    /// Success reported though nothing can be decoded.
    FalseSuccess,
    /// Failed without an error that is about the input.
    Failed,
    Panic,
    Hang,
}

impl Verdict {
    const fn name(self) -> &'static str {
        match self {
            Verdict::Right => "right",
            Verdict::Refused => "refused",
            Verdict::Wrong => "WRONG",
            Verdict::FalseSuccess => "FALSE OK",
            Verdict::Failed => "FAILED",
            Verdict::Panic => "PANIC",
            Verdict::Hang => "HANG",
        }
    }

    const fn is_acceptable(self) -> bool {
        matches!(self, Verdict::Right | Verdict::Refused)
    }
}

impl Case {
    fn run(setting: &Setting, input: &Path, container: &'static str) -> Result<Self, Failure> {
        let output = setting.folder.join(format!("output.{container}"));
        let start = Instant::now();
        let result = setting.upscale(input, &output)?;
        let seconds = start.elapsed().as_secs_f64();
        let mut case = Self {
            file: input.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            container,
            reference: reference::decode(input),
            frames: None,
            timing: None,
            verified: None,
            exit: result.status.code(),
            error: error(&result.stdout),
            seconds,
            verdict: Verdict::Right,
        };
        if result.status.success() {
            case.compare(setting, input, &output, &result.stdout)?;
        }
        case.verdict = case.judge(&String::from_utf8_lossy(&result.stderr));
        Ok(case)
    }

    fn compare(
        &mut self,
        setting: &Setting,
        input: &Path,
        output: &Path,
        report: &[u8],
    ) -> Result<(), Failure> {
        let video = encoded_streams(report).unwrap_or_default();
        let written = reference::timestamps(output, video.output)?;
        self.frames = Some(written.len());
        if let Some(reference) = &self.reference {
            let source = reference::timestamps(input, reference.stream)?;
            self.timing = Some(timing::compare(&source, &written));
            if video.source != reference.stream {
                self.timing = Some(Timing::OtherStream { wanted: reference.stream, found: video.source });
            }
        }
        self.verified = Some(Verified::run(&setting.program, input, output, report)?);
        fs::remove_file(output).on("remove", output)
    }

    fn judge(&self, stderr: &str) -> Verdict {
        match (self.exit, &self.reference) {
            (Some(124 | 137), _) => Verdict::Hang,
            _ if self.exit == Some(101) || stderr.contains("panicked at") => Verdict::Panic,
            (None, _) => Verdict::Panic,
            (Some(0), None) => Verdict::FalseSuccess,
            (Some(0), Some(reference)) => {
                let is_complete = self.frames == Some(reference.frames);
                let is_timed = self.timing.as_ref().is_some_and(Timing::is_right);
                let is_verified = self.verified.as_ref().is_some_and(Verified::is_passed);
                if is_complete && is_timed && is_verified { Verdict::Right } else { Verdict::Wrong }
            }
            (Some(_), _) if self.error.as_ref().is_some_and(|(code, _)| is_about_input(*code)) => {
                Verdict::Refused
            }
            (Some(_), _) => Verdict::Failed,
        }
    }

    fn cells(&self) -> [String; 10] {
        let count = |count: Option<usize>| count.map_or("-".to_string(), |count| count.to_string());
        let (code, message) =
            self.error.clone().map_or(Default::default(), |(code, message)| (code.to_string(), message));
        [
            self.file.clone(),
            self.container.to_string(),
            self.verdict.name().to_string(),
            count(self.reference.as_ref().map(|reference| reference.frames)),
            count(self.frames),
            self.timing.as_ref().map_or("-".into(), ToString::to_string),
            self.verified.as_ref().map_or("-".into(), ToString::to_string),
            format!("{} {code}", self.exit.map_or("-".into(), |exit| exit.to_string())).trim().to_string(),
            format!("{:.1}", self.seconds),
            message,
        ]
    }

    fn to_json(&self) -> Value {
        json!({
            "file": self.file, "container": self.container, "verdict": self.verdict.name(),
            "ffmpeg_frames": self.reference.as_ref().map(|reference| reference.frames), "frames": self.frames,
            "timing": self.timing.as_ref().map(ToString::to_string),
            "verification": self.verified.as_ref().map(ToString::to_string), "exit": self.exit,
            "code": self.error.as_ref().map(|error| error.0), "message": self.error.as_ref().map(|error| &error.1),
            "seconds": self.seconds,
        })
    }
}

/// Indices of the upscaled stream.
#[derive(Default)]
struct Encoded {
    source: usize,
    output: usize,
}

fn encoded_streams(report: &[u8]) -> Option<Encoded> {
    let report: Value = serde_json::from_slice(report).ok()?;
    let stream = report["streams"].as_array()?.iter().find(|stream| stream["outcome"] == "encoded")?;
    let index = |name: &str| usize::try_from(stream[name].as_u64()?).ok();
    Some(Encoded { source: index("source_index")?, output: index("output_index")? })
}

/// Whether a code says that the input cannot be upscaled here; others mean that the set-up or the program failed.
fn is_about_input(code: u64) -> bool {
    matches!(code, 301..=312 | 331 | 501..=599 | 701)
}

/// Code and sentence of a failure.
fn error(report: &[u8]) -> Option<(u64, String)> {
    let report: Value = serde_json::from_slice(report).ok()?;
    let error = &report["error"];
    Some((error["code"].as_u64()?, error["message"].as_str()?.to_string()))
}

fn conclude(workspace: &Workspace, cases: &[Case]) -> Result<(), Failure> {
    let mut table = Table::new(&[
        "file",
        "to",
        "verdict",
        "ffmpeg",
        "rave",
        "times",
        "verify",
        "exit code",
        "seconds",
        "message",
    ]);
    cases.iter().for_each(|case| table.push(case.cells()));
    print!("{}", table.to_text());
    write_record(workspace, "media", &cases.iter().map(Case::to_json).collect())?;
    let page = workspace.target.join("bench/media.md");
    fs::write(&page, table.to_markdown()).on("write", &page)?;
    let count = |verdict: fn(Verdict) -> bool| cases.iter().filter(|case| verdict(case.verdict)).count();
    let (right, refused) =
        (count(|verdict| verdict == Verdict::Right), count(|verdict| verdict == Verdict::Refused));
    println!("{} cases: {right} right, {refused} refused", cases.len());
    match count(|verdict| !verdict.is_acceptable()) {
        0 => Ok(()),
        wrong => Err(Failure::Message(format!("{wrong} of {} cases are wrong", cases.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(exit: Option<i32>, reference: Option<usize>, frames: Option<usize>) -> Case {
        Case {
            file: "a.mp4".into(),
            container: "mkv",
            reference: reference.map(|frames| Decoded { stream: 0, frames }),
            frames,
            timing: frames.map(|_| Timing::Equal { shift_seconds: 0.0 }),
            verified: frames.map(|_| Verified::passed()),
            exit,
            error: None,
            seconds: 0.0,
            verdict: Verdict::Right,
        }
    }

    #[test]
    fn a_verdict_follows_from_exit_and_frames() {
        for (exit, reference, frames, stderr, expected) in [
            (Some(0), Some(25), Some(25), "", Verdict::Right),
            (Some(0), Some(25), Some(24), "", Verdict::Wrong),
            (Some(0), None, Some(3), "", Verdict::FalseSuccess),
            (Some(101), Some(25), None, "", Verdict::Panic),
            (Some(1), Some(25), None, "thread 'x' panicked at src", Verdict::Panic),
            (Some(124), Some(25), None, "", Verdict::Hang),
            (None, Some(25), None, "", Verdict::Panic),
            (Some(3), None, None, "rave: error", Verdict::Failed),
        ] {
            assert_eq!(
                case(exit, reference, frames).judge(stderr),
                expected,
                "{exit:?} {reference:?} {frames:?}"
            );
        }
        let refused = |code| Case { error: Some((code, "a sentence".into())), ..case(Some(3), None, None) };
        assert_eq!(refused(303).judge(""), Verdict::Refused);
        assert_eq!(refused(201).judge(""), Verdict::Failed);
        assert_eq!(refused(602).judge(""), Verdict::Failed);
        let late = Case {
            timing: Some(Timing::Differs { index: 3, seconds: 0.1 }),
            ..case(Some(0), Some(2), Some(2))
        };
        assert_eq!(late.judge(""), Verdict::Wrong);
        let unverified = Case { verified: None, ..case(Some(0), Some(2), Some(2)) };
        assert_eq!(unverified.judge(""), Verdict::Wrong);
    }

    #[test]
    fn results_and_errors_are_read_from_json() {
        let report = br#"{"streams": [{"outcome": "copied", "source_index": 0, "output_index": 1},
            {"outcome": "encoded", "source_index": 3, "output_index": 0}]}"#;
        let found = encoded_streams(report).map(|encoded| (encoded.source, encoded.output));
        assert_eq!(found, Some((3, 0)));
        let failure =
            br#"{"version": 1, "error": {"code": 303, "name": "input-not-media", "message": "no"}}"#;
        assert_eq!(error(failure), Some((303, "no".to_string())));
        assert_eq!(error(report), None);
    }

    #[test]
    fn only_a_filter_is_taken() {
        assert_eq!(parse(&[]), Ok(""));
        assert_eq!(parse(&["--filter", "vp9"]), Ok("vp9"));
        assert!(parse(&["vp9"]).is_err());
    }
}
