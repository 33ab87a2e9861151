use std::fs;
use std::process::Command;
use std::thread;

use serde_json::{Value, json};

use crate::process;
use crate::workspace::Workspace;

/// What a figure depends on and does not say itself.
pub fn describe(workspace: &Workspace) -> Value {
    json!({
        "name": line(Command::new("uname").arg("-n")),
        "system": line(Command::new("uname").arg("-srm")),
        "cpu": cpu_model(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()),
        "threads": threads(),
        "date": line(Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"])),
        "commit": line(Command::new("git").current_dir(&workspace.root).args(["describe", "--always", "--dirty"])),
        "ffmpeg": line(Command::new("ffmpeg").arg("-version")),
    })
}

/// Hardware threads that this process may use.
pub fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn cpu_model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, model)| model.trim())
}

fn line(command: &mut Command) -> Option<String> {
    let text = process::output(command).ok()?;
    text.lines().next().map(|line| line.trim().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_read_from_cpuinfo() {
        assert_eq!(
            cpu_model("processor\t: 0\nmodel name\t: A CPU @ 2 GHz\nflags: x\n"),
            Some("A CPU @ 2 GHz")
        );
        assert_eq!(cpu_model("processor\t: 0\n"), None);
    }
}
