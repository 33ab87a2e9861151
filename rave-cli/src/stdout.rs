use std::io::{self, Write};

use rave_core::{BoxError, Code, CodedError};

/// A result that could not be printed.
#[derive(Debug)]
struct PrintError(io::Error);

impl std::fmt::Display for PrintError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "standard output cannot be written: {}", self.0)
    }
}

impl std::error::Error for PrintError {}

impl CodedError for PrintError {
    fn code(&self) -> Code {
        if self.0.kind() == io::ErrorKind::StorageFull { Code::DiskFull } else { Code::OutputUnwritable }
    }
}

/// Prints a result. A reader that has gone away is no failure.
pub fn print(text: &str) -> Result<(), BoxError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(PrintError(error).into()),
        _ => Ok(()),
    }
}
