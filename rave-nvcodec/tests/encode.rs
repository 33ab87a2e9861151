//! The encoder's GPU tests on a machine without a GPU, with the emulated driver of `rave-cuda`. It is lazy: work that is not
//! ordered by an event runs too early, and the double then sees a wrong picture.
#![allow(clippy::duplicate_mod, reason = "each of the programs brings its own modules")]

use std::env;
use std::path::Path;
use std::process::Command;

#[path = "encode_device.rs"]
mod encode_device;
#[path = "encode/mux.rs"]
mod mux;

#[test]
fn the_encoders_gpu_tests_pass_with_an_emulated_driver() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rave-cuda/tests/emulated/driver.cpp");
    if !source.is_file() || Command::new("c++").arg("--version").output().is_err() {
        println!("skipped: the emulated driver's source or a C++ compiler is missing");
        return;
    }
    if rave_cuda::Device::open(0).is_ok() {
        println!("skipped: there is a GPU");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    build(&source, &folder.path().join("libcuda.so"));
    let output = Command::new(env::current_exe().expect("a test knows its program"))
        .args(["encode_device::", "mux::"])
        .env("LD_LIBRARY_PATH", folder.path())
        .env("RAVE_REQUIRE_GPU", "1")
        .output()
        .expect("the program starts again");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    for test in ["encode_device::every_frame_arrives", "mux::ffprobe_finds"] {
        assert!(said.contains(&format!("test {test}")), "{said}");
    }
}

fn build(source: &Path, library: &Path) {
    let mut compiler = Command::new("c++");
    compiler.args(["-std=c++17", "-O2", "-shared", "-fPIC"]);
    let output = compiler.arg(source).arg("-o").arg(library).arg("-ldl").output();
    let output = output.expect("the compiler starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
