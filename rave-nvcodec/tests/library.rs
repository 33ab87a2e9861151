//! Loading where there is no NVIDIA driver: the errors say what was tried.

#![allow(clippy::unwrap_used, reason = "all of it is test code")]

use rave_core::{Code, CodedError};
use rave_nvcodec::{Interface, LibraryError, NvdecLibrary, NvencLibrary};

const ABSENT: &[&str] = &["librave-absent-1.so", "/nowhere/librave-absent-2.so"];

fn open_decoding(places: &[&str]) -> LibraryError {
    // SAFETY: the places are absent or hold libc, which exports no function of NVIDIA's.
    unsafe { NvdecLibrary::open_from(places) }.unwrap_err()
}

fn open_encoding(places: &[&str]) -> LibraryError {
    // SAFETY: as above.
    unsafe { NvencLibrary::open_from(places) }.unwrap_err()
}

#[test]
fn a_missing_library_names_every_place_and_the_loaders_words() {
    let decoding = open_decoding(ABSENT);
    assert_eq!(decoding.code(), Code::NvdecMissing);
    let encoding = open_encoding(ABSENT);
    assert_eq!(encoding.code(), Code::NvencMissing);
    for error in [decoding, encoding] {
        let text = error.to_string();
        assert!(ABSENT.iter().all(|place| text.contains(place)), "{text}");
        let LibraryError::Missing { tried, .. } = error else { panic!("{text}") };
        assert!(tried.iter().all(|attempt| !attempt.reason.is_empty()), "{text}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_library_without_the_functions_is_named_with_the_first_that_is_missing() {
    let places = ["librave-absent-1.so", "libc.so.6"];
    let LibraryError::Symbol { interface, place, symbol, .. } = open_decoding(&places) else {
        panic!("libc decodes no video");
    };
    assert_eq!((interface, place.as_str()), (Interface::Nvdec, "libc.so.6"));
    assert_eq!(symbol, "cuvidGetDecoderCaps");
    let error = open_encoding(&places);
    assert!(error.to_string().contains("NvEncodeAPIGetMaxSupportedVersion"), "{error}");
    assert_eq!(error.code(), Code::CodecDriverTooOld);
}

#[test]
fn with_a_driver_the_libraries_load_and_without_one_they_are_missing() {
    match NvdecLibrary::open() {
        Ok(_) => println!("NVDEC's library is here"),
        Err(error) => assert_eq!(error.code(), Code::NvdecMissing, "{error}"),
    }
    match NvencLibrary::open() {
        Ok(library) => println!("NVENC {}", library.version()),
        Err(error) => assert_eq!(error.code(), Code::NvencMissing, "{error}"),
    }
}
