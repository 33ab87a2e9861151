use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use rave_core::{BoxError, Kernel, Timestamp};
use rave_pipeline::{
    CompareOptions, CompareProgress, Comparison, Existing, OtherSize, PictureChoice, Pooled, ReportText,
    Verification, VerifyOptions, VmafChoice,
};
use serde_json::{Value, json};

use crate::{files, json, logging, stdout, table, upscale};

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The first video: the reference
    #[arg(value_name = "A")]
    reference: PathBuf,
    /// The second video, whose frames are compared with the first one's
    #[arg(value_name = "B")]
    distorted: PathBuf,
    /// What to do if the sizes differ: resample A to B's size by `bicubic`, `lanczos` or `bilinear`, or `refuse`
    #[arg(long, value_name = "HOW", default_value = "bicubic", value_parser = parse_size)]
    size: OtherSize,
    /// VMAF: `auto` if libvmaf is installed, `off`, or the library's path
    #[arg(long, value_name = "WHICH", default_value = "auto", value_parser = parse_vmaf)]
    vmaf: VmafChoice,
    /// The model of libvmaf's own
    #[arg(long, value_name = "NAME", default_value = "vmaf_v0.6.1")]
    vmaf_model: String,
    /// Threads for PSNR and SSIM [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Write a line of figures for each pair of frames
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write a report that a browser shows: figures, a slider between frames, plots, the table of streams
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The pairs of frames in the report: `auto`, or their numbers from 0
    #[arg(long, value_name = "N,N,..", default_value = "auto", value_parser = parse_pictures, requires = "html")]
    frames: PictureChoice,
    /// Replace existing files
    #[arg(short = 'y')]
    overwrite: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

fn parse_size(text: &str) -> Result<OtherSize, String> {
    match text {
        "bicubic" => Ok(OtherSize::Resample(Kernel::CatmullRom)),
        "lanczos" => Ok(OtherSize::Resample(Kernel::Lanczos3)),
        "bilinear" => Ok(OtherSize::Resample(Kernel::Triangle)),
        "refuse" => Ok(OtherSize::Refuse),
        _ => Err("expected bicubic, lanczos, bilinear or refuse".into()),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the argument parser wants a result")]
fn parse_vmaf(text: &str) -> Result<VmafChoice, String> {
    Ok(match text {
        "auto" => VmafChoice::Auto,
        "off" => VmafChoice::Off,
        path => VmafChoice::Library(path.into()),
    })
}

fn parse_pictures(text: &str) -> Result<PictureChoice, String> {
    if text == "auto" {
        return Ok(PictureChoice::Automatic);
    }
    let numbers: Result<Vec<u64>, _> = text.split(',').map(|number| number.trim().parse()).collect();
    numbers.map(PictureChoice::Pairs).map_err(|_| "expected auto, or numbers separated by commas".into())
}

pub fn run(args: &CompareArgs) -> Result<u8, BoxError> {
    logging::start(false, 0);
    let inputs = (upscale::input(&args.reference), upscale::input(&args.distorted));
    let reports: Vec<_> = [&args.csv, &args.html].into_iter().flatten().map(PathBuf::as_path).collect();
    let existing = if args.overwrite { Existing::Replace } else { Existing::Keep };
    let read: Vec<_> = [&inputs.0, &inputs.1].into_iter().filter_map(files::of_input).collect();
    files::check(&reports, &read, None, existing)?;
    if args.html.is_some() {
        for input in [&inputs.0, &inputs.1] {
            rave_pipeline::check_readable_again(input)?;
        }
    }
    let mut progress = Progress(Instant::now());
    let comparison =
        rave_pipeline::compare(&inputs.0, &inputs.1, &options(args), |done| progress.show(done))?;
    let streams = match &args.html {
        Some(_) => Some(rave_pipeline::verify(&inputs.0, &inputs.1, &VerifyOptions::default())?),
        None => None,
    };
    write_files(args, &comparison, streams.as_ref())?;
    if args.json {
        json::print(&to_json(args, &comparison))?;
    } else {
        stdout::print(&describe(&comparison))?;
    }
    Ok(0)
}

fn options(args: &CompareArgs) -> CompareOptions {
    CompareOptions {
        other_size: args.size,
        vmaf: args.vmaf.clone(),
        vmaf_model: args.vmaf_model.clone(),
        pictures: if args.html.is_some() { args.frames.clone() } else { PictureChoice::None },
        threads: args.threads,
        ..Default::default()
    }
}

/// A line each ten seconds.
struct Progress(Instant);

impl Progress {
    fn show(&mut self, done: CompareProgress) {
        const PAUSE: Duration = Duration::from_secs(10);
        if self.0.elapsed() >= PAUSE {
            self.0 = Instant::now();
            let total = done.total.map_or_else(String::new, |total| format!(" of {total}"));
            say!("rave: {}{total} frames compared", done.frames);
        }
    }
}

fn write_files(
    args: &CompareArgs,
    comparison: &Comparison,
    verification: Option<&Verification>,
) -> Result<(), BoxError> {
    if let Some(path) = &args.csv {
        files::write(path, comparison.to_csv().as_bytes())?;
    }
    if let Some(path) = &args.html {
        let (reference, distorted) = (args.reference.to_string_lossy(), args.distorted.to_string_lossy());
        let text = ReportText { reference: &reference, distorted: &distorted, verification };
        files::write(path, comparison.to_html(&text).as_bytes())?;
    }
    Ok(())
}

fn describe(comparison: &Comparison) -> String {
    let mut rows = vec![["", "mean", "min", "at", "harmonic mean"].map(str::to_owned).to_vec()];
    for (name, pooled, decimals) in metrics(comparison) {
        let number = |value: f64| format!("{value:.decimals$}");
        let at = comparison.frames.get(pooled.min_index).map(|frame| frame.reference_time.seconds());
        let at = at.map_or_else(String::new, |seconds| format!("{seconds:.3} s"));
        rows.push(vec![name, number(pooled.mean), number(pooled.min), at, number(pooled.harmonic_mean)]);
    }
    let mut text = table::aligned(&rows);
    text += &format!("\n{} pairs of frames\n", comparison.frames.len());
    for remark in remarks(comparison) {
        text += &format!("note: {remark}\n");
    }
    text
}

fn metrics(comparison: &Comparison) -> Vec<(String, Pooled, usize)> {
    let totals = &comparison.totals;
    let planes = ["PSNR Y", "PSNR Cb", "PSNR Cr"].into_iter().zip(&totals.psnr);
    let mut metrics: Vec<_> = planes.map(|(name, &pooled)| (format!("{name} (dB)"), pooled, 2)).collect();
    metrics.push(("PSNR all (dB)".to_owned(), totals.psnr_all, 2));
    metrics.extend(totals.ssim.map(|pooled| ("SSIM Y".to_owned(), pooled, 5)));
    metrics.extend(totals.vmaf.map(|pooled| ("VMAF".to_owned(), pooled, 2)));
    metrics
}

fn remarks(comparison: &Comparison) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Err(reason) = &comparison.vmaf {
        remarks.push(format!("no VMAF: {reason}"));
    }
    for (count, which) in [(comparison.only_in_reference, "first"), (comparison.only_in_distorted, "second")]
    {
        if count > 0 {
            remarks.push(format!("{count} frames of the {which} video have no partner and are left out"));
        }
    }
    if comparison.shift_nanoseconds != 0 {
        remarks.push(format!("the second video is {:+.6} s later", seconds(comparison.shift_nanoseconds)));
    }
    remarks.extend(comparison.notices.iter().cloned());
    remarks
}

fn seconds(nanoseconds: i64) -> f64 {
    nanoseconds as f64 / 1e9
}

fn to_json(args: &CompareArgs, comparison: &Comparison) -> Value {
    let totals = &comparison.totals;
    let names = ["y", "cb", "cr"];
    let by_plane = |values: Vec<Value>| -> Value {
        names.iter().map(|name| (*name).to_owned()).zip(values).collect::<serde_json::Map<_, _>>().into()
    };
    json!({
        "version": json::VERSION,
        "reference": args.reference.to_string_lossy(),
        "distorted": args.distorted.to_string_lossy(),
        "width": comparison.compared.width,
        "height": comparison.compared.height,
        "pixel_format": comparison.compared.format.to_string(),
        "pairs": comparison.frames.len(),
        "only_in_reference": comparison.only_in_reference,
        "only_in_distorted": comparison.only_in_distorted,
        "timestamp_shift_seconds": seconds(comparison.shift_nanoseconds),
        "notices": comparison.notices,
        "psnr": by_plane(totals.psnr.iter().map(|&value| pooled(value)).collect()),
        "psnr_all": pooled(totals.psnr_all),
        "psnr_of_mean_error": by_plane(totals.psnr_of_mean.iter().map(|&value| finite(value)).collect()),
        "psnr_all_of_mean_error": finite(totals.psnr_all_of_mean),
        "ssim": totals.ssim.map(pooled),
        "vmaf": totals.vmaf.map(pooled),
        "vmaf_library": comparison.vmaf.as_ref().ok(),
        "vmaf_absent": comparison.vmaf.as_ref().err(),
        "frames": comparison.frames.iter().map(|frame| json!({
            "reference_seconds": Timestamp::seconds(frame.reference_time),
            "distorted_seconds": Timestamp::seconds(frame.distorted_time),
            "psnr": by_plane(frame.psnr.iter().map(|&value| finite(value)).collect()),
            "psnr_all": finite(frame.psnr_all),
            "ssim": frame.ssim,
            "vmaf": frame.vmaf,
        })).collect::<Vec<_>>(),
    })
}

fn pooled(pooled: Pooled) -> Value {
    json!({
        "mean": pooled.mean,
        "min": pooled.min,
        "min_pair": pooled.min_index,
        "harmonic_mean": pooled.harmonic_mean,
    })
}

/// Equal pictures have infinitely many decibels, which JSON does not know.
fn finite(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { Value::Null }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_from_words() {
        assert_eq!(parse_size("refuse"), Ok(OtherSize::Refuse));
        assert!(parse_size("nearest").is_err());
        assert_eq!(parse_pictures("3, 7"), Ok(PictureChoice::Pairs(vec![3, 7])));
        assert!(parse_pictures("first").is_err());
        assert_eq!(parse_vmaf("/x/libvmaf.so"), Ok(VmafChoice::Library("/x/libvmaf.so".into())));
    }

    #[test]
    fn infinite_decibels_are_null() {
        assert_eq!(finite(f64::INFINITY), Value::Null);
        assert_eq!(finite(42.5), json!(42.5));
    }
}
