use std::error::Error as StdError;
use std::fmt;

/// Declares [`Code`] from one table, so that a number, a name and a meaning exist once.
macro_rules! codes {
    ($($variant:ident = $number:literal, $name:literal, $meaning:literal;)+) => {
        /// What failed, as a stable number and a stable name.
        ///
        /// The hundreds digit is the area: 1 CUDA and driver, 2 inference, 3 codecs and containers, 4 pipeline,
        /// 5 frame and format, 6 invariant and verification, 7 resources. Numbers and names are never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum Code {
            $(#[doc = $meaning] $variant = $number,)+
        }

        impl Code {
            /// Every code, in ascending order of its number.
            pub const ALL: &'static [Code] = &[$(Code::$variant),+];

            /// The stable name, in kebab case.
            pub const fn name(self) -> &'static str {
                match self { $(Code::$variant => $name),+ }
            }

            /// One sentence about what the code means.
            pub const fn meaning(self) -> &'static str {
                match self { $(Code::$variant => $meaning),+ }
            }
        }
    };
}

codes! {
    DriverMissing = 101, "driver-missing", "The NVIDIA driver is not installed or its library cannot be loaded.";
    DeviceMissing = 102, "device-missing", "The NVIDIA driver finds no GPU.";
    DriverTooOld = 103, "driver-too-old", "The NVIDIA driver is older than the GPU kernels need.";
    CudaFailed = 104, "cuda-failed", "A call of the CUDA driver failed.";
    KernelLoadFailed = 105, "kernel-load-failed", "The GPU kernels could not be loaded.";
    DeviceOrdinal = 106, "device-ordinal", "There is no GPU of the wanted number.";
    DeviceTooOld = 107, "device-too-old", "The GPU is older than the GPU kernels need.";
    NvdecMissing = 108, "nvdec-missing", "The NVIDIA driver's library for decoding cannot be loaded.";
    NvencMissing = 109, "nvenc-missing", "The NVIDIA driver's library for encoding cannot be loaded or used.";
    CodecDriverTooOld = 110, "codec-driver-too-old", "The NVIDIA driver is older than the codec interfaces need.";
    NvencAbsent = 111, "nvenc-absent", "The GPU has no NVENC, the hardware that encodes.";
    NvencSessions = 112, "nvenc-sessions", "The NVIDIA driver opens no further encoding session.";

    RuntimeMissing = 201, "onnx-runtime-missing", "The ONNX Runtime library was not found or could not be loaded.";
    RuntimeVersion = 202, "onnx-runtime-version", "The ONNX Runtime library has a version that cannot be used.";
    ProviderMissing = 203, "provider-missing", "The ONNX Runtime library was built without the execution provider.";
    ProviderLoadFailed = 204, "provider-load-failed", "The library of an execution provider cannot be loaded.";
    ProviderRefused = 205, "provider-refused", "An execution provider cannot be used.";
    ModelMissing = 210, "model-missing", "The model file does not exist or cannot be read.";
    ModelInvalid = 211, "model-invalid", "The model file is not a valid ONNX model.";
    ModelUnsupported = 212, "model-unsupported", "The model is valid but is not an image super-resolution model of a supported shape.";
    InferenceFailed = 220, "inference-failed", "ONNX Runtime failed while running the model.";
    SessionOptions = 221, "session-options", "An inference option is out of its range.";
    OutputNotFinite = 222, "output-not-finite", "The model gave values that are not finite numbers.";

    InputMissing = 301, "input-missing", "The input does not exist.";
    InputUnreadable = 302, "input-unreadable", "The input exists but cannot be read.";
    InputNotMedia = 303, "input-not-media", "The input is not a media file that the demuxers recognise.";
    InputNoVideo = 304, "input-no-video", "The input holds no video stream.";
    InputNoFrames = 305, "input-no-frames", "The video stream holds no frame that can be decoded.";
    InputEncrypted = 306, "input-encrypted", "The video stream is encrypted.";
    DecoderMissing = 310, "decoder-missing", "No decoder for the stream's codec.";
    DecodeFailed = 311, "decode-failed", "The decoder failed on the stream.";
    DemuxFailed = 312, "demux-failed", "Reading packets from the input failed.";
    DecoderUnsupported = 313, "decoder-unsupported", "The GPU's decoder does not take the stream's codec, pixel format or size.";
    EncoderMissing = 320, "encoder-missing", "The wanted encoder is not available.";
    EncoderOptions = 321, "encoder-options", "The encoder does not accept an option or the combination of options.";
    EncodeFailed = 322, "encode-failed", "The encoder failed on a frame.";
    ContainerUnknown = 330, "container-unknown", "The output's extension names no container that can be written.";
    StreamIncompatible = 331, "stream-incompatible", "The output's container cannot hold a stream of the source.";
    OutputExists = 332, "output-exists", "The output exists and may not be replaced.";
    OutputIsInput = 333, "output-is-input", "Output and input are the same file.";
    OutputUnwritable = 334, "output-unwritable", "The output cannot be created or written.";
    MuxFailed = 335, "mux-failed", "Writing the container failed.";

    StagePanicked = 401, "stage-panicked", "A stage of the pipeline panicked.";
    StageFailed = 402, "stage-failed", "A custom stage failed.";
    Cancelled = 403, "cancelled", "The job was abandoned on request.";
    OptionInvalid = 404, "option-invalid", "An option of the job is out of its range or contradicts another.";
    VmafMissing = 405, "vmaf-missing", "The libvmaf library cannot be loaded or used.";
    NotComparable = 406, "not-comparable", "The two videos cannot be compared as asked.";

    SizeInvalid = 501, "size-invalid", "A frame size is zero or larger than what can be handled.";
    LayoutInvalid = 502, "layout-invalid", "Planes, strides and buffer do not fit together.";
    FormatUnsupported = 503, "format-unsupported", "The pixel format cannot be converted.";
    ColorUnsupported = 504, "color-unsupported", "The colour description cannot be converted.";
    TimeBaseInvalid = 505, "time-base-invalid", "A time base or rational has a zero or negative part.";

    FrameCountMismatch = 601, "frame-count-mismatch", "The output holds another number of frames than the source.";
    TimestampMismatch = 602, "timestamp-mismatch", "A frame of the output has another timestamp than in the source.";
    StreamMismatch = 603, "stream-mismatch", "A stream of the source is missing in the output.";
    GeometryMismatch = 604, "geometry-mismatch", "The output's size or display aspect ratio is not the expected one.";
    ColorMismatch = 605, "color-mismatch", "The output's colour tags are not the expected ones.";
    OutputUnreadable = 606, "output-unreadable", "The written output cannot be read back.";
    MetadataMismatch = 607, "metadata-mismatch", "Chapters, metadata, roles or languages of the output are not those of the source.";
    OutputDamaged = 608, "output-damaged", "Something in the output cannot be decoded.";
    InvariantBroken = 609, "invariant-broken", "A fact that the program relies on does not hold: a bug in RAVE.";

    MemoryEstimate = 701, "memory-estimate", "The job would need more memory than there is.";
    OutOfMemory = 702, "out-of-memory", "An allocation failed.";
    DiskFull = 703, "disk-full", "The device that the output is written to is full.";
    VramLimit = 704, "vram-limit", "The job would need more GPU memory than it may use.";
    VramExhausted = 705, "vram-exhausted", "The GPU has no memory left.";
    StageStalled = 706, "stage-stalled", "Nothing has moved in the pipeline for too long.";
    InferenceMemory = 707, "inference-memory", "The model needs more GPU memory than it can have.";
}

impl Code {
    /// The stable number.
    pub const fn number(self) -> u16 {
        self as u16
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "E{} {}", self.number(), self.name())
    }
}

/// An error that says by a [`Code`] what failed.
///
/// Every error type of the workspace implements it; so does the error of a custom [`Stage`](crate::Stage), or it is
/// wrapped in [`CustomError`].
pub trait CodedError: StdError + Send + Sync + 'static {
    /// What failed.
    fn code(&self) -> Code;

    /// Whether doing the same again, or the same with less, can succeed.
    fn is_recoverable(&self) -> bool {
        false
    }
}

/// Any coded error, as it crosses the seam between stages.
///
/// `?` makes it of every coded error, and makes a `Box<dyn Error>` of it, or the error of a crate that takes any. The error
/// inside is found by its type:
///
/// ```
/// use std::error::Error;
///
/// use rave_core::{BoxError, Code, Layout, PixelFormat};
///
/// fn layout() -> Result<Layout, BoxError> {
///     Ok(Layout::packed(PixelFormat::NV12, 0, 36)?)
/// }
///
/// let error = layout().unwrap_err();
/// assert_eq!(error.code(), Code::SizeInvalid);
/// let inside: &(dyn Error + 'static) = &*error;
/// assert!(matches!(inside.downcast_ref(), Some(rave_core::Error::Size { width: 0, height: 36 })));
/// let any: Box<dyn Error> = error.into();
/// # drop(any);
/// ```
pub type BoxError = Box<dyn CodedError>;

impl<E: CodedError> From<E> for BoxError {
    fn from(error: E) -> Self {
        Box::new(error)
    }
}

impl StdError for BoxError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        (**self).source()
    }
}

/// An error of a stage that is not part of RAVE.
#[derive(Debug)]
pub struct CustomError(Box<dyn StdError + Send + Sync>);

impl CustomError {
    /// Wraps any error or message, under the code [`Code::StageFailed`].
    pub fn new(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for CustomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for CustomError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

impl CodedError for CustomError {
    fn code(&self) -> Code {
        Code::StageFailed
    }
}

/// What can be wrong with frames, formats, colours and times.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A size is zero or too large to be addressed.
    #[error("frame size {width}x{height} is not usable: both sides must be from 1 to {max}", max = crate::MAX_SIDE)]
    Size {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// Planes, strides and buffer length contradict each other.
    #[error("{0}")]
    Layout(String),
    /// A conversion does not exist for the format.
    #[error("pixel format {format} cannot be {action}")]
    Format {
        /// The format, by its name.
        format: String,
        /// What was attempted, as a past participle.
        action: &'static str,
    },
    /// A conversion does not exist for the colour description.
    #[error("colour {what} is not supported: {reason}")]
    Color {
        /// The matrix, range or other property, by its name.
        what: String,
        /// Why not.
        reason: &'static str,
    },
    /// A rational number or time base has a zero denominator or is not positive.
    #[error("{numerator}/{denominator} is not a positive rational number")]
    Rational {
        /// Numerator.
        numerator: i64,
        /// Denominator.
        denominator: i64,
    },
}

impl CodedError for Error {
    fn code(&self) -> Code {
        match self {
            Error::Size { .. } => Code::SizeInvalid,
            Error::Layout(_) => Code::LayoutInvalid,
            Error::Format { .. } => Code::FormatUnsupported,
            Error::Color { .. } => Code::ColorUnsupported,
            Error::Rational { .. } => Code::TimeBaseInvalid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_names_are_unique() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0].number() < pair[1].number()));
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
