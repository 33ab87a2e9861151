//! The stage on an emulated GPU (rave-cuda/tests/emulated/driver.cpp), whose memory is the host's: the model runs on the CPU's
//! provider.

mod stage;
mod support;

use std::env;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use rave_cuda::{Device, Stream};

/// The most elements that a network is given memory for.
static MOST_ELEMENTS: AtomicU64 = AtomicU64::new(u64::MAX);

/// Brings the emulated GPU as far as the run's input, or says that memory does not suffice.
pub(super) fn before_run(stream: &Stream, shape: [i64; 4]) -> Result<(), ort::Error> {
    if shape.iter().product::<i64>() as u64 > MOST_ELEMENTS.load(Ordering::Relaxed) {
        return Err(ort::Error::new("Failed to allocate memory for requested buffer"));
    }
    stream.synchronize().map_err(|error| ort::Error::new(error.to_string()))
}

/// Names of the tests in `stage.rs`, which run in a process with the emulated driver.
const PREFIX: &str = "device::tests::stage::";

#[test]
fn the_stage_works_on_an_emulated_gpu() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rave-cuda");
    let driver = sources.join("tests/emulated/driver.cpp");
    if !driver.is_file() || Command::new("c++").arg("--version").output().is_err() {
        println!("skipped: the sources or a C++ compiler are missing");
        return;
    }
    if Device::open(0).is_ok() {
        println!("skipped: there is a GPU");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for topic in ["resample", "tiles", "reduce", "digest"] {
        let library = folder.path().join(format!("kernels_{topic}.so"));
        build(&sources.join(format!("kernels/{topic}.cu")), &library);
    }
    build(&driver, &folder.path().join("libcuda.so"));
    let output = Command::new(env::current_exe().unwrap())
        .args([PREFIX, "--test-threads", "1", "--nocapture"])
        .env("LD_LIBRARY_PATH", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(PREFIX) && !said.contains("skipped"), "{said}");
}

fn build(source: &Path, library: &Path) {
    let mut compiler = Command::new("c++");
    compiler.args(["-std=c++17", "-O2", "-ffp-contract=off", "-shared", "-fPIC", "-DRAVE_HOST"]);
    compiler.args(["-Wno-unknown-pragmas", "-x", "c++"]).arg(source).arg("-o").arg(library).arg("-ldl");
    let output = compiler.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
