//! Packets are counted and summed as other programs count them, and alike in every container.
#![allow(clippy::unwrap_used)] // Outside `#[test]` functions the lint does not see that this is a test.

mod support;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rave_ffmpeg::{CodedPicture, Input, StreamSurvey, Survey, trial_decode};
use support::{ffmpeg, make};

const CLIP: &str = "-f lavfi -i testsrc2=s=128x96:r=25:d=2 -f lavfi -i sine=d=2";

fn survey(path: &Path) -> Vec<StreamSurvey> {
    let survey = Survey::read(&Input::from(path), |_| true).unwrap();
    survey.streams.into_iter().flatten().collect()
}

fn remux(folder: &Path, source: &Path, name: &str) -> PathBuf {
    let target = folder.join(name);
    let source = source.as_os_str();
    ffmpeg(
        "",
        &[
            OsStr::new("-i"),
            source,
            "-map".as_ref(),
            "0".as_ref(),
            "-c".as_ref(),
            "copy".as_ref(),
            target.as_os_str(),
        ],
    );
    target
}

#[test]
fn sums_are_those_of_ffmpeg_where_nothing_is_packaging() {
    let folder = tempfile::tempdir().unwrap();
    for (name, codecs) in [
        ("a.mkv", "-c:v mpeg4 -c:a libmp3lame"),
        ("b.mkv", "-c:v ffv1 -c:a pcm_s16le"),
        ("c.webm", "-c:v libvpx-vp9 -cpu-used 8 -deadline realtime -c:a libopus"),
    ] {
        let path = make(folder.path(), name, &format!("{CLIP} {codecs}"));
        let sums = ffmpeg(
            "",
            &[
                "-i".as_ref(),
                path.as_os_str(),
                "-map".as_ref(),
                "0".as_ref(),
                "-c".as_ref(),
                "copy".as_ref(),
                "-f".as_ref(),
                "streamhash".as_ref(),
                "-hash".as_ref(),
                "md5".as_ref(),
                "-".as_ref(),
            ],
        );
        let found: Vec<_> = survey(&path).iter().map(|stream| stream.checksum.to_string()).collect();
        let expected: Vec<_> = String::from_utf8(sums)
            .unwrap()
            .lines()
            .filter_map(|line| line.split_once("MD5=").map(|(_, sum)| sum.to_owned()))
            .collect();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn a_change_of_container_keeps_sums_and_counts() {
    let folder = tempfile::tempdir().unwrap();
    for (video, containers) in [
        ("libx264 -preset ultrafast -bf 2", &["ts", "mkv", "mov", "flv"][..]),
        ("libx265 -preset ultrafast -x265-params log-level=none", &["ts", "mkv"]),
        ("libsvtav1 -preset 12", &["mkv"]),
    ] {
        let first = make(folder.path(), "a.mp4", &format!("{CLIP} -c:v {video} -c:a aac"));
        let expected = survey(&first);
        assert_eq!(expected[0].shown_times().len(), 50, "{video}");
        for container in containers {
            let other = survey(&remux(folder.path(), &first, &format!("b.{container}")));
            for (stream, found) in expected.iter().zip(&other) {
                let facts = |stream: &StreamSurvey| (stream.checksum, stream.bytes, stream.packets.len());
                assert_eq!(facts(found), facts(stream), "{video} in {container}");
            }
        }
    }
}

#[test]
fn a_changed_packet_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = make(folder.path(), "a.mkv", &format!("{CLIP} -c:v mpeg4 -c:a libmp3lame"));
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let damaged = folder.path().join("b.mkv");
    std::fs::write(&damaged, bytes).unwrap();
    let (before, after) = (survey(&path), survey(&damaged));
    let changed =
        before.iter().zip(&after).filter(|(before, after)| before.checksum != after.checksum).count();
    assert_eq!(changed, 1);
    let differing = |(before, after): (&StreamSurvey, &StreamSurvey)| {
        before.packets.iter().zip(&after.packets).filter(|(a, b)| a.digest != b.digest).count()
    };
    assert_eq!(before.iter().zip(&after).map(differing).sum::<usize>(), 1);
}

#[test]
fn subtitles_and_attachments_have_sums() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("a.srt");
    std::fs::write(
        &text,
        "1\r\n00:00:00,500 --> 00:00:01,000\r\nHello\r\n\r\n2\r\n00:00:01,200 --> 00:00:01,500\r\nyou\r\n",
    )
    .unwrap();
    let arguments = format!(
        "{CLIP} -i {} -map 0 -map 2 -attach {} -metadata:s:t mimetype=font/ttf -c:v mpeg4 -c:s copy",
        text.display(),
        text.display()
    );
    let path = make(folder.path(), "a.mkv", &arguments);
    let streams = survey(&path);
    let (subtitle, attachment) = (&streams[1], &streams[2]);
    assert_eq!((subtitle.packets.len(), subtitle.bytes), (2, 8));
    assert_eq!(attachment.bytes, std::fs::metadata(&text).unwrap().len());
    assert_eq!(survey(&text)[0].checksum, subtitle.checksum);
}

#[test]
fn hdr_metadata_of_the_bitstream_is_told_from_the_containers() {
    let folder = tempfile::tempdir().unwrap();
    let parameters = "hdr10=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400:log-level=none";
    let hdr = make(
        folder.path(),
        "a.mp4",
        &format!(
            "-f lavfi -i testsrc2=s=128x96:d=0.2 -pix_fmt yuv420p10le -c:v libx265 -preset ultrafast -x265-params {parameters}"
        ),
    );
    let picture = CodedPicture::read(&Input::from(hdr.as_path()), 0).unwrap();
    assert_eq!(
        picture.content_light.map(|light| (light.max_content, light.max_frame_average)),
        Some((1000, 400))
    );
    assert_eq!(picture.mastering_display.map(|display| display.max_luminance), Some(10_000_000));
    assert_eq!((picture.width, picture.height, picture.pixel_format.as_str()), (128, 96, "yuv420p10le"));
}

#[test]
fn a_trial_decoding_counts_frames_and_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path =
        make(folder.path(), "a.mkv", &format!("{CLIP} -c:v libx264 -preset ultrafast -c:a libmp3lame"));
    let whole: Vec<_> =
        trial_decode(&Input::from(path.as_path()), |_| true).unwrap().into_iter().flatten().collect();
    assert_eq!((whole[0].frames, whole[0].errors), (50, 0));
    assert!(whole[1].frames > 70 && whole[1].errors == 0, "{whole:?}");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 40].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let damaged: Vec<_> =
        trial_decode(&Input::from(path.as_path()), |_| true).unwrap().into_iter().flatten().collect();
    assert!(damaged.iter().any(|stream| stream.errors > 0), "{damaged:?}");
}
