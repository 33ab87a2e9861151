//! The project's habits, as commands. `cargo xtask help` lists them.
#![forbid(unsafe_code)]

mod bench;
mod bundle;
mod ci;
mod failure;
mod fixtures;
mod kernels;
mod process;
mod run;
mod setup;
mod tidy;
mod workspace;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use failure::Failure;
use workspace::Workspace;

/// One command: how it is called, what it is for, and the function that does it.
struct Task {
    name: &'static str,
    usage: &'static str,
    summary: &'static str,
    details: &'static str,
    action: Action,
}

/// What does it, and whether it needs the checkout.
enum Action {
    Checkout(fn(&Workspace, &[OsString]) -> Result<(), Failure>),
    /// It looks for the checkout itself, if it needs one.
    Anywhere(fn(&[OsString]) -> Result<(), Failure>),
}

const TASKS: &[Task] = &[
    Task {
        name: "setup",
        usage: "setup",
        summary: "install what is missing to build and run; silent when nothing is",
        details: "FFmpeg's development packages and programs, libclang, pkg-config and pip come from apt-get\n\
                  (elsewhere their names are printed), ONNX Runtime's CPU library from PyPI, checked by SHA-256,\n\
                  into target/onnxruntime.",
        action: Action::Checkout(setup::task),
    },
    Task {
        name: "run",
        usage: "run [-- ARGS]",
        summary: "build the program and run it with ARGS",
        details: "The exit status is the program's. Without ARGS a short clip is made with ffmpeg in target/demo\n\
                  and upscaled. Example: cargo xtask run -- -i clip.mp4 -o clip-2x.mp4",
        action: Action::Checkout(run::task),
    },
    Task {
        name: "test",
        usage: "test [ARGS]",
        summary: "run all tests; ARGS go to cargo test",
        details: "RAVE_MEDIA names a folder of real media; tests that want it are skipped, and say so, without it.\n\
                  Example: cargo xtask test -p rave-core color",
        action: Action::Checkout(ci::test_task),
    },
    Task {
        name: "ci",
        usage: "ci",
        summary: "everything that must hold: fmt, clippy, tests, docs, tidy, examples",
        details: "Stops at the first step that fails.",
        action: Action::Checkout(ci::task),
    },
    Task {
        name: "fixtures",
        usage: "fixtures [--large]",
        summary: "make the test clips in target/fixtures from ffmpeg's test sources",
        details: "A clip that is up to date is not made again. --large adds those of 1080p.",
        action: Action::Checkout(fixtures::task),
    },
    Task {
        name: "kernels",
        usage: "kernels [--check]",
        summary: "make the GPU kernels' PTX from their CUDA C++",
        details: kernels::DETAILS,
        action: Action::Checkout(kernels::task),
    },
    Task {
        name: "bench",
        usage: "bench cpu|gpu|encode|media",
        summary: "measure against a peer in the same run; JSON goes to target/bench",
        details: bench::DETAILS,
        action: Action::Anywhere(bench::task),
    },
    Task {
        name: "bundle",
        usage: "bundle [--only TEXT]",
        summary: "a folder with program, GPU tests and libraries, for a machine without FFmpeg",
        details: bundle::BUNDLE_DETAILS,
        action: Action::Checkout(bundle::task),
    },
    Task {
        name: "dist",
        usage: "dist",
        summary: "a folder with the program and all that it needs, for users",
        details: bundle::DIST_DETAILS,
        action: Action::Checkout(bundle::dist_task),
    },
    Task {
        name: "tidy",
        usage: "tidy",
        summary: "check what compilers do not: crate edges, root folder, file sizes, docs",
        details: "Prints every finding as FILE:LINE: MESSAGE; fails unless all are warnings.",
        action: Action::Checkout(tidy::task),
    },
];

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Exit(status)) => ExitCode::from(status),
        Err(Failure::Usage(message)) => {
            eprintln!("error: {message}\nRun `cargo xtask help` for the commands.");
            ExitCode::from(2)
        }
        Err(Failure::Message(message)) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[OsString]) -> Result<(), Failure> {
    let Some((first, rest)) = arguments.split_first() else {
        print_overview();
        return Ok(());
    };
    match first.to_str() {
        Some("help" | "-h" | "--help") => print_help(rest),
        Some(name) => {
            let task = find(name)?;
            if matches!(rest.first().and_then(|word| word.to_str()), Some("-h" | "--help")) {
                print_task(task);
                return Ok(());
            }
            match task.action {
                Action::Checkout(action) => action(&Workspace::find()?, rest),
                Action::Anywhere(action) => action(rest),
            }
        }
        None => Err(unknown(&first.to_string_lossy())),
    }
}

fn find(name: &str) -> Result<&'static Task, Failure> {
    TASKS.iter().find(|task| task.name == name).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> Failure {
    Failure::Usage(format!("there is no command `{name}`"))
}

fn print_help(names: &[OsString]) -> Result<(), Failure> {
    match names.first() {
        Some(name) => print_task(find(&name.to_string_lossy())?),
        None => print_overview(),
    }
    Ok(())
}

fn print_overview() {
    println!("Usage: cargo xtask COMMAND\n");
    for task in TASKS {
        println!("  {:<28}{}", task.usage, task.summary);
    }
    println!(
        "\n`cargo xtask help COMMAND` says more. Every command but tidy, fixtures and kernels calls setup first."
    );
}

fn print_task(task: &Task) {
    println!("Usage: cargo xtask {}\n\n{}.\n{}", task.usage, task.summary, task.details);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_command_is_a_usage_error() {
        let result = dispatch(&[OsString::from("tset")]);
        assert!(matches!(result, Err(Failure::Usage(message)) if message.contains("tset")));
    }

    #[test]
    fn every_usage_starts_with_its_name() {
        assert!(TASKS.iter().all(|task| task.usage.split(' ').next() == Some(task.name)));
    }
}
