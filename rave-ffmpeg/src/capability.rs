//! Which codecs a container holds, in which players find them, and what text subtitles can become instead.

use crate::Container;
use crate::container::Family;

/// What FFmpeg's query would allow in MP4 but players do not know, or FFmpeg cannot write.
const NOT_IN_MP4: [&str; 7] = ["vorbis", "ass", "ssa", "subrip", "webvtt", "dvd_subtitle", "text"];

/// Only QuickTime's own kind of it.
const IN_MOV_ONLY: [&str; 1] = ["pcm_s16be"];

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

/// Codecs whose packets are one text each, so that they can be converted one by one.
const TEXT_SUBTITLES: [&str; 14] = [
    "ass",
    "ssa",
    "subrip",
    "text",
    "webvtt",
    "mov_text",
    "microdvd",
    "sami",
    "subviewer",
    "subviewer1",
    "mpl2",
    "realtext",
    "vplayer",
    "stl",
];

/// Whether the container holds the codec; `holds` is what FFmpeg's muxer says.
pub(crate) fn can_hold(codec: &str, container: &Container, holds: Option<bool>) -> bool {
    match (container.name(), container.family()) {
        ("webm", _) => IN_WEBM.contains(&codec),
        (_, Family::TransportStream) => IN_TRANSPORT_STREAM.contains(&codec),
        ("mov", _) if NOT_IN_MOV.contains(&codec) => false,
        ("mp4", _) if IN_MOV_ONLY.contains(&codec) => false,
        (_, Family::Mov) => holds == Some(true) && !NOT_IN_MP4.contains(&codec),
        _ => holds == Some(true),
    }
}

/// What text subtitles are turned into for a container that does not hold their codec.
pub(crate) fn text_codec(codec: &str, container: &Container) -> Option<&'static str> {
    if !is_text(codec) {
        return None;
    }
    match (container.name(), container.family()) {
        ("webm", _) => Some("webvtt"),
        (_, Family::Matroska | Family::Nut) => Some("subrip"),
        (_, Family::Mov) => Some("mov_text"),
        (_, Family::TransportStream | Family::Raw | Family::Ivf) => None,
    }
}

/// Whether each packet is one text.
pub(crate) fn is_text(codec: &str) -> bool {
    TEXT_SUBTITLES.contains(&codec)
}

/// Whether the codec says where text stands and in which fonts.
pub(crate) fn has_styles(codec: &str) -> bool {
    matches!(codec, "ass" | "ssa")
}
