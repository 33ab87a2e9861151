//! What becomes of each stream of the source.

use crate::capability::{can_hold, has_styles, text_codec};
use crate::container::Family;
use crate::{
    Container, CopyOptions, Error, Incompatible, MuxerOptions, Selection, StreamInfo, StreamKind,
    StreamOutcome, StreamPlan,
};

/// What FFmpeg's libraries say of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts {
    /// Whether the muxer holds its codec; `None` if it does not know.
    pub(crate) holds: Option<bool>,
    /// Whether its text can be turned into the container's kind.
    pub(crate) converts: bool,
}

/// Decides on every stream. `chosen` are those that the user's maps leave, `facts` are by index; `None` if the input
/// can be read only once.
///
/// # Errors
/// [`Error::StreamIncompatible`] for the first stream that the container cannot hold, if such are to be refused.
pub(crate) fn plan(
    streams: &[StreamInfo],
    video: usize,
    container: &Container,
    options: &MuxerOptions,
    chosen: Option<&[usize]>,
    facts: Option<&[Facts]>,
) -> Result<Vec<StreamPlan>, Error> {
    let mut next_output = 0;
    let mut planned = Vec::new();
    for stream in streams {
        let facts = facts.map(|facts| facts.get(stream.index).copied().unwrap_or_default());
        let decision = match facts {
            _ if stream.index == video => Decision::Encode,
            None => Decision::Drop("the input can be read only once".to_owned()),
            Some(_) if chosen.is_some_and(|chosen| !chosen.contains(&stream.index)) => requested(),
            Some(facts) => decide(stream, container, &options.copy, facts),
        };
        let outcome = settle(decision, stream, container, options.incompatible, &mut next_output)?;
        let notes = match outcome {
            StreamOutcome::Dropped { .. } => Vec::new(),
            _ => crate::tags::stream_notes(stream, container, &options.copy),
        };
        let codec = stream.codec.clone();
        let language = stream.language.clone();
        planned.push(StreamPlan {
            source_index: stream.index,
            kind: stream.kind,
            codec,
            language,
            outcome,
            notes,
        });
    }
    Ok(planned)
}

enum Decision {
    Encode,
    Copy,
    /// To subtitles of another codec, and why.
    Convert(&'static str, String),
    Drop(String),
    /// The container cannot hold it.
    Incompatible(String),
}

fn requested() -> Decision {
    Decision::Drop("left out on request".to_owned())
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
        (Decision::Convert(codec, reason), _) => {
            Ok(StreamOutcome::Converted { output_index: output_index(), codec, reason })
        }
        (Decision::Drop(reason), _) | (Decision::Incompatible(reason), Incompatible::Drop) => {
            Ok(StreamOutcome::Dropped { reason })
        }
        (Decision::Incompatible(reason), Incompatible::Refuse) => Err(Error::StreamIncompatible {
            container: container.name(),
            stream: label(stream),
            reason: format!("{reason}; {}leave the stream out", elsewhere(container)),
        }),
    }
}

/// What holds more than `container` does.
fn elsewhere(container: &Container) -> &'static str {
    match container.name() {
        "mkv" => "",
        _ => "use another container, such as .mkv, or ",
    }
}

fn label(stream: &StreamInfo) -> String {
    let codec = stream.codec.as_deref().unwrap_or("unknown codec");
    let language = stream.language.as_ref().map_or_else(String::new, |language| format!(", {language}"));
    format!("stream {} ({}, {codec}{language})", stream.index, stream.kind)
}

fn decide(stream: &StreamInfo, container: &Container, copy: &CopyOptions, facts: Facts) -> Decision {
    let selection = match stream.kind {
        StreamKind::Video => copy.video,
        StreamKind::Audio => copy.audio,
        StreamKind::Subtitle => copy.subtitles,
        StreamKind::Data | StreamKind::Unknown => copy.data,
        StreamKind::Attachment => copy.attachments,
    };
    if selection == Selection::Omit {
        return requested();
    }
    if matches!(container.family(), Family::Raw | Family::Ivf) {
        return Decision::Drop(format!("{container} holds one video stream and nothing else"));
    }
    if let Some(reason) = unusable(stream, container) {
        return Decision::Drop(reason);
    }
    match (stream.kind, container.family()) {
        (StreamKind::Attachment, Family::Matroska) if container.name() == "mkv" => Decision::Copy,
        (StreamKind::Attachment, _) => Decision::Incompatible(format!("{container} has no attachments")),
        (StreamKind::Video, family) if stream.is_attached_picture => cover(stream, container, family),
        _ => by_codec(stream.codec.as_deref().unwrap_or_default(), container, facts),
    }
}

fn by_codec(codec: &str, container: &Container, facts: Facts) -> Decision {
    if can_hold(codec, container, facts.holds) {
        return Decision::Copy;
    }
    match text_codec(codec, container).filter(|_| facts.converts) {
        Some(target) => {
            let loss = if has_styles(codec) { "; styles and positions are simplified" } else { "" };
            Decision::Convert(target, format!("{container} has no place for {codec}{loss}"))
        }
        None => Decision::Incompatible(format!("{container} has no place for this codec")),
    }
}

/// Why a stream cannot be copied into anything.
fn unusable(stream: &StreamInfo, container: &Container) -> Option<String> {
    match (stream.kind, stream.codec.as_deref()) {
        (StreamKind::Attachment, _) => None,
        (StreamKind::Data, None) if timecode(stream).is_some() => Some(match container.family() {
            Family::Mov => "the muxer writes it anew from the video's timecode".to_owned(),
            _ => format!("{container} has no timecode tracks; the video's tag keeps its start"),
        }),
        (StreamKind::Unknown, _) | (_, None) => Some("FFmpeg does not know what it holds".to_owned()),
        (StreamKind::Data, Some("bin_data")) => {
            Some("data of an unknown kind, or the chapters' own track".to_owned())
        }
        (StreamKind::Audio, _)
            if stream.audio.is_none_or(|audio| audio.channels == 0 || audio.sample_rate == 0) =>
        {
            Some("it holds no sound that FFmpeg recognises".to_owned())
        }
        _ => None,
    }
}

fn timecode(stream: &StreamInfo) -> Option<&str> {
    stream.metadata.iter().find(|(key, _)| key == "timecode").map(|(_, value)| value.as_str())
}

fn cover(stream: &StreamInfo, container: &Container, family: Family) -> Decision {
    let is_picture = matches!(stream.codec.as_deref(), Some("mjpeg" | "png" | "bmp"));
    match family {
        // FFmpeg's muxer leaves covers out of QuickTime's own kind without a word.
        Family::Mov if is_picture && container.name() == "mp4" => Decision::Copy,
        Family::Matroska if container.name() == "mkv" => Decision::Copy,
        _ => Decision::Incompatible(format!("{container} has no place for this cover art")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::media::stream_for_tests as stream;

    fn outcome(
        path: &str,
        kind: StreamKind,
        codec: Option<&str>,
        holds: bool,
    ) -> Result<StreamOutcome, Error> {
        let streams = [stream(0, StreamKind::Video, Some("h264")), stream(1, kind, codec)];
        let container = Container::from_path(Path::new(path)).unwrap();
        let facts = [Facts { holds: Some(holds), converts: true }; 2];
        let planned = plan(&streams, 0, &container, &MuxerOptions::default(), None, Some(&facts))?;
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
            ("a.mov", Audio, "pcm_s16be", true, true),
            ("a.mp4", Audio, "pcm_s16be", true, false),
            ("a.mp4", Subtitle, "dvd_subtitle", true, false),
            ("a.mp4", Subtitle, "mov_text", true, true),
            ("a.mp4", Attachment, "ttf", true, false),
            ("a.mkv", Attachment, "ttf", false, true),
            ("a.mkv", Subtitle, "hdmv_pgs_subtitle", true, true),
            ("a.webm", Subtitle, "hdmv_pgs_subtitle", true, false),
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
    fn a_cover_has_a_place_in_mp4_and_matroska() {
        for (path, is_copied) in [("a.mp4", true), ("a.mkv", true), ("a.mov", false), ("a.ts", false)] {
            let container = Container::from_path(Path::new(path)).unwrap();
            let cover = StreamInfo { is_attached_picture: true, ..stream(1, StreamKind::Video, Some("png")) };
            let facts = Facts { holds: Some(true), converts: false };
            let decision = decide(&cover, &container, &CopyOptions::default(), facts);
            assert_eq!(matches!(decision, Decision::Copy), is_copied, "{path}");
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
    fn text_is_converted_where_its_codec_has_no_place() {
        for (path, codec, target) in [
            ("a.mp4", "subrip", "mov_text"),
            ("a.mp4", "ass", "mov_text"),
            ("a.mov", "webvtt", "mov_text"),
            ("a.mkv", "mov_text", "subrip"),
            ("a.webm", "ass", "webvtt"),
        ] {
            let outcome = outcome(path, StreamKind::Subtitle, Some(codec), false).unwrap();
            let StreamOutcome::Converted { codec: found, reason, .. } = outcome else {
                panic!("{codec} in {path}: {outcome:?}");
            };
            assert_eq!(found, target);
            assert_eq!(reason.contains("styles"), codec == "ass", "{reason}");
        }
    }

    #[test]
    fn a_refusal_names_the_stream() {
        let error = outcome("a.ts", StreamKind::Subtitle, Some("ass"), false).unwrap_err();
        assert!(error.to_string().contains("stream 1 (subtitle, ass)"), "{error}");
        assert!(error.to_string().contains("such as .mkv"), "{error}");
        let error = outcome("a.mkv", StreamKind::Audio, Some("wmav2"), false).unwrap_err();
        assert!(!error.to_string().contains("such as .mkv"), "{error}");
    }

    #[test]
    fn what_the_maps_leave_out_is_dropped() {
        let streams: Vec<_> = [StreamKind::Video, StreamKind::Audio, StreamKind::Audio]
            .into_iter()
            .enumerate()
            .map(|(index, kind)| stream(index, kind, Some("aac")))
            .collect();
        let container = Container::from_path(Path::new("a.mkv")).unwrap();
        let facts = [Facts { holds: Some(true), converts: false }; 3];
        let planned =
            plan(&streams, 0, &container, &MuxerOptions::default(), Some(&[2]), Some(&facts)).unwrap();
        assert!(matches!(planned[0].outcome, StreamOutcome::Encoded { output_index: 0 }));
        assert!(matches!(planned[1].outcome, StreamOutcome::Dropped { .. }));
        assert!(matches!(planned[2].outcome, StreamOutcome::Copied { output_index: 1 }));
    }
}
