//! Which device, provider and decoder, and outputs that are no containers.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::schema::matches_schema;
use crate::support::{Folder, rave, upscale};

const CLIP: &str = "-f lavfi -i testsrc2=s=64x48:r=25:d=0.4 -pix_fmt yuv420p -c:v libx264 -preset ultrafast";

/// Whether this machine has a GPU: then choices end otherwise than is tested here.
fn has_gpu() -> bool {
    let has = rave(["devices", "--json"]).json()["no_device"].is_null();
    if has {
        println!("skipped: there is a GPU");
    }
    has
}

#[test]
fn without_a_gpu_the_list_says_why_and_that_is_no_failure() {
    if has_gpu() {
        return;
    }
    let json = rave(["devices", "--json"]).succeeded().json();
    matches_schema(&json, "devices");
    assert_eq!(json["devices"], Value::Array(vec![]));
    let code = json["no_device"]["code"].as_u64().unwrap();
    assert!((101..=107).contains(&code), "{json}");
    assert!(json["onnx_runtime"]["version"].is_string(), "{json}");
    let text = rave(["devices"]).succeeded().stdout.clone();
    assert!(text.starts_with("no GPU can be used: "), "{text}");
}

#[test]
fn what_is_asked_for_by_name_and_cannot_be_had_is_an_error() {
    if has_gpu() {
        return;
    }
    let folder = Folder::new();
    let (input, output) = (folder.clip("in.mkv", CLIP), folder.file("out.mkv"));
    for flags in [
        &["-d", "0"][..],
        &["--device", "cuda:1"],
        &["--device", "cuda:0,1"],
        &["--device", "cuda:all"],
        &["--provider", "cuda"],
        &["--decoder", "nvdec"],
    ] {
        let answer = upscale(&input, &output, flags);
        assert_eq!(answer.status, 5, "{flags:?}: {}", answer.stderr);
        let error = &answer.json()["error"];
        assert!((101..=107).contains(&error["code"].as_u64().unwrap()), "{error}");
        assert!(!error["message"].as_str().unwrap().is_empty());
    }
    assert_eq!(folder.names(), ["in.mkv"]);
}

#[test]
fn choices_that_contradict_each_other_are_usage_errors() {
    let folder = Folder::new();
    let input = folder.clip("in.mkv", CLIP);
    for flags in [
        &["-d", "cpu", "--provider", "cuda"][..],
        &["-d", "cpu", "--provider", "tensorrt"],
        &["-d", "cpu", "--decoder", "nvdec"],
        &["--decoder", "software", "--decode-sessions", "2"],
        &["-d", "cuda:0,cpu"],
        &["-d", "cuda:0,1", "--provider", "cpu"],
        &["-d", "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0"],
    ] {
        let answer = upscale(&input, &folder.file("out.mkv"), flags);
        assert_eq!((answer.error_name(), answer.status), ("option-invalid", 2), "{flags:?}");
    }
    let both = upscale(&input, Path::new("-"), &[]);
    assert_eq!((both.error_name(), both.status), ("option-invalid", 2), "{}", both.stderr);
    assert_eq!(folder.names(), ["in.mkv"]);
}

#[test]
fn without_a_gpu_auto_takes_the_cpu_and_says_why() {
    if has_gpu() {
        return;
    }
    let folder = Folder::new();
    let (input, file) = (folder.clip("in.mkv", CLIP), folder.file("report.json"));
    let answer = upscale(&input, &folder.file("out.mkv"), &["--report", file.to_str().unwrap()]);
    let json = answer.succeeded().json();
    matches_schema(&json, "result");
    let device = &json["choices"].as_array().unwrap()[0];
    assert_eq!((&device["part"], &device["taken"]), (&"device".into(), &"cpu".into()));
    assert!((101..=107).contains(&device["refused"][0]["code"].as_u64().unwrap()), "{device}");
    assert!(answer.stderr.contains("device cpu (not cuda:0: "), "{}", answer.stderr);
    assert!(json["gpu"].is_null());
    let saved: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(saved, json);
}

#[test]
fn an_explicit_cpu_needs_no_reason() {
    let folder = Folder::new();
    let input = folder.clip("in.mkv", CLIP);
    let json = upscale(&input, Path::new("null:"), &["-d", "cpu"]).succeeded().json();
    for choice in json["choices"].as_array().unwrap() {
        assert_eq!(choice["refused"], Value::Array(vec![]), "{choice}");
    }
}

#[test]
fn frames_without_a_container_are_counted_and_digested() {
    let folder = Folder::new();
    let input = folder.clip("in.mkv", CLIP);
    let null = upscale(&input, Path::new("null:"), &[]).succeeded().json();
    assert_eq!(
        (&null["frames"], &null["output"], &null["digest"]),
        (&10.into(), &"null:".into(), &Value::Null)
    );
    let digest = |flags: &[&str]| {
        let json = upscale(&input, Path::new("hash:"), flags).succeeded().json();
        matches_schema(&json, "result");
        assert_eq!(json["frame_digests"].as_array().unwrap().len(), 10);
        json["digest"].as_str().unwrap().to_owned()
    };
    let first = digest(&[]);
    for caps in ["1", "8"] {
        let flags = ["--decode-cap", caps, "--preprocess-cap", caps, "--upscale-cap", caps];
        assert_eq!(digest(&flags), first, "queues of {caps}");
    }
    for batch in ["1", "3", "16"] {
        assert_eq!(digest(&["-d", "cpu", "--batch", batch]), first, "batches of {batch}");
    }
    let bits = upscale(&input, Path::new("hash:"), &["-p", "fp16"]).succeeded().json();
    assert_ne!(bits["digest"].as_str().unwrap(), first, "half precision gives other frames");
    assert_eq!(folder.names(), ["in.mkv"]);
}

#[test]
fn samples_are_those_that_ffmpeg_decodes_from_a_lossless_file() {
    let folder = Folder::new();
    let input = folder.clip("in.mkv", CLIP);
    let (lossless, y4m, raw) = (folder.file("a.mkv"), folder.file("a.y4m"), folder.file("a.yuv"));
    // The preset of `upscale` is none of FFV1's.
    let answer = rave(
        ["-m", "resize-cubic-x2", "--codec", "ffv1", "-q", "-i"]
            .map(std::ffi::OsStr::new)
            .into_iter()
            .chain([input.as_os_str(), "-o".as_ref(), lossless.as_os_str()]),
    );
    answer.succeeded();
    for output in [&y4m, &raw] {
        assert_eq!(upscale(&input, output, &[]).succeeded().json()["frames"], 10);
    }
    let expected = samples(&lossless);
    assert_eq!(samples(&y4m), expected);
    assert_eq!(fs::read(&raw).unwrap(), expected);
    assert_eq!(folder.names(), ["a.mkv", "a.y4m", "a.yuv", "in.mkv"], "no temporary file is left");
}

#[test]
fn samples_can_be_piped() {
    let folder = Folder::new();
    let input = folder.clip("in.mkv", CLIP);
    let output = crate::support::command()
        .args(["-q", "-m", "resize-cubic-x2", "-o", "-", "-i"])
        .arg(&input)
        .output()
        .unwrap();
    assert!(output.status.success());
    assert!(
        output.stdout.starts_with(b"YUV4MPEG2 W128 H96 F25:1 Ip A1:1 C420"),
        "{:?}",
        &output.stdout[..60]
    );
    assert_eq!(output.stdout.windows(6).filter(|window| window == b"FRAME\n").count(), 10);
}

#[test]
fn a_selftest_passes_and_says_what_it_did_not_check() {
    let answer = rave(["selftest", "--json", "-m", "resize-cubic-x2"]);
    let json = answer.succeeded().json();
    matches_schema(&json, "selftest");
    assert_eq!(json["failed"], 0, "{json}");
    assert!(json["passed"].as_u64().unwrap() >= 5, "{json}");
    for check in json["checks"].as_array().unwrap() {
        assert!(!check["detail"].as_str().unwrap().is_empty(), "{check}");
    }
    if !has_gpu() {
        let about_gpu = |check: &&Value| check["name"].as_str().unwrap().starts_with("kernel: ");
        let kernels: Vec<_> = json["checks"].as_array().unwrap().iter().filter(about_gpu).collect();
        assert!(!kernels.is_empty());
        assert!(kernels.iter().all(|check| check["outcome"] == "skipped"), "{json}");
    }
}

/// With the driver that runs the kernels' sources on the host, for rave-cuda's tests.
#[cfg(target_os = "linux")]
#[test]
fn a_selftest_of_a_gpu_that_is_not_there_is_an_error() {
    if has_gpu() {
        return;
    }
    for device in ["cuda:0", "cuda:0,1", "cuda:all"] {
        let answer = rave(["selftest", "--json", "--device", device]);
        assert_eq!(answer.status, 5, "{device}: {}", answer.stderr);
        let code = answer.json()["error"]["code"].as_u64().unwrap();
        assert!((101..=107).contains(&code), "{device}: {code}");
    }
}

#[test]
fn the_kernels_pass_the_selftest_with_an_emulated_driver() {
    let cuda = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rave-cuda");
    if has_gpu() {
        return;
    }
    if !cuda.join("kernels").is_dir() || Command::new("c++").arg("--version").output().is_err() {
        println!("skipped: the sources or a C++ compiler are missing");
        return;
    }
    let folder = Folder::new();
    let build = |source: &Path, library: &Path| {
        let mut compiler = Command::new("c++");
        compiler.args([
            "-std=c++17",
            "-O1",
            "-ffp-contract=off",
            "-shared",
            "-fPIC",
            "-DRAVE_HOST",
            "-w",
            "-x",
            "c++",
        ]);
        let built = compiler.arg(source).arg("-o").arg(library).arg("-ldl").status().unwrap();
        assert!(built.success(), "{}", source.display());
    };
    for topic in ["to_rgb", "from_rgb", "rescale", "reduce", "digest"] {
        build(&cuda.join(format!("kernels/{topic}.cu")), &folder.file(format!("kernels_{topic}.so")));
    }
    build(&cuda.join("tests/emulated/driver.cpp"), &folder.file("libcuda.so"));
    let mut command = crate::support::command();
    let flags = ["selftest", "--json", "-m", "resize-cubic-x2", "--provider", "cpu"];
    command.args(flags).env("LD_LIBRARY_PATH", folder.file(""));
    let json = crate::support::answer(command.output().unwrap()).succeeded().json();
    let checks = json["checks"].as_array().unwrap();
    let kernels = checks.iter().filter(|check| check["name"].as_str().unwrap().starts_with("kernel: "));
    for check in kernels {
        assert_eq!(check["outcome"], "passed", "{check}");
    }
}

#[test]
fn a_stress_run_loses_no_frame() {
    let flags = ["--size", "64x48", "--stress", "1", "-m", "resize-cubic-x2"];
    let json = rave(["bench", "--json"].iter().chain(&flags)).succeeded().json();
    assert_eq!(json["frames_in"], json["frames_out"]);
    assert!(json["frames_out"].as_u64().unwrap() > 0, "{json}");
    assert_eq!(json["failures"], Value::Array(vec![]));
}

#[test]
fn a_bench_measures_every_way_and_gives_ratios() {
    let flags = ["--size", "64x48", "--frames", "40", "-m", "resize-cubic-x2"];
    let json = rave(["bench", "--json"].iter().chain(&flags)).succeeded().json();
    matches_schema(&json, "bench");
    let ways = json["ways"].as_array().unwrap();
    let names: Vec<_> = ways.iter().map(|way| way["way"].as_str().unwrap()).collect();
    assert_eq!(names, ["model", "chain", "decode", "end_to_end", "hashed", "encoded"]);
    for way in ways {
        assert_eq!(way["frames_per_second"].as_array().unwrap().len(), 3, "{way}");
        assert!(way["median_frames_per_second"].as_f64().unwrap() > 0.0, "{way}");
    }
    for ratio in json["ratios"].as_array().unwrap() {
        assert!(ratio["ratio"].as_f64().unwrap() > 0.0, "{ratio}");
        assert_eq!(ratio["rounds"].as_array().unwrap().len(), 3, "{ratio}");
    }
}

#[test]
fn a_bench_measures_the_ways_that_are_asked_for() {
    let flags = ["--size", "64x48", "--frames", "20", "-m", "resize-cubic-x2", "--ways", "hashed,model"];
    let json = rave(["bench", "--json"].iter().chain(&flags)).succeeded().json();
    matches_schema(&json, "bench");
    let ratios = json["ratios"].as_array().unwrap();
    assert_eq!((ratios.len(), &ratios[0]["way"], &ratios[0]["of"]), (1, &"hashed".into(), &"model".into()));
    assert_eq!(rave(["bench", "--ways", "nothing"]).error_name(), "option-invalid");
}

#[test]
fn a_bench_tells_the_cost_of_a_megapixel() {
    let flags = ["--sizes", "320x240,480x320", "--frames", "2", "-m", "resize-cubic-x2"];
    let json = rave(["bench", "--json"].iter().chain(&flags)).succeeded().json();
    matches_schema(&json, "cost");
    assert_eq!(json["sizes"].as_array().unwrap().len(), 2);
    assert!(json["chain_cost_spread"].as_f64().unwrap() >= 1.0, "{json}");
}

#[test]
fn a_stress_run_decodes_a_file_over_and_over() {
    let folder = Folder::new();
    let clip = folder.clip("short.mp4", CLIP);
    let flags = ["bench", "--json", "--stress", "2", "-m", "resize-cubic-x2", "-i"].map(OsString::from);
    let json = rave(flags.into_iter().chain([clip.into()])).json();
    matches_schema(&json, "stress");
    assert_eq!(json["frames_in"], json["frames_out"], "{json}");
    assert!(json["frames_out"].as_u64().unwrap() > 10, "{json}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_bench_that_is_stopped_leaves_no_folder() {
    let folder = Folder::new();
    let mut command = crate::support::command();
    command.args(["bench", "--size", "640x360", "-m", "resize-cubic-x2"]).env("TMPDIR", folder.file(""));
    let mut bench = command.stderr(Stdio::piped()).spawn().unwrap();
    // The first line comes when the clip is written: the folder is there.
    let mut line = String::new();
    BufReader::new(bench.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(folder.file(format!("rave-{}", bench.id())).is_dir(), "{line}");
    assert!(Command::new("kill").arg(bench.id().to_string()).status().unwrap().success());
    let status = bench.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
    assert!(!folder.file(format!("rave-{}", bench.id())).exists());
}

/// All samples of a file as ffmpeg decodes them.
fn samples(path: &Path) -> Vec<u8> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-nostdin", "-i"]).arg(path).args(["-f", "rawvideo", "-"]);
    let output = ffmpeg.output().expect("the ffmpeg program is needed for the tests");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
