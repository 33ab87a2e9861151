//! Runs the program as a user does, on clips that the ffmpeg program makes.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A folder that goes away with the test.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn file(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.0.path().join(name.as_ref())
    }

    /// Names of the files in it.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Makes a clip with ffmpeg's `arguments`; the file's name comes last.
    pub fn clip(&self, name: impl AsRef<OsStr>, arguments: &str) -> PathBuf {
        let path = self.file(name);
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-y", "-nostdin"]).args(arguments.split_whitespace()).arg(&path);
        let output = command.output().expect("the ffmpeg program is needed for the tests");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        path
    }
}

/// What the program answered.
pub struct Answer {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    /// The JSON object on standard output, which must be all that is there.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    #[track_caller]
    pub fn succeeded(&self) -> &Self {
        assert_eq!(self.status, 0, "{}", self.stderr);
        self
    }

    /// The error's name, from the line `rave: error E301 input-missing`.
    pub fn error_name(&self) -> &str {
        let line = self.stderr.lines().find_map(|line| line.strip_prefix("rave: error E"));
        line.and_then(|line| line.split_once(' ')).map_or("", |(_, name)| name)
    }
}

pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rave"));
    command.stdin(Stdio::null());
    command
}

/// Runs the program; a signal counts as status -1.
pub fn rave<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Answer {
    answer(command().args(arguments).output().unwrap())
}

pub fn answer(output: Output) -> Answer {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let answer = Answer {
        status: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    };
    assert!(!answer.stderr.contains("panicked"), "{}", answer.stderr);
    answer
}

/// Upscales with the interpolation model and JSON output, and with a fast preset where something is encoded.
pub fn upscale(input: &Path, output: &Path, further: &[&str]) -> Answer {
    let arguments = [OsStr::new("-i"), input.as_os_str(), OsStr::new("-o"), output.as_os_str()];
    let is_encoded =
        !["null:", "hash:", "-"].map(Path::new).contains(&output) && !has_extension(output, &["y4m", "yuv"]);
    let preset = if is_encoded { &["--preset", "ultrafast"][..] } else { &[] };
    let flags = ["--json", "-m", "resize-cubic-x2"].iter().chain(preset).chain(further);
    rave(arguments.into_iter().chain(flags.map(OsStr::new)))
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|extension| extensions.iter().any(|known| extension == *known))
}

/// A field of each frame of the first video stream, as ffprobe prints it.
pub fn frames(path: &Path, field: &str) -> Vec<String> {
    probe(path, &["-select_streams", "v:0", "-show_entries", &format!("frame={field}")])
}

/// ffprobe's bare values, a line each.
pub fn probe(path: &Path, arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-of", "default=nw=1:nk=1"]).args(arguments).arg(path);
    let output = command.output().expect("the ffprobe program is needed for the tests");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// MP4 whose index stands behind its data, with a box added to the first track's sample entry of this name.
pub fn with_box(mut mp4: Vec<u8>, entry: &[u8; 4], added: &[u8]) -> Vec<u8> {
    let (mut at, mut end, mut places) = (0, mp4.len(), Vec::new());
    let path =
        [(b"moov", 8), (b"trak", 8), (b"mdia", 8), (b"minf", 8), (b"stbl", 8), (b"stsd", 16), (entry, 8)];
    for (name, header) in path {
        let size = |at: usize| u32::from_be_bytes(mp4[at..at + 4].try_into().unwrap());
        while &mp4[at + 4..at + 8] != name {
            at += size(at) as usize;
            assert!(at < end, "no {}", String::from_utf8_lossy(name));
        }
        end = at + size(at) as usize;
        places.push((at, size(at) + added.len() as u32));
        at += header;
    }
    for (place, size) in places {
        mp4[place..place + 4].copy_from_slice(&size.to_be_bytes());
    }
    mp4.splice(end..end, added.iter().copied());
    mp4
}
