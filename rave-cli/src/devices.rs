use rave_core::{BoxError, CodedError};
use rave_cuda::{Device, DeviceInfo};
use rave_nvcodec::{Capabilities, CodecCapabilities, EncoderCapabilities, NvdecLibrary, NvencLibrary};
use rave_tensorrt::{Provider, Runtime};
use serde_json::{Value, json};

use crate::args::DevicesArgs;
use crate::{json, logging, stdout, table, upscale};

pub fn run(args: &DevicesArgs) -> Result<u8, BoxError> {
    logging::start(false, 0);
    let runtime = upscale::runtime(args.ort_lib.as_deref());
    let devices = Device::list();
    let infos = devices.as_deref().unwrap_or_default();
    let gpus: Vec<_> = infos.iter().map(|info| Gpu::ask(info.clone(), runtime.as_ref().ok())).collect();
    let none = devices.as_ref().err();
    if args.json {
        json::print(&json!({
            "version": json::VERSION,
            "devices": gpus.iter().map(Gpu::json).collect::<Vec<_>>(),
            "no_device": none.map(|error| reason(error)),
            "onnx_runtime": runtime_json(&runtime),
        }))?;
        return Ok(0);
    }
    let mut text: String = gpus.iter().map(Gpu::text).collect();
    if let Some(error) = none {
        text += &format!("no GPU can be used: {error}\n");
    }
    text += &match &runtime {
        Ok(runtime) => format!("ONNX Runtime {} ({})\n", runtime.version(), runtime.path().display()),
        Err(error) => format!("ONNX Runtime cannot be used: {error}\n"),
    };
    stdout::print(&text)?;
    Ok(0)
}

/// A GPU and what can run on it, or why not.
struct Gpu {
    info: DeviceInfo,
    decoders: Result<Vec<Capabilities>, BoxError>,
    encoders: Result<EncoderCapabilities, BoxError>,
    providers: Vec<(Provider, Result<(), BoxError>)>,
}

impl Gpu {
    fn ask(info: DeviceInfo, runtime: Option<&Runtime>) -> Self {
        let ordinal = info.ordinal;
        let check = |provider: Provider| {
            runtime.map(|runtime| (provider, provider.check(runtime, ordinal).map_err(BoxError::from)))
        };
        let providers = [Provider::TensorRt, Provider::Cuda].into_iter().filter_map(check).collect();
        Self { decoders: decoders(ordinal), encoders: encoders(ordinal), providers, info }
    }

    fn text(&self) -> String {
        let info = &self.info;
        let (major, minor) = info.compute_capability;
        let (cuda_major, cuda_minor) = info.cuda_version;
        let driver = info.driver_version.as_deref().unwrap_or("of unknown version");
        let mib = |bytes: usize| bytes >> 20;
        let mut rows = vec![
            (format!("cuda:{}", info.ordinal), info.name.clone()),
            ("capability".into(), format!("{major}.{minor}, {} multiprocessors", info.multiprocessors)),
            ("memory".into(), format!("{} MiB, {} MiB free", mib(info.total_bytes), mib(info.free_bytes))),
            ("driver".into(), format!("{driver}, CUDA {cuda_major}.{cuda_minor}")),
            ("id".into(), format!("{}, PCI {}", info.uuid, info.pci_bus_id)),
        ];
        rows.extend(list("decodes", &self.decoders, |decoders| decoders.iter().map(decoder_text).collect()));
        rows.extend(list("encodes", &self.encoders, |encoders| {
            encoders.codecs.iter().map(encoder_text).collect()
        }));
        rows.extend(self.providers.iter().map(|(provider, result)| {
            let usable =
                result.as_ref().map_or_else(|error| format!("cannot be used: {error}"), |()| "works".into());
            (provider.to_string(), usable)
        }));
        let rows: Vec<_> = rows.into_iter().map(|(name, value)| vec![name, value]).collect();
        table::aligned(&rows) + "\n"
    }

    fn json(&self) -> Value {
        let info = &self.info;
        let version = |(major, minor): (u32, u32)| format!("{major}.{minor}");
        json!({
            "ordinal": info.ordinal,
            "name": info.name,
            "compute_capability": version(info.compute_capability),
            "multiprocessors": info.multiprocessors,
            "total_bytes": info.total_bytes,
            "free_bytes": info.free_bytes,
            "driver_version": info.driver_version,
            "cuda_version": version(info.cuda_version),
            "uuid": info.uuid,
            "pci_bus_id": info.pci_bus_id,
            "decoders": self.decoders.as_ref().map_or_else(
                |_| Vec::new(), |decoders| decoders.iter().map(decoder_json).collect()),
            "no_decoders": self.decoders.as_ref().err().map(|error| reason(error.as_ref())),
            "encoders": self.encoders.as_ref().map_or_else(|_| Vec::new(), encoder_names),
            "no_encoders": self.encoders.as_ref().err().map(|error| reason(error.as_ref())),
            "providers": self.providers.iter().map(|(provider, result)| json!({
                "name": provider.to_string(),
                "refused": result.as_ref().err().map(|error| reason(error.as_ref())),
            })).collect::<Vec<_>>(),
        })
    }
}

fn decoders(ordinal: usize) -> Result<Vec<Capabilities>, BoxError> {
    let (library, device) = (NvdecLibrary::open()?, Device::open(ordinal)?);
    Ok(Capabilities::table(&library, &device)?)
}

fn encoders(ordinal: usize) -> Result<EncoderCapabilities, BoxError> {
    let (library, device) = (NvencLibrary::open()?, Device::open(ordinal)?);
    Ok(EncoderCapabilities::query(&library, &device)?)
}

/// A row for each item, or one with the reason why there is none.
fn list<T>(
    name: &str,
    answer: &Result<T, BoxError>,
    items: impl Fn(&T) -> Vec<String>,
) -> Vec<(String, String)> {
    let values = match answer {
        Ok(answer) => items(answer),
        Err(error) => vec![format!("nothing: {error}")],
    };
    let names = std::iter::once(name.to_owned()).chain(std::iter::repeat(String::new()));
    names.zip(values).collect()
}

fn decoder_text(decoder: &Capabilities) -> String {
    let Capabilities { format, engines, max_size: (width, height), .. } = decoder;
    format!("{format}, up to {width}x{height}, {engines} engines")
}

fn decoder_json(decoder: &Capabilities) -> Value {
    json!({
        "codec": decoder.format.codec.to_string(),
        "chroma": decoder.format.chroma.to_string(),
        "bits": decoder.format.bits,
        "engines": decoder.engines,
        "max_width": decoder.max_size.0,
        "max_height": decoder.max_size.1,
    })
}

/// Like a decoder's row, and what of the options there is.
fn encoder_text(encoder: &CodecCapabilities) -> String {
    let CodecCapabilities { codec, engines, max_width, max_height, max_bframes, .. } = encoder;
    let bits = if encoder.has_10_bit { "8 and 10" } else { "8" };
    let options = [
        (encoder.has_lookahead, "look-ahead"),
        (encoder.has_temporal_aq, "temporal AQ"),
        (encoder.has_lossless, "lossless"),
    ];
    let options: String =
        options.iter().filter(|(has, _)| *has).map(|(_, name)| format!(", {name}")).collect();
    let limits = format!("up to {max_width}x{max_height}, at most {max_bframes} B-frames{options}");
    format!("{codec} of {bits} bits, {limits}, {engines} engines")
}

fn encoder_names(encoders: &EncoderCapabilities) -> Vec<String> {
    encoders.codecs.iter().map(|codec| codec.codec.to_string()).collect()
}

/// An error as JSON: its code, name and words.
fn reason(error: &dyn CodedError) -> Value {
    let code = error.code();
    json!({ "code": code.number(), "name": code.name(), "message": error.to_string() })
}

fn runtime_json(runtime: &Result<Runtime, BoxError>) -> Value {
    match runtime {
        Ok(runtime) => json!({
            "version": runtime.version(),
            "path": runtime.path().to_string_lossy(),
            "refused": null,
        }),
        Err(error) => json!({ "version": null, "path": null, "refused": reason(error.as_ref()) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rave_nvcodec::NvencCodec;

    #[test]
    fn a_row_tells_what_an_encoder_can_do() {
        let mut encoder = CodecCapabilities {
            codec: NvencCodec::Hevc,
            profiles: Vec::new(),
            formats: Vec::new(),
            min_width: 0,
            min_height: 0,
            max_width: 8192,
            max_height: 8192,
            max_macroblocks: 0,
            max_macroblocks_per_second: 0,
            max_level: 0,
            max_bframes: 5,
            b_references: Vec::new(),
            has_10_bit: true,
            has_lookahead: true,
            has_temporal_aq: false,
            has_lossless: true,
            has_dynamic_bit_rate: true,
            engines: 2,
        };
        assert_eq!(
            encoder_text(&encoder),
            "hevc of 8 and 10 bits, up to 8192x8192, at most 5 B-frames, look-ahead, lossless, 2 engines"
        );
        (encoder.has_10_bit, encoder.has_lookahead, encoder.has_lossless) = (false, false, false);
        assert_eq!(encoder_text(&encoder), "hevc of 8 bits, up to 8192x8192, at most 5 B-frames, 2 engines");
    }
}
