use std::path::Path;

/// Why a command did not succeed.
#[derive(Debug, PartialEq)]
pub enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// What went wrong, and what to do.
    Message(String),
    /// A program that has already said what went wrong ended with this status.
    Exit(u8),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Failure::Message(message)
    }
}

/// Says which file an IO error is about.
pub trait OnPath<T> {
    /// Turns an error into `cannot ACTION PATH: CAUSE`.
    fn on(self, action: &str, path: &Path) -> Result<T, Failure>;
}

impl<T, E: std::fmt::Display> OnPath<T> for Result<T, E> {
    fn on(self, action: &str, path: &Path) -> Result<T, Failure> {
        self.map_err(|cause| Failure::Message(format!("cannot {action} {}: {cause}", path.display())))
    }
}
