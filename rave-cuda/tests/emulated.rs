//! The GPU tests on a machine without a GPU: with a driver of our own (emulated/driver.cpp) that runs the kernels' sources
//! on the host. It is lazy, so that work that is not ordered by an event runs too early and gives wrong pictures.
#![allow(clippy::duplicate_mod, reason = "each of the programs brings its own common module")]

use std::env;
use std::path::Path;
use std::process::Command;

#[path = "kernels.rs"]
mod kernels;
#[path = "peer.rs"]
mod peer;
#[path = "pool.rs"]
mod pool;
#[path = "steady.rs"]
mod steady;
#[path = "timer.rs"]
mod timer;

/// Tests that compare what the kernels compute are many and have their like in the library: these show that the driver is
/// called with the right arguments. What watches the GPU's memory is alone.
const RUNS: &[&[&str]] = &[
    &[
        "pool::",
        "timer::",
        "kernels::rgb_becomes_grey",
        "kernels::a_batch",
        "kernels::pictures_are",
        "kernels::a_picture",
        "kernels::feathered",
        "kernels::values_that",
        "kernels::digests_are",
    ],
    &["steady::"],
    &["peer::"],
];

#[test]
fn the_gpu_tests_pass_with_an_emulated_driver() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !sources.join("kernels").is_dir() || Command::new("c++").arg("--version").output().is_err() {
        println!("skipped: the sources or a C++ compiler are missing");
        return;
    }
    if rave_cuda::Device::open(0).is_ok() {
        println!("skipped: there is a GPU");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for topic in ["to_rgb", "from_rgb", "rescale", "resample", "tiles", "reduce", "digest"] {
        let library = folder.path().join(format!("kernels_{topic}.so"));
        build(&sources.join(format!("kernels/{topic}.cu")), &library);
    }
    build(&sources.join("tests/emulated/driver.cpp"), &folder.path().join("libcuda.so"));
    for filters in RUNS {
        let output = Command::new(env::current_exe().expect("a test knows its program"))
            .args(*filters)
            .env("LD_LIBRARY_PATH", folder.path())
            .env("RAVE_REQUIRE_GPU", "1")
            .env("RAVE_EMULATED_GPUS", "2")
            .output()
            .expect("the program starts again");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains(&format!("test {}", filters[0])), "{said}");
    }
}

fn build(source: &Path, library: &Path) {
    let mut compiler = Command::new("c++");
    compiler.args(["-std=c++17", "-O2", "-ffp-contract=off", "-shared", "-fPIC", "-DRAVE_HOST"]);
    compiler
        .args(["-Wall", "-Wno-unknown-pragmas", "-x", "c++"])
        .arg(source)
        .arg("-o")
        .arg(library)
        .arg("-ldl");
    let output = compiler.output().expect("the compiler starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
