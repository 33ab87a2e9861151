//! Bad input: a clear error with its code, nothing lost, no half file.

use std::fs;
use std::path::Path;

use crate::support::{Folder, answer, command, rave, upscale};

const CLIP: &str = "-f lavfi -i testsrc2=s=64x48:r=25:d=0.4 -pix_fmt yuv420p -c:v libx264 -preset ultrafast";

#[track_caller]
fn fails(input: &Path, output: &Path, further: &[&str], name: &str, status: i32) {
    let result = upscale(input, output, further);
    assert_eq!((result.error_name(), result.status), (name, status), "{}", result.stderr);
    let json = result.json();
    assert_eq!(json["error"]["name"], name);
    assert!(!json["error"]["message"].as_str().unwrap().is_empty());
}

#[test]
fn inputs_that_are_no_video() {
    let folder = Folder::new();
    let of = |name: &str, bytes: &[u8]| {
        let path = folder.file(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let output = folder.file("out.mkv");
    let lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 12\n";
    fails(&folder.file("missing.mp4"), &output, &[], "input-missing", 3);
    fails(&folder.file(""), &output, &[], "input-unreadable", 3);
    fails(&of("empty.mp4", b""), &output, &[], "input-not-media", 3);
    fails(&of("text.mp4", b"This is not a film.\n"), &output, &[], "input-not-media", 3);
    fails(
        &of("page.mp4", b"<!DOCTYPE html><html><body>404</body></html>"),
        &output,
        &[],
        "input-not-media",
        3,
    );
    fails(&of("pointer.mp4", lfs), &output, &[], "input-not-media", 3);
    fails(&folder.clip("audio.m4a", "-f lavfi -i sine=d=0.2 -c:a aac"), &output, &[], "input-no-video", 3);
    assert!(!output.exists());
}

#[test]
fn a_cover_picture_is_not_a_video() {
    let folder = Folder::new();
    let cover = folder.clip("cover.png", "-f lavfi -i testsrc=s=64x64 -frames:v 1");
    let arguments = format!(
        "-f lavfi -i sine=d=0.2 -i {} -map 0 -map 1 -c:a aac -c:v copy -disposition:v:0 attached_pic",
        cover.display()
    );
    let input = folder.clip("song.m4a", &arguments);
    fails(&input, &folder.file("out.mkv"), &[], "input-no-video", 3);
}

#[test]
fn a_file_cut_in_its_header_or_after_it() {
    let folder = Folder::new();
    let whole = fs::read(folder.clip("whole.mp4", &format!("{CLIP} -movflags +faststart"))).unwrap();
    let moov_end = whole.windows(4).position(|name| name == b"mdat").unwrap() - 4;
    for (name, bytes) in [("head.mp4", &whole[..moov_end / 2]), ("header-only.mp4", &whole[..moov_end])] {
        let input = folder.file(name);
        fs::write(&input, bytes).unwrap();
        let result = upscale(&input, &folder.file("out.mkv"), &[]);
        assert_eq!(result.status, 3, "{name}: {}", result.stderr);
        assert!(["input-not-media", "input-no-frames"].contains(&result.error_name()), "{}", result.stderr);
    }
    assert!(!folder.names().iter().any(|name| name.starts_with("out")), "{:?}", folder.names());
}

#[test]
fn outputs_that_cannot_be() {
    let folder = Folder::new();
    let input = folder.clip("in.mkv", CLIP);
    let before = fs::read(&input).unwrap();
    fails(&input, &input, &["-y"], "output-is-input", 6);
    fails(&input, &folder.file("no/such/folder/out.mkv"), &[], "output-unwritable", 6);
    fails(&input, &folder.file("out.xyz"), &[], "container-unknown", 6);
    fails(&input, &folder.file("out"), &[], "container-unknown", 6);
    let existing = folder.file("existing.mkv");
    fs::write(&existing, "old").unwrap();
    fails(&input, &existing, &[], "output-exists", 6);
    fails(&input, &existing, &["-n"], "output-exists", 6);
    assert_eq!(fs::read(&existing).unwrap(), b"old");
    assert_eq!(fs::read(&input).unwrap(), before);
    assert_eq!(folder.names(), ["existing.mkv", "in.mkv"]);
}

#[cfg(unix)]
#[test]
fn the_input_under_another_name_is_still_the_input() {
    let folder = Folder::new();
    let input = folder.clip("in.mkv", CLIP);
    let before = fs::read(&input).unwrap();
    let (soft, hard) = (folder.file("soft.mkv"), folder.file("hard.mkv"));
    std::os::unix::fs::symlink(&input, &soft).unwrap();
    fs::hard_link(&input, &hard).unwrap();
    for output in [&soft, &hard] {
        fails(&input, output, &["-y"], "output-is-input", 6);
    }
    assert_eq!(fs::read(&input).unwrap(), before);
}

#[cfg(unix)]
#[test]
fn the_input_is_not_replaced_while_it_comes_from_standard_input() {
    let folder = Folder::new();
    let input = folder.clip("in.mkv", CLIP);
    let before = fs::read(&input).unwrap();
    let mut program = command();
    program.args(["-i", "-", "-y", "-o"]).arg(&input).stdin(fs::File::open(&input).unwrap());
    let result = answer(program.output().unwrap());
    assert_eq!((result.error_name(), result.status), ("output-is-input", 6), "{}", result.stderr);
    assert_eq!(fs::read(&input).unwrap(), before);
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_written_is_said_before_the_work() {
    let folder = Folder::new();
    let input = folder.clip("in.mkv", CLIP);
    let long = folder.file(format!("{}.mkv", "x".repeat(252)));
    let output = folder.file("out.mkv");
    fails(&input, &long, &[], "output-unwritable", 6);
    for report in ["/proc/report.json", long.to_str().unwrap()] {
        fails(&input, &output, &["--report", report], "output-unwritable", 6);
        let compared = rave(["compare", input.to_str().unwrap(), input.to_str().unwrap(), "--html", report]);
        assert_eq!((compared.error_name(), compared.stdout.as_str()), ("output-unwritable", ""));
    }
    assert_eq!(folder.names(), ["in.mkv"]);
}

#[test]
fn a_report_with_a_name_as_long_as_the_file_system_allows() {
    let folder = Folder::new();
    let report = folder.file(format!("{}.json", "x".repeat(250)));
    let input = folder.clip("in.mkv", CLIP);
    upscale(&input, Path::new("null:"), &["--report", report.to_str().unwrap()]).succeeded();
    assert!(report.is_file());
    assert_eq!(folder.names().len(), 2);
}

#[cfg(target_os = "linux")]
#[test]
fn help_that_cannot_be_printed_is_a_failure() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let result = answer(command().arg("--help").stdout(full).output().unwrap());
    assert_eq!((result.error_name(), result.status), ("disk-full", 6), "{}", result.stderr);
}

#[test]
fn a_report_takes_no_other_file_s_place() {
    let folder = Folder::new();
    let (input, output) = (folder.clip("in.mkv", CLIP), folder.file("out.mkv"));
    let (before, old) = (fs::read(&input).unwrap(), folder.file("old.json"));
    fs::write(&old, "old").unwrap();
    let refused = |report: &str, flags: &[&str], name, status| {
        let report = folder.file(report);
        let flags = [&["--report", report.to_str().unwrap()], flags].concat();
        fails(&input, &output, &flags, name, status);
        assert_eq!(folder.names(), ["in.mkv", "old.json"]);
    };
    for flags in [&[][..], &["-y"]] {
        refused("in.mkv", flags, "output-is-input", 6);
        refused("out.mkv", flags, "option-invalid", 2);
        refused("../no-such-folder/r.json", flags, "output-unwritable", 6);
        refused("", flags, "output-unwritable", 6);
    }
    refused("old.json", &[], "output-exists", 6);
    assert_eq!((fs::read(&input).unwrap(), fs::read(&old).unwrap()), (before, b"old".to_vec()));
    let json = upscale(&input, &output, &["-y", "--report", old.to_str().unwrap()]).succeeded().json();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&fs::read(&old).unwrap()).unwrap(), json);
    assert_eq!(folder.names(), ["in.mkv", "old.json", "out.mkv"]);
}

#[test]
fn a_report_does_not_replace_the_model() {
    let folder = Folder::new();
    let (input, output) = (folder.clip("in.mkv", CLIP), folder.file("out.mkv"));
    let model = folder.file("model.onnx");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../rave-tensorrt/models/rave-fast-x2.onnx"), &model)
        .unwrap();
    let before = fs::read(&model).unwrap();
    let [input, output, model_name] = [&input, &output, &model].map(|path| path.to_str().unwrap());
    let answer = rave(["-i", input, "-o", output, "-m", model_name, "-y", "--report", model_name]);
    assert_eq!((answer.error_name(), answer.status), ("output-is-input", 6), "{}", answer.stderr);
    assert_eq!(fs::read(&model).unwrap(), before);
}

#[cfg(unix)]
#[test]
fn a_report_under_another_name_is_still_the_same_file() {
    let folder = Folder::new();
    let (input, output) = (folder.clip("in.mkv", CLIP), folder.file("out.mkv"));
    let (source, nowhere) = (folder.file("source.json"), folder.file("nowhere.json"));
    std::os::unix::fs::symlink(&input, &source).unwrap();
    std::os::unix::fs::symlink(&output, &nowhere).unwrap();
    let dotted = folder.file("./out.mkv");
    for (report, name, status) in
        [(&source, "output-is-input", 6), (&nowhere, "output-unwritable", 6), (&dotted, "option-invalid", 2)]
    {
        fails(&input, &output, &["-y", "--report", report.to_str().unwrap()], name, status);
    }
    upscale(&input, Path::new("null:"), &["--report", "/dev/null"]).succeeded();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn an_option_of_an_encoder_without_an_encoder() {
    let folder = Folder::new();
    let input = folder.clip("in.mkv", CLIP);
    let raw = folder.file("out.yuv");
    for output in [Path::new("null:"), Path::new("hash:"), Path::new("-"), &raw] {
        for (option, value) in [
            ("--codec", "h264"),
            ("--encoder", "libx264"),
            ("--crf", "20"),
            ("--bitrate", "900"),
            ("--max-bitrate", "900"),
            ("--preset", "slow"),
            ("--tune", "grain"),
            ("--gop", "9"),
            ("--bframes", "0"),
            ("--encode-workers", "1"),
        ] {
            let arguments = [Path::new("-i"), &input, Path::new("-o"), output].map(Path::as_os_str);
            let answer = rave(arguments.into_iter().chain([option.as_ref(), value.as_ref()]));
            assert_eq!((answer.error_name(), answer.status), ("option-invalid", 2), "{}", answer.stderr);
            assert!(answer.stderr.contains(option), "{}", answer.stderr);
        }
    }
    assert_eq!(folder.names(), ["in.mkv"]);
}

#[test]
fn models_that_cannot_be_used() {
    let folder = Folder::new();
    let (input, output) = (folder.clip("in.mkv", CLIP), folder.file("out.mkv"));
    let text = folder.file("text.onnx");
    fs::write(&text, "not a model").unwrap();
    for (model, name) in [(folder.file("missing.onnx"), "model-missing"), (text, "model-invalid")] {
        let result = rave([
            "-i".as_ref(),
            input.as_os_str(),
            "-o".as_ref(),
            output.as_os_str(),
            "-m".as_ref(),
            model.as_os_str(),
        ]);
        assert_eq!((result.error_name(), result.status), (name, 4), "{}", result.stderr);
    }
    assert_eq!(folder.names(), ["in.mkv", "text.onnx"]);
}

#[test]
fn a_library_that_is_not_onnx_runtime() {
    let folder = Folder::new();
    let (input, output) = (folder.clip("in.mkv", CLIP), folder.file("out.mkv"));
    fails(&input, &output, &["--ort-lib", "/no/such/libonnxruntime.so"], "onnx-runtime-missing", 5);
    fails(&input, &output, &["--ort-lib", input.to_str().unwrap()], "onnx-runtime-missing", 5);
}

#[test]
fn streams_that_the_container_cannot_hold() {
    let folder = Folder::new();
    let input = folder.clip("in.mkv", &format!("-f lavfi -i sine=d=0.4 {CLIP} -c:a libvorbis"));
    fails(&input, &folder.file("out.ts"), &[], "stream-incompatible", 6);
    let result = upscale(&input, &folder.file("out.ts"), &["--drop-incompatible"]);
    let json = result.succeeded().json();
    let dropped =
        json["streams"].as_array().unwrap().iter().find(|stream| stream["outcome"] == "dropped").unwrap();
    assert!(dropped["reason"].as_str().unwrap().contains("no place"), "{dropped}");
    assert_eq!(dropped["codec"], "vorbis");
}

#[test]
fn a_container_that_would_lose_the_shape_of_the_pixels() {
    let folder = Folder::new();
    let input = folder.clip("in.mkv", &format!("{CLIP} -aspect 2"));
    let mut rave = command();
    rave.args(["-m", "resize-cubic-x2", "-i"]).arg(&input).arg("-o").arg(folder.file("out.ivf"));
    let result = answer(rave.output().unwrap());
    assert_eq!((result.error_name(), result.status), ("stream-incompatible", 6), "{}", result.stderr);
    assert_eq!(folder.names(), ["in.mkv"]);
}

#[test]
fn numbers_that_make_no_sense_are_usage_errors() {
    for flag in ["--crf=NaN", "--bitrate=0", "--threads=0", "--tile=-1", "--decode-cap=0", "--fps-num=-25"] {
        let result = rave(["-i", "a.mkv", "-o", "b.mkv", "--json", flag]);
        assert_eq!((result.status, result.error_name()), (2, "option-invalid"), "{flag}: {}", result.stderr);
        assert_eq!(result.json()["error"]["name"], "option-invalid");
    }
}

#[test]
fn an_option_that_the_encoder_lacks_is_an_error() {
    let folder = Folder::new();
    let (input, output) = (folder.clip("in.mkv", CLIP), folder.file("out.mkv"));
    let arguments = [
        "-i".as_ref(),
        input.as_os_str(),
        "-o".as_ref(),
        output.as_os_str(),
        "--preset".as_ref(),
        "warp".as_ref(),
    ];
    let result = rave(arguments);
    assert_eq!((result.error_name(), result.status), ("encoder-options", 2), "{}", result.stderr);
    assert_eq!(folder.names(), ["in.mkv"]);
}

/// A full disk, played by a limit on the file size.
#[cfg(unix)]
#[test]
fn no_room_for_the_output() {
    let folder = Folder::new();
    let input =
        folder.clip("in.mkv", "-f lavfi -i testsrc2=s=320x240:r=25:d=2 -c:v libx264 -preset ultrafast");
    let mut shell = std::process::Command::new("sh");
    shell.arg("-c").arg("trap '' XFSZ; ulimit -f 64; exec \"$@\"").arg("sh").arg(env!("CARGO_BIN_EXE_rave"));
    shell
        .args(["-m", "resize-cubic-x2", "--crf", "0", "-i"])
        .arg(&input)
        .arg("-o")
        .arg(folder.file("out.mkv"));
    let result = answer(shell.stdin(std::process::Stdio::null()).output().unwrap());
    assert_eq!(result.status, 6, "{}", result.stderr);
    assert_eq!(folder.names(), ["in.mkv"]);
}

#[cfg(unix)]
mod signals {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Stdio};

    /// A running program that does not outlive its test.
    struct Job(Child);

    impl Drop for Job {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    impl Job {
        /// Starts a job that would take minutes, and waits until it has written frames.
        fn start(folder: &Folder) -> (Self, impl Iterator<Item = String> + use<>) {
            let clip = "-f lavfi -i testsrc2=s=160x120:r=25:d=200 -c:v libx264 -preset ultrafast";
            let input = folder.clip("in.mkv", clip);
            // Whoever runs the tests in the background may ignore the signal, which a program keeps from its parent.
            let mut rave = std::process::Command::new("env");
            rave.args(["--default-signal=INT", env!("CARGO_BIN_EXE_rave")]).stdin(Stdio::null());
            rave.args(["-m", "resize-cubic-x2", "--progress", "json", "-i"]).arg(input);
            rave.arg("-o").arg(folder.file("out.mkv"));
            let mut job = Self(rave.stderr(Stdio::piped()).spawn().unwrap());
            let mut lines = BufReader::new(job.0.stderr.take().unwrap()).lines().map(Result::unwrap);
            let has_frames = |line: &String| line.starts_with('{') && !line.contains("\"frames\":0,");
            lines.by_ref().find(has_frames).expect("the job made progress");
            (job, lines)
        }

        /// As Ctrl-C does. The shell has the command built in; not every system has it as a program.
        fn interrupt(&self) {
            let kill = format!("kill -INT {}", self.0.id());
            assert!(std::process::Command::new("sh").arg("-c").arg(kill).status().unwrap().success());
        }

        fn status(&mut self) -> Option<i32> {
            self.0.wait().unwrap().code()
        }
    }

    #[test]
    fn the_first_interrupt_completes_the_file() {
        let folder = Folder::new();
        let (mut job, lines) = Job::start(&folder);
        job.interrupt();
        let rest: Vec<_> = lines.collect();
        assert_eq!(job.status(), Some(130), "{rest:?}");
        let count = crate::support::frames(&folder.file("out.mkv"), "pts_time").len();
        assert!((1..5000).contains(&count), "{count}");
        assert_eq!(folder.names(), ["in.mkv", "out.mkv"]);
    }

    #[test]
    fn an_interrupt_while_the_input_is_opened_ends_the_program() {
        let folder = Folder::new();
        let pipe = folder.file("pipe.mkv");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let mut rave = std::process::Command::new("env");
        rave.args(["--default-signal=INT", env!("CARGO_BIN_EXE_rave"), "-v", "-i"]).arg(&pipe).arg("-o");
        rave.arg(folder.file("out.mkv")).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut job = Job(rave.spawn().unwrap());
        // Once the pipe has a reader, the program is opening it; without a byte it will never be done.
        let writer = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
        job.interrupt();
        assert_eq!(job.status(), Some(130));
        let words: Vec<_> =
            BufReader::new(job.0.stderr.take().unwrap()).lines().map(Result::unwrap).collect();
        assert_eq!(words.last().map(String::as_str), Some("rave: abandoned, nothing was written"));
        assert_eq!(folder.names(), ["pipe.mkv"]);
        drop(writer);
    }

    #[test]
    fn the_second_interrupt_leaves_nothing() {
        let folder = Folder::new();
        let (mut job, mut lines) = Job::start(&folder);
        job.interrupt();
        lines.by_ref().find(|line| line.contains("once more")).expect("the first interrupt is answered");
        job.interrupt();
        let _ = lines.count();
        assert_eq!(job.status(), Some(130));
        let names = folder.names();
        // The job may have completed before the second signal was seen.
        assert!(names == ["in.mkv"] || names == ["in.mkv", "out.mkv"], "{names:?}");
    }
}
