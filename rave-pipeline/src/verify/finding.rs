use std::fmt;

use rave_core::Code;

/// How a property of the output stands to that of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Equal.
    Same,
    /// In another form that stands for the same, or whose contents cannot be compared bit by bit.
    Converted,
    /// Another, as the report of the job had said.
    Announced,
    /// Another.
    Different,
    /// Not there.
    Missing,
}

impl Verdict {
    /// In one lower-case word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Converted => "converted",
            Self::Announced => "announced",
            Self::Different => "different",
            Self::Missing => "missing",
        }
    }

    /// Whether nothing is lost, or nothing that had not been said.
    pub const fn is_acceptable(self) -> bool {
        !matches!(self, Self::Different | Self::Missing)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Declares [`Aspect`] from one table: variant, stable name, code of an error about it.
macro_rules! aspects {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $code:ident;)+) => {
        /// What is compared.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Aspect {
            $($(#[$doc])* $variant,)+
        }

        impl Aspect {
            /// Everything that is compared.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The code of an error about a difference.
            pub const fn code(self) -> Code {
                match self { $(Self::$variant => Code::$code),+ }
            }
        }
    };
}

aspects! {
    /// How many frames the video has.
    Frames = "frames", FrameCountMismatch;
    /// When each of them is shown.
    Timestamps = "timestamps", TimestampMismatch;
    /// From the first frame's start to the last one's end.
    Duration = "duration", TimestampMismatch;
    /// Whether everything in the output can be decoded.
    Decoding = "decoding", OutputDamaged;
    /// The video's codec.
    Codec = "codec", StreamMismatch;
    /// Width and height.
    Size = "size", GeometryMismatch;
    /// Width over height of the picture as it is shown.
    AspectRatio = "display aspect ratio", GeometryMismatch;
    /// Rotation and flip.
    Rotation = "rotation", GeometryMismatch;
    /// Bit depth, chroma subsampling, alpha.
    PixelFormat = "pixel format", ColorMismatch;
    /// The matrix tag.
    Matrix = "matrix", ColorMismatch;
    /// The primaries tag.
    Primaries = "primaries", ColorMismatch;
    /// The transfer tag.
    Transfer = "transfer", ColorMismatch;
    /// The range tag.
    Range = "range", ColorMismatch;
    /// The chroma sample location tag.
    Siting = "chroma siting", ColorMismatch;
    /// HDR10 mastering display metadata.
    MasteringDisplay = "mastering display", ColorMismatch;
    /// HDR10 content light level.
    ContentLight = "content light", ColorMismatch;
    /// What a stream other than the video holds.
    Stream = "stream", StreamMismatch;
    /// When a stream other than the video is played, beside the video.
    Sync = "sync", TimestampMismatch;
    /// The roles of a stream.
    Disposition = "disposition", MetadataMismatch;
    /// The language of a stream.
    Language = "language", MetadataMismatch;
    /// The chapters.
    Chapters = "chapters", MetadataMismatch;
    /// Keys and values of the file or of a stream.
    Metadata = "metadata", MetadataMismatch;
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One comparison: a row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is compared.
    pub aspect: Aspect,
    /// The stream of the source that it is about, where it is not the video or the whole file.
    pub stream: Option<usize>,
    /// As it is in the source.
    pub source: String,
    /// As it is in the output.
    pub output: String,
    /// How they stand to each other.
    pub verdict: Verdict,
    /// Why, or what else is to be known.
    pub note: Option<String>,
}

impl Finding {
    pub(super) fn new(
        aspect: Aspect,
        source: impl Into<String>,
        output: impl Into<String>,
        verdict: Verdict,
    ) -> Self {
        let (source, output) = (source.into(), output.into());
        Self { aspect, stream: None, source, output, verdict, note: None }
    }

    pub(super) fn of_stream(self, index: usize) -> Self {
        Self { stream: Some(index), ..self }
    }

    pub(super) fn noted(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }

    pub(super) fn maybe_noted(self, note: Option<String>) -> Self {
        Self { note, ..self }
    }

    /// The same, as announced if it is a loss.
    pub(crate) fn announced_by(self, reason: Option<&str>) -> Self {
        match reason {
            Some(reason) if !self.verdict.is_acceptable() => {
                let note = self.note.map_or_else(|| reason.to_owned(), |note| format!("{note}; {reason}"));
                Self { verdict: Verdict::Announced, note: Some(note), ..self }
            }
            _ => self,
        }
    }

    /// What is compared, with the stream: `stream 1`, `language of stream 2`, `frames`.
    pub fn what(&self) -> String {
        match (self.aspect, self.stream) {
            (Aspect::Stream, Some(index)) => format!("stream {index}"),
            (aspect, Some(index)) => format!("{aspect} of stream {index}"),
            (aspect, None) => aspect.to_string(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, verdict) = (self.what(), self.verdict);
        write!(f, "{what} is {verdict}: {} in the source, {} in the output", self.source, self.output)?;
        self.note.as_ref().map_or(Ok(()), |note| write!(f, " ({note})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = Aspect::ALL.iter().map(|aspect| aspect.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Aspect::ALL.len());
    }

    #[test]
    fn a_finding_is_a_sentence() {
        let finding = Finding::new(Aspect::Language, "ger", "eng", Verdict::Different).of_stream(2);
        assert_eq!(
            finding.noted("muxed twice").to_string(),
            "language of stream 2 is different: ger in the source, eng in the output (muxed twice)"
        );
    }
}
