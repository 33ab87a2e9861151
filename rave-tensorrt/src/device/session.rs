use std::ffi::c_void;

use half::f16;
use ort::ep::cuda::ConvAlgorithmSearch;
use ort::ep::{self, ArenaExtendStrategy, ExecutionProviderDispatch};
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{NoSelectedOutputs, RunOptions, Session};
use rave_core::Sample;
use rave_cuda::Stream;

use crate::device::model::{BiasAddition, ConvolutionSearch, DeviceModel, Multiply};
use crate::device::tensorrt;
use crate::error::Error;
use crate::info::ModelInfo;
use crate::network::{Network, TensorKind, Value};
use crate::origin::Origin;
use crate::provider::Provider;

/// A picture in GPU memory as a tensor: where it begins, and its shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeviceTensor {
    pub(super) address: u64,
    pub(super) shape: [i64; 4],
}

/// A session on a GPU. Its runs are enqueued on one stream; none waits for another.
pub(super) struct DeviceNetwork {
    // Fields are dropped in this order: the session uses the stream to its end.
    network: Network,
    run_options: RunOptions<NoSelectedOutputs>,
    memory: MemoryInfo<'static>,
    kind: TensorKind,
    is_recordable: bool,
    stream: Stream,
}

/// What a session is made for.
pub(super) struct Purpose<'a> {
    pub(super) model: &'a DeviceModel,
    /// The model's graph, or the same in another precision.
    pub(super) origin: &'a Origin,
    /// Width and height of the pictures that it will be given.
    pub(super) size: (usize, usize),
    /// How many of them at once.
    pub(super) batch: usize,
    pub(super) bias: BiasAddition,
    pub(super) stream: &'a Stream,
}

impl DeviceNetwork {
    /// # Errors
    /// [`Error::ProviderRefused`] and the like if the provider does not take the model; those of [`Origin::commit`].
    pub(super) fn open(purpose: &Purpose<'_>) -> Result<Self, Error> {
        let Purpose { model, origin, stream, .. } = purpose;
        let session = session(purpose)?;
        let network = Network::new(session).map_err(|error| origin.refused(error))?;
        let mut run_options = RunOptions::new().map_err(Error::RuntimeFailed)?;
        run_options.disable_device_sync().map_err(Error::RuntimeFailed)?;
        let (kind, provider) = (kind(model.info().sample), model.provider());
        Ok(Self {
            network,
            run_options,
            memory: memory(model)?,
            kind,
            is_recordable: provider != Provider::Cpu,
            stream: (*stream).clone(),
        })
    }

    /// Whether a run is work of the GPU alone.
    pub(super) const fn is_recordable(&self) -> bool {
        self.is_recordable
    }

    /// Enqueues a run.
    ///
    /// # Errors
    /// ONNX Runtime's.
    ///
    /// # Safety
    /// On the session's stream, both addresses lead to as much memory of its device as the shapes say, until the work is
    /// done, and until then nobody else writes to it or reads the output.
    pub(super) unsafe fn run(&mut self, input: DeviceTensor, output: DeviceTensor) -> Result<(), ort::Error> {
        #[cfg(test)]
        super::tests::before_run(&self.stream, input.shape)?;
        let value = |tensor: DeviceTensor| {
            Value::new(&self.memory, tensor.address as *mut c_void, tensor.shape, self.kind)
        };
        let (input, output) = (value(input)?, value(output)?);
        // SAFETY: the values are valid until the end of this function, and `Run` keeps none of them; their memory is the
        // caller's promise.
        unsafe { self.network.run_values(input.as_ptr(), output.as_ptr(), Some(&self.run_options)) }
    }
}

impl Drop for DeviceNetwork {
    fn drop(&mut self) {
        // The session's memory must not go while the GPU still computes in it. An error here was one before, too.
        drop(self.stream.synchronize());
    }
}

const fn kind(sample: Sample) -> TensorKind {
    match sample {
        Sample::F16 => TensorKind::of::<f16>(),
        _ => TensorKind::of::<f32>(),
    }
}

fn ordinal(model: &DeviceModel) -> i32 {
    i32::try_from(model.pool().device().ordinal()).unwrap_or(i32::MAX)
}

/// Where frames lie. Only the tests' emulated GPU has memory that the CPU's provider can work in.
fn memory(model: &DeviceModel) -> Result<MemoryInfo<'static>, Error> {
    let (device, ordinal) = match model.provider() {
        Provider::Cpu => (AllocationDevice::CPU, 0),
        Provider::TensorRt | Provider::Cuda => (AllocationDevice::CUDA, ordinal(model)),
    };
    MemoryInfo::new(device, ordinal, AllocatorType::Device, MemoryType::Default).map_err(Error::RuntimeFailed)
}

fn session(purpose: &Purpose<'_>) -> Result<Session, Error> {
    let Purpose { model, origin, .. } = purpose;
    let providers = providers(purpose)?;
    let builder = Session::builder(origin.runtime().environment())
        .and_then(|builder| Ok(builder.with_intra_threads(1)?))
        // A second plan of all memory would be kept beside that of the first run.
        .and_then(|builder| Ok(builder.with_memory_pattern(false)?))
        .map_err(Error::RuntimeFailed)?;
    let refused = |error| model.provider().diagnose(origin.runtime(), error);
    let builder = builder.with_execution_providers(providers).map_err(|error| refused(error.into()))?;
    origin.try_commit(builder).map_err(|error| match is_out_of_memory(&error) {
        true => out_of_memory(model.info(), purpose.size, error),
        false => refused(error),
    })
}

/// The provider, and for TensorRT the CUDA provider for operators that it lacks.
fn providers(purpose: &Purpose<'_>) -> Result<Vec<ExecutionProviderDispatch>, Error> {
    let cuda = || cuda(purpose).build().error_on_failure();
    match purpose.model.provider() {
        Provider::TensorRt => Ok(vec![tensorrt::provider(purpose)?.build().error_on_failure(), cuda()]),
        Provider::Cuda => Ok(vec![cuda()]),
        Provider::Cpu => Ok(vec![]),
    }
}

fn cuda(purpose: &Purpose<'_>) -> ep::CUDA {
    let Purpose { model, stream, bias, .. } = purpose;
    let search = match model.options().cuda.search {
        ConvolutionSearch::Heuristic => ConvAlgorithmSearch::Heuristic,
        ConvolutionSearch::Exhaustive => ConvAlgorithmSearch::Exhaustive,
    };
    let cuda = ep::CUDA::default()
        .with_device_id(ordinal(model))
        .with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested)
        .with_conv_algorithm_search(search)
        .with_prefer_nhwc(true)
        .with_fuse_conv_bias(*bias == BiasAddition::Within)
        .with_tf32(model.options().cuda.multiply == Multiply::Tf32);
    let cuda = match memory_limit(model) {
        Some(limit_bytes) => cuda.with_memory_limit(limit_bytes),
        None => cuda,
    };
    // SAFETY: `DeviceNetwork` keeps the stream for longer than the session.
    unsafe { cuda.with_compute_stream(stream.as_raw().cast()) }
}

/// What the limit leaves beside what is in use: the most that ONNX Runtime may take. What it does take is reserved with the
/// pool when it is known.
fn memory_limit(model: &DeviceModel) -> Option<usize> {
    let health = model.pool().health();
    let limit_bytes = usize::try_from(health.limit_mib?.saturating_mul(1 << 20)).unwrap_or(usize::MAX);
    Some(limit_bytes.saturating_sub(health.used_bytes))
}

/// The error of a run that failed.
pub(super) fn run_error(info: &ModelInfo, (width, height): (usize, usize), source: ort::Error) -> Error {
    if is_out_of_memory(&source) {
        return out_of_memory(info, (width, height), source);
    }
    let model = info.name.clone();
    Error::InferenceFailed { model, width: width as u32, height: height as u32, source }
}

fn out_of_memory(info: &ModelInfo, (width, height): (usize, usize), source: ort::Error) -> Error {
    let model = info.name.clone();
    Error::InferenceMemory { model, width: width as u32, height: height as u32, source }
}

/// ONNX Runtime has no code for it: these are the words of its arena, of CUDA, cuDNN and cuBLAS.
fn is_out_of_memory(error: &ort::Error) -> bool {
    speaks_of_memory(error.message())
}

fn speaks_of_memory(message: &str) -> bool {
    let message = message.to_lowercase();
    [
        "failed to allocate memory",
        "out of memory",
        "alloc_failed",
        "smaller than requested bytes",
        "bad_alloc",
    ]
    .iter()
    .any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_for_memory_are_known() {
        for (words, is_memory) in [
            ("Failed to allocate memory for requested buffer of size 1073741824", true),
            ("Available memory of 0 is smaller than requested bytes of 4096", true),
            ("CUDA failure 2: out of memory ; GPU=0", true),
            ("CUDNN failure 4: CUDNN_STATUS_ALLOC_FAILED", true),
            ("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED", true),
            ("CUDA failure 700: an illegal memory access was encountered", false),
            ("Non-zero status code returned while running Conv node", false),
        ] {
            assert_eq!(speaks_of_memory(words), is_memory, "{words}");
        }
    }
}
