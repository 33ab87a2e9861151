use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use rave_cuda::Pool;

use crate::device::tensorrt::TensorRtOptions;
use crate::error::Error;
use crate::info::ModelInfo;
use crate::model::{Model, SessionOptions};
use crate::nan::OnNan;
use crate::origin::Origin;
use crate::precision::Precision;
use crate::provider::{Provider, Refused, with_sources};
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

/// How ONNX Runtime's CUDA provider works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CudaOptions {
    /// How cuDNN finds the algorithm of each convolution.
    pub search: ConvolutionSearch,
    /// In what convolutions of single precision multiply.
    pub multiply: Multiply,
    /// Where a convolution's bias is added.
    pub bias: BiasAddition,
}

/// Where a convolution's bias is added to its sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BiasAddition {
    /// Within the convolution, before its result is rounded to the model's precision. cuDNN compiles such convolutions when a
    /// session is opened, which takes half a second more; networks of 3x3 convolutions then run 1.5 times as fast. Where cuDNN
    /// cannot, it is done apart, with a warning.
    #[default]
    Within,
    /// By a kernel of its own, which reads and writes the result once more.
    Apart,
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

impl fmt::Debug for DeviceModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceModel")
            .field("info", &self.inner.info)
            .field("provider", &self.inner.provider)
            .field("refused", &self.inner.refused)
            .finish_non_exhaustive()
    }
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
        Self::load_for(runtime, source, pool, options)
    }

    /// As [`load`](Self::load), for any provider.
    pub(super) fn load_for(
        runtime: &Runtime,
        source: &ModelSource,
        pool: &Pool,
        options: &DeviceSessionOptions,
    ) -> Result<Self, Error> {
        let (precision, on_nan) = (options.precision, options.on_nan);
        let probe = SessionOptions { threads: Some(NonZeroUsize::MIN), precision, on_nan };
        let model = Model::load(runtime, source, &probe)?;
        let ordinal = pool.device().ordinal();
        let (provider, refused) = Provider::choose(runtime, &options.providers, ordinal)?;
        tracing::debug!(model = %source, %provider, refused = refused.len(), "model loaded for a GPU");
        let (info, origin) = (model.info().clone(), Arc::clone(model.origin()));
        let inner = Inner { info, origin, pool: pool.clone(), options: options.clone(), provider, refused };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The result of `open` with the first provider, from the model's own on, that it succeeds with, and the model with this
    /// provider: what can be used may still refuse one network.
    ///
    /// # Errors
    /// Those of `open` that are not the provider's, and its last one.
    pub(crate) fn with_what_works<T>(
        self,
        mut open: impl FnMut(&Self) -> Result<T, Error>,
    ) -> Result<(Self, T), Error> {
        let mut model = self;
        loop {
            match open(&model) {
                Ok(opened) => return Ok((model, opened)),
                Err(error @ (Error::Options(_) | Error::Frame(_))) => return Err(error),
                Err(error) => model = model.with_next_provider(error)?,
            }
        }
    }

    /// The model with the next provider of the options that can be used, or `error` if there is none.
    fn with_next_provider(&self, error: Error) -> Result<Self, Error> {
        let Inner { info, origin, pool, options, provider, refused } = &*self.inner;
        let rest = options.providers.iter().skip_while(|next| *next != provider).skip(1);
        let rest: Vec<_> = rest.copied().collect();
        let chosen = Provider::choose(origin.runtime(), &rest, pool.device().ordinal());
        let Ok((next, more)) = chosen else { return Err(error) };
        let this = Refused { provider: *provider, reason: with_sources(&error) };
        tracing::warn!(%provider, reason = this.reason, "the model runs on {next} instead");
        let inner = Inner {
            info: info.clone(),
            origin: Arc::clone(origin),
            pool: pool.clone(),
            options: options.clone(),
            provider: next,
            refused: refused.iter().cloned().chain([this]).chain(more).collect(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The model on the first of other providers, whether it can be used or not.
    #[cfg(test)]
    pub(super) fn as_if_chosen(&self, options: DeviceSessionOptions) -> Self {
        let Inner { info, origin, pool, .. } = &*self.inner;
        let (info, origin, pool) = (info.clone(), Arc::clone(origin), pool.clone());
        let provider = options.providers[0];
        Self { inner: Arc::new(Inner { info, origin, pool, options, provider, refused: Vec::new() }) }
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
