use std::{env, io};

use tracing::Level;

/// Logs to standard error: warnings unless `verbose` asks for more.
pub fn start(is_quiet: bool, verbose: u8) {
    let level = match (is_quiet, verbose) {
        (true, _) => Level::ERROR,
        (false, 0) => Level::WARN,
        (false, 1) => Level::DEBUG,
        (false, _) => Level::TRACE,
    };
    tracing_subscriber::fmt().with_writer(io::stderr).with_max_level(level).without_time().init();
}

/// Asks encoders that print on standard error by themselves for errors only.
///
/// # Safety
/// No other thread runs yet.
pub unsafe fn quiet_encoders() {
    const SVT_AV1: &str = "SVT_LOG";
    const ERRORS: &str = "1";
    if env::var_os(SVT_AV1).is_none() {
        // SAFETY: the caller vouches for it.
        unsafe { env::set_var(SVT_AV1, ERRORS) };
    }
}
