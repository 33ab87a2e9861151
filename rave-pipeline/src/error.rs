use std::error::Error as StdError;
use std::fmt;

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
    /// The run was abandoned through its [`Control`](crate::Control).
    Abandoned,
    /// The system refused a thread.
    Thread(std::io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stage { stage, source } => write!(f, "{stage}: {source}"),
            Self::Panicked { stage, message } => {
                write!(
                    f,
                    "{stage}: panicked: {message}; this is a bug, please report it with the command line"
                )
            }
            Self::Abandoned => f.write_str("abandoned on request"),
            Self::Thread(error) => write!(f, "a thread could not be started: {error}"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            // The stage's own words are in this error's message; the chain goes on below them.
            Self::Stage { source, .. } => source.source(),
            _ => None,
        }
    }
}

impl CodedError for Error {
    fn code(&self) -> Code {
        match self {
            Self::Stage { source, .. } => source.code(),
            Self::Panicked { .. } => Code::StagePanicked,
            Self::Abandoned => Code::Cancelled,
            Self::Thread(_) => Code::OutOfMemory,
        }
    }

    fn is_recoverable(&self) -> bool {
        match self {
            Self::Stage { source, .. } => source.is_recoverable(),
            _ => false,
        }
    }
}
