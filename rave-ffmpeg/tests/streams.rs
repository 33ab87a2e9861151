//! What becomes of the other streams, of tags and of chapters.
#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::path::{Path, PathBuf};

use rave_core::Code;
use rave_ffmpeg::{
    CopyOptions, Incompatible, Input, MediaInfo, MuxerOptions, Selection, StreamKind, StreamOutcome,
    VideoCodec, probe, read_video_timestamps,
};
use support::{Job, audio_times, fast, ffprobe, make, run, transcode, write};

/// CRCs of the packets of a stream, without times.
fn checksums(path: &Path, stream: &str) -> Vec<String> {
    let output = run(
        "ffmpeg",
        &format!("-v error -nostdin -i file:{} -map 0:{stream} -c copy -f framecrc -", path.display()),
        &[],
    );
    let line = |line: &str| line.split(',').next_back().map(|crc| crc.trim().to_owned());
    String::from_utf8_lossy(&output).lines().filter(|text| !text.starts_with('#')).filter_map(line).collect()
}

const CHAPTERS: &str = ";FFMETADATA1\ntitle=A film\nartist=Nobody\ncustom_key=some value\n\
    [CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=400\ntitle=First\n\
    [CHAPTER]\nTIMEBASE=1/1000\nSTART=400\nEND=1000\ntitle=Second\n";

const SUBTITLES: &str =
    "1\n00:00:00,100 --> 00:00:00,500\nHello\n\n2\n00:00:00,600 --> 00:00:00,900\nWorld\n";

/// Video, two languages, ASS subtitles, a font without a known codec, chapters and tags.
fn everything(folder: &Path) -> PathBuf {
    std::fs::write(folder.join("chapters.txt"), CHAPTERS).unwrap();
    std::fs::write(folder.join("words.srt"), SUBTITLES).unwrap();
    std::fs::write(folder.join("font.bin"), [7; 5000]).unwrap();
    let at = |name: &str| folder.join(name).display().to_string();
    let arguments = format!(
        "-f lavfi -i testsrc2=s=64x48:r=25:d=1 -f lavfi -i sine=d=1 -f lavfi -i sine=f=880:d=1 -i {} -i {} \
         -map 0 -map 1 -map 2 -map 3 -map_metadata 4 -map_chapters 4 -attach {} \
         -metadata:s:a:0 language=eng -metadata:s:a:1 language=deu -metadata:s:s language=fra \
         -metadata:s:t mimetype=application/octet-stream -disposition:a:1 default -disposition:a:0 0 \
         -disposition:s forced -c:v libx264 -c:a:0 aac -c:a:1 libopus -c:s ass",
        at("words.srt"),
        at("chapters.txt"),
        at("font.bin")
    );
    make(folder, "everything.mkv", &arguments)
}

#[test]
fn other_streams_are_copied_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let source = everything(folder.path());
    let target = folder.path().join("out.mkv");
    let written = write(&source, &target, VideoCodec::H264);
    assert!(written.plan.iter().all(|plan| !matches!(plan.outcome, StreamOutcome::Dropped { .. })));
    for stream in ["1", "2", "3"] {
        assert_eq!(checksums(&source, stream), checksums(&target, stream), "stream {stream}");
        let times = format!("-select_streams {stream} -show_entries packet=pts,dts,duration");
        assert_eq!(ffprobe(&source, &times), ffprobe(&target, &times), "stream {stream}");
    }
    let (before, after) = (probe(&Input::from(&*source)).unwrap(), probe(&Input::from(&*target)).unwrap());
    assert_eq!(before.chapters, after.chapters);
    assert_eq!(after.streams.len(), 5);
    for (before, after) in before.streams.iter().zip(&after.streams).skip(1) {
        assert_eq!(before.language, after.language);
        assert_eq!(before.disposition, after.disposition);
        assert_eq!((before.kind, &before.codec), (after.kind, &after.codec));
    }
    for key in ["title", "ARTIST", "CUSTOM_KEY"] {
        let value = |media: &MediaInfo| {
            media
                .metadata
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(key))
                .map(|(_, value)| value.clone())
        };
        assert_eq!(value(&before), value(&after), "{key}");
        assert!(value(&after).is_some(), "{key}");
    }
    let copied: Vec<usize> = written.summary.copied_packets.iter().map(|&(index, _)| index).collect();
    assert_eq!(copied, [1, 2, 3, 4]);
    let font = folder.path().join("font.out");
    ffmpeg_dump(&target, &font);
    assert_eq!(std::fs::read(font).unwrap(), [7; 5000]);
}

fn ffmpeg_dump(path: &Path, to: &Path) {
    let arguments = ["-dump_attachment:t:0".as_ref(), to.as_os_str(), "-i".as_ref(), path.as_os_str()];
    // Without an output ffmpeg ends with an error after the dump.
    std::process::Command::new("ffmpeg").args(["-v", "error", "-y"]).args(arguments).status().unwrap();
}

#[test]
fn what_a_container_cannot_hold_is_refused_or_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let source = everything(folder.path());
    for name in ["out.mp4", "out.webm", "out.ts"] {
        let target = folder.path().join(name);
        let codec = if name == "out.webm" { VideoCodec::Vp9 } else { VideoCodec::H264 };
        let refused = transcode(&source, &target, &fast(codec), &MuxerOptions::default());
        let error = refused.err().expect("only Matroska has attachments");
        assert_eq!(error.code(), Code::StreamIncompatible, "{error}");
        assert!(!target.exists(), "nothing is created");
        let options = MuxerOptions { incompatible: Incompatible::Drop, ..MuxerOptions::default() };
        let written = transcode(&source, &target, &fast(codec), &options).unwrap();
        let dropped = |index: usize| matches!(written.plan[index].outcome, StreamOutcome::Dropped { .. });
        assert!(dropped(4), "{name}: {:?}", written.plan);
        assert_eq!(dropped(3), name == "out.ts", "text becomes another kind: {:?}", written.plan);
        assert!(!dropped(2), "{name}: Opus is held: {:?}", written.plan);
        let mut streams = probe(&Input::from(&*target)).unwrap().streams;
        // MP4 keeps chapters in a track of their own.
        streams.retain(|stream| stream.kind != StreamKind::Data);
        assert_eq!(streams.len(), written.plan.iter().filter(|plan| !dropped(plan.source_index)).count());
    }
}

#[test]
fn a_job_cut_short_ends_every_stream_where_the_video_ends() {
    let folder = tempfile::tempdir().unwrap();
    let source = make(
        folder.path(),
        "long.mkv",
        "-f lavfi -i testsrc2=s=64x48:r=25:d=8 -f lavfi -i sine=d=8 -c:v libx264 -c:a aac",
    );
    let target = folder.path().join("cut.mkv");
    let cut = Job { frames: Some(50), ..Job::default() };
    let written = cut.transcode(&source, &target, &fast(VideoCodec::H264)).unwrap();
    assert_eq!(written.summary.video_packets, 50);
    let sound: f64 = audio_times(&target).last().unwrap().parse().unwrap();
    let last = read_video_timestamps(&target, None).unwrap().last().unwrap().seconds();
    // Frames are 40 ms long, packets of sound 21 ms.
    assert!((last..last + 0.04).contains(&sound), "sound to {sound} s, picture to {last} s");
}

#[test]
fn what_is_not_wanted_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let source = everything(folder.path());
    let target = folder.path().join("out.mkv");
    let copy = CopyOptions {
        audio: Selection::Omit,
        chapters: Selection::Omit,
        metadata: Selection::Omit,
        ..CopyOptions::default()
    };
    let options = MuxerOptions { copy, ..MuxerOptions::default() };
    transcode(&source, &target, &fast(VideoCodec::H264), &options).unwrap();
    let media = probe(&Input::from(&*target)).unwrap();
    assert_eq!(media.streams.len(), 3);
    assert!(media.chapters.is_empty());
    assert!(!media.metadata.iter().any(|(key, _)| key == "title"));
}

#[test]
fn covers_are_kept_in_mp4_and_become_attachments_in_matroska() {
    let folder = tempfile::tempdir().unwrap();
    let picture = make(folder.path(), "cover.png", "-f lavfi -i testsrc2=s=32x32:d=0.04");
    let arguments = format!(
        "-f lavfi -i testsrc2=s=64x48:r=25:d=0.4 -i {} -map 0 -map 1 -c:v:0 libx264 -c:v:1 copy \
         -disposition:v:1 attached_pic -metadata title=Film",
        picture.display()
    );
    let source = make(folder.path(), "source.mp4", &arguments);
    for name in ["out.mp4", "out.mkv"] {
        let target = folder.path().join(name);
        write(&source, &target, VideoCodec::H264);
        let media = probe(&Input::from(&*target)).unwrap();
        assert_eq!(media.streams.len(), 2, "{name}");
        assert!(media.streams[1].is_attached_picture, "{name}: {:?}", media.streams[1]);
        assert_eq!(media.best_video, Some(0));
        assert!(
            media.metadata.iter().any(|(key, value)| key.eq_ignore_ascii_case("title") && value == "Film")
        );
    }
}

/// What ffmpeg reads as SubRip.
fn as_subrip(path: &Path) -> String {
    let output =
        run("ffmpeg", &format!("-v error -nostdin -i file:{} -map 0:s:0 -f srt -", path.display()), &[]);
    let text = String::from_utf8(output).unwrap().replace("\r\n", "\n");
    format!("{}\n", text.trim_end())
}

#[test]
fn text_subtitles_become_the_kind_that_the_container_holds() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("words.srt"), SUBTITLES).unwrap();
    let words = folder.path().join("words.srt").display().to_string();
    for (codec, extension, target, expected) in [
        ("subrip", "mkv", "out.mp4", "mov_text"),
        ("ass", "mkv", "out.mp4", "mov_text"),
        ("mov_text", "mp4", "out.mkv", "subrip"),
        ("subrip", "mkv", "out.webm", "webvtt"),
        ("webvtt", "mkv", "out.mov", "mov_text"),
    ] {
        let arguments = format!(
            "-f lavfi -i testsrc2=s=64x48:r=25:d=1 -i {words} -map 0 -map 1 -metadata:s:s language=fra \
             -disposition:s forced -c:v libx264 -c:s {codec}"
        );
        let source = make(folder.path(), &format!("{codec}.{extension}"), &arguments);
        let target = folder.path().join(target);
        let codec_out = if expected == "webvtt" { VideoCodec::Vp9 } else { VideoCodec::H264 };
        let written = write(&source, &target, codec_out);
        let StreamOutcome::Converted { codec: found, reason, .. } = &written.plan[1].outcome else {
            panic!("{codec}: {:?}", written.plan);
        };
        assert_eq!(*found, expected);
        assert!(reason.contains(codec), "{reason}");
        assert_eq!(written.summary.copied_packets, [(1, 2)], "{codec}");
        let media = probe(&Input::from(&*target)).unwrap();
        assert_eq!(media.streams[1].codec.as_deref(), Some(expected));
        assert_eq!(media.streams[1].language.as_deref(), Some("fra"));
        let is_forced = media.streams[1].disposition.contains(&"forced");
        assert_eq!(is_forced, written.plan[1].notes.is_empty(), "{expected}: {:?}", written.plan[1].notes);
        assert_eq!(as_subrip(&target), SUBTITLES, "{codec} in {}", target.display());
    }
}

#[test]
fn maps_choose_the_streams() {
    let folder = tempfile::tempdir().unwrap();
    let source = everything(folder.path());
    let kept = |maps: &[&str]| {
        let maps = maps.iter().map(|map| map.parse().unwrap()).collect();
        let options =
            MuxerOptions { copy: CopyOptions { maps, ..Default::default() }, ..MuxerOptions::default() };
        let target = folder.path().join("out.mkv");
        let written = transcode(&source, &target, &fast(VideoCodec::H264), &options)?;
        let kept = |plan: &&rave_ffmpeg::StreamPlan| !matches!(plan.outcome, StreamOutcome::Dropped { .. });
        Ok::<Vec<usize>, rave_core::BoxError>(
            written.plan.iter().filter(kept).map(|plan| plan.source_index).collect(),
        )
    };
    assert_eq!(kept(&["0:a:m:language:deu", "0:s"]).unwrap(), [0, 2, 3]);
    assert_eq!(kept(&["-0:a:0"]).unwrap(), [0, 2, 3, 4]);
    assert_eq!(kept(&["0:d?"]).unwrap(), [0], "the video is always there");
    let error = kept(&["0:d"]).unwrap_err();
    assert_eq!(error.code(), Code::OptionInvalid);
    assert!(error.to_string().contains("0:d matches no stream"), "{error}");
}

#[test]
fn what_of_the_tags_has_no_place_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("chapters.txt"), CHAPTERS).unwrap();
    let chapters = folder.path().join("chapters.txt").display().to_string();
    let arguments = format!(
        "-f lavfi -i testsrc2=s=64x48:r=25:d=1 -f lavfi -i sine=d=1 -i {chapters} -map 0 -map 1 \
         -map_metadata 2 -map_chapters 2 -metadata:s:a title=Comment -metadata:s:a mood=calm \
         -metadata:s:a language=eng -c:v libx264 -c:a aac"
    );
    let source = make(folder.path(), "source.mkv", &arguments);
    let target = folder.path().join("out.mp4");
    let written = write(&source, &target, VideoCodec::H264);
    assert_eq!(written.notes, Vec::<String>::new(), "MP4 holds any key");
    let notes = written.plan[1].notes.join("; ");
    assert!(notes.contains("title") && notes.contains("MOOD"), "{notes}");
    let sound = &probe(&Input::from(&*target)).unwrap().streams[1];
    assert!(sound.metadata.contains(&("handler_name".into(), "Comment".into())), "{:?}", sound.metadata);
    let written = write(&source, &folder.path().join("out.ts"), VideoCodec::H264);
    let notes = written.notes.join("; ");
    assert!(notes.contains("2 are left out") && notes.contains("ARTIST"), "{notes}");
    let written = write(&source, &folder.path().join("again.mkv"), VideoCodec::H264);
    assert!(written.notes.is_empty() && written.plan[1].notes.is_empty(), "{:?}", written.plan);
}

#[test]
fn a_timecode_track_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let source = make(
        folder.path(),
        "source.mov",
        "-f lavfi -i testsrc2=s=64x48:r=25:d=1 -timecode 10:00:00:00 -c:v libx264",
    );
    for name in ["out.mov", "out.mp4", "out.mkv"] {
        let target = folder.path().join(name);
        let written = write(&source, &target, VideoCodec::H264);
        let StreamOutcome::Dropped { reason } = &written.plan[1].outcome else {
            panic!("{:?}", written.plan)
        };
        assert!(reason.contains("timecode"), "{reason}");
        let tags = &probe(&Input::from(&*target)).unwrap().streams[0].metadata;
        let is_kept =
            tags.iter().any(|(key, value)| key.eq_ignore_ascii_case("timecode") && value == "10:00:00:00");
        assert!(is_kept, "{name}: {tags:?}");
    }
}

#[test]
fn of_several_videos_one_is_encoded_and_the_others_are_copied() {
    let folder = tempfile::tempdir().unwrap();
    let source = make(
        folder.path(),
        "source.mkv",
        "-f lavfi -i testsrc2=s=32x32:r=25:d=1 -f lavfi -i testsrc2=s=64x48:r=25:d=1 -map 0 -map 1 -c:v libx264 -bf 2 \
         -disposition:v:0 0 -disposition:v:1 default",
    );
    for name in ["out.mkv", "out.mp4", "out.ts"] {
        let target = folder.path().join(name);
        let written = write(&source, &target, VideoCodec::H264);
        assert!(matches!(written.plan[0].outcome, StreamOutcome::Copied { output_index: 0 }), "{name}");
        assert!(matches!(written.plan[1].outcome, StreamOutcome::Encoded { output_index: 1 }), "{name}");
        assert_eq!(written.summary.copied_packets, [(0, 25)], "{name}");
        assert_eq!(read_video_timestamps(&target, Some(0)).unwrap().len(), 25, "{name}");
    }
}
