use std::num::NonZeroUsize;
use std::sync::Arc;

use rave_cuda::Pool;

use crate::device::tensorrt::TensorRtOptions;
use crate::error::Error;
use crate::info::ModelInfo;
use crate::model::{Model, SessionOptions};
use crate::origin::Origin;
use crate::precision::Precision;
use crate::provider::{Provider, Refused};
use crate::runtime::Runtime;
use crate::source::ModelSource;

/// How a model is run on a GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceSessionOptions {
    /// Execution providers, tried in this order: [`Provider::TensorRt`], [`Provider::Cuda`] or both.
    pub providers: Vec<Provider>,
    /// Precision of the frames and of what is computed.
    pub precision: Precision,
    /// What to do with a frame that comes out with NaN or infinity.
    pub on_nan: OnNan,
    /// For [`Provider::Cuda`].
    pub cuda: CudaOptions,
    /// For [`Provider::TensorRt`].
    pub tensorrt: TensorRtOptions,
}

impl Default for DeviceSessionOptions {
    fn default() -> Self {
        Self {
            providers: vec![Provider::TensorRt, Provider::Cuda],
            precision: Precision::default(),
            on_nan: OnNan::default(),
            cuda: CudaOptions::default(),
            tensorrt: TensorRtOptions::default(),
        }
    }
}

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

/// How ONNX Runtime's CUDA provider works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CudaOptions {
    /// How cuDNN finds the algorithm of each convolution.
    pub search: ConvolutionSearch,
    /// In what convolutions of single precision multiply.
    pub multiply: Multiply,
}

/// In what convolutions and matrix products of single-precision models multiply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Multiply {
    /// TF32 on the tensor cores of GPUs from compute capability 8.0 on: the range of single precision with the 10
    /// fractional bits of half; sums are in single precision. On the networks that were measured the output is within 71 to
    /// 96 dB of the CPU's, at 2.8 times the speed.
    #[default]
    Tf32,
    /// Single precision: within 127 to 154 dB of the CPU's output.
    Fp32,
}

/// How cuDNN finds the algorithm of each convolution, for each size of pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ConvolutionSearch {
    /// By what is known about the GPU.
    #[default]
    Heuristic,
    /// By trying them out, which takes longer at the beginning.
    Exhaustive,
}

/// A model that was seen to work, and the provider that will run it on a GPU. Clones are the same model.
#[derive(Clone)]
pub struct DeviceModel {
    inner: Arc<Inner>,
}

struct Inner {
    info: ModelInfo,
    origin: Arc<Origin>,
    pool: Pool,
    options: DeviceSessionOptions,
    provider: Provider,
    refused: Vec<Refused>,
}

impl DeviceModel {
    /// Loads a model for the GPU of `pool`: proves it by a run on a small picture, on the CPU, and chooses the provider.
    /// What the GPU needs is allocated when an [`Upscaler`](crate::Upscaler) is made of it.
    ///
    /// Accepted are the models of [`Model::load`].
    ///
    /// # Errors
    /// Those of [`Model::load`] and of [`Provider::choose`]; [`Error::Options`] for providers that are none for a GPU.
    pub fn load(
        runtime: &Runtime,
        source: &ModelSource,
        pool: &Pool,
        options: &DeviceSessionOptions,
    ) -> Result<Self, Error> {
        check(options)?;
        let probe = SessionOptions { threads: Some(NonZeroUsize::MIN), precision: options.precision };
        let model = Model::load(runtime, source, &probe)?;
        let ordinal = pool.device().ordinal();
        let (provider, refused) = Provider::choose(runtime, &options.providers, ordinal)?;
        tracing::debug!(model = %source, %provider, refused = refused.len(), "model loaded for a GPU");
        let (info, origin) = (model.info().clone(), Arc::clone(model.origin()));
        let inner = Inner { info, origin, pool: pool.clone(), options: options.clone(), provider, refused };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What the model takes and gives.
    pub fn info(&self) -> &ModelInfo {
        &self.inner.info
    }

    /// What will run it.
    pub fn provider(&self) -> Provider {
        self.inner.provider
    }

    /// The providers that come before it in the options, and why each was not taken.
    pub fn refusals(&self) -> &[Refused] {
        &self.inner.refused
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.inner.origin
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.inner.pool
    }

    pub(crate) fn options(&self) -> &DeviceSessionOptions {
        &self.inner.options
    }
}

fn check(options: &DeviceSessionOptions) -> Result<(), Error> {
    if options.providers.is_empty() {
        return Err(Error::Options("no execution provider is given".into()));
    }
    if options.providers.contains(&Provider::Cpu) {
        return Err(Error::Options("the CPU provider does not run a model on a GPU".into()));
    }
    Ok(())
}
