//! Where the network runs, and why.

use rave_cuda::{Device, DeviceInfo, Pool, PoolOptions};
use rave_tensorrt::{
    BuiltIn, DeviceModel, DeviceSessionOptions, Model, ModelInfo, ModelSource, Provider, Runtime,
    SessionOptions,
};

use super::choice::{Choice, Part, Refused};
use super::options::{Contradiction, DecoderChoice, DeviceChoice, InferenceOptions, UpscaleOptions};
use crate::Error;

/// A GPU that a job works on, and the memory that it takes there.
#[derive(Clone, Debug)]
pub(super) struct Gpu {
    pub(super) info: DeviceInfo,
    pub(super) pool: Pool,
}

/// The network, where it was loaded.
pub(super) enum Network {
    Host(Box<Model>),
    Device(Box<DeviceModel>, Gpu),
}

/// The network in its place.
pub(super) struct Placed {
    pub(super) network: Network,
    /// The network on further GPUs, or again on the same one: each is a lane of its own.
    pub(super) others: Vec<Network>,
    /// The GPU of the job, which may do more than the network, or less.
    pub(super) gpu: Option<Gpu>,
    pub(super) choices: Vec<Choice>,
}

impl Gpu {
    fn open(ordinal: usize, options: &UpscaleOptions) -> Result<Self, rave_cuda::Error> {
        let device = Device::open(ordinal)?;
        let limit_mib = options.inference.vram_limit_mib;
        Ok(Self { info: device.info()?, pool: Pool::new(&device, PoolOptions { limit_mib }) })
    }

    /// `cuda:0 (NVIDIA L4)`
    pub(super) fn name(&self) -> String {
        format!("cuda:{} ({})", self.info.ordinal, self.info.name)
    }
}

impl Network {
    pub(super) fn info(&self) -> &ModelInfo {
        match self {
            Self::Host(model) => model.info(),
            Self::Device(model, _) => model.info(),
        }
    }

    pub(super) const fn gpu(&self) -> Option<&Gpu> {
        match self {
            Self::Host(_) => None,
            Self::Device(_, gpu) => Some(gpu),
        }
    }
}

impl Placed {
    /// The memory of every GPU that the job works on.
    pub(super) fn pools(&self) -> impl Iterator<Item = Pool> {
        let lanes = self.others.iter().filter_map(Network::gpu);
        self.gpu.iter().chain(lanes).map(|gpu| gpu.pool.clone())
    }

    /// Opens the GPU and loads the network, as the options say.
    pub(super) fn new(runtime: &Runtime, options: &UpscaleOptions) -> Result<Self, Error> {
        match (&options.inference.device, options.inference.provider) {
            (DeviceChoice::Cpu, _) => Self::on_host(runtime, options, Vec::new(), None),
            (_, Some(Provider::Cpu)) => Self::on_host_beside_gpu(runtime, options),
            (DeviceChoice::Cuda(ordinal), _) => Self::on_gpu(runtime, options, *ordinal),
            (DeviceChoice::Several(ordinals), _) => Self::on_several(runtime, options, ordinals),
            (DeviceChoice::All, _) => Self::on_several(runtime, options, &all_gpus()?),
            (DeviceChoice::Auto, Some(_)) => Self::on_gpu(runtime, options, 0),
            (DeviceChoice::Auto, None) => Self::on_best(runtime, options),
        }
    }

    fn on_best(runtime: &Runtime, options: &UpscaleOptions) -> Result<Self, Error> {
        let gpu = match Gpu::open(0, options) {
            Ok(gpu) => gpu,
            Err(error) => {
                let refused = vec![Refused::by("cuda:0", &error)];
                return Self::on_host(runtime, options, refused, Self::decoding_gpu(options)?);
            }
        };
        match load_on(runtime, options, &gpu) {
            Ok(model) => Ok(Self::of_device(model, gpu)),
            Err(error) => {
                let refused = vec![Refused::by(gpu.name(), &error)];
                let decoding = (options.decoder == DecoderChoice::Nvdec).then_some(gpu);
                Self::on_host(runtime, options, refused, decoding)
            }
        }
    }

    fn on_gpu(runtime: &Runtime, options: &UpscaleOptions, ordinal: usize) -> Result<Self, Error> {
        let gpu = Gpu::open(ordinal, options).map_err(Error::leaf)?;
        Ok(Self::of_device(load_on(runtime, options, &gpu).map_err(Error::leaf)?, gpu))
    }

    /// A lane for each number: one that is named twice has two, which share its memory.
    fn on_several(runtime: &Runtime, options: &UpscaleOptions, ordinals: &[usize]) -> Result<Self, Error> {
        let mut gpus: Vec<Gpu> = Vec::new();
        for &ordinal in ordinals {
            let opened = gpus.iter().find(|gpu| gpu.info.ordinal == ordinal).cloned();
            gpus.push(opened.map_or_else(|| Gpu::open(ordinal, options).map_err(Error::leaf), Ok)?);
        }
        let name = gpus.iter().map(Gpu::name).collect::<Vec<_>>().join(", ");
        let mut gpus = gpus.into_iter();
        let first = gpus.next().ok_or_else(|| Error::leaf(Contradiction("no GPU is listed".into())))?;
        let model = load_on(runtime, options, &first).map_err(Error::leaf)?;
        // Lanes have to give the same, so that all of them have the first one's provider.
        let mut alike = options.clone();
        alike.inference.provider = Some(model.provider());
        let others = gpus.map(|gpu| {
            let model = match gpu.info.ordinal == first.info.ordinal {
                true => model.clone(),
                false => load_on(runtime, &alike, &gpu).map_err(Error::leaf)?,
            };
            Ok(Network::Device(Box::new(model), gpu))
        });
        let others = others.collect::<Result<_, Error>>()?;
        let mut placed = Self { others, ..Self::of_device(model, first) };
        placed.choices.iter_mut().filter(|choice| choice.part == Part::Device).for_each(|choice| {
            choice.taken.clone_from(&name);
        });
        Ok(placed)
    }

    /// The network on the CPU, as was asked for; the GPU that was asked for is there for other work.
    fn on_host_beside_gpu(runtime: &Runtime, options: &UpscaleOptions) -> Result<Self, Error> {
        let gpu = match options.inference.device {
            DeviceChoice::Cuda(ordinal) => Some(Gpu::open(ordinal, options).map_err(Error::leaf)?),
            DeviceChoice::Auto | DeviceChoice::Cpu | DeviceChoice::Several(_) | DeviceChoice::All => {
                Self::decoding_gpu(options)?
            }
        };
        Self::on_host(runtime, options, Vec::new(), gpu)
    }

    /// The GPU that a decoder needs which was asked for by name.
    fn decoding_gpu(options: &UpscaleOptions) -> Result<Option<Gpu>, Error> {
        let is_needed = options.decoder == DecoderChoice::Nvdec;
        is_needed.then(|| Gpu::open(0, options).map_err(Error::leaf)).transpose()
    }

    fn on_host(
        runtime: &Runtime,
        options: &UpscaleOptions,
        refused: Vec<Refused>,
        gpu: Option<Gpu>,
    ) -> Result<Self, Error> {
        let InferenceOptions { precision, on_nan, .. } = options.inference;
        let session = SessionOptions { threads: options.threads, precision, on_nan };
        let model = Model::load(runtime, &source(options, DEFAULT_FOR_CPU), &session).map_err(Error::leaf)?;
        let device = Choice { part: Part::Device, taken: "cpu".into(), refused };
        let choices = vec![device, Choice::first(Part::Provider, Provider::Cpu.to_string())];
        Ok(Self { network: Network::Host(Box::new(model)), others: Vec::new(), gpu, choices })
    }

    fn of_device(model: DeviceModel, gpu: Gpu) -> Self {
        let refused = model.refusals().iter();
        let provider = Choice {
            part: Part::Provider,
            taken: model.provider().to_string(),
            refused: refused
                .map(|refused| Refused::because(refused.provider.to_string(), &refused.reason))
                .collect(),
        };
        let choices = vec![Choice::first(Part::Device, gpu.name()), provider];
        let network = Network::Device(Box::new(model), gpu.clone());
        Self { network, others: Vec::new(), gpu: Some(gpu), choices }
    }
}

fn all_gpus() -> Result<Vec<usize>, Error> {
    let gpus = Device::list().map_err(Error::leaf)?;
    Ok(gpus.iter().map(|gpu| gpu.ordinal).collect())
}

/// The names of the networks that double the size, for the CPU and for the GPU.
const DEFAULT_FOR_CPU: &str = "rave-fast-x2";
const DEFAULT_FOR_GPU: &str = "rave-x2";

fn source(options: &UpscaleOptions, doubling: &str) -> ModelSource {
    let default = || {
        let of_scale = BuiltIn::default_for(options.scale);
        let preferred = BuiltIn::find(doubling).filter(|model| model.scale() == options.scale);
        preferred.or(of_scale).map(ModelSource::BuiltIn)
    };
    options.model.clone().or_else(default).expect("`check` has found a model of this factor")
}

fn load_on(
    runtime: &Runtime,
    options: &UpscaleOptions,
    gpu: &Gpu,
) -> Result<DeviceModel, rave_tensorrt::Error> {
    let providers = match options.inference.provider {
        Some(provider) => vec![provider],
        None => vec![Provider::TensorRt, Provider::Cuda],
    };
    let session = DeviceSessionOptions {
        providers,
        precision: options.inference.precision,
        on_nan: options.inference.on_nan,
        tensorrt: options.inference.tensorrt.clone(),
        ..DeviceSessionOptions::default()
    };
    DeviceModel::load(runtime, &source(options, DEFAULT_FOR_GPU), &gpu.pool, &session)
}
