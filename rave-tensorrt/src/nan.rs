#[cfg(doc)]
use crate::Error;

/// What to do with a frame that comes out of the model with NaN or infinity. In any case it is counted and numbered in
/// the [`UpscaleReport`](crate::UpscaleReport).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnNan {
    /// Fail with [`Error::NotFinite`].
    Error,
    /// Run the frame again with the model in single precision, which is loaded when it is first needed. A frame that is
    /// not finite then either, and any frame of a model that is in single precision already, is handed on as it is.
    #[default]
    Fp32,
    /// Hand it on as it is.
    Keep,
}
