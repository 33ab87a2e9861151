use std::fmt;

/// The floating-point precision that a model computes in and takes frames of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// That of the model file.
    #[default]
    Model,
    /// Half precision. A file of single precision is rewritten when it is loaded: weights, tensors, input and output.
    /// Operators that lose too much in half precision (normalisations, reductions, powers, sampling by coordinates) and
    /// the arithmetic of shapes stay single.
    Fp16,
    /// Single precision. A file of half precision is rewritten when it is loaded; its weights stay what they were.
    Fp32,
}

/// The name that the command line uses.
impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Model => "model",
            Self::Fp16 => "fp16",
            Self::Fp32 => "fp32",
        })
    }
}
