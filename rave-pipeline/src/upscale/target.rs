use std::fmt;
use std::path::{Path, PathBuf};

/// Where a job's result goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Encoded into a container, which the extension names, beside the other streams of the source.
    File(PathBuf),
    /// Frames as they are, without the other streams.
    Frames(FrameTarget),
}

/// What becomes of frames that are not encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameTarget {
    /// Their samples are written.
    Samples(SampleFile, Destination),
    /// Every frame is made and thrown away.
    Null,
    /// Of every frame a digest is taken, in the memory that it is in.
    Digest,
}

/// How bare samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleFile {
    /// YUV4MPEG2: a header with size, rate and format, and a line before each frame.
    Y4m,
    /// The planes one after the other, without gaps; more than 8 bits as 16-bit words in the machine's byte order.
    Raw,
}

/// Where bytes go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A file, which gets its name when it is complete.
    File(PathBuf),
    /// Standard output.
    Stdout,
}

impl Target {
    /// What a command line means: `-` is YUV4MPEG2 on standard output, `null:` and `hash:` write nothing, the extensions
    /// `y4m`, `yuv`, `rgb` and `raw` stand for bare samples, everything else for a container.
    pub fn from_argument(argument: &Path) -> Self {
        let file = || Destination::File(argument.to_path_buf());
        let extension = argument.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let extension = extension.to_ascii_lowercase();
        match (argument.to_str(), extension.as_str()) {
            (Some("-"), _) => Self::Frames(FrameTarget::Samples(SampleFile::Y4m, Destination::Stdout)),
            (Some("null:"), _) => Self::Frames(FrameTarget::Null),
            (Some("hash:"), _) => Self::Frames(FrameTarget::Digest),
            (_, "y4m") => Self::Frames(FrameTarget::Samples(SampleFile::Y4m, file())),
            (_, "yuv" | "rgb" | "raw") => Self::Frames(FrameTarget::Samples(SampleFile::Raw, file())),
            _ => Self::File(argument.to_path_buf()),
        }
    }

    /// The file that is written, if one is.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) | Self::Frames(FrameTarget::Samples(_, Destination::File(path))) => Some(path),
            Self::Frames(_) => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Frames(target) => target.fmt(f),
        }
    }
}

impl fmt::Display for FrameTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Samples(_, Destination::File(path)) => path.display().fmt(f),
            Self::Samples(_, Destination::Stdout) => f.write_str("-"),
            Self::Null => f.write_str("null:"),
            Self::Digest => f.write_str("hash:"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_stand_for_targets() {
        let of = |argument| Target::from_argument(Path::new(argument));
        let samples = |kind, to| Target::Frames(FrameTarget::Samples(kind, to));
        assert_eq!(of("null:"), Target::Frames(FrameTarget::Null));
        assert_eq!(of("hash:"), Target::Frames(FrameTarget::Digest));
        assert_eq!(of("-"), samples(SampleFile::Y4m, Destination::Stdout));
        assert_eq!(of("a.Y4M"), samples(SampleFile::Y4m, Destination::File("a.Y4M".into())));
        assert_eq!(of("a.yuv"), samples(SampleFile::Raw, Destination::File("a.yuv".into())));
        assert_eq!(of("null:.mkv"), Target::File("null:.mkv".into()));
        for argument in ["null:", "hash:", "-", "b/a.mp4", "a.raw"] {
            assert_eq!(of(argument).to_string(), argument);
        }
    }
}
