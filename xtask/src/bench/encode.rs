//! Software encoders, one and several at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::table::Table;
use super::write_record;
use crate::failure::{Failure, OnPath};
use crate::process;
use crate::workspace::Workspace;

const ENCODERS: &[&str] = &["libx264", "libx265", "libsvtav1"];
const WORKERS: &[&str] = &["1", "2", "4"];
/// Enough for eight segments of four workers.
const FRAMES: &str = "480";
/// What the parts may cost the encoder that is shared by default against a single one, in dB of luma PSNR.
const LOSS_DB: f64 = 0.1;
const SHARED: &str = "libx265";

/// What is measured.
pub struct Options {
    input: Option<PathBuf>,
}

/// `[--input FILE]`.
pub fn parse(words: &[&str]) -> Result<Options, Failure> {
    match words {
        [] => Ok(Options { input: None }),
        ["--input", file] => Ok(Options { input: Some(PathBuf::from(file)) }),
        _ => Err(Failure::Usage("bench encode wants nothing, or --input FILE".into())),
    }
}

/// Encodes with each encoder and each number of workers, and compares speed and quality with one worker's.
pub fn run(workspace: &Workspace, options: &Options) -> Result<(), Failure> {
    let clip = match &options.input {
        Some(path) => path.canonicalize().on("find", path)?,
        None => make_clip(workspace)?,
    };
    let mut table = Table::new(&["encoder", "workers", "fps", "of one", "busy cores", "PSNR", "loss", "MB"]);
    let (mut results, mut worst) = (Vec::new(), 0.0_f64);
    for encoder in ENCODERS {
        let measured = measure(workspace, &clip, encoder)?;
        for (workers, result) in WORKERS.iter().zip(&measured) {
            let ratio = number(result, "fps") / number(&measured[0], "fps");
            let loss = number(&measured[0], "psnr_y") - number(result, "psnr_y");
            worst = if *encoder == SHARED { worst.max(loss) } else { worst };
            table.push([
                (*encoder).to_string(),
                (*workers).to_string(),
                format!("{:.2}", number(result, "fps")),
                format!("{ratio:.2}"),
                format!("{:.0} %", 100.0 * number(result, "busy")),
                format!("{:.2}", number(result, "psnr_y")),
                format!("{loss:.2}"),
                format!("{:.1}", number(result, "bytes") / 1e6),
            ]);
        }
        results.extend(measured);
    }
    print!("{}", table.to_text());
    write_record(workspace, "encode", &json!({ "loss_db": worst, "limit_db": LOSS_DB, "runs": results }))?;
    if worst <= LOSS_DB {
        return Ok(());
    }
    Err(Failure::Message(format!("several {SHARED} lose {worst:.2} dB against one, more than {LOSS_DB}")))
}

fn measure(workspace: &Workspace, clip: &Path, encoder: &str) -> Result<Vec<Value>, Failure> {
    let mut cargo = process::cargo(&workspace.root);
    cargo.args(["run", "--quiet", "--release", "-p", "rave-ffmpeg", "--example", "encode_speed", "--"]);
    cargo.env("SVT_LOG", "0").arg(clip).arg(FRAMES);
    let text = process::output(cargo.args(WORKERS.iter().map(|workers| format!("{encoder}:{workers}"))))?;
    let results: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    if results.len() == WORKERS.len() {
        return Ok(results);
    }
    Err(Failure::Message(format!("encode_speed printed {} of {} results", results.len(), WORKERS.len())))
}

fn number(result: &Value, name: &str) -> f64 {
    result[name].as_f64().unwrap_or(f64::NAN)
}

/// A test picture of 4K with noise, which no encoder finds easy.
fn make_clip(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let folder = workspace.target.join("bench");
    fs::create_dir_all(&folder).on("create", &folder)?;
    let path = folder.join("encode-4k.mp4");
    if !path.exists() {
        let partial = folder.join("encode-4k.partial.mp4");
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i"]);
        ffmpeg.arg("testsrc2=size=3840x2160:rate=25,noise=alls=6:allf=t,format=yuv420p");
        ffmpeg.args(["-frames:v", "96", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "16"]);
        process::run(ffmpeg.arg(&partial))?;
        fs::rename(&partial, &path).on("create", &path)?;
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_may_be_named() {
        assert_eq!(parse(&[]).unwrap().input, None);
        assert_eq!(parse(&["--input", "a.mp4"]).unwrap().input, Some(PathBuf::from("a.mp4")));
        assert!(parse(&["a.mp4"]).is_err() && parse(&["--input"]).is_err());
    }
}
