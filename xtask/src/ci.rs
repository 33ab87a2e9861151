use std::env;
use std::ffi::OsString;
use std::process::Command;
use std::time::Instant;

use crate::failure::Failure;
use crate::workspace::Workspace;
use crate::{kernels, process, setup, tidy};

type Step = (&'static str, fn(&Workspace) -> Result<(), Failure>);

/// In this order: what is quick and what fails most comes first. All use cargo's dev profile, so that nothing is
/// built twice.
const STEPS: &[Step] = &[
    ("fmt", |workspace| process::run(process::cargo(&workspace.root).args(["fmt", "--all", "--check"]))),
    ("clippy", |workspace| {
        let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        process::run(process::cargo(&workspace.root).args(arguments))
    }),
    ("test", |workspace| process::run(&mut test_command(workspace, &[])?)),
    ("docs", |workspace| {
        let mut cargo = process::cargo(&workspace.root);
        process::run(cargo.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
    }),
    ("kernels", kernels::check_if_possible),
    ("tidy", |workspace| tidy::task(workspace, &[])),
    ("examples", |workspace| {
        process::run(process::cargo(&workspace.root).args(["build", "--workspace", "--examples"]))
    }),
];

/// `ci`.
pub fn task(workspace: &Workspace, _: &[OsString]) -> Result<(), Failure> {
    setup::ensure(workspace)?;
    let start = Instant::now();
    for (name, step) in STEPS {
        timed(name, || step(workspace))?;
    }
    println!("== ci: passed in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// `test [ARGS]`.
pub fn test_task(workspace: &Workspace, arguments: &[OsString]) -> Result<(), Failure> {
    setup::ensure(workspace)?;
    timed("test", || process::run_through(&mut test_command(workspace, arguments)?))
}

fn timed(name: &str, step: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    println!("== {name}");
    let start = Instant::now();
    let result = step();
    let outcome = if result.is_ok() { "passed" } else { "FAILED" };
    println!("== {name}: {outcome} after {:.1} s", start.elapsed().as_secs_f64());
    result
}

/// `cargo test` on the whole workspace, unless the arguments name packages.
fn test_command(workspace: &Workspace, arguments: &[OsString]) -> Result<Command, Failure> {
    let mut command = process::cargo(&workspace.root);
    command.arg("test");
    if !names_packages(arguments) {
        command.arg("--workspace");
    }
    command.args(arguments);
    if let Some(folder) = env::var_os("RAVE_MEDIA") {
        // Tests run in their crate's folder: a relative path would mean another one there.
        let folder = env::current_dir().map_err(|cause| format!("current folder: {cause}"))?.join(folder);
        command.env("RAVE_MEDIA", folder);
    }
    Ok(command)
}

fn names_packages(arguments: &[OsString]) -> bool {
    let options = arguments.iter().take_while(|argument| *argument != "--");
    options.filter_map(|argument| argument.to_str()).any(|argument| {
        argument.starts_with("-p") || argument == "--package" || argument.starts_with("--package=")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_recognised_before_the_double_dash() {
        for (arguments, expected) in [
            (vec![], false),
            (vec!["color"], false),
            (vec!["-p", "rave-core"], true),
            (vec!["-prave-core"], true),
            (vec!["--package=rave-core"], true),
            (vec!["--", "-p"], false),
        ] {
            let arguments: Vec<OsString> = arguments.into_iter().map(OsString::from).collect();
            assert_eq!(names_packages(&arguments), expected, "{arguments:?}");
        }
    }
}
