use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rave_core::{BoxError, Code, CodedError};

/// Why a chain did not complete.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A source, stage or sink returned an error; it is the first one of the run.
    Stage {
        /// The stage's name.
        stage: String,
        /// What the stage said.
        source: BoxError,
    },
    /// A source, stage or sink panicked.
    Panicked {
        /// The stage's name.
        stage: String,
        /// The panic's message.
        message: String,
    },
    /// Nothing has moved in the chain for too long.
    Stalled {
        /// The stage that does not return.
        stage: String,
        /// For how long it was waited.
        limit: Duration,
    },
    /// The run was abandoned through its [`Control`](crate::Control).
    Abandoned,
    /// The system refused a thread.
    Thread(std::io::Error),
    /// Preparing the job failed in one of the layers below, which says all there is to say.
    Leaf(BoxError),
    /// The output's name is that of the source, maybe through a link.
    OutputIsInput {
        /// The output as given.
        path: PathBuf,
    },
    /// There is a file with the output's name.
    OutputExists {
        /// The output.
        path: PathBuf,
    },
    /// The output cannot be created or renamed.
    OutputUnwritable {
        /// The output.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The output is complete and checked, but cannot be given its name.
    OutputUnnamed {
        /// The output.
        path: PathBuf,
        /// The output under its temporary name.
        temporary: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// There is no room for the output.
    DiskFull {
        /// The output.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The job needs more memory than there is.
    Memory {
        /// Estimated need, in bytes.
        needed_bytes: u64,
        /// What the system can give, in bytes.
        available_bytes: u64,
    },
    /// The output cannot be read back.
    OutputUnreadable {
        /// The output under its temporary name.
        path: PathBuf,
        /// What reading it gave.
        source: BoxError,
    },
    /// The output is complete, but the source can no longer be read to compare them.
    OutputUnchecked {
        /// The output under its temporary name.
        path: PathBuf,
        /// What reading the source gave.
        source: BoxError,
    },
    /// Another number of frames was written than decoded.
    FramesLost {
        /// Frames that were decoded.
        decoded: u64,
        /// Frames that arrived.
        written: u64,
    },
    /// A lane gave another number of items than it was dealt.
    LaneUneven {
        /// The lane's label.
        label: String,
    },
    /// Two videos cannot be compared as asked.
    NotComparable {
        /// Why not.
        reason: String,
    },
    /// libvmaf, which was asked for, cannot be used.
    Vmaf {
        /// Why not.
        reason: String,
    },
    /// The output is not what it has to be.
    #[cfg(feature = "upscale")]
    Mismatch {
        /// The output under its temporary name.
        path: PathBuf,
        /// The first difference.
        finding: Box<crate::Finding>,
    },
}

impl Error {
    #[cfg(feature = "upscale")]
    pub(crate) fn leaf(error: impl Into<BoxError>) -> Self {
        Self::Leaf(error.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stage { stage, source } => write!(f, "{stage}: {source}"),
            Self::Panicked { stage, message } => {
                write!(f, "{stage}: panicked: {message}; this is a bug, please report it")
            }
            Self::Stalled { stage, limit } => {
                write!(f, "{stage}: stalled: nothing has moved for {:.1} s", limit.as_secs_f64())
            }
            Self::Abandoned => f.write_str("abandoned on request"),
            Self::Thread(error) => write!(f, "a thread could not be started: {error}"),
            Self::Leaf(error) => error.fmt(f),
            Self::OutputIsInput { path } => {
                write!(f, "output {} is the input; give it another name", path.display())
            }
            Self::OutputExists { path } => {
                write!(f, "output {} exists; it is replaced only when asked (-y)", path.display())
            }
            Self::OutputUnwritable { path, source } => {
                write!(f, "output {} cannot be written: {source}", path.display())
            }
            Self::OutputUnnamed { path, temporary, source } => {
                let (path, temporary) = (path.display(), temporary.display());
                write!(
                    f,
                    "the output is complete but cannot be named {path}: {source}; it is kept as {temporary}"
                )
            }
            Self::DiskFull { path, source } => write!(f, "no room for output {}: {source}", path.display()),
            Self::Memory { needed_bytes, available_bytes } => {
                let [needed, available] = [needed_bytes, available_bytes].map(|bytes| bytes >> 20);
                write!(f, "the job needs about {needed} MiB of memory, {available} MiB are available")
            }
            Self::OutputUnreadable { path, source } => {
                write!(f, "the output cannot be read back: {source}; it is kept as {}", path.display())
            }
            Self::OutputUnchecked { path, source } => {
                let path = path.display();
                write!(f, "the output is complete but cannot be checked: {source}; it is kept as {path}")
            }
            Self::FramesLost { decoded, written } => {
                write!(
                    f,
                    "{decoded} frames were decoded, {written} were written; this is a bug, please report it"
                )
            }
            Self::LaneUneven { label } => {
                write!(f, "{label} did not give one frame for each; this is a bug, please report it")
            }
            Self::NotComparable { reason } => write!(f, "the videos cannot be compared: {reason}"),
            Self::Vmaf { reason } => write!(f, "libvmaf cannot be used: {reason}"),
            #[cfg(feature = "upscale")]
            Self::Mismatch { path, finding } => {
                write!(f, "the output did not pass its check: {finding}; it is kept as {}", path.display())
            }
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            // The stage's own words are in this error's message; the chain goes on below them.
            Self::Stage { source, .. }
            | Self::Leaf(source)
            | Self::OutputUnreadable { source, .. }
            | Self::OutputUnchecked { source, .. } => source.source(),
            _ => None,
        }
    }
}

impl CodedError for Error {
    fn code(&self) -> Code {
        match self {
            Self::Stage { source, .. } | Self::Leaf(source) | Self::OutputUnchecked { source, .. } => {
                source.code()
            }
            Self::OutputIsInput { .. } => Code::OutputIsInput,
            Self::OutputExists { .. } => Code::OutputExists,
            Self::OutputUnnamed { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
                Code::OutputExists
            }
            Self::OutputUnwritable { .. } | Self::OutputUnnamed { .. } => Code::OutputUnwritable,
            Self::DiskFull { .. } => Code::DiskFull,
            Self::Memory { .. } => Code::MemoryEstimate,
            Self::OutputUnreadable { .. } => Code::OutputUnreadable,
            Self::FramesLost { .. } => Code::FrameCountMismatch,
            Self::LaneUneven { .. } => Code::InvariantBroken,
            Self::NotComparable { .. } => Code::NotComparable,
            Self::Vmaf { .. } => Code::VmafMissing,
            #[cfg(feature = "upscale")]
            Self::Mismatch { finding, .. } => finding.aspect.code(),
            Self::Panicked { .. } => Code::StagePanicked,
            Self::Stalled { .. } => Code::StageStalled,
            Self::Abandoned => Code::Cancelled,
            Self::Thread(_) => Code::OutOfMemory,
        }
    }

    fn is_recoverable(&self) -> bool {
        match self {
            Self::Stage { source, .. } | Self::Leaf(source) => source.is_recoverable(),
            _ => false,
        }
    }
}
