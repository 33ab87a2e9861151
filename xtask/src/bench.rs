//! Measurements against a peer in the same run.

mod convert;
mod cpu;
mod encode;
mod machine;
mod media;
mod memory;
mod model;
mod peer;
mod reference;
mod table;
mod timing;
mod verified;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::failure::{Failure, OnPath};
use crate::workspace::Workspace;
use crate::{process, setup};

/// What `cargo xtask help bench` says.
pub const DETAILS: &str = "\
bench cpu [PART..]       PART is peer, model, convert or memory; all by default
    peer     end-to-end speed against the usual ffmpeg + Python + onnxruntime script (xtask/peers/upscale.py)
             with the same model, threads and encoder, and against the stages' own times
    model    the default model of the CPU from 540p to 1080p, as a fraction of the fp32 peak: of multiply-adds in
             registers, and of a large matrix product, both measured in turn with it
    convert  colour conversion against swscale
    memory   resident memory over a long clip
bench encode [--input FILE]
    the software encoders with 1, 2 and 4 workers on FILE or a 4K test picture: speed, busy cores, quality
bench media [--filter TEXT]
    every file of RAVE_MEDIA's clips/ and bad/ through the program; frames and timestamps are compared with
    what ffmpeg decodes, everything else by `rave verify --full`; TEXT picks files by a part of their name
Fails when a ratio is not reached or a file is treated wrongly.";

/// `bench cpu|encode|media`.
pub fn task(workspace: &Workspace, arguments: &[OsString]) -> Result<(), Failure> {
    let words: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    match words.split_first() {
        Some((&"cpu", parts)) => {
            let parts = cpu::parse(parts)?;
            setup::ensure(workspace)?;
            cpu::run(workspace, &parts)
        }
        Some((&"media", options)) => {
            let filter = media::parse(options)?;
            setup::ensure(workspace)?;
            media::run(workspace, filter)
        }
        Some((&"encode", options)) => {
            let options = encode::parse(options)?;
            setup::ensure(workspace)?;
            encode::run(workspace, &options)
        }
        _ => Err(Failure::Usage("bench wants `cpu`, `encode` or `media`".into())),
    }
}

/// The models that rave-tensorrt makes for its tests, with fixed random weights.
fn make_models(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let folder = workspace.target.join("bench/models");
    let mut cargo = process::cargo(&workspace.root);
    cargo
        .args(["run", "--quiet", "--release", "-p", "rave-tensorrt", "--example", "make_models", "--"])
        .arg(&folder);
    process::run(&mut cargo)?;
    Ok(folder)
}

/// Writes what was measured to `target/bench/NAME.json`, with the machine and the date.
fn write_record(workspace: &Workspace, name: &str, results: &Value) -> Result<(), Failure> {
    let folder = workspace.target.join("bench");
    fs::create_dir_all(&folder).on("create", &folder)?;
    let path = folder.join(format!("{name}.json"));
    let record =
        json!({ "version": 1, "bench": name, "machine": machine::describe(workspace), "results": results });
    fs::write(&path, format!("{record:#}\n")).on("write", &path)?;
    println!("\nwritten to {}", path.display());
    Ok(())
}
