//! That a job on the CPU takes no host memory once it is warm, counted by the allocator of this program.
#![cfg(feature = "upscale")]
#![allow(clippy::unwrap_used, reason = "all of it is test code")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rave_pipeline::{DeviceChoice, StressOptions, UpscaleOptions, note_allocation, stress};
use rave_tensorrt::{BuiltIn, ModelSource, Runtime};

struct Telling;

#[global_allocator]
static ALLOCATOR: Telling = Telling;

// SAFETY: everything is the system's allocator's; noting an allocation does not unwind.
unsafe impl GlobalAlloc for Telling {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note_allocation(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note_allocation(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note_allocation(new_size);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(memory, layout, new_size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

fn runtime() -> Runtime {
    let explicit = env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/onnxruntime");
    Runtime::load(explicit.as_deref(), &[folder]).expect("`cargo xtask setup` brings ONNX Runtime")
}

fn clip(folder: &Path) -> PathBuf {
    let path = folder.join("clip.mkv");
    let source = "testsrc2=size=64x36:rate=25:duration=2";
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", source, "-c:v", "mpeg4", "-bf", "2"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(status.success());
    path
}

/// One test, so that nobody else allocates meanwhile.
#[test]
fn a_warm_job_on_the_cpu_takes_no_host_memory() {
    let (runtime, folder) = (runtime(), tempfile::tempdir().unwrap());
    for input in [None, Some(clip(folder.path()))] {
        for model in ["resize-cubic-x2", "rave-fast-x2"] {
            let mut upscale = UpscaleOptions {
                model: BuiltIn::find(model).map(ModelSource::BuiltIn),
                ..UpscaleOptions::default()
            };
            upscale.inference.device = DeviceChoice::Cpu;
            let duration = Duration::from_secs(2);
            let options = StressOptions { upscale, input: input.clone(), size: (64, 36), duration };
            let report = stress(&runtime, &options).unwrap();
            assert!(report.frames.1 > 50 && report.frames.0 == report.frames.1, "{:?}", report.frames);
            let allocations = report.allocations.expect("the allocator tells");
            assert_eq!(allocations.count, 0, "{model}, {input:?}: {:?}", allocations.sites);
        }
    }
}
