//! Whole lines with a fault in each of their stages: in host memory, and on two GPUs, which are those of an emulated driver
//! where there are none.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, bounded, unbounded};
use rave_core::{Code, CodedError, PixelFormat, Rational};
use rave_cuda::Device;
use rave_ffmpeg::{Input, VideoCodec};
use rave_tensorrt::{BuiltIn, ModelSource, Runtime};
use tempfile::TempDir;

use crate::trap::{self, Fault, Trap};
use crate::upscale::synthetic::write_clip;
use crate::upscale::{
    DecoderChoice, Deinterlacing, Destination, DeviceChoice, FrameTarget, OutputSize, PictureOptions,
    SampleFile, Target, UpscaleJob, UpscaleOptions,
};
use crate::{Error, Report};

mod emulated;

const SIZE: (u32, u32) = (64, 36);
const FRAMES: u64 = 40;
const LIMIT: Duration = Duration::from_millis(500);

/// A clip in a folder of its own.
struct Clip(TempDir);

impl Clip {
    fn new() -> Self {
        let clip = Self(tempfile::tempdir().unwrap());
        write_clip(&clip.path(), VideoCodec::H264, PixelFormat::YUV420P, SIZE, FRAMES).unwrap();
        clip
    }

    fn path(&self) -> PathBuf {
        self.beside("clip.mkv")
    }

    fn input(&self) -> Input {
        Input::File(self.path())
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn is_alone(&self) -> bool {
        self.0.path().read_dir().unwrap().count() == 1
    }
}

fn options() -> UpscaleOptions {
    let mut options = UpscaleOptions {
        model: BuiltIn::find("resize-cubic-x2").map(ModelSource::BuiltIn),
        decoder: DecoderChoice::Software,
        stall_limit: Some(LIMIT),
        ..UpscaleOptions::default()
    };
    options.inference.device = DeviceChoice::Cpu;
    options
}

/// A line that is put together and only has to be run.
type Ready = Box<dyn FnOnce() -> Result<Report, Error>>;

/// Runs the line as it is, and with an error, a panic and a stall in each of its stages.
fn every_fault_ends(build: &dyn Fn() -> Ready, after: &dyn Fn(&str)) {
    let report = build()().unwrap();
    // These two are the chain's own: they run nobody's code.
    let is_own = |name: &str| matches!(name, "deal" | "merge");
    for stage in report.stages.iter().map(|stage| stage.name.as_str()).filter(|name| !is_own(name)) {
        ends_by(build, stage, Fault::Error, Code::StageFailed);
        ends_by(build, stage, Fault::Panic, Code::StagePanicked);
        let (gate_holder, gate) = bounded(0);
        let ended = ends_by(build, stage, Fault::Stall(gate), Code::StageStalled);
        drop(gate_holder);
        assert_eq!(ended.recv_timeout(Duration::from_secs(10)), Err(RecvTimeoutError::Disconnected));
        after(stage);
    }
}

/// What is disconnected when every stage is gone.
fn ends_by(
    build: &dyn Fn() -> Ready,
    stage: &str,
    fault: Fault,
    code: Code,
) -> crossbeam_channel::Receiver<()> {
    let (alive, ended) = unbounded();
    let is_stall = matches!(fault, Fault::Stall(_));
    let ready = trap::with(Trap { stage: stage.to_owned(), item: 2, fault, alive }, build);
    let start = Instant::now();
    let error = ready().unwrap_err();
    let most = Duration::from_secs(2) + if is_stall { LIMIT * 2 } else { Duration::ZERO };
    assert!(start.elapsed() < most, "{stage} {code:?}: {:?}", start.elapsed());
    assert_eq!(error.code(), code, "{stage}: {error}");
    assert!(error.to_string().starts_with(&format!("{stage}: ")), "{stage}: {error}");
    if !is_stall {
        assert_eq!(ended.try_recv(), Err(crossbeam_channel::TryRecvError::Disconnected), "{stage}");
    }
    ended
}

fn runtime() -> Runtime {
    let explicit = env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/onnxruntime");
    Runtime::load(explicit.as_deref(), &[folder]).expect("`cargo xtask setup` brings ONNX Runtime")
}

fn cpu_job(clip: &Clip, target: &Target, picture: PictureOptions) -> Ready {
    job(clip, target, &UpscaleOptions { picture, ..options() })
}

fn job(clip: &Clip, target: &Target, options: &UpscaleOptions) -> Ready {
    let job = UpscaleJob::open(&runtime(), &clip.input(), target, options).unwrap();
    Box::new(move || job.run(|_| {}).map(|report| report.stages))
}

#[test]
fn a_fault_in_any_stage_of_a_job_on_the_cpu_ends_it_and_leaves_nothing() {
    let clip = Clip::new();
    let output = clip.beside("larger.mp4");
    let picture = PictureOptions {
        size: OutputSize::Factor(Rational::new(3, 2).unwrap()),
        frame_rate: Some(Rational::new(60, 1).unwrap()),
        deinterlacing: Deinterlacing::Bwdif,
        ..PictureOptions::default()
    };
    let build = || {
        // The job that was let complete has left it.
        let _ = std::fs::remove_file(&output);
        cpu_job(&clip, &Target::File(output.clone()), picture)
    };
    let report = build()().unwrap();
    let names: Vec<_> = report.stages.iter().map(|stage| stage.name.as_str()).collect();
    for name in ["demux", "decode", "deinterlace", "preprocess", "upscale", "resize", "rate", "encode", "mux"]
    {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    every_fault_ends(&build, &|stage| assert!(clip.is_alone(), "{stage} left a file"));
}

#[test]
fn a_fault_in_any_stage_of_a_job_on_a_gpu_ends_it_and_leaves_nothing() {
    match Device::open(0) {
        Ok(_) => {}
        Err(reason) if env::var_os("RAVE_REQUIRE_GPU").is_some_and(|value| value == "1") => {
            panic!("RAVE_REQUIRE_GPU=1, but {reason}")
        }
        Err(reason) => return println!("skipped: {reason}"),
    }
    let clip = Clip::new();
    let output = clip.beside("larger.mp4");
    let mut options = UpscaleOptions { decoder: DecoderChoice::Nvdec, ..options() };
    options.inference.device = DeviceChoice::Cuda(0);
    let build = || {
        let _ = std::fs::remove_file(&output);
        job(&clip, &Target::File(output.clone()), &options)
    };
    every_fault_ends(&build, &|stage| assert!(clip.is_alone(), "{stage} left a file"));
}

#[test]
fn a_fault_in_any_sink_of_frames_ends_the_job() {
    let clip = Clip::new();
    let written = clip.beside("larger.y4m");
    let samples = FrameTarget::Samples(SampleFile::Y4m, Destination::File(written.clone()));
    for target in [FrameTarget::Digest, FrameTarget::Null, samples] {
        let build = || {
            let _ = std::fs::remove_file(&written);
            cpu_job(&clip, &Target::Frames(target.clone()), PictureOptions::default())
        };
        let sink = build()().unwrap().stages.last().unwrap().name.clone();
        for (fault, code) in [(Fault::Error, Code::StageFailed), (Fault::Panic, Code::StagePanicked)] {
            ends_by(&build, &sink, fault, code);
            assert!(clip.is_alone(), "{sink} left a file");
        }
    }
}

#[test]
fn lines_on_gpus_hold_with_an_emulated_driver() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rave-cuda");
    if !sources.join("tests/emulated").is_dir() || Command::new("c++").arg("--version").output().is_err() {
        println!("skipped: rave-cuda's sources or a C++ compiler are missing");
        return;
    }
    if Device::open(0).is_ok() {
        println!("skipped: there is a GPU");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for topic in ["to_rgb", "from_rgb", "rescale", "resample", "digest"] {
        let library = folder.path().join(format!("kernels_{topic}.so"));
        compile(&sources.join(format!("kernels/{topic}.cu")), &library);
    }
    compile(&sources.join("tests/emulated/driver.cpp"), &folder.path().join("libcuda.so"));
    let output = Command::new(env::current_exe().unwrap())
        .args(["lanes::tests::emulated::", "--test-threads", "1", "--nocapture"])
        .env("LD_LIBRARY_PATH", folder.path())
        .env("RAVE_REQUIRE_GPU", "1")
        .env("RAVE_EMULATED_GPUS", "2")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("emulated::frames_that_are_dealt"), "{said}");
}

fn compile(source: &Path, library: &Path) {
    let mut compiler = Command::new("c++");
    compiler.args(["-std=c++17", "-O2", "-ffp-contract=off", "-shared", "-fPIC", "-DRAVE_HOST"]);
    compiler.args(["-Wall", "-Wno-unknown-pragmas", "-x", "c++"]);
    let output = compiler.arg(source).arg("-o").arg(library).arg("-ldl").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
