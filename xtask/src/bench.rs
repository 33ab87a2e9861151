//! Measurements against a peer in the same run.

mod comparison;
mod convert;
mod cpu;
mod encode;
mod gpu;
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
bench gpu [PART..]       PART is depths, start, sizes or speed; all by default
    depths   the same digests with queues of 1, 2, 4 and 8 frames, and again
    start    from the program's start to the first packet
    sizes    cost of a megapixel from 540p to 2160p
    speed    each clip with each model, at least three times in turn: the whole job against its network alone and against
             PyNvVideoCodec with PyTorch (xtask/peers/torch_pipeline.py), as it is and compiled; the Python pipeline
             needs `pip install torch PyNvVideoCodec` in python3
    -i FILE, --clips FOLDER   what to upscale; may be repeated; 20 s of H.264 and HEVC in 720p and 1080p are made by default
    --models FOLDER           also these ONNX files: 0.97 is asked of them, 0.92 of rave-x2
    --python MODE             eager, compiled, both (the default) or off
    --filter TEXT             only networks and clips whose names, as in the table, contain TEXT
    --rounds N                3 or more
    --budget SECONDS          begin nothing after that; what was not measured is named
    --rave PROGRAM            measure the bin/rave of an unpacked bundle; then neither cargo nor a checkout is needed (nor
                              ffmpeg, if clips are given), and results go to target/bench in the current folder
bench encode [--input FILE]
    the software encoders with 1, 2 and 4 workers on FILE or a 4K test picture: speed, busy cores, quality
bench media [--filter TEXT]
    every file of RAVE_MEDIA's clips/ and bad/ through the program; frames and timestamps are compared with
    what ffmpeg decodes, everything else by `rave verify --full`; TEXT picks files by a part of their name
Fails when a ratio is not reached or a file is treated wrongly.";

/// `bench cpu|gpu|encode|media`.
pub fn task(arguments: &[OsString]) -> Result<(), Failure> {
    let words: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    match words.split_first() {
        Some((&"cpu", parts)) => {
            let parts = cpu::parse(parts)?;
            cpu::run(&ready()?, &parts)
        }
        Some((&"gpu", options)) => gpu::task(options),
        Some((&"media", options)) => {
            let filter = media::parse(options)?;
            media::run(&ready()?, filter)
        }
        Some((&"encode", options)) => {
            let options = encode::parse(options)?;
            encode::run(&ready()?, &options)
        }
        _ => Err(Failure::Usage("bench wants `cpu`, `gpu`, `encode` or `media`".into())),
    }
}

/// The checkout, with what builds and measurements need.
fn ready() -> Result<Workspace, Failure> {
    let workspace = Workspace::find()?;
    setup::ensure(&workspace)?;
    Ok(workspace)
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

/// Writes what was measured and says where.
fn write_record(workspace: &Workspace, name: &str, results: &Value) -> Result<(), Failure> {
    let path = save_record(workspace, name, results)?;
    println!("\nwritten to {}", path.display());
    Ok(())
}

/// Writes what was measured to `target/bench/NAME.json`, with the machine and the date.
fn save_record(workspace: &Workspace, name: &str, results: &Value) -> Result<PathBuf, Failure> {
    let folder = workspace.target.join("bench");
    fs::create_dir_all(&folder).on("create", &folder)?;
    let path = folder.join(format!("{name}.json"));
    let record =
        json!({ "version": 1, "bench": name, "machine": machine::describe(workspace), "results": results });
    fs::write(&path, format!("{record:#}\n")).on("write", &path)?;
    Ok(path)
}
