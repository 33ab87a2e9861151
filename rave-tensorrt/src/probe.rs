use half::f16;
use ort::session::Session;
use ort::value::{Outlet, TensorElementType, ValueType};
use rave_core::Sample;

use crate::graph::Width;
use crate::info::{ModelColor, ModelInfo, TensorAxes, inner_bytes_per_pixel};
use crate::network::{Element, Network};

/// Why a model is not one that upscales pictures.
pub(crate) struct Refusal {
    pub(crate) reason: String,
    pub(crate) source: Option<ort::Error>,
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self { reason, source: None }
    }
}

impl From<ort::Error> for Refusal {
    fn from(error: ort::Error) -> Self {
        Self { reason: "it cannot be run".into(), source: Some(error) }
    }
}

/// Reads a session's shapes and proves them by a run on a small picture.
pub(crate) fn inspect(name: &str, width: Width, session: Session) -> Result<(ModelInfo, Network), Refusal> {
    let (sample, dims) = input_tensor(&session)?;
    check_output(&session, sample)?;
    let readings = readings(dims)?;
    let mut network = Network::new(session)?;
    let mut refusal = None;
    for (axes, color) in readings {
        let size = fixed_size(axes, dims)?;
        let info = ModelInfo {
            name: name.to_owned(),
            sample,
            color,
            axes,
            size,
            multiple: 1,
            scale: 1,
            takes_batches: false,
            unshuffle: u32::try_from(width.unshuffle).unwrap_or(1),
            inner_bytes_per_pixel: inner_bytes_per_pixel(width, sample),
        };
        match prove(info, &mut network) {
            Ok(info) => return Ok((with_batches(info, dims[0], &mut network), network)),
            Err(this) => refusal = refusal.or(Some(this)),
        }
    }
    Err(refusal.unwrap_or_else(|| channels_refusal(dims)))
}

const UNKNOWN: [i64; 4] = [-1; 4];

fn input_tensor(session: &Session) -> Result<(Sample, [i64; 4]), Refusal> {
    let [input] = session.inputs() else {
        return Err(format!("it has {} inputs, one is supported", session.inputs().len()).into());
    };
    let (sample, dims) = tensor(input, "input")?;
    let dims = match dims {
        [] => UNKNOWN,
        &[batch, a, b, c] => [batch, a, b, c],
        other => {
            let (rank, shape) = (other.len(), Shape(other));
            return Err(format!("its input is {shape}: {rank} dimensions, a picture has 4").into());
        }
    };
    if dims[0] != -1 && dims[0] != 1 {
        return Err(format!("it takes batches of {}, only 1 is supported", dims[0]).into());
    }
    Ok((sample, dims))
}

fn check_output(session: &Session, input: Sample) -> Result<(), Refusal> {
    let [output] = session.outputs() else {
        return Err(format!("it has {} outputs, one is supported", session.outputs().len()).into());
    };
    let (sample, dims) = tensor(output, "output")?;
    if !dims.is_empty() {
        check_output_rank(dims)?;
    }
    if sample != input {
        return Err(format!("its input is {}, its output {}", name_of(input), name_of(sample)).into());
    }
    Ok(())
}

fn check_output_rank(dims: &[i64]) -> Result<(), Refusal> {
    let shape = Shape(dims);
    match dims.len() {
        4 => Ok(()),
        1 | 2 => Err(format!("its output is {shape}: it is a classifier").into()),
        rank => Err(format!("its output is {shape}: {rank} dimensions, a picture has 4").into()),
    }
}

fn tensor<'a>(outlet: &'a Outlet, which: &str) -> Result<(Sample, &'a [i64]), Refusal> {
    match outlet.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } => Ok((Sample::F32, shape)),
        ValueType::Tensor { ty: TensorElementType::Float16, shape, .. } => Ok((Sample::F16, shape)),
        ValueType::Tensor { ty, .. } => {
            Err(format!("its {which} is {}, float32 and float16 are supported", element_name(*ty)).into())
        }
        other => Err(format!("its {which} is not a tensor but {other}").into()),
    }
}

const fn name_of(sample: Sample) -> &'static str {
    if matches!(sample, Sample::F16) { "float16" } else { "float32" }
}

/// The names that ONNX and NumPy use.
fn element_name(element: TensorElementType) -> String {
    format!("{element:?}").to_lowercase()
}

/// How the input's axes can be understood, the likeliest first.
fn readings(dims: [i64; 4]) -> Result<Vec<(TensorAxes, ModelColor)>, Refusal> {
    let all = [TensorAxes::Nchw, TensorAxes::Nhwc]
        .into_iter()
        .flat_map(|axes| [ModelColor::Rgb, ModelColor::Luma].map(|color| (axes, color)));
    let channels = |axes| if axes == TensorAxes::Nchw { dims[1] } else { dims[3] };
    let mut readings: Vec<_> =
        all.clone().filter(|&(axes, color)| channels(axes) == color.channels() as i64).collect();
    if readings.is_empty() {
        readings.extend(all.filter(|&(axes, _)| channels(axes) == -1 && fixed_size(axes, dims).is_ok()));
    }
    if readings.is_empty() { Err(channels_refusal(dims)) } else { Ok(readings) }
}

fn channels_refusal(dims: [i64; 4]) -> Refusal {
    format!("its input is {}: neither 3 channels (RGB) nor 1 (luma)", Shape(&dims)).into()
}

fn fixed_size(axes: TensorAxes, dims: [i64; 4]) -> Result<Option<(u32, u32)>, Refusal> {
    let (height, width) = spatial(axes, dims);
    match (u32::try_from(width), u32::try_from(height)) {
        (Ok(width), Ok(height)) if width > 0 && height > 0 => Ok(Some((width, height))),
        (Err(_), Err(_)) => Ok(None),
        _ => Err(format!("its input is {}: one of height and width is fixed", Shape(&dims)).into()),
    }
}

const fn spatial(axes: TensorAxes, dims: [i64; 4]) -> (i64, i64) {
    match axes {
        TensorAxes::Nchw => (dims[2], dims[3]),
        TensorAxes::Nhwc => (dims[1], dims[2]),
    }
}

/// Multiples that networks with pooling, unshuffling or windows need.
const MULTIPLES: [u32; 11] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64];

/// Finds the size multiple and the scale by running the network.
fn prove(mut info: ModelInfo, network: &mut Network) -> Result<ModelInfo, Refusal> {
    let multiples = if info.size.is_some() { &MULTIPLES[..1] } else { &MULTIPLES[..] };
    let mut first_refusal = None;
    for &multiple in multiples {
        let size = info.size.unwrap_or_else(|| probe_size(multiple));
        match scale_at(&info, network, size) {
            Ok(scale) => {
                (info.multiple, info.scale) = (multiple, scale);
                return Ok(info);
            }
            Err(Failure::OfModel(refusal)) => return Err(refusal),
            Err(Failure::OfSize(refusal)) => first_refusal = first_refusal.or(Some(refusal)),
        }
    }
    Err(first_refusal.unwrap_or_else(|| "it was not run".to_owned().into()))
}

/// A size with sides that are odd multiples of `multiple`, different, and from about 32 pixels.
const fn probe_size(multiple: u32) -> (u32, u32) {
    let factor = 32u32.div_ceil(multiple) | 1;
    ((factor + 2) * multiple, factor * multiple)
}

enum Failure {
    /// Another size may do.
    OfSize(Refusal),
    /// No size will do.
    OfModel(Refusal),
}

fn scale_at(info: &ModelInfo, network: &mut Network, (width, height): (u32, u32)) -> Result<u32, Failure> {
    let output = output_shape(info, network, (width, height)).map_err(|error| {
        let reason = format!("it cannot be run on {width}x{height} pixels");
        Failure::OfSize(Refusal { reason, source: Some(error) })
    })?;
    let (out_width, out_height) = output_size(info, &output).map_err(Failure::OfModel)?;
    let (width, height) = (i64::from(width), i64::from(height));
    let is_whole =
        out_width >= width && out_width % width == 0 && out_height >= height && out_height % height == 0;
    match (out_width / width, out_height / height) {
        _ if !is_whole => Err(Failure::OfSize(not_whole((width, height), (out_width, out_height)))),
        (x, y) if x != y => Err(Failure::OfModel(format!("it scales width by {x} and height by {y}").into())),
        (scale @ 1..=4, _) => Ok(scale as u32),
        (scale, _) => Err(Failure::OfModel(format!("it scales by {scale}, at most 4 is supported").into())),
    }
}

fn not_whole(input: (i64, i64), output: (i64, i64)) -> Refusal {
    format!("it makes {}x{} pixels of {}x{}: not a whole multiple", output.0, output.1, input.0, input.1)
        .into()
}

/// The shape that comes out for grey pixels.
fn output_shape(
    info: &ModelInfo,
    network: &mut Network,
    (width, height): (u32, u32),
) -> ort::Result<Vec<i64>> {
    let shape = info.shape(1, (width as usize, height as usize));
    match info.sample {
        Sample::F16 => network.output_shape(shape, &vec![f16::from_f32_const(0.5); elements(shape)]),
        _ => network.output_shape(shape, &vec![0.5f32; elements(shape)]),
    }
}

/// Finds out whether a model whose batch is free, `-1`, really takes several pictures.
fn with_batches(mut info: ModelInfo, batch: i64, network: &mut Network) -> ModelInfo {
    let size = info.size.unwrap_or_else(|| probe_size(info.multiple));
    let is_alike = match info.sample {
        _ if batch != -1 => Ok(false),
        Sample::F16 => is_alike_beside_another::<f16>(&info, network, size),
        _ => is_alike_beside_another::<f32>(&info, network, size),
    };
    info.takes_batches = is_alike.unwrap_or_else(|error| {
        tracing::debug!(model = info.name, %error, "the model takes one picture at a time");
        false
    });
    info
}

/// Whether a picture comes out as it does alone when it comes after another one.
fn is_alike_beside_another<T: Element>(
    info: &ModelInfo,
    network: &mut Network,
    (width, height): (u32, u32),
) -> ort::Result<bool> {
    let [width, height, scale] = [width, height, info.scale].map(|side| side as usize);
    let input = |count| info.shape(count, (width, height));
    let output = |count| info.shape(count, (width * scale, height * scale));
    let mut pictures = vec![T::from_f32(0.5); elements(input(2))];
    let (_, noise) = pictures.split_at_mut(elements(input(1)));
    noise
        .iter_mut()
        .enumerate()
        .for_each(|(index, sample)| *sample = T::from_f32((index % 97) as f32 / 200.0));
    let mut alone = vec![T::from_f32(0.0); elements(output(1))];
    network.run_into((input(1), noise), (output(1), &mut alone))?;
    let mut together = vec![T::from_f32(0.0); elements(output(2))];
    network.run_into((input(2), &pictures), (output(2), &mut together))?;
    Ok(alone.iter().zip(&together[alone.len()..]).all(|(a, b)| are_near(a.to_f32(), b.to_f32())))
}

/// As near as different orders of the same sums in half precision.
fn are_near(a: f32, b: f32) -> bool {
    (a - b).abs() <= 0.01 * a.abs().max(1.0) || !a.is_finite() && !b.is_finite()
}

fn elements(shape: [i64; 4]) -> usize {
    shape.iter().product::<i64>() as usize
}

fn output_size(info: &ModelInfo, output: &[i64]) -> Result<(i64, i64), Refusal> {
    check_output_rank(output)?;
    let &[batch, a, b, c] = output else { return Err(channels_refusal(UNKNOWN)) };
    let channels = if info.axes == TensorAxes::Nchw { a } else { c };
    if batch != 1 || channels != info.color.channels() as i64 {
        return Err(format!("its output is {}, for {} channels", Shape(output), info.color.channels()).into());
    }
    let (height, width) = spatial(info.axes, [batch, a, b, c]);
    Ok((width, height))
}

/// `1x3x?x?`.
struct Shape<'a>(&'a [i64]);

impl std::fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, &length) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "x" })?;
            if length < 0 { f.write_str("?")? } else { write!(f, "{length}")? }
        }
        Ok(())
    }
}
