use std::fmt;
use std::path::Path;

use crate::sys::OutputFormat;
use crate::{Error, VideoCodec};

/// A container that can be written, chosen by the output's extension.
///
/// ```
/// use rave_ffmpeg::{Container, VideoCodec};
/// let container = Container::from_path("clip.mkv".as_ref())?;
/// assert_eq!(container.name(), "mkv");
/// assert!(container.can_hold(VideoCodec::Ffv1));
/// # Ok::<(), rave_ffmpeg::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Container {
    entry: &'static Entry,
    format: OutputFormat,
}

/// What a container is to the muxer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// MP4 and QuickTime.
    Mov,
    /// Matroska and WebM.
    Matroska,
    /// MPEG transport stream.
    TransportStream,
    /// Any streams with exact time bases.
    Nut,
    /// One video stream, no timestamps.
    Raw,
    /// One video stream with timestamps.
    Ivf,
}

#[derive(Debug)]
struct Entry {
    name: &'static str,
    extensions: &'static [&'static str],
    muxer: &'static str,
    family: Family,
    default_codec: VideoCodec,
    codecs: &'static [VideoCodec],
}

use VideoCodec::{Av1, Ffv1, H264, Hevc, Vp9};

const CONTAINERS: &[Entry] = &[
    entry("mp4", &["mp4", "m4v"], "mp4", Family::Mov, H264, &[H264, Hevc, Av1, Vp9]),
    entry("mov", &["mov", "qt"], "mov", Family::Mov, H264, &[H264, Hevc]),
    entry("mkv", &["mkv"], "matroska", Family::Matroska, H264, &[H264, Hevc, Av1, Ffv1, Vp9]),
    entry("webm", &["webm"], "webm", Family::Matroska, Av1, &[Av1, Vp9]),
    entry("ts", &["ts"], "mpegts", Family::TransportStream, H264, &[H264, Hevc]),
    entry("m2ts", &["m2ts", "mts"], "mpegts", Family::TransportStream, H264, &[H264, Hevc]),
    entry("nut", &["nut"], "nut", Family::Nut, H264, &[H264, Hevc, Ffv1, Vp9]),
    entry("h264", &["264", "h264", "avc"], "h264", Family::Raw, H264, &[H264]),
    entry("hevc", &["265", "h265", "hevc"], "hevc", Family::Raw, Hevc, &[Hevc]),
    entry("obu", &["obu"], "obu", Family::Raw, Av1, &[Av1]),
    entry("ivf", &["ivf"], "ivf", Family::Ivf, Av1, &[Av1, Vp9]),
];

const fn entry(
    name: &'static str,
    extensions: &'static [&'static str],
    muxer: &'static str,
    family: Family,
    default_codec: VideoCodec,
    codecs: &'static [VideoCodec],
) -> Entry {
    Entry { name, extensions, muxer, family, default_codec, codecs }
}

impl Container {
    /// The container that the extension of `path` names, in upper or lower case.
    ///
    /// # Errors
    /// [`Error::ContainerUnknown`] if there is none, or this build of FFmpeg cannot write it.
    pub fn from_path(path: &Path) -> Result<Self, Error> {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let known = |name: &&str| name.eq_ignore_ascii_case(extension);
        CONTAINERS
            .iter()
            .find(|entry| entry.extensions.iter().any(known))
            .and_then(|entry| OutputFormat::find(entry.muxer).map(|format| Self { entry, format }))
            .ok_or_else(|| Error::ContainerUnknown { path: path.to_owned(), known: extensions() })
    }

    /// Its short name: the usual extension, for raw streams the codec.
    pub const fn name(&self) -> &'static str {
        self.entry.name
    }

    /// The codec to use where none is asked for.
    pub const fn default_codec(&self) -> VideoCodec {
        self.entry.default_codec
    }

    /// Whether it can hold video of this codec.
    pub fn can_hold(&self, codec: VideoCodec) -> bool {
        self.entry.codecs.contains(&codec)
    }

    /// The codecs that it can hold.
    pub const fn codecs(&self) -> &'static [VideoCodec] {
        self.entry.codecs
    }

    /// Whether frames keep their timestamps: a raw stream has only their order.
    pub fn has_timestamps(&self) -> bool {
        self.entry.family != Family::Raw
    }

    /// Whether parameter sets are written once, beside the packets, rather than in them.
    pub fn has_global_header(&self) -> bool {
        self.format().wants_global_header()
    }

    /// Whether it says how wide a pixel is: AV1 and VP9 have no place for it in their own streams.
    pub fn has_sample_aspect_ratio(&self) -> bool {
        !matches!(self.entry.name, "obu" | "ivf")
    }

    pub(crate) const fn family(&self) -> Family {
        self.entry.family
    }

    pub(crate) const fn format(&self) -> OutputFormat {
        self.format
    }
}

fn extensions() -> String {
    let all: Vec<String> = CONTAINERS
        .iter()
        .flat_map(|entry| entry.extensions)
        .map(|extension| format!(".{extension}"))
        .collect();
    all.join(" ")
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Container({})", self.name())
    }
}

impl PartialEq for Container {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_name_containers() {
        for (path, name) in [
            ("a.mp4", "mp4"),
            ("a.M4V", "mp4"),
            ("a.b.MKV", "mkv"),
            ("x/clip.m2ts", "m2ts"),
            ("x.265", "hevc"),
        ] {
            assert_eq!(Container::from_path(Path::new(path)).unwrap().name(), name, "{path}");
        }
        for path in ["a", "mp4", ".mp4", "a.txt", "a.mp4.part"] {
            assert!(Container::from_path(Path::new(path)).is_err(), "{path}");
        }
    }

    #[test]
    fn every_container_holds_its_default() {
        for entry in CONTAINERS {
            assert!(entry.codecs.contains(&entry.default_codec), "{}", entry.name);
            assert!(OutputFormat::find(entry.muxer).is_some(), "{}", entry.muxer);
        }
    }
}
