use std::ffi::CString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::Error;

/// Where media are read from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A file; its name may be any bytes.
    File(PathBuf),
    /// Standard input, which can be read only once.
    Stdin,
}

impl Input {
    /// The name by which libav opens it. The protocol is named, so that no part of a file name is taken for one.
    pub(crate) fn url(&self) -> CString {
        match self {
            Self::File(path) => file_url(path),
            Self::Stdin => c"pipe:0".to_owned(),
        }
    }

    /// Whether it can be opened again and read from any place: standard input and pipes cannot.
    pub fn is_seekable(&self) -> bool {
        match self {
            Self::File(path) => fs::metadata(path).is_ok_and(|metadata| metadata.is_file()),
            Self::Stdin => false,
        }
    }

    /// Whether it can be read only once: standard input and named pipes.
    pub fn is_pipe(&self) -> bool {
        match self {
            Self::File(path) => fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo()),
            Self::Stdin => true,
        }
    }

    /// Refuses what is certainly no media file, with a reason that libav would not give.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let Self::File(path) = self else {
            return Ok(());
        };
        let metadata = fs::metadata(path).map_err(|error| self.system_error(error))?;
        let kind = metadata.file_type();
        if kind.is_dir() {
            return Err(self.unreadable("it is a folder"));
        }
        if kind.is_block_device() || kind.is_char_device() || kind.is_socket() {
            return Err(self.unreadable("it is a device or a socket, not a file"));
        }
        if kind.is_fifo() {
            return Ok(());
        }
        if metadata.len() == 0 {
            return Err(self.not_media("the file is empty"));
        }
        File::open(path).map_err(|error| self.system_error(error))?;
        Ok(())
    }

    fn system_error(&self, source: io::Error) -> Error {
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                Error::InputMissing { input: self.clone(), source }
            }
            _ => self.unreadable(&source.to_string()),
        }
    }

    pub(crate) fn unreadable(&self, reason: &str) -> Error {
        Error::InputUnreadable { input: self.clone(), reason: reason.to_owned() }
    }

    pub(crate) fn not_media(&self, reason: &str) -> Error {
        Error::InputNotMedia { input: self.clone(), reason: reason.to_owned() }
    }

    /// What a file that no demuxer recognises looks like.
    pub(crate) fn guess(&self) -> Option<&'static str> {
        const PEEK_BYTES: u64 = 1024;
        let Self::File(path) = self else {
            return None;
        };
        if !self.is_seekable() {
            return None;
        }
        let mut start = Vec::new();
        File::open(path).ok()?.take(PEEK_BYTES).read_to_end(&mut start).ok()?;
        describe_start(&start)
    }
}

fn describe_start(start: &[u8]) -> Option<&'static str> {
    if start.is_empty() {
        return Some("nothing can be read of it");
    }
    if start.starts_with(b"version https://git-lfs") {
        return Some("it is a Git LFS pointer, not the file itself: run `git lfs pull`");
    }
    if start.iter().all(|&byte| byte == 0) {
        return Some("it holds only zeros: an incomplete download?");
    }
    let lower = start.trim_ascii_start().to_ascii_lowercase();
    if lower.starts_with(b"<!doctype html") || lower.starts_with(b"<html") {
        return Some("it is a web page, not the file itself");
    }
    let is_text = |byte: &u8| *byte >= 0x20 || matches!(byte, b'\t' | b'\n' | b'\r');
    let whole = start.len() - start.utf8_chunks().last().map_or(0, |chunk| chunk.invalid().len());
    (start.iter().all(is_text) && std::str::from_utf8(&start[..whole]).is_ok()).then_some("it is a text file")
}

/// A file's name as libav takes it, byte for byte. A zero byte cannot be in a name that the system accepts.
pub(crate) fn file_url(path: &Path) -> CString {
    let mut url = b"file:".to_vec();
    url.extend(path.as_os_str().as_bytes().iter().take_while(|&&byte| byte != 0));
    CString::new(url).expect("zero bytes are cut off")
}

impl From<&Path> for Input {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<PathBuf> for Input {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Stdin => f.write_str("standard input"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_media_is_named() {
        for (start, word) in [
            (&b"version https://git-lfs.github.com/spec/v1\n"[..], "LFS"),
            (b"\n<!DOCTYPE html><html>", "web page"),
            (b"just some words\n", "text"),
            ("caf\u{e9} cut in a charact\u{e9}".as_bytes().split_last().unwrap().1, "text"),
            (&[0; 100], "zeros"),
        ] {
            assert!(describe_start(start).unwrap().contains(word), "{word}");
        }
        assert_eq!(describe_start(b"\x1aE\xdf\xa3\x01\x00\x00"), None);
    }

    #[test]
    fn names_are_taken_literally() {
        for name in ["-a.mp4", "http://x", "pipe:0", "a%03d.png"] {
            assert_eq!(file_url(Path::new(name)).to_bytes(), format!("file:{name}").as_bytes());
        }
    }
}
