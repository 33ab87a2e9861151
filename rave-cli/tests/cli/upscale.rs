//! The main job, as a user runs it.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::support::{Folder, answer, command, frames, probe, rave, upscale};

const CLIP: &str = "-f lavfi -i testsrc2=s=64x48:r=25:d=0.4 -pix_fmt yuv420p -c:v libx264 -preset ultrafast";

#[test]
fn a_clip_comes_out_twice_as_large_with_every_frame_at_its_time() {
    let folder = Folder::new();
    let (input, output) = (folder.clip("in.mp4", CLIP), folder.file("out.mkv"));
    let result = upscale(&input, &output, &[]);
    let json = result.succeeded().json();
    assert_eq!((json["version"].as_u64(), json["frames"].as_u64()), (Some(1), Some(10)));
    assert_eq!((json["video"]["width"].as_u64(), json["video"]["height"].as_u64()), (Some(128), Some(96)));
    assert_eq!(frames(&output, "pts_time"), frames(&input, "pts_time"));
    assert_eq!(folder.names(), ["in.mp4", "out.mkv"], "nothing temporary is left");
}

#[test]
fn a_variable_frame_rate_is_kept() {
    let folder = Folder::new();
    let arguments = "-f lavfi -i testsrc2=s=32x32:r=50:d=1 -vf select='not(mod(n\\,3))+not(mod(n\\,7))' -fps_mode vfr \
        -pix_fmt yuv420p -c:v libx264";
    let input = folder.clip("in.mp4", arguments);
    for name in ["out.mp4", "out.mkv", "out.ts"] {
        let output = folder.file(name);
        let json = upscale(&input, &output, &[]).succeeded().json();
        assert_eq!(json["frames"].as_u64(), Some(frames(&input, "pts_time").len() as u64), "{name}");
    }
    assert_eq!(frames(&folder.file("out.mp4"), "pts_time"), frames(&input, "pts_time"));
}

#[test]
fn other_streams_chapters_and_metadata_are_kept() {
    let folder = Folder::new();
    let subtitles = folder.file("s.srt");
    std::fs::write(&subtitles, "1\n00:00:00,100 --> 00:00:00,300\nHello\n").unwrap();
    let chapters = folder.file("c.txt");
    std::fs::write(
        &chapters,
        ";FFMETADATA1\ntitle=A film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=200\ntitle=One\n",
    )
    .unwrap();
    let arguments = format!(
        "-f lavfi -i testsrc2=s=64x48:r=25:d=0.4 -f lavfi -i sine=d=0.4 -i {} -i {} -map 0 -map 1 -map 2 -map_metadata 3 \
         -c:v libx264 -c:a aac -c:s srt -metadata:s:a:0 language=deu",
        subtitles.display(),
        chapters.display()
    );
    let (input, output) = (folder.clip("in.mkv", &arguments), folder.file("out.mkv"));
    let json = upscale(&input, &output, &[]).succeeded().json();
    let outcomes: Vec<_> = json["streams"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stream| stream["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["encoded", "copied", "copied"]);
    assert_eq!(probe(&output, &["-show_entries", "stream=codec_name"]), ["h264", "aac", "subrip"]);
    assert_eq!(probe(&output, &["-show_entries", "stream_tags=language"]), ["deu"]);
    assert_eq!(probe(&output, &["-show_entries", "format_tags=title"]), ["A film"]);
    assert_eq!(probe(&output, &["-show_chapters", "-show_entries", "chapter=start_time,end_time"]).len(), 3);
    let packets = |path| {
        probe(path, &["-select_streams", "a", "-show_data_hash", "md5", "-show_entries", "packet=data_hash"])
    };
    assert_eq!(packets(&output), packets(&input));
}

#[test]
fn colour_tags_aspect_ratio_and_depth_are_kept() {
    let folder = Folder::new();
    let arguments = "-f lavfi -i testsrc2=s=64x48:r=25:d=0.2 -vf setsar=8/9 -pix_fmt yuv420p10le -c:v libx264 \
        -colorspace bt2020nc -color_primaries bt2020 -color_trc smpte2084 -color_range tv";
    let (input, output) = (folder.clip("in.mkv", arguments), folder.file("out.mkv"));
    upscale(&input, &output, &[]).succeeded();
    let entries = "stream=pix_fmt,color_range,color_space,color_transfer,color_primaries,sample_aspect_ratio";
    assert_eq!(
        probe(&output, &["-show_entries", entries]),
        ["8:9", "yuv420p10le", "tv", "bt2020nc", "smpte2084", "bt2020"]
    );
}

#[test]
fn an_untagged_source_is_tagged_with_what_was_assumed() {
    let folder = Folder::new();
    let (input, output) = (folder.clip("in.mp4", CLIP), folder.file("out.mp4"));
    let result = upscale(&input, &output, &[]);
    assert!(result.succeeded().stderr.contains("smpte170m"), "{}", result.stderr);
    assert_eq!(probe(&output, &["-show_entries", "stream=color_space,color_range"]), ["tv", "smpte170m"]);
}

#[test]
fn odd_sizes_and_odd_names_work() {
    let folder = Folder::new();
    let arguments = "-f lavfi -i testsrc2=s=64x48:r=25:d=0.2 -vf format=yuv444p,scale=63:47 -c:v libx264";
    let input = folder.clip("a film: 100% \u{e4} 'quoted'.mkv", arguments);
    let output = folder.file("-out put\n.mkv");
    let json = upscale(&input, &output, &[]).succeeded().json();
    assert_eq!((json["video"]["width"].as_u64(), json["video"]["height"].as_u64()), (Some(126), Some(94)));
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf8_work() {
    use std::os::unix::ffi::OsStringExt;
    let folder = Folder::new();
    let name = |bytes: &[u8]| folder.file(OsString::from_vec(bytes.to_vec()));
    let (input, output) = (name(b"in-\xff.mkv"), name(b"out-\xfe.mkv"));
    std::fs::rename(folder.clip("in.mkv", CLIP), &input).unwrap();
    upscale(&input, &output, &[]).succeeded();
    assert!(output.exists());
}

#[test]
fn standard_input_is_read_only_when_asked() {
    let folder = Folder::new();
    let (input, output) = (folder.clip("in.mkv", CLIP), folder.file("out.mkv"));
    let mut rave = command();
    rave.args(["-m", "resize-cubic-x2", "-i", "-", "-o"]).arg(&output);
    rave.stdin(std::fs::File::open(&input).unwrap());
    answer(rave.output().unwrap()).succeeded();
    assert_eq!(frames(&output, "pts_time"), frames(&input, "pts_time"));
}

#[test]
fn raw_streams_get_their_times_from_the_frame_rate() {
    let folder = Folder::new();
    let input = folder.clip("in.264", CLIP);
    let output = folder.file("out.mkv");
    let json = upscale(&input, &output, &["--fps-num", "10"]).succeeded().json();
    assert_eq!(json["decoding"]["reconstructed_timestamps"].as_u64(), Some(10));
    assert_eq!(frames(&output, "pts_time")[..3], ["0.000000", "0.100000", "0.200000"]);
}

#[test]
fn progress_is_a_json_line_and_results_are_alone_on_standard_output() {
    let folder = Folder::new();
    let (input, output) = (folder.clip("in.mp4", CLIP), folder.file("out.mkv"));
    let result = upscale(&input, &output, &["--progress", "json", "-y"]);
    result.succeeded().json();
    let last = result.stderr.lines().rfind(|line| line.starts_with('{')).unwrap();
    let last: serde_json::Value = serde_json::from_str(last).unwrap();
    assert_eq!(last["frames"].as_u64(), Some(10));
}

#[test]
fn quiet_is_silent() {
    let folder = Folder::new();
    let (input, output) = (folder.clip("in.mp4", CLIP), folder.file("out.mkv"));
    let result = rave([
        "-q".as_ref(),
        "-m".as_ref(),
        "resize-cubic-x2".as_ref(),
        "-i".as_ref(),
        input.as_os_str(),
        "-o".as_ref(),
        output.as_os_str(),
    ]);
    assert_eq!((result.status, result.stdout.as_str(), result.stderr.as_str()), (0, "", ""));
}

#[test]
fn probe_shows_the_streams() {
    let folder = Folder::new();
    let input = folder.clip("in.mp4", CLIP);
    let text = rave(["probe".as_ref(), input.as_os_str()]);
    assert!(text.succeeded().stdout.contains("64x48"), "{}", text.stdout);
    let json = rave(["probe".as_ref(), input.as_os_str(), "--json".as_ref()]).succeeded().json();
    assert_eq!(json["streams"][0]["video"]["pixel_format"], "yuv420p");
    assert_eq!(json["best_video"], 0);
}

#[test]
fn the_models_are_listed() {
    assert!(rave(["models"]).succeeded().stdout.contains("resize-cubic-x2"));
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_stops_nothing() {
    let folder = Folder::new();
    let (input, output) = (folder.clip("in.mp4", CLIP), folder.file("out.mkv"));
    let mut rave = command();
    rave.args(["--json", "-m", "resize-cubic-x2", "--progress", "json", "-i"])
        .arg(&input)
        .arg("-o")
        .arg(&output);
    let mut child =
        rave.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(output.exists());
}

#[test]
fn grey_works_with_every_encoder() {
    let folder = Folder::new();
    let arguments = "-f lavfi -i testsrc2=s=64x64:r=25:d=0.2 -vf format=gray -c:v ffv1";
    let input = folder.clip("in.mkv", arguments);
    for codec in ["h264", "hevc", "ffv1", "av1", "vp9"] {
        let output = folder.file(format!("{codec}.mkv"));
        let mut rave = command();
        rave.args(["-m", "resize-cubic-x2", "--codec", codec, "-i"]).arg(&input).arg("-o").arg(&output);
        answer(rave.output().unwrap()).succeeded();
        assert_eq!(frames(&output, "pts_time").len(), 5, "{codec}");
    }
}

#[test]
fn every_container_takes_its_usual_codec_and_odd_pixels() {
    let folder = Folder::new();
    let arguments = "-f lavfi -i testsrc2=s=72x48:r=25:d=0.2 -vf setsar=16/11 -pix_fmt yuv420p -c:v libx264";
    let input = folder.clip("in.mp4", arguments);
    for extension in
        ["mp4", "m4v", "mov", "mkv", "webm", "ts", "m2ts", "mts", "nut", "264", "265", "ivf", "obu"]
    {
        let output = folder.file(format!("out.{extension}"));
        let mut rave = command();
        rave.args(["--json", "-m", "resize-cubic-x2", "--drop-incompatible", "-i"])
            .arg(&input)
            .arg("-o")
            .arg(&output);
        let json = answer(rave.output().unwrap()).succeeded().json();
        assert_eq!(json["frames"].as_u64(), Some(5), "{extension}");
    }
}

#[test]
fn an_encoder_implies_its_codec() {
    let folder = Folder::new();
    let (input, output) = (folder.clip("in.mp4", CLIP), folder.file("out.mkv"));
    upscale(&input, &output, &["--encoder", "libx265"]).succeeded();
    assert_eq!(probe(&output, &["-show_entries", "stream=codec_name"]), ["hevc"]);
}

#[test]
fn a_matroska_file_that_ends_before_its_header_says_is_told() {
    let folder = Folder::new();
    let clip = "-f lavfi -i testsrc2=s=64x48:r=25:d=4 -f lavfi -i sine=d=4 -c:v libx264 -g 10 -c:a aac \
        -cluster_time_limit 200";
    let whole = folder.clip("whole.mkv", clip);
    let cut = folder.file("cut.mkv");
    let bytes = fs::read(&whole).unwrap();
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let told = |input: &Path| {
        let answer = upscale(input, &folder.file("out.mkv"), &["-y"]);
        let missing = answer.succeeded().json()["missing_seconds"].as_f64().unwrap();
        assert_eq!(answer.stderr.contains("before its header says"), missing > 0.0, "{}", answer.stderr);
        missing
    };
    assert_eq!(told(&whole), 0.0);
    let missing = told(&cut);
    assert!((1.0..3.5).contains(&missing), "{missing}");
}

#[test]
fn what_is_wrong_with_the_source_is_said() {
    let folder = Folder::new();
    let interlaced = format!("{CLIP} -flags +ilme+ildct -x264opts tff=1");
    let input = folder.clip("interlaced.mp4", &interlaced);
    let json = upscale(&input, &folder.file("a.mkv"), &["--deinterlace", "off"]).succeeded().json();
    assert_eq!(json["interlaced_frames"].as_u64(), Some(10));

    let whole = std::fs::read(folder.clip("whole.mp4", &format!("{CLIP} -movflags +faststart"))).unwrap();
    let input = folder.file("cut.mp4");
    std::fs::write(&input, &whole[..whole.len() * 8 / 10]).unwrap();
    let result = upscale(&input, &folder.file("b.mkv"), &[]);
    let json = result.succeeded().json();
    let (frames, missing) = (json["frames"].as_u64().unwrap(), json["missing_frames"].as_u64().unwrap());
    assert!(missing > 0 && frames + missing == 10, "{frames} and {missing}");
    assert!(result.stderr.contains("announces"), "{}", result.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_printed_is_a_failure() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let result = answer(command().args(["models"]).stdout(full).output().unwrap());
    assert_eq!((result.status, result.error_name()), (6, "disk-full"));
}
