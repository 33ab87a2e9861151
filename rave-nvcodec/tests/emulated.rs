//! Decoding on a machine without a GPU: with rave-cuda's emulated driver and an NVDEC of our own (emulated/nvcuvid.cpp) that
//! does what the tests' packets say and ends the program where a rule of the programming guide is broken.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::env;
use std::path::Path;
use std::process::Command;

#[path = "emulated/rules.rs"]
mod rules;

#[test]
fn decoding_keeps_the_rules_of_an_emulated_nvdec() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cuda = sources.join("../rave-cuda");
    if !cuda.join("tests/emulated").is_dir() || Command::new("c++").arg("--version").output().is_err() {
        println!("skipped: rave-cuda's sources or a C++ compiler are missing");
        return;
    }
    if rave_cuda::Device::open(0).is_ok() {
        println!("skipped: there is a GPU");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for topic in ["rescale", "resample"] {
        let library = folder.path().join(format!("kernels_{topic}.so"));
        build(&cuda.join(format!("kernels/{topic}.cu")), &library);
    }
    build(&cuda.join("tests/emulated/driver.cpp"), &folder.path().join("libcuda.so"));
    build(&sources.join("tests/emulated/nvcuvid.cpp"), &folder.path().join("libnvcuvid.so.1"));
    let output = Command::new(env::current_exe().unwrap())
        .args(["rules::", "--test-threads", "1"])
        .env("LD_LIBRARY_PATH", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("test rules::") && !said.contains("skipped"), "{said}");
}

fn build(source: &Path, library: &Path) {
    let mut compiler = Command::new("c++");
    compiler.args(["-std=c++17", "-O2", "-ffp-contract=off", "-shared", "-fPIC", "-DRAVE_HOST"]);
    compiler.args(["-Wall", "-Wno-unknown-pragmas", "-x", "c++"]);
    let output = compiler.arg(source).arg("-o").arg(library).arg("-ldl").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
