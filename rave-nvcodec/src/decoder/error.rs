use rave_core::{Code, CodedError, PixelFormat};

use crate::{Codec, CodedFormat, LibraryError, SplitError};

/// Why the GPU does not decode a stream; each is a sentence for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The GPU has no decoder for the codec with this chroma and depth.
    #[error("the GPU has no decoder for {format}")]
    Format {
        /// What the stream is.
        format: CodedFormat,
    },
    /// The decoded samples are none that a decoder of a GPU gives.
    #[error("{codec} with samples of {format} is decoded by no GPU")]
    Pixels {
        /// The codec.
        codec: Codec,
        /// The pixel format of decoded frames.
        format: PixelFormat,
    },
    /// The pictures are too large.
    #[error("{format} is decoded up to {}x{}, the stream is {}x{}", max.0, max.1, size.0, size.1)]
    TooLarge {
        /// What the stream is.
        format: CodedFormat,
        /// Its coded width and height, in pixels.
        size: (u32, u32),
        /// The GPU's limit.
        max: (u32, u32),
    },
    /// The pictures are too small.
    #[error("{format} is decoded from {}x{} on, the stream is {}x{}", min.0, min.1, size.0, size.1)]
    TooSmall {
        /// What the stream is.
        format: CodedFormat,
        /// Its coded width and height, in pixels.
        size: (u32, u32),
        /// The GPU's limit.
        min: (u32, u32),
    },
    /// The pictures have too many macroblocks.
    #[error("{format} is decoded up to {max} macroblocks, the stream of {}x{} has {macroblocks}", size.0, size.1)]
    TooManyMacroblocks {
        /// What the stream is.
        format: CodedFormat,
        /// Its coded width and height, in pixels.
        size: (u32, u32),
        /// Blocks of 16 x 16 pixels in a picture.
        macroblocks: u64,
        /// The GPU's limit.
        max: u32,
    },
    /// The stream changes to other samples, which frames of the first kind cannot hold.
    #[error("the stream changes from {from} to {to}")]
    Changed {
        /// What it was.
        from: CodedFormat,
        /// What it becomes.
        to: CodedFormat,
    },
}

/// What can go wrong while a GPU decodes.
///
/// Where the code is [`Code::NvdecMissing`], [`Code::DecoderUnsupported`] or [`Code::DecodeFailed`], another decoder may
/// do better ([`is_for_software`](Self::is_for_software)).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The driver's library cannot be used.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// The GPU does not decode such a stream.
    #[error("NVDEC cannot decode the stream: {0}")]
    Refused(#[from] Refusal),
    /// A call of the driver failed.
    #[error("{function} failed on {codec} with CUDA error {status}")]
    Call {
        /// The function.
        function: &'static str,
        /// The codec.
        codec: Codec,
        /// The driver's number (`CUresult`).
        status: i32,
    },
    /// The driver's parser asked for what it had not prepared.
    #[error("the parser of {codec} failed: {reason}")]
    Parser {
        /// The codec.
        codec: Codec,
        /// What happened.
        reason: &'static str,
    },
    /// The stream is damaged, and damage was not to be concealed.
    #[error("decoding {codec} failed at packet {packet}: {what}")]
    Damaged {
        /// The codec.
        codec: Codec,
        /// Number of the packet, from 0.
        packet: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// Not one frame came out.
    #[error("NVDEC gives no frame for {packets} packets of {codec}")]
    NoFrames {
        /// The codec.
        codec: Codec,
        /// How many packets there were.
        packets: u64,
    },
    /// Several sessions are wanted where only one is possible.
    #[error("a stream of {codec} cannot be split among several decoder sessions: use one")]
    Unsplittable {
        /// The codec.
        codec: Codec,
    },
    /// A thread that decodes is gone.
    #[error("decoder session {session} ended unexpectedly")]
    SessionLost {
        /// Number of the session, from 0.
        session: usize,
    },
    /// The stream cannot be split among sessions as asked.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// The device failed or has no memory left.
    #[error(transparent)]
    Cuda(#[from] rave_cuda::Error),
    /// A size or a layout is impossible.
    #[error(transparent)]
    Frame(#[from] rave_core::Error),
}

impl DecodeError {
    /// Turns a result of the driver into an error.
    pub(crate) const fn check(function: &'static str, codec: Codec, status: i32) -> Result<(), Self> {
        match status {
            0 => Ok(()),
            status => Err(Self::Call { function, codec, status }),
        }
    }

    /// Whether another decoder may decode what this one does not: the fault is neither the memory's nor the device's.
    pub fn is_for_software(&self) -> bool {
        matches!(self.code(), Code::NvdecMissing | Code::DecoderUnsupported | Code::DecodeFailed)
    }
}

impl CodedError for DecodeError {
    fn code(&self) -> Code {
        match self {
            Self::Library(error) => error.code(),
            Self::Refused(_) => Code::DecoderUnsupported,
            Self::Call { .. } | Self::Parser { .. } | Self::Damaged { .. } | Self::NoFrames { .. } => {
                Code::DecodeFailed
            }
            Self::Unsplittable { .. } => Code::OptionInvalid,
            Self::SessionLost { .. } => Code::InvariantBroken,
            Self::Split(error) => error.code(),
            Self::Cuda(error) => error.code(),
            Self::Frame(error) => error.code(),
        }
    }

    fn is_recoverable(&self) -> bool {
        matches!(self, Self::Cuda(error) if error.is_recoverable())
    }
}
