use std::borrow::Cow;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use ort::ErrorCode;
use ort::session::Session;
use ort::session::builder::SessionBuilder;

use crate::error::Error;
use crate::graph::Width;
use crate::info::ModelInfo;
use crate::network::Network;
use crate::probe::{self, Refusal};
use crate::runtime::Runtime;
use crate::source::ModelSource;

/// How a model is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionOptions {
    /// Threads that compute; `None` for one for each core.
    pub threads: Option<NonZeroUsize>,
}

/// A model that is loaded and has been seen to work.
pub struct Model {
    info: ModelInfo,
    network: Network,
    origin: Arc<Origin>,
    weights_bytes: u64,
    threads: NonZeroUsize,
}

/// What it takes to open a model again.
struct Origin {
    runtime: Runtime,
    source: ModelSource,
}

impl Model {
    /// Loads a model for the CPU, reads its shapes and runs it once on a small picture.
    ///
    /// Accepted are models with one input and one output of rank 4, `f32` or `f16`, three channels (RGB) or one (luma),
    /// channels first or last, batch of 1 or any, size fixed or free, that upscale both axes by the same whole factor
    /// from 1 to 4.
    ///
    /// # Errors
    /// [`Error::ModelMissing`] if the file cannot be read; [`Error::ModelInvalid`] if ONNX Runtime does not accept it;
    /// [`Error::ModelUnsupported`] if it is another kind of model, with what it is.
    pub fn load(runtime: &Runtime, source: &ModelSource, options: &SessionOptions) -> Result<Self, Error> {
        let origin = Origin { runtime: runtime.clone(), source: source.clone() };
        let threads = options.threads.unwrap_or_else(all_cores);
        let session = origin.open(threads)?;
        let bytes = origin.bytes();
        let (info, network) =
            probe::inspect(&source.name(), Width::of_model(&bytes), session).map_err(|refusal| {
                let Refusal { reason, source: why } = refusal;
                Error::ModelUnsupported { model: source.to_string(), reason, source: why }
            })?;
        tracing::debug!(model = %source, %info, "model loaded");
        Ok(Self { info, network, origin: Arc::new(origin), weights_bytes: bytes.len() as u64, threads })
    }

    /// What the model takes and gives.
    pub const fn info(&self) -> &ModelInfo {
        &self.info
    }

    pub(crate) const fn network_mut(&mut self) -> &mut Network {
        &mut self.network
    }

    /// Size of the model file, nearly all of which is weights.
    pub(crate) const fn weights_bytes(&self) -> u64 {
        self.weights_bytes
    }

    /// Threads that the model was given.
    pub(crate) const fn threads(&self) -> NonZeroUsize {
        self.threads
    }

    /// The same model again, on `threads` threads of its own.
    pub(crate) fn again(&self, threads: NonZeroUsize) -> Result<Self, Error> {
        let invalid = |error| refused(&self.origin.source, error);
        let network = Network::new(self.origin.open(threads)?).map_err(invalid)?;
        let (info, origin) = (self.info.clone(), Arc::clone(&self.origin));
        Ok(Self { info, network, origin, weights_bytes: self.weights_bytes, threads })
    }
}

fn all_cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

impl Origin {
    /// The model file; nothing if it went away.
    fn bytes(&self) -> Cow<'static, [u8]> {
        match &self.source {
            ModelSource::BuiltIn(model) => model.bytes(),
            ModelSource::File(path) => fs::read(path).unwrap_or_default().into(),
        }
    }

    fn open(&self, threads: NonZeroUsize) -> Result<Session, Error> {
        let invalid = |error| refused(&self.source, error);
        let mut builder = builder(&self.runtime, threads).map_err(Error::RuntimeFailed)?;
        match &self.source {
            ModelSource::BuiltIn(model) => builder.commit_from_memory(&model.bytes()).map_err(invalid),
            ModelSource::File(path) => {
                check_readable(path)?;
                builder.commit_from_file(path).map_err(invalid)
            }
        }
    }
}

fn builder(runtime: &Runtime, threads: NonZeroUsize) -> Result<SessionBuilder, ort::Error> {
    Ok(Session::builder(runtime.environment())?
        .with_intra_threads(threads.get())?
        // Threads that wait for the next picture must not take cores from decoder and encoder.
        .with_config_entry("session.force_spinning_stop", "1")?
        // Costs up to twice the memory and gains nothing that can be measured.
        .with_memory_pattern(false)?)
}

/// ONNX Runtime's words for a missing file do not tell it from a broken one.
fn check_readable(path: &Path) -> Result<(), Error> {
    let missing = |source| Error::ModelMissing { path: path.to_path_buf(), source };
    let metadata = File::open(path).and_then(|file| file.metadata()).map_err(missing)?;
    if metadata.is_dir() {
        return Err(missing(ErrorKind::IsADirectory.into()));
    }
    Ok(())
}

fn refused(source: &ModelSource, error: ort::Error) -> Error {
    let model = source.to_string();
    match error.code() {
        ErrorCode::NotImplemented => {
            let reason = "it uses an operation that ONNX Runtime lacks".to_owned();
            Error::ModelUnsupported { model, reason, source: Some(error) }
        }
        _ => Error::ModelInvalid { model, source: error },
    }
}
