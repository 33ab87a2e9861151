//! `rave`: upscale video from the command line. What it does is in `rave-pipeline`; here are arguments, progress, JSON
//! and exit codes.

/// Prints a line on standard error. A reader that has gone away is no failure.
macro_rules! say {
    ($($arguments:tt)*) => {{
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{}\n", format_args!($($arguments)*)));
    }};
}

mod args;
mod bench;
mod compare;
#[cfg(feature = "debug-alloc")]
mod debug_alloc;
mod devices;
mod exit;
mod files;
mod inference;
mod json;
mod logging;
mod models;
mod picture;
mod probe;
mod progress;
mod report;
mod selftest;
mod signals;
mod stdout;
mod stress;
mod table;
mod upscale;
mod usage;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use rave_core::{BoxError, Code};

use args::{Cli, Command};

fn main() -> ExitCode {
    // SAFETY: the first statement of the program.
    unsafe { logging::quiet_encoders() };
    let arguments = with_long_flags(with_command(std::env::args_os().collect()));
    let is_json = arguments.iter().any(|argument| argument == "--json");
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return report_usage(&error, is_json),
    };
    let (result, is_json) = match &cli.command {
        Command::Upscale(args) => (upscale::run(args), args.reporting.json),
        Command::Probe(args) => (probe::run(args), args.json),
        Command::Models(args) => (models::run(args), args.json),
        Command::Devices(args) => (devices::run(args), args.json),
        Command::Bench(args) => (bench::run(args), args.json),
        Command::Selftest(args) => (selftest::run(args), args.json),
        Command::Compare(args) => (compare::run(args), args.json),
        Command::Verify(args) => (verify::run(args), args.json),
    };
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) => report(&error, is_json),
    }
}

/// `rave -i IN -o OUT` is `rave upscale -i IN -o OUT`.
fn with_command(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let is_upscale = arguments.get(1).and_then(|first| first.to_str()).is_none_or(|first| {
        !Command::NAMES.contains(&first) && !["-h", "--help", "-V", "--version"].contains(&first)
    });
    if is_upscale && arguments.len() > 1 {
        arguments.insert(1, "upscale".into());
    }
    arguments
}

/// FFmpeg's flags of more than one letter.
const FFMPEG_FLAGS: [(&str, &str); 6] = [
    ("-an", "--no-audio"),
    ("-sn", "--no-subtitles"),
    ("-dn", "--no-data"),
    ("-ss", "--start"),
    ("-t", "--duration"),
    ("-to", "--to"),
];

fn with_long_flags(arguments: Vec<OsString>) -> Vec<OsString> {
    let long = |argument: OsString| {
        let flag = FFMPEG_FLAGS.iter().find(|(short, _)| argument == *short);
        flag.map_or(argument, |(_, long)| long.into())
    };
    arguments.into_iter().map(long).collect()
}

/// Help and version are no errors; they go to standard output.
fn report_usage(error: &clap::Error, is_json: bool) -> ExitCode {
    if !error.use_stderr() {
        let printed = stdout::print(&error.render().to_string());
        return printed.map_or_else(|error| report(&error, false), |()| ExitCode::SUCCESS);
    }
    let _ = error.print();
    let code = Code::OptionInvalid;
    say!("rave: error {code}");
    if is_json {
        let first_line = error.to_string().lines().next().unwrap_or_default().to_owned();
        let _ = json::print(&json::failure(code, first_line.trim_start_matches("error: "), false));
    }
    ExitCode::from(exit::USAGE)
}

fn report(error: &BoxError, is_json: bool) -> ExitCode {
    say!("rave: {}", with_causes(error));
    say!("rave: error {}", error.code());
    if is_json {
        let _ = json::print(&json::failure(error.code(), &with_causes(error), error.is_recoverable()));
    }
    ExitCode::from(exit::status(error.code()))
}

/// The error's words and those of its causes that add something.
fn with_causes(error: &BoxError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command_of(arguments: &[&str]) -> Vec<OsString> {
        with_command(arguments.iter().map(OsString::from).collect())
    }

    #[test]
    fn upscale_is_the_command_that_is_meant() {
        assert_eq!(command_of(&["rave", "-i", "a"]), ["rave", "upscale", "-i", "a"]);
        for arguments in
            [&["rave"][..], &["rave", "probe", "a"], &["rave", "--help"], &["rave", "upscale", "-h"]]
        {
            assert_eq!(command_of(arguments), arguments);
        }
    }
}
