use cudarc::driver::DriverError;
use rave_core::{Code, CodedError};

/// What can go wrong on the way to a GPU and on it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The driver's library cannot be loaded.
    #[error("no NVIDIA driver: its library (libcuda.so.1, nvcuda.dll) cannot be loaded")]
    NoDriver,
    /// The driver works but finds no GPU.
    #[error("the NVIDIA driver finds no GPU")]
    NoDevice,
    /// There are fewer GPUs.
    #[error("there is no GPU {ordinal}: the driver finds {count}, counted from 0")]
    Ordinal {
        /// The wanted one.
        ordinal: usize,
        /// How many there are.
        count: usize,
    },
    /// The driver cannot load the kernels that are built in.
    #[error("the NVIDIA driver supports CUDA {}.{}, but {}.{} is needed: install driver 550 or later",
        found.0, found.1, needed.0, needed.1)]
    DriverTooOld {
        /// The CUDA version that the driver supports.
        found: (u32, u32),
        /// The oldest that will do.
        needed: (u32, u32),
    },
    /// The GPU cannot run the kernels that are built in.
    #[error("GPU {name} has compute capability {}.{}, but 7.5 is needed", capability.0, capability.1)]
    DeviceTooOld {
        /// The GPU's name.
        name: String,
        /// Its compute capability, major and minor.
        capability: (u32, u32),
    },
    /// A call of the driver failed.
    #[error("cannot {action}: {}", words(source))]
    Cuda {
        /// What was attempted.
        action: &'static str,
        /// The driver's words.
        source: DriverError,
    },
    /// The driver refused the kernels.
    #[error("cannot load the GPU kernels for {topic}: {}", words(source))]
    KernelLoad {
        /// The file of kernels.
        topic: &'static str,
        /// The driver's words.
        source: DriverError,
    },
    /// The pool may not take that much.
    #[error(
        "{wanted_bytes} bytes of GPU memory do not fit: {used_bytes} are used of a limit of {limit_mib} MiB"
    )]
    VramLimit {
        /// What was to be allocated.
        wanted_bytes: usize,
        /// What is allocated and in use.
        used_bytes: usize,
        /// The limit.
        limit_mib: u64,
    },
    /// The GPU has no memory left, even with everything idle given back.
    #[error(
        "the GPU has no memory left for {wanted_bytes} bytes beside the {used_bytes} in use: {}",
        words(source)
    )]
    VramExhausted {
        /// What was to be allocated.
        wanted_bytes: usize,
        /// What the pool has allocated.
        used_bytes: usize,
        /// The driver's words.
        source: DriverError,
    },
    /// Frames, formats or colours do not fit.
    #[error(transparent)]
    Frame(#[from] rave_core::Error),
}

/// What the driver calls an error, and its name for it.
fn words(error: &DriverError) -> String {
    match (error.error_string(), error.error_name()) {
        (Ok(text), Ok(name)) => format!("{} ({})", text.to_string_lossy(), name.to_string_lossy()),
        _ => format!("error {} of the driver", error.0 as u32),
    }
}

impl CodedError for Error {
    fn code(&self) -> Code {
        match self {
            Self::NoDriver => Code::DriverMissing,
            Self::NoDevice => Code::DeviceMissing,
            Self::Ordinal { .. } => Code::DeviceOrdinal,
            Self::DriverTooOld { .. } => Code::DriverTooOld,
            Self::DeviceTooOld { .. } => Code::DeviceTooOld,
            Self::Cuda { .. } => Code::CudaFailed,
            Self::KernelLoad { .. } => Code::KernelLoadFailed,
            Self::VramLimit { .. } => Code::VramLimit,
            Self::VramExhausted { .. } => Code::VramExhausted,
            Self::Frame(error) => error.code(),
        }
    }

    fn is_recoverable(&self) -> bool {
        matches!(self, Self::VramLimit { .. } | Self::VramExhausted { .. })
    }
}

/// Says what was attempted when the driver refused.
pub(crate) trait During<T> {
    /// Turns the driver's error into [`Error::Cuda`].
    fn during(self, action: &'static str) -> Result<T, Error>;
}

impl<T> During<T> for Result<T, DriverError> {
    fn during(self, action: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Cuda { action, source })
    }
}
