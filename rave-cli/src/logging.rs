use std::io;

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
