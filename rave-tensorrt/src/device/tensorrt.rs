use std::ffi::c_int;
use std::fs;
use std::path::{Path, PathBuf};

use ort::ep;
use rave_core::Sample;

use crate::conversion;
use crate::device::session::Purpose;
use crate::error::Error;

/// How TensorRT builds and keeps its engines.
///
/// TensorRT compiles a model for one GPU and one size of pictures, which takes from seconds to minutes. What it made is
/// kept in `cache_folder`, in a folder of its own for each model, size, precision, GPU, driver and version of TensorRT.
///
/// This provider has not been run yet: its options and its failure without TensorRT are tested, its speed and its output
/// are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TensorRtOptions {
    /// Where engines and timings are kept, such as `rave/tensorrt` in the user's cache folder; it is made if it is missing.
    /// `None` to build the engine anew each time.
    pub cache_folder: Option<PathBuf>,
    /// A calibration table in the form that TensorRT writes; with it the engine computes in 8-bit integers where that is
    /// faster.
    pub int8_calibration: Option<PathBuf>,
    /// The most memory that a layer may use as workspace, in MiB; `None` for TensorRT's own limit.
    pub workspace_mib: Option<u64>,
}

/// What decides whether an engine can be used again.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key<'a> {
    model: &'a [u8],
    profile: &'a str,
    precision: &'a str,
    calibration: &'a [u8],
    tensorrt: Option<i32>,
    driver: &'a str,
    gpu: &'a str,
}

impl Key<'_> {
    /// A folder's name.
    fn name(&self) -> String {
        let tensorrt = self.tensorrt.unwrap_or_default().to_string();
        let parts: [&[u8]; 7] = [
            self.model,
            self.profile.as_bytes(),
            self.precision.as_bytes(),
            self.calibration,
            tensorrt.as_bytes(),
            self.driver.as_bytes(),
            self.gpu.as_bytes(),
        ];
        let hash = parts.iter().fold(FNV_OFFSET, |hash, part| {
            let length = (part.len() as u64).to_le_bytes();
            length
                .iter()
                .chain(*part)
                .fold(hash, |hash, &byte| (hash ^ u128::from(byte)).wrapping_mul(FNV_PRIME))
        });
        format!("{hash:032x}")
    }
}

/// FNV-1a, 128 bits: stable, and enough for files that nobody forges.
const FNV_OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const FNV_PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// ONNX Runtime's TensorRT provider as the options say.
pub(super) fn provider(purpose: &Purpose<'_>) -> Result<ep::TensorRT, Error> {
    let Purpose { model, origin, size, stream, .. } = purpose;
    let (info, options) = (model.info(), &model.options().tensorrt);
    let device = i32::try_from(model.pool().device().ordinal()).unwrap_or(i32::MAX);
    let bytes = origin.bytes();
    let profile = profile(&bytes, info.shape(purpose.batch, *size));
    let precision = if info.sample == Sample::F16 { "fp16" } else { "fp32" };
    let calibration = read_calibration(options)?;
    let gpu = model.pool().device().info()?;
    let key = Key {
        model: &bytes,
        profile: &profile,
        precision,
        calibration: &calibration,
        tensorrt: tensorrt_version(),
        driver: gpu.driver_version.as_deref().unwrap_or_default(),
        gpu: &format!("{} {:?}", gpu.name, gpu.compute_capability),
    };
    let provider = configure(options, &profile, info.sample, &key)?.with_device_id(device);
    // SAFETY: `DeviceNetwork` keeps the stream for longer than the session.
    Ok(unsafe { provider.with_compute_stream(stream.as_raw().cast()) })
}

fn configure(
    options: &TensorRtOptions,
    profile: &str,
    sample: Sample,
    key: &Key<'_>,
) -> Result<ep::TensorRT, Error> {
    let mut provider = ep::TensorRT::default()
        .with_fp16(sample == Sample::F16)
        .with_profile_min_shapes(profile)
        .with_profile_opt_shapes(profile)
        .with_profile_max_shapes(profile);
    if let Some(mib) = options.workspace_mib {
        let bytes = usize::try_from(mib.saturating_mul(1 << 20)).unwrap_or(usize::MAX);
        provider = provider.with_max_workspace_size(bytes);
    }
    if let Some(cache) = &options.cache_folder {
        let folder = cache.join(key.name());
        make_folder(&folder)?;
        provider = provider
            .with_engine_cache(true)
            .with_engine_cache_path(folder.display())
            .with_timing_cache(true)
            .with_timing_cache_path(cache.display());
    }
    if let Some(table) = &options.int8_calibration {
        // Joined to the cache's path by ONNX Runtime, which leaves an absolute path as it is.
        let table = std::path::absolute(table).unwrap_or_else(|_| table.clone());
        provider = provider
            .with_int8(true)
            .with_int8_use_native_calibration_table(true)
            .with_int8_calibration_table_name(table.display());
    }
    Ok(provider)
}

/// One size, in TensorRT's words: `input:1x3x1080x1920`.
fn profile(model: &[u8], shape: [i64; 4]) -> String {
    let [batch, a, b, c] = shape;
    format!("{}:{batch}x{a}x{b}x{c}", conversion::input_name(model).unwrap_or_default())
}

fn read_calibration(options: &TensorRtOptions) -> Result<Vec<u8>, Error> {
    let Some(table) = &options.int8_calibration else { return Ok(Vec::new()) };
    let refused =
        |error| Error::Options(format!("calibration table {} cannot be read: {error}", table.display()));
    fs::read(table).map_err(refused)
}

fn make_folder(folder: &Path) -> Result<(), Error> {
    let refused =
        |error| Error::Options(format!("engine cache {} cannot be made: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(refused)
}

/// What the TensorRT library that the provider uses says about itself, where it is installed.
fn tensorrt_version() -> Option<i32> {
    type GetVersion = unsafe extern "C" fn() -> c_int;
    const NAMES: [&str; 2] = ["libnvinfer.so.10", "nvinfer_10.dll"];
    // SAFETY: the provider has loaded this library before, so its initialisers have run.
    let library = NAMES.iter().find_map(|name| unsafe { libloading::Library::new(*name) }.ok())?;
    // SAFETY: `getInferLibVersion` has this signature in every version (NvInferRuntime.h).
    let get_version = unsafe { library.get::<GetVersion>(b"getInferLibVersion\0") }.ok()?;
    // SAFETY: it takes nothing and returns a number.
    Some(unsafe { get_version() })
}

#[cfg(test)]
mod tests {
    use ort::ep::ArbitrarilyConfigurableExecutionProvider;

    use super::*;
    use crate::onnx::{Dim, FLOAT, Graph};

    const KEY: Key<'static> = Key {
        model: b"model",
        profile: "input:1x3x1080x1920",
        precision: "fp16",
        calibration: b"",
        tensorrt: Some(101_300),
        driver: "580.82.07",
        gpu: "NVIDIA H100 (9, 0)",
    };

    #[test]
    fn an_engine_is_used_again_only_for_what_it_was_built_for() {
        let name = KEY.name();
        assert_eq!(name.len(), 32);
        for other in [
            Key { model: b"other", ..KEY },
            Key { profile: "input:1x3x720x1280", ..KEY },
            Key { precision: "fp32", ..KEY },
            Key { calibration: b"table", ..KEY },
            Key { tensorrt: Some(101_400), ..KEY },
            Key { driver: "590.1", ..KEY },
            Key { gpu: "NVIDIA H200 (9, 0)", ..KEY },
        ] {
            assert_ne!(other.name(), name, "{other:?}");
        }
        assert_eq!(KEY.name(), name);
    }

    #[test]
    fn the_profile_names_the_input() {
        let shape = [Dim::Any("n"), Dim::Fixed(3), Dim::Any("h"), Dim::Any("w")];
        let model = Graph::new("profile").input("picture", FLOAT, &shape).model(13);
        assert_eq!(profile(&model, [1, 3, 1080, 1920]), "picture:1x3x1080x1920");
    }

    #[test]
    fn options_reach_the_provider() {
        let folder = tempfile::tempdir().unwrap();
        let options = TensorRtOptions {
            cache_folder: Some(folder.path().join("engines")),
            int8_calibration: Some("/tables/model.cache".into()),
            workspace_mib: Some(2),
        };
        let mut provider = configure(&options, KEY.profile, Sample::F16, &KEY).unwrap();
        let text = format!("{:?}", provider.options_mut());
        for expected in [
            "trt_fp16_enable",
            "trt_engine_cache_enable",
            "trt_timing_cache_enable",
            "trt_int8_enable",
            "/tables/model.cache",
            "2097152",
            "input:1x3x1080x1920",
            &KEY.name(),
        ] {
            assert!(text.contains(expected), "{expected} is not in {text}");
        }
        assert!(folder.path().join("engines").join(KEY.name()).is_dir());
    }

    #[test]
    fn a_cache_that_cannot_be_made_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let options =
            TensorRtOptions { cache_folder: Some(file.path().into()), ..TensorRtOptions::default() };
        let error = configure(&options, KEY.profile, Sample::F32, &KEY).err().unwrap();
        assert!(error.to_string().contains("cannot be made"), "{error}");
        let options =
            TensorRtOptions { int8_calibration: Some("/missing".into()), ..TensorRtOptions::default() };
        assert!(read_calibration(&options).unwrap_err().to_string().contains("/missing"));
    }
}
