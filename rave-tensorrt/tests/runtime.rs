//! Loading the library. All in one test: a process loads it once.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rave_core::{Code, CodedError};
use rave_tensorrt::{Error, Runtime};
use support::library_folder;

#[test]
fn the_library_is_looked_for_where_it_was_said() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.so");
    let text = folder.path().join("text.so");
    fs::write(&text, "not a library").unwrap();

    let error = Runtime::load(Some(&missing), &[library_folder()]).unwrap_err();
    assert_eq!(error.code(), Code::RuntimeMissing);
    assert!(error.to_string().ends_with("missing.so (does not exist)"), "{error}");

    let error = Runtime::load(Some(&text), &[]).unwrap_err();
    let Error::RuntimeMissing { tried } = &error else { panic!("{error}") };
    assert_eq!(tried.len(), 1, "an explicit library is the only one that is tried");
    assert!(error.to_string().contains("text.so"), "{error}");

    let error = Runtime::load(Some(&a_library_without_the_interface()), &[]).unwrap_err();
    assert!(error.to_string().contains("OrtGetApiBase"), "{error}");

    if let Some(old) = an_old_library(folder.path()) {
        let error = Runtime::load(Some(&old), &[]).unwrap_err();
        assert_eq!(error.code(), Code::RuntimeVersion);
        assert!(error.to_string().ends_with("is ONNX Runtime 1.16.3; at least 1.17 is needed"), "{error}");
    }

    let further = [missing, folder.path().to_path_buf(), text, library_folder()];
    let runtime = Runtime::load(None, &further).unwrap_or_else(|error| {
        panic!("{error}\nthe tests need ONNX Runtime: run `cargo xtask setup` first")
    });
    assert!(runtime.version().starts_with("1."), "{}", runtime.version());
    assert!(runtime.path().is_file());

    let again = Runtime::load(Some(&library_folder()), &[]).unwrap();
    assert_eq!(again.path(), runtime.path());
    let error = Runtime::load(Some(&further[2]), &[]).unwrap_err();
    assert!(error.to_string().contains("has loaded"), "{error}");
}

/// Some shared library that every system has.
fn a_library_without_the_interface() -> PathBuf {
    PathBuf::from(if cfg!(target_os = "macos") { "libz.dylib" } else { "libc.so.6" })
}

/// A library that says of itself to be version 1.16.3, or nothing where there is no C compiler.
fn an_old_library(folder: &Path) -> Option<PathBuf> {
    let (source, library) = (folder.join("old.c"), folder.join("libonnxruntime.so.1.16.3"));
    let code = r#"
        static const char *version(void) { return "1.16.3"; }
        static const struct { const void *api; const char *(*version)(void); } base = { 0, version };
        const void *OrtGetApiBase(void) { return &base; }
    "#;
    fs::write(&source, code).unwrap();
    let compiler = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status();
    match compiler {
        Ok(status) if status.success() => Some(library),
        _ => {
            println!("skipped the version check: no C compiler");
            None
        }
    }
}
