use std::fmt;

use rave_core::{Code, CodedError};

/// What was taken for one part of a job, and why what would have been better was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The part.
    pub part: Part,
    /// What was taken, such as `nvdec` or `cuda:0`.
    pub taken: String,
    /// What was tried or looked at before, in order.
    pub refused: Vec<Refused>,
}

/// A part of a job that can be done in more than one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Where frames are converted and enlarged.
    Device,
    /// What runs the model.
    Provider,
    /// What decodes.
    Decoder,
    /// What encodes.
    Encoder,
}

impl Part {
    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Provider => "provider",
            Self::Decoder => "decoder",
            Self::Encoder => "encoder",
        }
    }
}

/// Something that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What it is.
    pub what: String,
    /// Why not, where an error said so.
    pub code: Option<Code>,
    /// Why not, as a sentence.
    pub reason: String,
}

impl Refused {
    /// By an error.
    pub(super) fn by(what: impl Into<String>, error: &dyn CodedError) -> Self {
        Self { what: what.into(), code: Some(error.code()), reason: error.to_string() }
    }

    /// Without an error.
    pub(super) fn because(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { what: what.into(), code: None, reason: reason.into() }
    }
}

impl Choice {
    /// What was taken at once.
    pub(super) fn first(part: Part, taken: impl Into<String>) -> Self {
        Self { part, taken: taken.into(), refused: Vec::new() }
    }
}

/// `decoder software (not nvdec: the NVIDIA driver finds no GPU)`
impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.part.name(), self.taken)?;
        for (index, Refused { what, reason, .. }) in self.refused.iter().enumerate() {
            let separator = if index == 0 { " (" } else { "; " };
            write!(f, "{separator}not {what}: {reason}")?;
        }
        if self.refused.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_reads_as_a_sentence() {
        let mut choice = Choice::first(Part::Decoder, "software");
        assert_eq!(choice.to_string(), "decoder software");
        choice.refused.push(Refused::by("nvdec", &rave_cuda::Error::NoDevice));
        assert_eq!(choice.refused[0].code, Some(Code::DeviceMissing));
        assert_eq!(choice.to_string(), "decoder software (not nvdec: the NVIDIA driver finds no GPU)");
    }
}
