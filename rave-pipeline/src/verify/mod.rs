//! Whether an output holds everything that its source does.

mod announced;
mod finding;
mod matching;
mod picture;
mod samples;
mod side;
mod streams;
mod sync;
mod tags;
mod times;

pub use announced::{Announced, AnnouncedStream, AnnouncedVideo};
pub use finding::{Aspect, Finding, Verdict};

use std::path::Path;

use rave_core::Timestamp;
use rave_ffmpeg::{Container, DecodeReport, Input, TimeRange};

use crate::Error;
pub(crate) use picture::rotation_text;
pub(crate) use side::JobSource;
use side::Side;

/// How much of the files is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// Every packet and the first frame; nothing else is decoded.
    #[default]
    Fast,
    /// Everything is decoded: frames are counted as they come out, damage is found.
    Full,
}

/// How two files are compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VerifyOptions {
    /// How much is read.
    pub depth: Depth,
    /// Index of the video stream in the source; the best one if `None`.
    pub source_stream: Option<usize>,
    /// Index of the video stream in the output; if `None` the announced one, else the best one.
    pub output_stream: Option<usize>,
    /// What the job that made the output said that it would change.
    pub announced: Announced,
}

/// The comparison of an output with its source.
#[derive(Clone, Debug, PartialEq)]
pub struct Verification {
    /// The rows of the table: the video first, then the other streams, then what belongs to the whole file.
    pub findings: Vec<Finding>,
    /// Frames in the output.
    pub frames: u64,
    /// Streams in the output.
    pub streams: usize,
    /// By how much all times of the output are later; `None` if they are equal.
    pub shift: Option<Timestamp>,
    /// By how many seconds the source ends before its header says; 0 where that is not known, or only a part was wanted.
    pub missing_seconds: f64,
}

impl Verification {
    /// The worst verdict of all.
    pub fn verdict(&self) -> Verdict {
        self.findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Same)
    }

    /// Whether nothing is lost, or nothing that had not been announced.
    pub fn is_passed(&self) -> bool {
        self.verdict().is_acceptable()
    }

    /// The first thing that is lost.
    pub fn first_failure(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| !finding.verdict.is_acceptable())
    }
}

/// Compares an output with the source that it was made from, by whatever program: frames and their times, shape and
/// colour of the pictures, HDR metadata, the other streams with sums over their packets, chapters and metadata.
///
/// Both files are read packet by packet, one after the other; memory grows by some bytes a packet.
///
/// # Errors
/// [`Error::Leaf`] if one of them cannot be read or holds no video; [`Error::NotComparable`] if one can be read only once.
/// A difference is no error: it is in the result.
pub fn verify(source: &Input, output: &Input, options: &VerifyOptions) -> Result<Verification, Error> {
    for input in [source, output] {
        check_readable_again(input)?;
    }
    let range = options.announced.range;
    let source = Side::read(source, options.source_stream, options.depth, range).map_err(Error::Leaf)?;
    let planned = options.announced.stream(source.video.index).and_then(|stream| stream.output_index);
    let stream = options.output_stream.or(planned);
    let output = Side::read(output, stream, options.depth, TimeRange::default()).map_err(Error::Leaf)?;
    Ok(compare(&source, &output, &options.announced))
}

/// Refuses pipes, which [`verify`] cannot read as often as it has to.
///
/// # Errors
/// [`Error::NotComparable`].
pub fn check_readable_again(input: &Input) -> Result<(), Error> {
    if !input.is_pipe() {
        return Ok(());
    }
    let reason =
        format!("{input} can be read only once, and streams are compared in several readings; name a file");
    Err(Error::NotComparable { reason })
}

/// Compares what a job has written with what it knows of its source; the frames are those that it decoded.
///
/// # Errors
/// [`Error::OutputUnreadable`] for the output, [`Error::OutputUnchecked`] for the source.
pub(crate) fn verify_job(
    source: &JobSource,
    (output, container): (&Path, &Container),
    depth: Depth,
    announced: &Announced,
) -> Result<Verification, Error> {
    let unreadable = |error| Error::OutputUnreadable { path: output.to_path_buf(), source: error };
    let is_video = |stream: &&AnnouncedStream| stream.source_index == source.stream.index();
    let video = announced.streams.iter().find(is_video).and_then(|stream| stream.output_index);
    let input = Input::from(output);
    let written = Side::read(&input, video, depth, TimeRange::default()).map_err(unreadable)?;
    // The temporary name tells no container.
    let written = Side { container: Some(*container), ..written };
    let unchecked = |error| Error::OutputUnchecked { path: output.to_path_buf(), source: error };
    let source = Side::of_job(source, announced, depth).map_err(unchecked)?;
    Ok(compare(&source, &written, announced))
}

fn compare(source: &Side, output: &Side, announced: &Announced) -> Verification {
    let times = times::compare(source, output);
    let told = times_reason(announced);
    let mut findings: Vec<Finding> = times.findings.into_iter().map(|row| row.announced_by(told)).collect();
    findings.extend(decoding(source.video.decoding, output.video.decoding));
    findings.extend(picture::compare(source, output, announced));
    findings.extend(streams::compare(source, output, announced, times.shift));
    findings.extend(tags::compare_streams(
        &source.streams()[source.video.index],
        &output.streams()[output.video.index],
        output.format(),
        announced,
    ));
    let shift_nanoseconds = times.shift.map_or(0, times::nanoseconds);
    findings.extend(tags::compare_file(source, output, announced, shift_nanoseconds));
    let is_reported = |row: &Finding| announced.differences.contains(&(row.aspect, row.stream));
    let reported = |row: Finding| {
        let reason = is_reported(&row).then_some("reported by the job");
        row.announced_by(reason)
    };
    Verification {
        findings: findings.into_iter().map(reported).collect(),
        frames: output.video.timestamps.len() as u64,
        streams: output.streams().len(),
        shift: times.shift,
        missing_seconds: if announced.is_part { 0.0 } else { source.missing_seconds() },
    }
}

/// Why frames may be others than the source's; a job that tells their times is held to them.
fn times_reason(announced: &Announced) -> Option<&str> {
    let of_part = || announced.is_part.then_some("the output is a part of the source");
    let reason = || announced.notice(&["frames per second"]).or_else(of_part);
    if announced.timestamps.is_some() { None } else { reason() }
}

/// Damage that the source has not.
fn decoding(before: Option<DecodeReport>, after: Option<DecodeReport>) -> Option<Finding> {
    let errors = |report: &DecodeReport| report.corrupt_packets + report.concealed_frames;
    let text = |report: Option<DecodeReport>| {
        report.map_or_else(|| "not decoded".to_owned(), |report| format!("{} errors", errors(&report)))
    };
    let verdict = if errors(&after?) == 0 { Verdict::Same } else { Verdict::Different };
    Some(Finding::new(Aspect::Decoding, text(before), text(after), verdict))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rave_core::{Code, CodedError};
    use rave_ffmpeg::{Demuxer, DemuxerOptions};
    use std::process::Command;

    #[test]
    fn an_output_whose_source_is_gone_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let [source, output] = ["source.mkv", "output.mkv.1.part"].map(|name| folder.path().join(name));
        let arguments =
            "-v error -f lavfi -i testsrc2=s=64x48:d=0.2 -f lavfi -i sine=d=0.2 -c:v mpeg4 -c:a flac";
        let made = Command::new("ffmpeg").args(arguments.split(' ')).arg(&source).status().unwrap();
        assert!(made.success());
        std::fs::copy(&source, &output).unwrap();
        let input = Input::from(source.as_path());
        let demuxer = Demuxer::open(&input, &DemuxerOptions::default()).unwrap();
        let job = JobSource { input, media: demuxer.media().clone(), stream: demuxer.video().clone() };
        let stream = |index| AnnouncedStream { source_index: index, output_index: Some(index), reason: None };
        let announced = Announced { streams: vec![stream(0), stream(1)], ..Default::default() };
        let container = Container::from_path(&source).unwrap();
        let check = || verify_job(&job, (&output, &container), Depth::Fast, &announced);
        check().unwrap();
        std::fs::remove_file(&source).unwrap();
        let error = check().unwrap_err();
        assert_eq!(error.code(), Code::InputMissing);
        let message = error.to_string();
        assert!(message.contains("source.mkv") && message.contains(output.to_str().unwrap()), "{message}");
    }
}
