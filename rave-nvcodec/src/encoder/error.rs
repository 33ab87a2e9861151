use rave_core::{Code, CodedError, Timestamp};

use super::NvencCodec;
use crate::library::{LibraryError, status_name};
use crate::sys::nvenc::Status;

/// Why NVENC cannot be used, or why encoding failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The driver's library is missing or cannot be used.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// CUDA refused: no memory for the inputs, a lost device.
    #[error(transparent)]
    Cuda(#[from] rave_cuda::Error),
    /// Sizes, formats or layouts do not fit.
    #[error(transparent)]
    Frame(#[from] rave_core::Error),
    /// The GPU has no encoder, as most data-centre GPUs.
    #[error("{gpu} has no NVENC: encode in software")]
    NoEncoder {
        /// The GPU's name.
        gpu: String,
    },
    /// The driver opens no further session: consumer GPUs have a limit over all programs.
    #[error(
        "the driver opens no further NVENC session on {gpu} ({}): end another program that encodes",
        status_name(status)
    )]
    SessionLimit {
        /// The GPU's name.
        gpu: String,
        /// What the driver returned.
        status: Status,
    },
    /// The GPU's encoder lacks the codec.
    #[error("the NVENC of {gpu} does not encode {codec}")]
    Codec {
        /// The GPU's name.
        gpu: String,
        /// The codec.
        codec: NvencCodec,
    },
    /// The GPU's encoder does not take frames of this kind.
    #[error("the NVENC of {gpu} does not encode {what} as {codec}: {reason}")]
    Unsupported {
        /// The GPU's name.
        gpu: String,
        /// The codec.
        codec: NvencCodec,
        /// Size or format.
        what: String,
        /// The limit.
        reason: String,
    },
    /// An option is out of its range, contradicts another or is not in this GPU.
    #[error("NVENC does not take {option} for {codec}: {reason}")]
    Option {
        /// The codec.
        codec: NvencCodec,
        /// The option and its value.
        option: String,
        /// Why not.
        reason: String,
    },
    /// The GPU fell off the bus, was reset or hung.
    #[error("the GPU was lost: {function} failed with {}", status_name(status))]
    DeviceLost {
        /// NVIDIA's name of the function.
        function: &'static str,
        /// What it returned.
        status: Status,
    },
    /// The driver has no memory for the session.
    #[error("NVENC has no memory left: {function} failed with {}", with_detail(.status, .detail))]
    OutOfMemory {
        /// NVIDIA's name of the function.
        function: &'static str,
        /// What it returned.
        status: Status,
        /// The driver's words, which may be none.
        detail: String,
    },
    /// A call failed.
    #[error("NVENC failed: {function} returned {}", with_detail(.status, .detail))]
    Call {
        /// NVIDIA's name of the function.
        function: &'static str,
        /// What it returned.
        status: Status,
        /// The driver's words, which may be none.
        detail: String,
    },
    /// The driver's table lacks a function.
    #[error("the driver's NVENC has no function {function}")]
    MissingFunction {
        /// NVIDIA's name of the function.
        function: &'static str,
    },
    /// The system has no event left for the encoder's asynchronous mode.
    #[error("the operating system has no event left for NVENC")]
    NoEvent,
    /// Frames come in the order of their timestamps.
    #[error("frame {frame} at {now} does not come after the one before at {last}")]
    FrameOrder {
        /// Number of the frame, from 0.
        frame: u64,
        /// Its time.
        now: Timestamp,
        /// The time of the one before.
        last: Timestamp,
    },
    /// The encoder broke its own rules.
    #[error("NVENC {what}")]
    Broken {
        /// What it did.
        what: String,
    },
}

fn with_detail(status: &Status, detail: &str) -> String {
    match detail {
        "" => status_name(status),
        detail => format!("{} ({detail})", status_name(status)),
    }
}

impl CodedError for EncodeError {
    fn code(&self) -> Code {
        match self {
            Self::Library(error) => error.code(),
            Self::Cuda(error) => error.code(),
            Self::Frame(error) => error.code(),
            Self::NoEncoder { .. } => Code::NvencAbsent,
            Self::SessionLimit { .. } => Code::NvencSessions,
            Self::Codec { .. } => Code::EncoderMissing,
            Self::Unsupported { .. } | Self::Option { .. } => Code::EncoderOptions,
            Self::DeviceLost { .. } => Code::CudaFailed,
            Self::OutOfMemory { .. } => Code::VramExhausted,
            Self::NoEvent => Code::OutOfMemory,
            Self::MissingFunction { .. } => Code::CodecDriverTooOld,
            Self::Call { .. } | Self::FrameOrder { .. } | Self::Broken { .. } => Code::EncodeFailed,
        }
    }

    fn is_recoverable(&self) -> bool {
        match self {
            Self::Cuda(error) => error.is_recoverable(),
            _ => matches!(self, Self::SessionLimit { .. } | Self::OutOfMemory { .. }),
        }
    }
}
