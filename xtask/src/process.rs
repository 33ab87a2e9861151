use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use crate::failure::Failure;

/// Where a program of this name lies, by `PATH`.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Runs a program that prints for itself; anything but success is a failure that names it.
pub fn run(command: &mut Command) -> Result<(), Failure> {
    let status = start(command)?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::Message(format!("`{}` failed ({status})", line(command))))
}

/// Runs a program that prints for itself; its exit status becomes ours.
pub fn run_through(command: &mut Command) -> Result<(), Failure> {
    match start(command)?.code() {
        Some(0) => Ok(()),
        Some(status) => Err(Failure::Exit(u8::try_from(status).unwrap_or(1))),
        None => Err(Failure::Message(format!("`{}` was killed by a signal", line(command)))),
    }
}

/// What a program writes to stdout; what it writes to stderr is shown only when it fails.
pub fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.stdin(Stdio::null()).output().map_err(|cause| not_started(command, &cause))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(Failure::Message(format!("`{}` failed ({}):\n{}", line(command), output.status, stderr.trim_end())))
}

/// Whether a program can be started and ends with success; its output is thrown away.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The cargo that called us.
pub fn cargo(root: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

/// A command as a person would type it, nearly.
pub fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn start(command: &mut Command) -> Result<ExitStatus, Failure> {
    command.status().map_err(|cause| not_started(command, &cause))
}

fn not_started(command: &Command, cause: &std::io::Error) -> Failure {
    Failure::Message(format!("cannot start `{}`: {cause}", line(command)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_status_is_passed_through() {
        assert_eq!(run_through(Command::new("sh").args(["-c", "exit 7"])), Err(Failure::Exit(7)));
        assert_eq!(run_through(&mut Command::new("true")), Ok(()));
    }

    #[test]
    fn a_failure_shows_the_command_and_what_it_said() {
        let Err(Failure::Message(message)) = output(Command::new("sh").args(["-c", "echo why >&2; exit 3"]))
        else {
            panic!("must fail");
        };
        assert!(message.contains("sh -c") && message.ends_with("why"), "{message}");
    }

    #[test]
    fn a_missing_program_is_named() {
        assert!(find_program("rave-no-such-program").is_none());
        let Err(Failure::Message(message)) = run(&mut Command::new("rave-no-such-program")) else {
            panic!("must fail");
        };
        assert!(message.starts_with("cannot start `rave-no-such-program`"), "{message}");
    }
}
