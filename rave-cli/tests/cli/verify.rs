//! `rave verify` sees each fault that other programs are known for, and none where there is none.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::schema::matches_schema;
use crate::support::{Answer, Folder, answer, command, rave, upscale};

/// Video with tags, two languages of sound, subtitles, a font, chapters and metadata.
fn source(folder: &Folder) -> PathBuf {
    let (text, chapters) = (folder.file("a.srt"), folder.file("chapters.txt"));
    std::fs::write(
        &text,
        "1\n00:00:00,200 --> 00:00:00,900\nHello\n\n2\n00:00:01,000 --> 00:00:01,800\nyou\n",
    )
    .unwrap();
    let metadata = ";FFMETADATA1\ntitle=A film\nartist=Someone\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\n\
        title=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=2000\ntitle=Two\n";
    std::fs::write(&chapters, metadata).unwrap();
    let (text, chapters) = (text.display(), chapters.display());
    folder.clip(
        "source.mkv",
        &format!(
            "-f lavfi -i testsrc2=s=128x96:r=25:d=2,setsar=4/3,noise=alls=9 -f lavfi -i sine=d=2 -f lavfi -i sine=f=99:d=2 \
             -i {text} -i {chapters} -map 0 -map 1 -map 2 -map 3 -map_metadata 4 -map_chapters 4 -attach {text} \
             -metadata:s:t mimetype=font/ttf -metadata:s:a:0 language=ger -metadata:s:a:1 language=eng \
             -metadata:s:s:0 language=eng -disposition:s:0 forced -disposition:v default -disposition:a:0 default -c:v libx264 -preset ultrafast -pix_fmt yuv420p \
             -color_primaries bt709 -color_trc bt709 -colorspace bt709 -color_range tv -c:a libmp3lame -c:s copy"
        ),
    )
}

fn verify(source: &Path, output: &Path, further: &[&str]) -> Answer {
    let arguments =
        [Path::new("verify").as_os_str(), "--json".as_ref(), source.as_os_str(), output.as_os_str()];
    rave(arguments.into_iter().chain(further.iter().map(AsRef::as_ref)))
}

#[test]
fn a_pipe_is_refused_where_it_would_have_to_be_read_twice() {
    let folder = Folder::new();
    let input = folder.clip("in.mkv", "-f lavfi -i testsrc2=s=64x48:r=25:d=0.2 -c:v ffv1");
    let (file, html) = (input.to_str().unwrap(), folder.file("report.html"));
    for arguments in [
        &["verify", "-", file][..],
        &["verify", file, "-"],
        &["compare", "-", "-", "--vmaf", "off"],
        &["compare", file, "-", "--vmaf", "off", "--html", html.to_str().unwrap()],
    ] {
        let stdin = std::fs::File::open(&input).unwrap();
        let result = answer(command().args(arguments).stdin(stdin).output().unwrap());
        assert_eq!((result.error_name(), result.status), ("not-comparable", 3), "{}", result.stderr);
    }
    assert_eq!(folder.names(), ["in.mkv"]);
}

#[test]
fn a_track_without_packets_is_no_loss() {
    let folder = Folder::new();
    let clip =
        "-f lavfi -i testsrc2=s=64x48:r=25:d=0.2 -f lavfi -i sine=d=0.2 -map 0 -map 1 -c:v ffv1 -c:a ac3";
    let input = folder.clip("empty.mkv", &format!("{clip} -bsf:a noise=drop=1"));
    let output = folder.clip("out.mkv", &format!("-i {} -map 0:v -c copy", input.display()));
    let answer = verify(&input, &output, &[]);
    assert_eq!(answer.status, 0, "{}", answer.stdout);
    assert!(answer.stdout.contains("it has no packets"), "{}", answer.stdout);
    let whole = folder.clip("whole.mkv", clip);
    assert_eq!(verify(&whole, &output, &[]).status, 7);
}

/// The rows that are neither equal nor in another form.
fn differences(answer: &Answer) -> Vec<(String, Option<u64>, String)> {
    let value = answer.json();
    let findings = value["findings"].as_array().unwrap();
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let failed = findings
        .iter()
        .filter(|finding| ["different", "missing"].contains(&finding["verdict"].as_str().unwrap()));
    failed
        .map(|finding| (word(finding, "aspect"), finding["stream"].as_u64(), word(finding, "verdict")))
        .collect()
}

fn verdict<'a>(value: &'a Value, aspect: &str, stream: Option<u64>) -> Option<&'a str> {
    let findings = value["findings"].as_array().unwrap();
    let found =
        findings.iter().find(|finding| finding["aspect"] == aspect && finding["stream"].as_u64() == stream);
    found.and_then(|finding| finding["verdict"].as_str())
}

fn derived(folder: &Folder, source: &Path, name: &str, before: &str, after: &str) -> PathBuf {
    let target = folder.file(name);
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y", "-nostdin"]).args(before.split_whitespace()).arg("-i").arg(source);
    let output = command.args(after.split_whitespace()).arg(&target).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target
}

#[test]
fn a_copy_is_the_same() {
    let folder = Folder::new();
    let source = source(&folder);
    let copy = derived(&folder, &source, "copy.mkv", "", "-map 0 -c copy");
    for further in [&[][..], &["--full"]] {
        let answer = verify(&source, &copy, further);
        assert_eq!((answer.status, differences(&answer)), (0, vec![]), "{}", answer.stdout);
        matches_schema(&answer.json(), "verification");
        assert_eq!(answer.json()["verdict"], "same", "{}", answer.stdout);
    }
    let table = rave(["verify".as_ref(), source.as_os_str(), copy.as_os_str()]);
    assert!(table.succeeded().stdout.contains("passed"), "{}", table.stdout);
}

#[test]
fn each_fault_is_seen_and_nothing_else() {
    let folder = Folder::new();
    let source = source(&folder);
    let again = "-enc_time_base -1 -c:v libx264 -preset ultrafast -color_primaries bt709 -color_trc bt709 -color_range tv";
    let tagged = &format!("{again} -colorspace bt709");
    for (name, arguments, expected) in [
        ("subtitles", "-map 0 -map -0:s -c copy", vec![("stream", Some(3), "missing")]),
        ("font", "-map 0 -map -0:t -c copy", vec![("stream", Some(4), "missing")]),
        ("sound", "-map 0 -map -0:a:1 -c copy", vec![("stream", Some(2), "missing")]),
        ("shape", "-map 0 -c copy -aspect 4:3", vec![("display aspect ratio", None, "different")]),
        ("chapters", "-map 0 -c copy -map_chapters -1", vec![("chapters", None, "missing")]),
        ("title", "-map 0 -c copy -metadata title=", vec![("metadata", None, "missing")]),
        ("language", "-map 0 -c copy -metadata:s:a:0 language=fre", vec![("language", Some(1), "different")]),
        ("role", "-map 0 -c copy -disposition:s:0 0", vec![("disposition", Some(3), "different")]),
        (
            "frame",
            &format!("-map 0 -c copy {tagged} -vf select=not(eq(n\\,20)) -fps_mode passthrough"),
            vec![("frames", None, "different")],
        ),
        (
            "speed",
            &format!("-map 0 -c copy {tagged} -vf setpts=PTS*1.1 -fps_mode passthrough"),
            vec![
                ("timestamps", None, "different"),
                ("duration", None, "different"),
                ("chapters", None, "different"),
            ],
        ),
        (
            "colour",
            &format!("-map 0 -c copy {again} -colorspace bt2020nc"),
            vec![("matrix", None, "different")],
        ),
        (
            "grey",
            &format!("-map 0 -c copy {tagged} -pix_fmt yuv410p -c:v ffv1"),
            vec![("pixel format", None, "different")],
        ),
        (
            "drift",
            "-map 0 -c copy -c:a:0 libopus -filter:a:0 atempo=0.9",
            vec![("sync", Some(1), "different")],
        ),
        (
            "sample",
            "-map 0 -c copy -bsf:a:1 noise=amount=-5:drop=eq(n\\,7)",
            vec![("stream", Some(2), "different")],
        ),
    ] {
        let output = derived(&folder, &source, &format!("{name}.mkv"), "", arguments);
        let answer = verify(&source, &output, &[]);
        let found = differences(&answer);
        let found: Vec<_> = found
            .iter()
            .map(|(aspect, stream, verdict)| (aspect.as_str(), *stream, verdict.as_str()))
            .collect();
        assert!(found.contains(&expected[0]), "{name}: {found:?}\n{}", answer.stdout);
        let is_expected = |finding: &&(&str, Option<u64>, &str)| {
            !expected.contains(finding) && finding.0 != "sync" && finding.0 != "duration"
        };
        assert_eq!(found.iter().find(is_expected), None, "{name}: {found:?}");
        assert_eq!(answer.status, 7, "{name}");
    }
}

#[test]
fn late_sound_is_seen_in_copied_packets() {
    let folder = Folder::new();
    let source = source(&folder);
    let target = folder.file("late.mkv");
    let mut command = Command::new("ffmpeg");
    command
        .args(["-v", "error", "-y", "-nostdin", "-i"])
        .arg(&source)
        .args(["-itsoffset", "0.1", "-i"])
        .arg(&source);
    command
        .args(["-map", "0:v", "-map", "1:a:0", "-map", "0:a:1", "-map", "0:s", "-map", "0:t", "-c", "copy"])
        .arg(&target);
    assert!(command.status().unwrap().success());
    let answer = verify(&source, &target, &[]);
    let expected = ("sync".to_owned(), Some(1), "different".to_owned());
    assert_eq!(differences(&answer), [expected], "{}", answer.stdout);
    assert!(answer.stdout.contains("+100.0 ms off"), "{}", answer.stdout);
}

#[test]
fn a_moved_start_is_no_difference_if_everything_moves() {
    let folder = Folder::new();
    let source = source(&folder);
    let moved = derived(&folder, &source, "moved.mkv", "-itsoffset 3.5", "-map 0 -c copy");
    let answer = verify(&source, &moved, &[]);
    assert_eq!(differences(&answer), [], "{}", answer.stdout);
    let shift = answer.json()["timestamp_shift_seconds"].as_f64().unwrap();
    assert!((shift - 3.5).abs() < 0.001, "{shift}");
}

#[test]
fn another_container_changes_the_form_not_the_contents() {
    let folder = Folder::new();
    let mp4 = folder.clip(
        "a.mp4",
        "-f lavfi -i testsrc2=s=128x96:r=25:d=2 -f lavfi -i sine=d=2 -c:v libx264 -preset ultrafast -pix_fmt yuv420p \
         -bf 2 -c:a aac",
    );
    for name in ["b.ts", "b.mkv", "b.mov"] {
        let other = derived(&folder, &mp4, name, "", "-map 0 -c copy");
        let answer = verify(&mp4, &other, &["--full"]);
        assert_eq!(differences(&answer), [], "{name}: {}", answer.stdout);
        assert_eq!(verdict(&answer.json(), "stream", Some(1)), Some("same"), "{name}");
    }
    let source = source(&folder);
    let text = derived(&folder, &source, "text.mp4", "", "-map 0:v -map 0:a -map 0:s -c copy -c:s mov_text");
    let value = verify(&source, &text, &[]).json();
    assert_eq!(verdict(&value, "stream", Some(3)), Some("converted"), "{value}");
    assert_eq!(verdict(&value, "stream", Some(4)), Some("missing"), "{value}");
}

#[test]
fn hdr_metadata_and_rotation_are_compared() {
    let folder = Folder::new();
    let hdr = "hdr10=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400:log-level=none";
    let encode = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -x265-params";
    let source = folder.clip("hdr.mp4", &format!("-f lavfi -i testsrc2=s=128x96:d=0.4 {encode} {hdr}"));
    let lost = derived(&folder, &source, "sdr.mp4", "", &format!("{encode} log-level=none"));
    let found: Vec<_> =
        differences(&verify(&source, &lost, &[])).into_iter().map(|(aspect, ..)| aspect).collect();
    assert_eq!(found, ["mastering display", "content light"]);
    let kept = derived(&folder, &source, "kept.mkv", "", "-c copy");
    assert_eq!(differences(&verify(&source, &kept, &[])), []);

    let flat = folder.clip("flat.mp4", "-f lavfi -i testsrc2=s=128x96:d=0.4 -c:v libx264 -preset ultrafast");
    let turned = derived(&folder, &flat, "turned.mp4", "", "-c copy -metadata:s:v rotate=90");
    let found: Vec<_> =
        differences(&verify(&turned, &flat, &[])).into_iter().map(|(aspect, ..)| aspect).collect();
    assert_eq!(found, ["display aspect ratio", "rotation"]);
    let applied = derived(&folder, &turned, "applied.mp4", "", "-c:v libx264 -preset ultrafast");
    let answer = verify(&turned, &applied, &[]);
    assert_eq!(differences(&answer), [], "{}", answer.stdout);
}

#[test]
fn damage_is_found_when_everything_is_decoded() {
    let folder = Folder::new();
    let source = folder.clip("a.mkv", "-f lavfi -i testsrc2=s=320x240:d=1 -c:v libx264 -preset ultrafast");
    let mut bytes = std::fs::read(&source).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 40].fill(0xa5);
    let damaged = folder.file("damaged.mkv");
    std::fs::write(&damaged, bytes).unwrap();
    let answer = verify(&source, &damaged, &["--full"]);
    assert_eq!(answer.status, 7);
    let found = differences(&answer);
    assert!(found.iter().any(|(aspect, ..)| aspect == "decoding" || aspect == "frames"), "{found:?}");
}

#[test]
fn what_the_report_told_is_announced() {
    let folder = Folder::new();
    let source = source(&folder);
    let (output, report) = (folder.file("large.mkv"), folder.file("report.json"));
    let job = upscale(&source, &output, &[]);
    std::fs::write(&report, &job.succeeded().stdout).unwrap();
    let answer = verify(&source, &output, &["--full", "--report", report.to_str().unwrap()]);
    assert_eq!((answer.status, differences(&answer)), (0, vec![]), "{}", answer.stdout);

    let small = folder.file("large.mp4");
    let job = upscale(&source, &small, &["--drop-incompatible"]);
    std::fs::write(&report, &job.succeeded().stdout).unwrap();
    let answer = verify(&source, &small, &["--report", report.to_str().unwrap()]);
    assert_eq!(verdict(&answer.json(), "stream", Some(4)), Some("announced"), "{}", answer.stdout);
    assert_eq!(verify(&source, &small, &[]).status, 7, "without the report it is a loss");
}

#[test]
fn a_part_is_held_to_the_range_that_the_report_tells() {
    let folder = Folder::new();
    let source = source(&folder);
    let report = folder.file("report.json");
    let told = ["--report", report.to_str().unwrap()];
    for (name, flags) in [
        ("a.mkv", &["-ss", "0.52", "-t", "1"][..]),
        ("b.mp4", &["-to", "0.8", "--drop-incompatible"]),
        ("c.mkv", &["-ss", "1.2"]),
    ] {
        let output = folder.file(name);
        let job = upscale(&source, &output, flags);
        std::fs::write(&report, &job.succeeded().stdout).unwrap();
        for depth in [&[][..], &["--full"]] {
            let answer = verify(&source, &output, &[&told[..], depth].concat());
            assert_eq!((answer.status, differences(&answer)), (0, vec![]), "{name}: {}", answer.stdout);
            for aspect in ["frames", "timestamps", "duration"] {
                assert_eq!(verdict(&answer.json(), aspect, None), Some("same"), "{name}: {}", answer.stdout);
            }
        }
        assert_eq!(verify(&source, &output, &[]).status, 7, "without the report it is a loss");
        let shorter = derived(&folder, &output, &format!("shorter-{name}"), "", "-map 0 -c copy -frames:v 9");
        let answer = verify(&source, &shorter, &told);
        assert_eq!(verdict(&answer.json(), "frames", None), Some("different"), "{name}: {}", answer.stdout);
    }
}

#[test]
fn sound_of_several_coded_streams_keeps_its_time() {
    let folder = Folder::new();
    let arguments = "-f lavfi -i testsrc2=s=64x48:r=25:d=1 -f lavfi -i sine=r=48000:d=1 -ac 6 -c:v libvpx-vp9 -cpu-used 8 \
        -deadline realtime -c:a libopus -mapping_family 1";
    let source = folder.clip("source.webm", arguments);
    for name in ["large.mkv", "large.webm"] {
        let codec = if name.ends_with("webm") { &["--codec", "vp9", "--preset", "p1"][..] } else { &[] };
        let output = folder.file(name);
        let (input, output) = (source.to_str().unwrap(), output.to_str().unwrap());
        let arguments = ["-i", input, "-o", output, "--json", "-m", "resize-cubic-x2"];
        let found = rave(arguments.iter().chain(codec)).succeeded().json()["verification"].clone();
        assert_eq!(verdict(&found, "sync", Some(1)), Some("same"), "{name}: {found}");
    }
}

#[test]
fn a_caption_that_ends_at_another_time_is_seen() {
    let folder = Folder::new();
    let film = |name: &str, ends: [&str; 2], codec: &str| {
        let text = folder.file(format!("{name}.srt"));
        let [first, second] = ends;
        let captions = format!("1\n00:00:00,200 --> {first}\nHello\n\n2\n00:00:01,000 --> {second}\nyou\n");
        std::fs::write(&text, captions).unwrap();
        let arguments = "-f lavfi -i testsrc2=s=64x48:r=25:d=2 -c:v libx264 -preset ultrafast";
        folder.clip(name, &arguments.replace("-c:v", &format!("-i {} -c:s {codec} -c:v", text.display())))
    };
    let ends = ["00:00:00,900", "00:00:01,800"];
    for (suffix, codec) in [("mkv", "srt"), ("mkv", "ass"), ("mp4", "mov_text")] {
        let named = |name: &str| format!("{codec}-{name}.{suffix}");
        let source = film(&named("source"), ends, codec);
        let same = film(&named("same"), ends, codec);
        assert_eq!(verify(&source, &same, &[]).status, 0, "{codec}");
        for changed in [["00:00:00,700", ends[1]], [ends[0], "00:00:01,950"]] {
            let other = film(&named(&changed[1].replace([':', ','], "-")), changed, codec);
            let answer = verify(&source, &other, &[]);
            let expected = vec![("sync".to_owned(), Some(1), "different".to_owned())];
            assert_eq!(differences(&answer), expected, "{codec} {changed:?}: {}", answer.stdout);
            assert!(answer.stdout.contains("a caption ends up to"), "{}", answer.stdout);
        }
    }
}

#[test]
fn the_encoded_stream_does_not_name_the_source_s_encoder() {
    let folder = Folder::new();
    let source = source(&folder);
    let tag = |path: &Path| {
        let value = rave([Path::new("probe"), path, Path::new("--json")]).succeeded().json();
        let tags = value["streams"][0]["metadata"].as_object().unwrap().clone();
        tags.into_iter().find(|(key, _)| key.eq_ignore_ascii_case("encoder")).map(|(_, text)| text)
    };
    assert!(tag(&source).unwrap().as_str().unwrap().contains("libx264"));
    let output = folder.file("large.mkv");
    upscale(&source, &output, &["--codec", "hevc"]).succeeded();
    assert_eq!(tag(&output), None);
}

#[test]
fn a_job_checks_its_output_as_far_as_it_is_told() {
    let folder = Folder::new();
    let (source, output) = (source(&folder), folder.file("large.mkv"));
    for (how, is_checked, is_decoded) in [("fast", true, false), ("full", true, true), ("off", false, false)]
    {
        let answer = upscale(&source, &output, &["-y", "--verify", how]);
        let found = answer.succeeded().json()["verification"].clone();
        assert_eq!(found["passed"].as_bool(), is_checked.then_some(true), "{how}: {found}");
        if is_checked {
            assert_eq!(verdict(&found, "stream", Some(1)), Some("same"), "{found}");
            assert_eq!(verdict(&found, "decoding", None).is_some(), is_decoded, "{found}");
        }
        assert!(
            answer.stderr.contains(if is_checked { ", checked" } else { ", not checked" }),
            "{}",
            answer.stderr
        );
    }
}

#[test]
fn a_tag_that_the_container_does_not_take_is_told_and_costs_nobody_the_output() {
    let folder = Folder::new();
    let source = folder.clip(
        "a.mkv",
        "-f lavfi -i testsrc2=s=64x48:d=0.4 -f lavfi -i sine=d=0.4 -c:v libx264 -preset ultrafast -c:a aac \
         -metadata:s:a language=x-klingon",
    );
    let (output, report) = (folder.file("large.mp4"), folder.file("report.json"));
    let job = upscale(&source, &output, &[]);
    let told = "language of stream 1 is announced: x-klingon in the source, und in the output";
    assert!(job.succeeded().stderr.contains(told), "{}", job.stderr);
    assert_eq!(verdict(&job.json()["verification"], "language", Some(1)), Some("announced"));
    std::fs::write(&report, &job.stdout).unwrap();
    assert_eq!(verify(&source, &output, &["--report", report.to_str().unwrap()]).status, 0);
    assert_eq!(verify(&source, &output, &[]).status, 7);
}

#[test]
fn what_cannot_be_read_is_an_error_of_the_input() {
    let folder = Folder::new();
    let clip = folder.clip("a.mkv", "-f lavfi -i testsrc2=s=64x48:d=0.2");
    let missing = verify(&clip, Path::new("/no/such/file.mkv"), &[]);
    assert_eq!((missing.status, missing.error_name()), (3, "input-missing"));
    let sound = folder.clip("a.mka", "-f lavfi -i sine=d=0.2");
    let answer = verify(&clip, &sound, &[]);
    assert_eq!((answer.status, answer.error_name()), (3, "input-no-video"));
}
