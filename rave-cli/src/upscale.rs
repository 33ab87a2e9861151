use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rave_core::{BoxError, Code, Rational, Timestamp};
use rave_ffmpeg::{
    CopyOptions, Corruption, DemuxerOptions, EncoderChoice, EncoderOptions, Incompatible, Input,
    MuxerOptions, Quality, Selection, StreamOutcome, StreamPlan, VideoCodec,
};
use rave_pipeline::{
    Control, Destination, Error, Existing, Finding, FrameTarget, Queues, Target, UpscaleJob, UpscaleOptions,
    UpscalePlan, UpscaleReport, Verdict, Written,
};
use rave_tensorrt::Runtime;

use crate::args::UpscaleArgs;
use crate::progress::{Display, clock};
use crate::usage::Usage;
use crate::{files, json, logging, report, signals, table};

pub fn run(args: &UpscaleArgs) -> Result<u8, BoxError> {
    logging::start(args.reporting.quiet, args.reporting.verbose);
    let (options, target, input) = (options(args)?, target(args)?, input(&args.input));
    let report = args.reporting.report.as_deref();
    let read: Vec<_> = files::of_input(&input).into_iter().chain(args.inference.files()).collect();
    files::check(report.as_slice(), &read, target.path(), options.existing)?;
    let control = Control::new();
    let (stop, opening) = signals::watch(&control).map_err(Error::Thread)?;
    let runtime = runtime(args.inference.ort_lib.as_deref())?;
    let opened = UpscaleJob::open_stoppable(&runtime, &input, &target, &options, &control);
    drop(opening);
    let result = opened.and_then(|job| work(args, job));
    match (result, stop.exit_status()) {
        (Ok(report), status) => {
            conclude(args, &report)?;
            Ok(status.unwrap_or(0))
        }
        (Err(Error::Abandoned), Some(status)) => {
            say!("rave: abandoned, nothing was written");
            Ok(status)
        }
        (Err(error), _) => Err(error.into()),
    }
}

fn work(args: &UpscaleArgs, job: UpscaleJob) -> Result<UpscaleReport, Error> {
    if !args.reporting.quiet {
        announce(job.plan());
    }
    let mut display = Display::new(&args.reporting);
    let result = job.run(|progress| display.update(progress));
    display.end();
    result
}

pub fn input(path: &Path) -> Input {
    if path == "-" { Input::Stdin } else { Input::File(path.to_path_buf()) }
}

/// ONNX Runtime from `explicit`, from where the environment says that it is, or from the usual places.
pub fn runtime(explicit: Option<&Path>) -> Result<Runtime, BoxError> {
    let named = env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty());
    let further: Vec<PathBuf> = named.map(PathBuf::from).into_iter().collect();
    Ok(Runtime::load(explicit, &further)?)
}

/// Standard output carries one thing.
fn target(args: &UpscaleArgs) -> Result<Target, BoxError> {
    let target = Target::from_argument(&args.output);
    let is_stdout = matches!(target, Target::Frames(FrameTarget::Samples(_, Destination::Stdout)));
    if args.reporting.json && is_stdout {
        return Err(Usage("--json and -o - both want standard output".into()).into());
    }
    if let (Target::Frames(frames), Some(option)) = (&target, encoder_option(args)) {
        return Err(Usage(format!("{option} is for an encoder, and -o {frames} has none")).into());
    }
    Ok(target)
}

/// An option that only an encoder follows, if one is given.
fn encoder_option(args: &UpscaleArgs) -> Option<&'static str> {
    let given = [
        ("--codec", args.codec.is_some()),
        ("--encoder", args.encoder != EncoderChoice::Auto),
        ("--crf", args.crf.is_some()),
        ("--bitrate", args.bitrate.is_some()),
        ("--max-bitrate", args.max_bitrate.is_some()),
        ("--preset", args.preset.is_some()),
        ("--tune", args.tune.is_some()),
        ("--gop", args.gop.is_some()),
        ("--bframes", args.bframes.is_some()),
        ("--encode-workers", args.encode_workers.is_some()),
    ];
    given.iter().find(|(_, is_given)| *is_given).map(|(option, _)| *option)
}

fn options(args: &UpscaleArgs) -> Result<UpscaleOptions, BoxError> {
    let mut options = UpscaleOptions {
        demuxer: DemuxerOptions {
            stream: args.stream,
            frame_rate: frame_rate(args)?,
            range: args.picture.range(),
            cropping: args.picture.cropping(),
            ..Default::default()
        },
        corruption: if args.strict { Corruption::Strict } else { Corruption::Conceal },
        codec: args.codec,
        encoder: encoder(args),
        muxer: MuxerOptions {
            incompatible: if args.drop_incompatible { Incompatible::Drop } else { Incompatible::Refuse },
            copy: copy(args),
        },
        picture: args.picture.options(),
        existing: if args.overwrite { Existing::Replace } else { Existing::Keep },
        queues: Queues {
            decoded: args.decode_cap,
            preprocessed: args.preprocess_cap,
            upscaled: args.upscale_cap,
            ..Default::default()
        },
        verify: args.verify.depth(),
        stall_limit: (args.stall_limit > 0).then(|| Duration::from_secs(u64::from(args.stall_limit))),
        ..UpscaleOptions::default()
    };
    args.inference.put_into(&mut options);
    Ok(options)
}

fn copy(args: &UpscaleArgs) -> CopyOptions {
    let unless = |is_omitted| if is_omitted { Selection::Omit } else { Selection::Keep };
    CopyOptions {
        maps: args.map.clone(),
        video: Selection::Keep,
        audio: unless(args.no_audio),
        subtitles: unless(args.no_subtitles),
        data: unless(args.no_data),
        attachments: unless(args.no_attachments),
        chapters: unless(args.no_chapters),
        metadata: unless(args.no_metadata),
    }
}

fn frame_rate(args: &UpscaleArgs) -> Result<Option<Rational>, BoxError> {
    let Some(numerator) = args.fps_num else { return Ok(None) };
    let denominator = args.fps_den.map_or(1, |denominator| denominator.get());
    Ok(Some(Rational::new(i64::from(numerator.get()), i64::from(denominator))?))
}

fn encoder(args: &UpscaleArgs) -> EncoderOptions {
    let quality = match (args.crf, args.bitrate) {
        (Some(crf), _) => Quality::Crf(crf),
        (None, Some(bitrate)) => Quality::Bitrate { kilobits_per_second: bitrate.get() },
        (None, None) => Quality::Default,
    };
    EncoderOptions {
        encoder: args.encoder.clone(),
        quality,
        max_bitrate: args.max_bitrate,
        preset: args.preset.clone(),
        tune: args.tune.clone(),
        gop: args.gop.map(|gop| gop.get()),
        bframes: args.bframes,
        workers: args.encode_workers,
        ..EncoderOptions::new(VideoCodec::H264)
    }
}

/// Says on standard error what is about to happen, and what had to be decided.
fn announce(plan: &UpscalePlan) {
    let (source, output) = (&plan.source, &plan.output);
    let encoder = plan.encoder.as_ref().map_or_else(String::new, |encoder| format!(", encoder {encoder}"));
    say!(
        "rave: {}x{} {} -> {}x{} {}, model {} ({}){encoder}",
        source.width,
        source.height,
        source.format,
        output.width,
        output.height,
        output.format,
        plan.model.name,
        plan.model,
    );
    for choice in &plan.choices {
        say!("rave: {choice}");
    }
    for notice in &plan.notices {
        say!("rave: note: {notice}");
    }
    if plan.streams.len() > 1 {
        let rows: Vec<_> = plan.streams.iter().map(|stream| stream_row(stream).to_vec()).collect();
        for line in table::aligned(&rows).lines() {
            say!("rave: {line}");
        }
    }
}

/// What becomes of a stream, and why.
fn stream_row(plan: &StreamPlan) -> [String; 6] {
    let codec = plan.codec.as_deref().unwrap_or("-");
    let (outcome, reason) = match &plan.outcome {
        StreamOutcome::Encoded { .. } => ("upscaled".to_owned(), None),
        StreamOutcome::Copied { .. } => ("copied".to_owned(), None),
        StreamOutcome::Converted { codec, reason, .. } => (format!("converted to {codec}"), Some(reason)),
        StreamOutcome::Dropped { reason } => ("left out".to_owned(), Some(reason)),
    };
    let why: Vec<&str> = reason.into_iter().chain(&plan.notes).map(String::as_str).collect();
    [
        format!("stream {}", plan.source_index),
        plan.kind.name().to_owned(),
        codec.to_owned(),
        plan.language.clone().unwrap_or_else(|| "-".to_owned()),
        outcome,
        why.join("; "),
    ]
}

fn conclude(args: &UpscaleArgs, report: &UpscaleReport) -> Result<(), BoxError> {
    let mut json = json::report(report);
    json["range"] = json::range(&args.picture.range());
    if let Some(path) = &args.reporting.report {
        files::write(path, format!("{json:#}\n").as_bytes())?;
    }
    if args.reporting.json {
        json::print(&json)?;
    }
    if args.reporting.quiet {
        return Ok(());
    }
    for line in report::table(report).lines() {
        say!("rave: {line}");
    }
    for warning in warnings(report) {
        say!("rave: note: {warning}");
    }
    let seconds = report.stages.elapsed.as_secs_f64();
    let limit = report.stages.bottleneck().map_or("", |stage| stage.name.as_str());
    say!(
        "rave: {}: {} frames in {}, {:.1} fps, limited by {limit}{}",
        args.output.display().to_string().trim_end_matches(':'),
        report.frames(),
        clock(report.stages.elapsed),
        report.frames() as f64 / seconds.max(1e-9),
        outcome(&report.written),
    );
    Ok(())
}

fn outcome(written: &Written) -> String {
    match written {
        Written::File { verification: Some(_), .. } => ", checked".into(),
        Written::File { verification: None, .. } => ", not checked".into(),
        Written::Frames { summary, .. } => {
            summary.digest().map_or_else(String::new, |digest| format!(", digest {digest}"))
        }
    }
}

/// What happened that the user would want to know.
fn warnings(report: &UpscaleReport) -> Vec<String> {
    let counts = counts(report).into_iter().filter(|(_, count)| *count > 0);
    let mut warnings: Vec<_> = counts.map(|(what, count)| format!("{what}: {count}")).collect();
    if let Written::File { verification: Some(found), .. } = &report.written
        && found.missing_seconds > 0.0
    {
        warnings.push(format!("the source ends {:.3} s before its header says", found.missing_seconds));
    }
    if let Some(shift) = shift(&report.written) {
        warnings.push(format!("every timestamp of every stream is moved by {:+.6} s", shift.seconds()));
    }
    if let Some(reason) = &report.switched_decoder {
        warnings.push(format!("NVDEC gave up and decoding went on in software: {reason}"));
    }
    warnings.extend(report.left_out().map(left_out));
    warnings.extend(lost_tags(&report.written));
    if report.is_cut_short {
        warnings.push("stopped before the end of the source".into());
    }
    warnings
}

fn counts(report: &UpscaleReport) -> [(&'static str, u64); 12] {
    let (decoding, inference) = (&report.decoding, &report.inference);
    let (damaged_packets, moved_packets) = match &report.written {
        Written::File { muxing, .. } => (muxing.damaged_packets, muxing.moved_packets),
        Written::Frames { .. } => (0, 0),
    };
    [
        ("frames that the source's header announces but that are not there", report.missing_frames),
        ("damaged video packets that could not be decoded", decoding.corrupt_packets),
        (
            "packets at the start that give no frame, since they refer to frames before the source's first",
            decoding.undecodable_at_start,
        ),
        ("damaged frames that were concealed", decoding.concealed_frames),
        ("damaged packets of other streams that were left out", damaged_packets),
        ("packets of other streams whose time stepped back, put right after the one before", moved_packets),
        (
            "frames without a timestamp, whose time follows from the frame rate",
            decoding.reconstructed_timestamps,
        ),
        ("frames of another size, resampled to the first one's", decoding.resized_frames),
        (
            "interlaced frames, enlarged without deinterlacing and encoded as progressive",
            report.interlaced_frames,
        ),
        ("frames that the model gave with NaN or infinity", inference.not_finite),
        ("frames that were run again in fp32", inference.run_again),
        ("frames that have NaN or infinity in fp32, too", inference.still_not_finite),
    ]
}

/// By how much the muxer moved all times, as the check of the output found it.
fn shift(written: &Written) -> Option<Timestamp> {
    match written {
        Written::File { muxing, verification, .. } => {
            verification.as_ref().map_or(muxing.timestamp_shift, |found| found.shift)
        }
        Written::Frames { .. } => None,
    }
}

/// A stream that was to be copied and turned out to have nothing that could be.
fn left_out(stream: &StreamPlan) -> String {
    let [name, kind, codec, _, outcome, reason] = stream_row(stream);
    format!("{name} ({kind}, {codec}) is {outcome}: {reason}")
}

/// Tags that the container was given and did not keep.
fn lost_tags(written: &Written) -> Vec<String> {
    let Written::File { verification: Some(found), .. } = written else { return Vec::new() };
    let is_tag = |finding: &&Finding| {
        finding.verdict == Verdict::Announced && finding.aspect.code() == Code::MetadataMismatch
    };
    found.findings.iter().filter(is_tag).map(ToString::to_string).collect()
}
