use std::fmt;
use std::io;
use std::path::PathBuf;

use rave_core::{Code, CodedError};

use crate::provider::{Provider, Refused};

/// What can go wrong between a model file and an upscaled frame.
///
/// Where ONNX Runtime said why, its own words are the error's [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No ONNX Runtime library could be loaded.
    #[error("no usable ONNX Runtime library was found; {}", Attempts(.tried))]
    RuntimeMissing {
        /// Every place looked at, in order.
        tried: Vec<Attempt>,
    },
    /// The library was loaded, but its interface is too old.
    #[error("{path} is ONNX Runtime {version}; at least 1.{needed} is needed", path = .path.display())]
    RuntimeVersion {
        /// The library.
        path: PathBuf,
        /// Its version.
        version: String,
        /// Minor version needed.
        needed: u32,
    },
    /// ONNX Runtime was loaded but could not be set up.
    #[error("ONNX Runtime cannot be started")]
    RuntimeFailed(#[source] ort::Error),
    /// The model file cannot be read.
    #[error("model {} cannot be read", .path.display())]
    ModelMissing {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// ONNX Runtime does not accept the model.
    #[error("model {model} is not a valid ONNX model")]
    ModelInvalid {
        /// The model, as given.
        model: String,
        /// ONNX Runtime's words.
        source: ort::Error,
    },
    /// The model is valid, but not one that upscales pictures.
    #[error("model {model} cannot upscale pictures: {reason}")]
    ModelUnsupported {
        /// The model, as given.
        model: String,
        /// What it is instead.
        reason: String,
        /// ONNX Runtime's words, where it refused to run the model.
        source: Option<ort::Error>,
    },
    /// Running the model failed.
    #[error("model {model} failed on a picture of {width}x{height}")]
    InferenceFailed {
        /// The model's name.
        model: String,
        /// Width given to the model, in pixels.
        width: u32,
        /// Height given to the model, in pixels.
        height: u32,
        /// ONNX Runtime's words.
        source: ort::Error,
    },
    /// ONNX Runtime was built without the provider.
    #[error("the ONNX Runtime at {} was built without the {provider} provider", .runtime.display())]
    ProviderMissing {
        /// The wanted provider.
        provider: Provider,
        /// The ONNX Runtime library.
        runtime: PathBuf,
    },
    /// The provider's library, or one that it needs, cannot be loaded.
    #[error("the {provider} provider cannot be loaded from {}: {reason}", .library.display())]
    ProviderLoad {
        /// The wanted provider.
        provider: Provider,
        /// Its library.
        library: PathBuf,
        /// The loader's words, which name what is missing.
        reason: String,
    },
    /// The provider is there but cannot be used, on this GPU or for this model.
    #[error("the {provider} provider cannot be used")]
    ProviderRefused {
        /// The wanted provider.
        provider: Provider,
        /// ONNX Runtime's words.
        source: ort::Error,
    },
    /// None of several providers can be used.
    #[error("no execution provider can be used; {}", Refusals(.refused))]
    NoProvider {
        /// Each provider that was tried, in order, with the reason.
        refused: Vec<Refused>,
    },
    /// The GPU, or the limit, has too little memory for the network's inner tensors.
    #[error("model {model} needs more GPU memory for a picture of {width}x{height} than it can have")]
    InferenceMemory {
        /// The model's name.
        model: String,
        /// Width given to the model, in pixels.
        width: u32,
        /// Height given to the model, in pixels.
        height: u32,
        /// ONNX Runtime's words.
        source: ort::Error,
    },
    /// A frame came out with NaN or infinity.
    #[error("model {model} gave values that are not finite numbers in frame {frame}, counted from 0")]
    NotFinite {
        /// The model's name.
        model: String,
        /// The frame's number, counted from 0.
        frame: u64,
    },
    /// A GPU failed, or its memory does not suffice.
    #[error(transparent)]
    Cuda(#[from] rave_cuda::Error),
    /// The machine has no memory, or no thread, left for a session of the model.
    #[error("the machine has no memory or thread left to open model {model}")]
    HostMemory {
        /// The model, as given.
        model: String,
        /// ONNX Runtime's words.
        source: ort::Error,
    },
    /// The system gave no thread.
    #[error("a thread for upscaling cannot be started")]
    Thread(#[source] io::Error),
    /// An option cannot be met.
    #[error("{0}")]
    Options(String),
    /// A frame or its format does not fit.
    #[error(transparent)]
    Frame(#[from] rave_core::Error),
}

impl CodedError for Error {
    fn code(&self) -> Code {
        match self {
            Self::RuntimeMissing { .. } | Self::RuntimeFailed(_) => Code::RuntimeMissing,
            Self::RuntimeVersion { .. } => Code::RuntimeVersion,
            Self::ModelMissing { .. } => Code::ModelMissing,
            Self::ModelInvalid { .. } => Code::ModelInvalid,
            Self::ModelUnsupported { .. } => Code::ModelUnsupported,
            Self::InferenceFailed { .. } => Code::InferenceFailed,
            Self::ProviderMissing { .. } => Code::ProviderMissing,
            Self::ProviderLoad { .. } => Code::ProviderLoadFailed,
            Self::ProviderRefused { .. } | Self::NoProvider { .. } => Code::ProviderRefused,
            Self::InferenceMemory { .. } => Code::InferenceMemory,
            Self::NotFinite { .. } => Code::OutputNotFinite,
            Self::Cuda(error) => error.code(),
            Self::HostMemory { .. } | Self::Thread(_) => Code::OutOfMemory,
            Self::Options(_) => Code::SessionOptions,
            Self::Frame(error) => error.code(),
        }
    }

    fn is_recoverable(&self) -> bool {
        match self {
            Self::InferenceMemory { .. } => true,
            Self::Cuda(error) => error.is_recoverable(),
            _ => false,
        }
    }
}

/// A place that was looked at for the ONNX Runtime library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// A file, a folder or, without a folder, a name that the system's loader looks up.
    pub place: PathBuf,
    /// Why it was not used.
    pub reason: String,
}

struct Attempts<'a>(&'a [Attempt]);

impl fmt::Display for Attempts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("looked at ")?;
        for (index, Attempt { place, reason }) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{} ({reason})", place.display())?;
        }
        Ok(())
    }
}

struct Refusals<'a>(&'a [Refused]);

impl fmt::Display for Refusals<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, refused) in self.0.iter().enumerate() {
            write!(f, "{}{refused}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}
