//! Which providers there are, and what is said about those that are not. Without a GPU all of it is real.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

mod support;

use rave_core::{Code, CodedError};
use rave_tensorrt::{Error, Provider, Refused};
use support::runtime;

/// What the ONNX Runtime of these tests says of a provider that it was built without; nothing where it has it.
fn missing(provider: Provider) -> Option<String> {
    match provider.check(&runtime(), 0) {
        Err(error @ Error::ProviderMissing { .. }) => Some(error.to_string()),
        other => {
            println!("skipped: this ONNX Runtime has the {provider} provider: {other:?}");
            None
        }
    }
}

#[test]
fn a_runtime_without_a_provider_says_so() {
    for (provider, name) in [(Provider::Cuda, "CUDA"), (Provider::TensorRt, "TensorRT")] {
        let Some(text) = missing(provider) else { continue };
        let path = runtime().path().display().to_string();
        assert_eq!(text, format!("the ONNX Runtime at {path} was built without the {name} provider"));
    }
}

#[test]
fn the_cpu_is_always_there() {
    Provider::Cpu.check(&runtime(), 0).unwrap();
    let (provider, refused) = Provider::choose(&runtime(), &[Provider::Cpu], 0).unwrap();
    assert_eq!((provider, refused), (Provider::Cpu, vec![]));
}

#[test]
fn providers_are_tried_in_their_order_and_each_refusal_is_kept() {
    let (Some(cuda), Some(tensorrt)) = (missing(Provider::Cuda), missing(Provider::TensorRt)) else { return };
    let all = [Provider::TensorRt, Provider::Cuda, Provider::Cpu];
    let (provider, refused) = Provider::choose(&runtime(), &all, 0).unwrap();
    let of = |provider, reason: &String| Refused { provider, reason: reason.clone() };
    assert_eq!(provider, Provider::Cpu);
    assert_eq!(refused, [of(Provider::TensorRt, &tensorrt), of(Provider::Cuda, &cuda)]);

    let error = Provider::choose(&runtime(), &all[..2], 0).unwrap_err();
    assert_eq!(error.code(), Code::ProviderRefused);
    let expected = format!("no execution provider can be used; TensorRT: {tensorrt}; CUDA: {cuda}");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn one_provider_that_is_asked_for_fails_by_its_own_error() {
    if missing(Provider::Cuda).is_some() {
        let error = Provider::choose(&runtime(), &[Provider::Cuda], 0).unwrap_err();
        assert_eq!(error.code(), Code::ProviderMissing);
    }
}

/// Where ONNX Runtime has the providers but NVIDIA's libraries are not installed.
#[test]
fn a_library_that_does_not_load_is_named_by_the_loader() {
    for (provider, libraries) in
        [(Provider::TensorRt, ["libnvinfer", "libcublas"]), (Provider::Cuda, ["libcublas", "libcudart"])]
    {
        match provider.check(&runtime(), 0) {
            Err(error @ Error::ProviderLoad { .. }) => {
                assert_eq!(error.code(), Code::ProviderLoadFailed);
                let text = error.to_string();
                println!("{text}");
                assert!(
                    text.starts_with(&format!("the {provider} provider cannot be loaded from ")),
                    "{text}"
                );
                assert!(libraries.iter().any(|library| text.contains(library)), "{text}");
            }
            other => println!("skipped: {provider}: {other:?}"),
        }
    }
}
