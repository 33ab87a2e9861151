use std::fs::File;
use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;

use ort::ErrorCode;
use ort::session::Session;
use ort::session::builder::SessionBuilder;

use crate::error::Error;
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
        let session = open(runtime, source, options)?;
        let (info, network) = probe::inspect(&source.name(), session).map_err(|refusal| {
            let Refusal { reason, source: why } = refusal;
            Error::ModelUnsupported { model: source.to_string(), reason, source: why }
        })?;
        tracing::debug!(model = %source, %info, "model loaded");
        Ok(Self { info, network })
    }

    /// What the model takes and gives.
    pub const fn info(&self) -> &ModelInfo {
        &self.info
    }

    pub(crate) const fn network_mut(&mut self) -> &mut Network {
        &mut self.network
    }
}

fn open(runtime: &Runtime, source: &ModelSource, options: &SessionOptions) -> Result<Session, Error> {
    let invalid = |error| refused(source, error);
    let mut builder = builder(runtime, options).map_err(Error::RuntimeFailed)?;
    match source {
        ModelSource::BuiltIn(model) => builder.commit_from_memory(&model.bytes()).map_err(invalid),
        ModelSource::File(path) => {
            check_readable(path)?;
            builder.commit_from_file(path).map_err(invalid)
        }
    }
}

fn builder(runtime: &Runtime, options: &SessionOptions) -> Result<SessionBuilder, ort::Error> {
    let threads = match options.threads {
        Some(threads) => threads.get(),
        None => thread::available_parallelism().map_or(1, NonZeroUsize::get),
    };
    Ok(Session::builder(runtime.environment())?.with_intra_threads(threads)?.with_inter_threads(1)?)
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
