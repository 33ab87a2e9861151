//! What becomes of the other streams, as a user sees it.

use std::ffi::OsStr;

use crate::support::{Folder, probe, rave, upscale};

fn film(folder: &Folder) -> std::path::PathBuf {
    let subtitles = folder.file("s.srt");
    std::fs::write(&subtitles, "1\n00:00:00,100 --> 00:00:00,300\nHello\n").unwrap();
    let arguments = format!(
        "-f lavfi -i testsrc2=s=64x48:r=25:d=0.4 -f lavfi -i sine=d=0.4 -i {} -map 0 -map 1 -map 1 -map 2 \
         -c:v libx264 -c:a aac -c:s srt -metadata:s:a:1 language=deu -metadata:s:a:1 title=Dub -metadata year=1999",
        subtitles.display()
    );
    folder.clip("in.mkv", &arguments)
}

#[test]
fn text_is_converted_for_mp4_and_the_report_says_so() {
    let folder = Folder::new();
    let (input, output) = (film(&folder), folder.file("out.mp4"));
    let answer = upscale(&input, &output, &[]);
    let streams = answer.succeeded().json()["streams"].clone();
    assert_eq!(
        (&streams[3]["outcome"], &streams[3]["output_codec"]),
        (&"converted".into(), &"mov_text".into())
    );
    assert_eq!(streams[2]["language"], "deu");
    assert_eq!(streams[2]["notes"][0], "its title becomes the name of its handler");
    assert!(answer.stderr.contains("converted to mov_text"), "{}", answer.stderr);
    assert_eq!(probe(&output, &["-show_entries", "stream=codec_name"]), ["h264", "aac", "aac", "mov_text"]);
}

#[test]
fn streams_are_chosen_as_with_ffmpeg() {
    let folder = Folder::new();
    let (input, output) = (film(&folder), folder.file("out.mkv"));
    let kept = |flags: &[&str]| {
        let flags: Vec<_> = flags.iter().copied().chain(["-y"]).collect();
        upscale(&input, &output, &flags).succeeded();
        probe(&output, &["-show_entries", "stream=codec_name"])
    };
    assert_eq!(kept(&["--no-audio"]), ["h264", "subrip"]);
    assert_eq!(kept(&["-an", "-sn"]), ["h264"]);
    assert_eq!(kept(&["--map", "0:a:1"]), ["h264", "aac"]);
    assert_eq!(kept(&["--map", "-0:a:0"]), ["h264", "aac", "subrip"]);
    assert_eq!(kept(&["--no-metadata", "-dn"]), ["h264", "aac", "aac", "subrip"]);
    assert!(probe(&output, &["-show_entries", "format_tags=year"]).is_empty());
}

#[test]
fn a_map_that_matches_nothing_is_a_usage_error() {
    let folder = Folder::new();
    let input = film(&folder);
    for map in ["0:d", "1:a", "words"] {
        let answer = upscale(&input, &folder.file("out.mkv"), &["--map", map]);
        assert_eq!((answer.status, answer.error_name()), (2, "option-invalid"), "{map}: {}", answer.stderr);
        assert_eq!(folder.names(), ["in.mkv", "s.srt"], "nothing is left");
    }
}

#[test]
fn a_part_may_begin_within_a_caption() {
    let folder = Folder::new();
    let whole = film(&folder);
    let whole = whole.to_str().unwrap();
    for (name, codecs) in [
        ("mkv", "-map 0:v -map 0:s -c:v copy -c:s srt"),
        ("ass.mkv", "-map 0:v -map 0:s -c:v copy -c:s ass"),
        ("mp4", "-map 0:v -map 0:s -c:v copy -c:s mov_text"),
    ] {
        let input = folder.clip(format!("part.{name}"), &format!("-i {whole} {codecs}"));
        let output = folder.file(format!("out.{name}"));
        let json = upscale(&input, &output, &["-ss", "0.2", "-t", "0.16"]).succeeded().json();
        assert_eq!(json["frames"].as_u64(), Some(4), "{name}");
    }
}

#[test]
fn matroska_takes_the_sound_of_avi_and_quicktime_its_own() {
    let folder = Folder::new();
    for (codec, from, to) in [
        ("wmav2", "asf", "mkv"),
        ("adpcm_ms", "avi", "mkv"),
        ("pcm_mulaw", "avi", "mkv"),
        ("pcm_s16be", "mov", "mov"),
    ] {
        let clip =
            format!("-f lavfi -i testsrc2=s=64x48:r=25:d=0.4 -f lavfi -i sine=d=0.4 -c:v mpeg4 -c:a {codec}");
        let input = folder.clip(format!("{codec}.{from}"), &clip);
        let output = folder.file(format!("{codec}-out.{to}"));
        let answer = upscale(&input, &output, &[]);
        let streams = answer.succeeded().json()["streams"].clone();
        assert_eq!(streams[1]["outcome"], "copied", "{codec}: {streams}");
        assert_eq!(probe(&output, &["-show_entries", "stream=codec_name"]), ["h264", codec]);
    }
}

#[test]
fn a_stream_with_nothing_in_the_wanted_part_is_named() {
    let folder = Folder::new();
    // The first video is copied and has one key frame, the first.
    let input = folder.clip(
        "in.mkv",
        "-f lavfi -i testsrc2=s=32x24:r=25:d=1 -f lavfi -i testsrc2=s=64x48:r=25:d=1 -f lavfi -i sine=d=1 \
         -map 0 -map 1 -map 2 -c:v libx264 -g 100 -c:a aac -disposition:v:0 0 -disposition:v:1 default",
    );
    for (name, index, outcome) in [("out.mp4", None, "dropped"), ("out.mkv", Some(0), "copied")] {
        let (output, report) = (folder.file(name), folder.file("report.json"));
        let answer =
            upscale(&input, &output, &["-ss", "0.4", "-t", "0.2", "--verify", "full", "--drop-incompatible"]);
        let json = answer.succeeded().json();
        let stream = |source_index: usize| json["streams"][source_index].clone();
        assert_eq!(stream(0)["outcome"], outcome, "{name}");
        let following = index.map_or(0, |index: u64| index + 1);
        let indexes = [0, 1, 2].map(|source_index| stream(source_index)["output_index"].as_u64());
        assert_eq!(indexes, [index, Some(following), Some(following + 1)], "{name}");
        let note = "note: stream 0 (video, h264) is left out: it has no packet in this part of the source";
        assert_eq!(answer.stderr.contains(note), index.is_none(), "{name}: {}", answer.stderr);
        std::fs::write(&report, &answer.stdout).unwrap();
        let told = ["verify", "--full", "--report"].map(OsStr::new);
        let files = [&report, &input, &output].map(|path| path.as_os_str());
        rave(told.into_iter().chain(files)).succeeded();
    }
}

#[test]
fn a_cover_of_mp4_stands_behind_the_track_of_the_chapters() {
    let folder = Folder::new();
    let chapters = ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=400\ntitle=A\n";
    std::fs::write(folder.file("chapters.txt"), chapters).unwrap();
    let arguments = format!(
        "-f lavfi -i testsrc2=s=64x48:r=25:d=0.4 -f lavfi -i sine=d=0.4 -f lavfi -i testsrc2=s=32x32:d=0.04 -i {} \
         -map 0 -map 1 -map 2 -map_chapters 3 -c:v libx264 -c:v:1 png -c:a aac -disposition:v:1 attached_pic",
        folder.file("chapters.txt").display()
    );
    let input = folder.clip("in.mp4", &arguments);
    let output = folder.file("out.mp4");
    let json = upscale(&input, &output, &["--verify", "full"]).succeeded().json();
    assert_eq!(json["streams"][3]["output_index"], 3, "{}", json["streams"]);
    let codecs = probe(&output, &["-show_entries", "stream=codec_name"]);
    assert_eq!(codecs, ["h264", "aac", "bin_data", "png"]);
}
