//! What must hold on a machine without a GPU, which is where most tests run.

use rave_core::CodedError;
use rave_cuda::{Device, Error};

#[test]
fn opening_a_gpu_where_there_is_none_is_an_error_and_no_panic() {
    let Err(error) = Device::open(0) else {
        println!("skipped: there is a GPU");
        return;
    };
    assert_eq!(error.code().number() / 100, 1, "{error}");
    assert!(!error.is_recoverable());
    assert!(Device::list().is_err());
    if matches!(error, Error::NoDriver) {
        assert_eq!(
            error.to_string(),
            "no NVIDIA driver: its library (libcuda.so.1, nvcuda.dll) cannot be loaded"
        );
    }
}

#[test]
fn a_wrong_ordinal_says_how_many_there_are() {
    match Device::open(1000) {
        Err(Error::Ordinal { ordinal: 1000, count }) => assert!(count > 0),
        Err(error) => println!("skipped: {error}"),
        Ok(_) => panic!("there are not that many"),
    }
}
