//! What becomes of each stream of the source.

use crate::container::Family;
use crate::{
    Container, CopyOptions, Error, Incompatible, MuxerOptions, Selection, StreamInfo, StreamKind,
    StreamOutcome, StreamPlan,
};

/// Decides on every stream.
///
/// # Errors
/// [`Error::StreamIncompatible`] for the first stream that the container cannot hold, if such are to be refused.
pub(crate) fn plan(
    streams: &[StreamInfo],
    video: usize,
    container: &Container,
    options: &MuxerOptions,
    is_readable_again: bool,
    holds: impl Fn(usize) -> Option<bool>,
) -> Result<Vec<StreamPlan>, Error> {
    let mut next_output = 0;
    let mut planned = Vec::new();
    for stream in streams {
        let decision = if stream.index == video {
            Decision::Encode
        } else if !is_readable_again {
            Decision::Drop("the input can be read only once".to_owned())
        } else {
            decide(stream, container, &options.copy, holds(stream.index))
        };
        let outcome = settle(decision, stream, container, options.incompatible, &mut next_output)?;
        let codec = stream.codec.clone();
        planned.push(StreamPlan { source_index: stream.index, kind: stream.kind, codec, outcome });
    }
    Ok(planned)
}

enum Decision {
    Encode,
    Copy,
    Drop(String),
    /// The container cannot hold it.
    Incompatible(String),
}

fn settle(
    decision: Decision,
    stream: &StreamInfo,
    container: &Container,
    incompatible: Incompatible,
    next_output: &mut usize,
) -> Result<StreamOutcome, Error> {
    let mut output_index = || {
        *next_output += 1;
        *next_output - 1
    };
    match (decision, incompatible) {
        (Decision::Encode, _) => Ok(StreamOutcome::Encoded { output_index: output_index() }),
        (Decision::Copy, _) => Ok(StreamOutcome::Copied { output_index: output_index() }),
        (Decision::Drop(reason), _) | (Decision::Incompatible(reason), Incompatible::Drop) => {
            Ok(StreamOutcome::Dropped { reason })
        }
        (Decision::Incompatible(reason), Incompatible::Refuse) => Err(Error::StreamIncompatible {
            container: container.name(),
            stream: label(stream),
            reason: format!("{reason}; use another container, such as .mkv, or leave the stream out"),
        }),
    }
}

fn label(stream: &StreamInfo) -> String {
    let codec = stream.codec.as_deref().unwrap_or("unknown codec");
    let language = stream.language.as_ref().map_or_else(String::new, |language| format!(", {language}"));
    format!("stream {} ({}, {codec}{language})", stream.index, stream.kind)
}

fn decide(stream: &StreamInfo, container: &Container, copy: &CopyOptions, holds: Option<bool>) -> Decision {
    let selection = match stream.kind {
        StreamKind::Video => copy.video,
        StreamKind::Audio => copy.audio,
        StreamKind::Subtitle => copy.subtitles,
        StreamKind::Data | StreamKind::Unknown => copy.data,
        StreamKind::Attachment => copy.attachments,
    };
    if selection == Selection::Omit {
        return Decision::Drop("left out on request".to_owned());
    }
    if matches!(container.family(), Family::Raw | Family::Ivf) {
        return Decision::Drop(format!("{container} holds one video stream and nothing else"));
    }
    if let Some(reason) = unusable(stream) {
        return Decision::Drop(reason.to_owned());
    }
    match (stream.kind, container.family()) {
        (StreamKind::Attachment, Family::Matroska) if container.name() == "mkv" => Decision::Copy,
        (StreamKind::Attachment, _) => Decision::Incompatible(format!("{container} has no attachments")),
        (StreamKind::Video, family) if stream.is_attached_picture => cover(stream, container, family),
        _ if can_hold(stream.codec.as_deref().unwrap_or_default(), container, holds) => Decision::Copy,
        _ => Decision::Incompatible(format!("{container} has no place for this codec")),
    }
}

/// Why a stream cannot be copied into anything.
fn unusable(stream: &StreamInfo) -> Option<&'static str> {
    match (stream.kind, stream.codec.as_deref()) {
        (StreamKind::Attachment, _) => None,
        (StreamKind::Unknown, _) | (_, None) => Some("FFmpeg does not know what it holds"),
        (StreamKind::Data, Some("bin_data")) => Some("data of an unknown kind, or the chapters' own track"),
        (StreamKind::Audio, _)
            if stream.audio.is_none_or(|audio| audio.channels == 0 || audio.sample_rate == 0) =>
        {
            Some("it holds no sound that FFmpeg recognises")
        }
        _ => None,
    }
}

fn cover(stream: &StreamInfo, container: &Container, family: Family) -> Decision {
    let is_picture = matches!(stream.codec.as_deref(), Some("mjpeg" | "png" | "bmp"));
    match family {
        Family::Mov if is_picture => Decision::Copy,
        Family::Matroska if container.name() == "mkv" => Decision::Copy,
        _ => Decision::Incompatible(format!("{container} has no place for this cover art")),
    }
}

/// What FFmpeg's query would allow in MP4 but players do not know, or FFmpeg cannot write.
const NOT_IN_MP4: [&str; 8] =
    ["vorbis", "ass", "ssa", "subrip", "webvtt", "dvd_subtitle", "text", "pcm_s16be"];

/// What FFmpeg writes into MP4 but not into QuickTime's own kind of it.
const NOT_IN_MOV: [&str; 6] = ["opus", "flac", "truehd", "vp8", "vp9", "av1"];

const IN_WEBM: [&str; 6] = ["vp8", "vp9", "av1", "vorbis", "opus", "webvtt"];

/// FFmpeg's query knows nothing of transport streams.
const IN_TRANSPORT_STREAM: [&str; 23] = [
    "h264",
    "hevc",
    "mpeg1video",
    "mpeg2video",
    "mpeg4",
    "cavs",
    "dirac",
    "vc1",
    "aac",
    "aac_latm",
    "ac3",
    "eac3",
    "dts",
    "truehd",
    "mp1",
    "mp2",
    "mp3",
    "opus",
    "s302m",
    "dvb_subtitle",
    "dvb_teletext",
    "klv",
    "timed_id3",
];

fn can_hold(codec: &str, container: &Container, holds: Option<bool>) -> bool {
    match (container.name(), container.family()) {
        ("webm", _) => IN_WEBM.contains(&codec),
        (_, Family::TransportStream) => IN_TRANSPORT_STREAM.contains(&codec),
        ("mov", _) if NOT_IN_MOV.contains(&codec) => false,
        (_, Family::Mov) => holds == Some(true) && !NOT_IN_MP4.contains(&codec),
        _ => holds == Some(true),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rave_core::TimeBase;

    use super::*;
    use crate::AudioDescription;

    fn stream(index: usize, kind: StreamKind, codec: Option<&str>) -> StreamInfo {
        StreamInfo {
            index,
            kind,
            codec: codec.map(str::to_owned),
            profile: None,
            time_base: TimeBase::new(1, 1000).unwrap(),
            start: None,
            duration: None,
            frame_count: None,
            bit_rate: None,
            language: None,
            metadata: Vec::new(),
            disposition: Vec::new(),
            is_attached_picture: false,
            video: None,
            audio: (kind == StreamKind::Audio)
                .then_some(AudioDescription { sample_rate: 48000, channels: 2 }),
        }
    }

    fn outcome(
        path: &str,
        kind: StreamKind,
        codec: Option<&str>,
        holds: bool,
    ) -> Result<StreamOutcome, Error> {
        let streams = [stream(0, StreamKind::Video, Some("h264")), stream(1, kind, codec)];
        let container = Container::from_path(Path::new(path)).unwrap();
        let planned = plan(&streams, 0, &container, &MuxerOptions::default(), true, |_| Some(holds))?;
        assert_eq!(planned[0].outcome, StreamOutcome::Encoded { output_index: 0 });
        Ok(planned[1].outcome.clone())
    }

    #[test]
    fn containers_hold_what_players_know() {
        use StreamKind::{Attachment, Audio, Subtitle};
        for (path, kind, codec, holds, is_copied) in [
            ("a.mp4", Audio, "aac", true, true),
            ("a.mp4", Audio, "vorbis", true, false),
            ("a.mp4", Audio, "opus", true, true),
            ("a.mov", Audio, "opus", true, false),
            ("a.mov", Audio, "pcm_s16le", true, true),
            ("a.mp4", Subtitle, "subrip", true, false),
            ("a.mp4", Subtitle, "mov_text", true, true),
            ("a.mp4", Attachment, "ttf", true, false),
            ("a.mkv", Attachment, "ttf", false, true),
            ("a.mkv", Subtitle, "mov_text", false, false),
            ("a.webm", Audio, "aac", true, false),
            ("a.webm", Audio, "opus", false, true),
            ("a.webm", Attachment, "ttf", true, false),
            ("a.ts", Audio, "ac3", false, true),
            ("a.ts", Subtitle, "ass", true, false),
        ] {
            let outcome = outcome(path, kind, Some(codec), holds);
            assert_eq!(outcome.is_ok(), is_copied, "{codec} in {path}: {outcome:?}");
        }
    }

    #[test]
    fn what_has_no_codec_is_dropped_not_refused() {
        for kind in [StreamKind::Data, StreamKind::Unknown, StreamKind::Audio] {
            let outcome = outcome("a.mp4", kind, None, false);
            assert!(matches!(outcome, Ok(StreamOutcome::Dropped { .. })), "{outcome:?}");
        }
    }

    #[test]
    fn raw_streams_hold_nothing_else() {
        let outcome = outcome("a.264", StreamKind::Audio, Some("aac"), false);
        assert!(matches!(outcome, Ok(StreamOutcome::Dropped { .. })), "{outcome:?}");
    }

    #[test]
    fn a_refusal_names_the_stream() {
        let error = outcome("a.mp4", StreamKind::Subtitle, Some("ass"), false).unwrap_err();
        assert!(error.to_string().contains("stream 1 (subtitle, ass)"), "{error}");
    }
}
