//! The `ffmpeg` program as a source of pictures and as another opinion.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Whether there is an ffmpeg program; prints why the caller skips if not.
pub fn is_installed() -> bool {
    let found = Command::new("ffmpeg").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_err() {
        println!("skipped: there is no ffmpeg program");
    }
    found.is_ok()
}

/// The media folder; prints why the caller skips if there is none.
pub fn media() -> Option<PathBuf> {
    let folder = std::env::var_os("RAVE_MEDIA").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: RAVE_MEDIA does not name the media folder");
    }
    folder
}

/// What ffmpeg writes to its output `-` as raw video with these arguments before it. One filter thread: with more,
/// `zscale` works on slices and does not see beyond their edges.
pub fn raw_video<S: AsRef<OsStr>>(arguments: &[S]) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-filter_threads", "1"])
        .args(arguments)
        .args(["-f", "rawvideo", "-"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
