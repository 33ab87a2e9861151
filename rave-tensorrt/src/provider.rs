use std::fmt;
use std::path::{Path, PathBuf};

use ort::ep::{self, ExecutionProviderDispatch};
use ort::session::Session;

use crate::error::Error;
use crate::onnx::{Dim, FLOAT, Graph};
use crate::runtime::Runtime;

/// What runs a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// NVIDIA TensorRT through ONNX Runtime: a network compiled for the GPU.
    TensorRt,
    /// ONNX Runtime's CUDA provider, which uses cuDNN.
    Cuda,
    /// ONNX Runtime's own CPU kernels.
    Cpu,
}

impl Provider {
    /// Makes sure that the provider can be used with the GPU of this number, counted from 0: that this ONNX Runtime has
    /// it, that its libraries load, and that it accepts the GPU and its driver. No model of any size is loaded.
    ///
    /// # Errors
    /// [`Error::ProviderMissing`], [`Error::ProviderLoad`], [`Error::ProviderRefused`].
    pub fn check(self, runtime: &Runtime, ordinal: usize) -> Result<(), Error> {
        let Some(dispatch) = self.plain(ordinal) else { return Ok(()) };
        let builder = Session::builder(runtime.environment()).map_err(Error::RuntimeFailed)?;
        let opened = builder
            .with_execution_providers([dispatch.error_on_failure()])
            .map_err(ort::Error::from)
            .and_then(|mut builder| builder.commit_from_memory(&smallest_model()));
        match opened {
            Ok(_) => Ok(()),
            Err(error) => Err(self.diagnose(runtime, error)),
        }
    }

    /// The first provider of `providers` that passes [`check`](Self::check), and why those before it did not.
    ///
    /// # Errors
    /// Those of [`check`](Self::check) if there is one provider only; otherwise [`Error::NoProvider`] if none passes.
    pub fn choose(
        runtime: &Runtime,
        providers: &[Provider],
        ordinal: usize,
    ) -> Result<(Provider, Vec<Refused>), Error> {
        let mut refused = Vec::new();
        for &provider in providers {
            match provider.check(runtime, ordinal) {
                Ok(()) => return Ok((provider, refused)),
                Err(error) if providers.len() == 1 => return Err(error),
                Err(error) => refused.push(Refused { provider, reason: with_sources(&error) }),
            }
        }
        Err(Error::NoProvider { refused })
    }

    /// The provider as it is without any option; nothing for the CPU, which is always there.
    fn plain(self, ordinal: usize) -> Option<ExecutionProviderDispatch> {
        let device = i32::try_from(ordinal).unwrap_or(i32::MAX);
        match self {
            Self::TensorRt => Some(ep::TensorRT::default().with_device_id(device).build()),
            Self::Cuda => Some(ep::CUDA::default().with_device_id(device).build()),
            Self::Cpu => None,
        }
    }

    /// Says why the provider did not come: ONNX Runtime's own words leave out what the loader said.
    pub(crate) fn diagnose(self, runtime: &Runtime, error: ort::Error) -> Error {
        let provider = self;
        if error.message().contains("not enabled in this build") {
            return Error::ProviderMissing { provider, runtime: runtime.path().to_path_buf() };
        }
        let library = self.library(runtime);
        match loader_words(&library) {
            Some(reason) => Error::ProviderLoad { provider, library, reason },
            None => Error::ProviderRefused { provider, source: error },
        }
    }

    /// Where ONNX Runtime looks for the provider's code: beside itself.
    fn library(self, runtime: &Runtime) -> PathBuf {
        let name = match self {
            Self::TensorRt => "tensorrt",
            Self::Cuda => "cuda",
            Self::Cpu => "shared",
        };
        let file = if cfg!(target_os = "windows") {
            format!("onnxruntime_providers_{name}.dll")
        } else {
            format!("libonnxruntime_providers_{name}.so")
        };
        runtime.path().with_file_name(file)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TensorRt => "TensorRT",
            Self::Cuda => "CUDA",
            Self::Cpu => "CPU",
        })
    }
}

/// A provider that was not taken, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The provider.
    pub provider: Provider,
    /// The reason in words, as in an error message.
    pub reason: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.provider, self.reason)
    }
}

/// An error with what caused it, in one line.
pub(crate) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

/// What the system's loader says about a library that it does not load; nothing if it loads.
fn loader_words(library: &Path) -> Option<String> {
    if !library.exists() {
        return Some("the file does not exist".into());
    }
    // SAFETY: ONNX Runtime has just tried to load this library, with its initialisers.
    let error = unsafe { libloading::Library::new(library) }.err()?;
    let source = std::error::Error::source(&error);
    Some(source.map_or_else(|| error.to_string(), ToString::to_string))
}

/// One node that hands its input on.
fn smallest_model() -> Vec<u8> {
    Graph::new("check")
        .input("input", FLOAT, &[Dim::Fixed(1)])
        .output("output", FLOAT, &[Dim::Fixed(1)])
        .node("Identity", &["input"], "output", &[])
        .model(13)
}
