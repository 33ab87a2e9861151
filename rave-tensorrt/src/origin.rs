use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use ort::ErrorCode;
use ort::session::Session;
use ort::session::builder::SessionBuilder;

use crate::conversion::{self, Failure, Target};
use crate::error::Error;
use crate::precision::Precision;
use crate::runtime::Runtime;
use crate::source::ModelSource;

/// What it takes to open a model, any number of times.
pub(crate) struct Origin {
    runtime: Runtime,
    source: ModelSource,
    graph: Graph,
}

enum Graph {
    /// The model file's.
    OfSource,
    /// Rewritten; nothing in files beside it is needed.
    Rewritten(Vec<u8>),
}

impl Origin {
    /// # Errors
    /// [`Error::ModelMissing`] if the file cannot be read; [`Error::ModelUnsupported`] if it cannot be rewritten for
    /// `precision`.
    pub(crate) fn new(runtime: &Runtime, source: &ModelSource, precision: Precision) -> Result<Self, Error> {
        let mut origin = Self { runtime: runtime.clone(), source: source.clone(), graph: Graph::OfSource };
        if let ModelSource::File(path) = source {
            check_readable(path)?;
        }
        let target = match precision {
            Precision::Model => None,
            Precision::Fp16 => Some(Target::Half),
            Precision::Fp32 => Some(Target::Single),
        };
        if let Some(target) = target
            && conversion::is_needed(&origin.bytes(), target)
        {
            origin.graph = Graph::Rewritten(origin.rewritten(&origin.bytes(), target)?);
        }
        if conversion::ports_share_names(&origin.bytes()) {
            origin.graph = Graph::Rewritten(origin.with_true_sides(&origin.bytes())?);
        }
        Ok(origin)
    }

    /// Whether nothing of it is in half precision.
    pub(crate) fn is_in_single_precision(&self) -> bool {
        !conversion::is_needed(&self.bytes(), Target::Single)
    }

    /// The same model with the same input and output, computed in single precision.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub(crate) fn in_single_precision(&self) -> Result<Self, Error> {
        let ports_are_half = conversion::ports_are(&self.bytes(), crate::onnx::FLOAT16);
        // From the file, so that weights which were rounded to half precision are exact again.
        let file = Self::new(&self.runtime, &self.source, Precision::Fp32)?;
        if !ports_are_half {
            return Ok(file);
        }
        let graph = Graph::Rewritten(file.rewritten(&file.bytes(), Target::HalfPorts)?);
        Ok(Self { graph, ..file })
    }

    pub(crate) const fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The ONNX file; nothing if it went away.
    pub(crate) fn bytes(&self) -> Cow<'_, [u8]> {
        match (&self.graph, &self.source) {
            (Graph::Rewritten(bytes), _) => Cow::Borrowed(bytes),
            (Graph::OfSource, ModelSource::BuiltIn(model)) => model.bytes(),
            (Graph::OfSource, ModelSource::File(path)) => fs::read(path).unwrap_or_default().into(),
        }
    }

    /// Makes a session of it.
    ///
    /// # Errors
    /// [`Error::ModelMissing`], [`Error::ModelInvalid`], [`Error::ModelUnsupported`].
    pub(crate) fn commit(&self, builder: SessionBuilder) -> Result<Session, Error> {
        if let ModelSource::File(path) = &self.source {
            check_readable(path)?;
        }
        self.try_commit(builder).map_err(|error| self.refused(error))
    }

    /// Makes a session of it; whatever goes wrong is in ONNX Runtime's words.
    pub(crate) fn try_commit(&self, mut builder: SessionBuilder) -> Result<Session, ort::Error> {
        match (&self.graph, &self.source) {
            // By its path, so that ONNX Runtime finds the files beside it.
            (Graph::OfSource, ModelSource::File(path)) => builder.commit_from_file(path),
            _ => builder.commit_from_memory(&self.bytes()),
        }
    }

    /// The error for a model that ONNX Runtime does not accept.
    pub(crate) fn refused(&self, error: ort::Error) -> Error {
        let model = self.source.to_string();
        match error.code() {
            ErrorCode::NotImplemented => {
                let reason = "it uses an operation that ONNX Runtime lacks".to_owned();
                Error::ModelUnsupported { model, reason, source: Some(error) }
            }
            _ if speaks_of_the_machine(error.message()) => Error::HostMemory { model, source: error },
            _ => Error::ModelInvalid { model, source: error },
        }
    }

    fn rewritten(&self, bytes: &[u8], target: Target) -> Result<Vec<u8>, Error> {
        let read = |location: &str| fs::read(self.beside(location)?);
        conversion::convert(bytes, target, &read).map_err(|failure| self.failed(failure))
    }

    fn with_true_sides(&self, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let read = |location: &str| fs::read(self.beside(location)?);
        conversion::without_side_names(bytes, &read).map_err(|failure| self.failed(failure))
    }

    fn failed(&self, failure: Failure) -> Error {
        match failure {
            Failure::Unsupported(reason) => Error::ModelUnsupported {
                model: self.source.to_string(),
                reason: format!("it cannot be rewritten for another precision: {reason}"),
                source: None,
            },
            Failure::Unreadable { location, source } => Error::ModelMissing { path: location.into(), source },
        }
    }

    /// A file that a model keeps its tensors in. It must lie in the model's folder or below.
    fn beside(&self, location: &str) -> io::Result<PathBuf> {
        let ModelSource::File(path) = &self.source else { return Err(ErrorKind::NotFound.into()) };
        let is_below =
            Path::new(location).components().all(|part| matches!(part, std::path::Component::Normal(_)));
        if !is_below {
            return Err(io::Error::new(ErrorKind::PermissionDenied, "not in the model's folder"));
        }
        Ok(path.parent().unwrap_or(Path::new("")).join(location))
    }
}

/// Whether it was not for the model that it could not be opened. ONNX Runtime has no code for it: these are the words of
/// C++ and of the system.
fn speaks_of_the_machine(message: &str) -> bool {
    ["bad_alloc", "pthread_create failed", "Cannot allocate memory", "Resource temporarily unavailable"]
        .iter()
        .any(|words| message.contains(words))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_lacks_is_not_the_models_fault() {
        for (words, is_machine) in [
            ("std::bad_alloc", true),
            ("pthread_create failed, error code: 11 error msg: Resource temporarily unavailable", true),
            ("Protobuf parsing failed.", false),
            ("Failed to load model because of an invalid graph", false),
        ] {
            assert_eq!(speaks_of_the_machine(words), is_machine, "{words}");
        }
    }
}
