use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use ort::session::Session;
use ort::session::builder::SessionBuilder;

use crate::error::Error;
use crate::graph::Width;
use crate::info::ModelInfo;
use crate::nan::OnNan;
use crate::network::Network;
use crate::origin::Origin;
use crate::precision::Precision;
use crate::probe::{self, Refusal};
use crate::runtime::Runtime;
use crate::source::ModelSource;

/// How a model is run on the CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionOptions {
    /// Threads that compute; `None` for one for each core.
    pub threads: Option<NonZeroUsize>,
    /// Precision of input, output and what is between. The CPU computes in single precision whatever this is; with
    /// [`Precision::Fp16`] what passes from one operator to the next is rounded to half, as on a GPU.
    pub precision: Precision,
    /// What to do with a frame that comes out with NaN or infinity.
    pub on_nan: OnNan,
}

/// A model that is loaded and has been seen to work.
pub struct Model {
    info: ModelInfo,
    network: Network,
    origin: Arc<Origin>,
    weights_bytes: u64,
    threads: NonZeroUsize,
    on_nan: OnNan,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("info", &self.info)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
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
    /// [`Error::ModelUnsupported`] if it is another kind of model, with what it is, or cannot be rewritten for another
    /// precision.
    pub fn load(runtime: &Runtime, source: &ModelSource, options: &SessionOptions) -> Result<Self, Error> {
        let origin = Origin::new(runtime, source, options.precision)?;
        let threads = options.threads.unwrap_or_else(all_cores);
        let session = open(&origin, threads)?;
        let bytes = origin.bytes();
        let (info, network) =
            probe::inspect(&source.name(), Width::of_model(&bytes), session).map_err(|refusal| {
                let Refusal { reason, source: why } = refusal;
                Error::ModelUnsupported { model: source.to_string(), reason, source: why }
            })?;
        tracing::debug!(model = %source, %info, "model loaded");
        let weights_bytes = bytes.len() as u64;
        drop(bytes);
        Ok(Self { info, network, origin: Arc::new(origin), weights_bytes, threads, on_nan: options.on_nan })
    }

    /// What the model takes and gives.
    pub const fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Where it comes from.
    pub(crate) const fn origin(&self) -> &Arc<Origin> {
        &self.origin
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

    /// What to do with a frame that comes out with NaN or infinity.
    pub(crate) const fn on_nan(&self) -> OnNan {
        self.on_nan
    }

    /// The same model again, on `threads` threads of its own.
    pub(crate) fn again(&self, threads: NonZeroUsize) -> Result<Self, Error> {
        self.of(Arc::clone(&self.origin), threads)
    }

    /// The same model with the same input and output, computed in single precision; nothing if it is that already.
    pub(crate) fn in_single_precision(&self) -> Result<Option<Self>, Error> {
        if self.origin.is_in_single_precision() {
            return Ok(None);
        }
        Ok(Some(self.of(Arc::new(self.origin.in_single_precision()?), self.threads)?))
    }

    fn of(&self, origin: Arc<Origin>, threads: NonZeroUsize) -> Result<Self, Error> {
        let network = Network::new(open(&origin, threads)?).map_err(|error| origin.refused(error))?;
        let (info, weights_bytes, on_nan) = (self.info.clone(), self.weights_bytes, self.on_nan);
        Ok(Self { info, network, origin, weights_bytes, threads, on_nan })
    }
}

fn all_cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

fn open(origin: &Origin, threads: NonZeroUsize) -> Result<Session, Error> {
    let builder = builder(origin.runtime(), threads).map_err(Error::RuntimeFailed)?;
    origin.commit(builder)
}

fn builder(runtime: &Runtime, threads: NonZeroUsize) -> Result<SessionBuilder, ort::Error> {
    Ok(Session::builder(runtime.environment())?
        .with_intra_threads(threads.get())?
        // Threads that wait for the next picture must not take cores from decoder and encoder.
        .with_config_entry("session.force_spinning_stop", "1")?
        // Costs up to twice the memory and gains nothing that can be measured.
        .with_memory_pattern(false)?)
}
