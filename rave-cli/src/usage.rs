use std::fmt;

use rave_core::{Code, CodedError};

/// Arguments that contradict each other in a way that the parser does not see.
#[derive(Debug)]
pub struct Usage(pub String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

impl CodedError for Usage {
    fn code(&self) -> Code {
        Code::OptionInvalid
    }
}
