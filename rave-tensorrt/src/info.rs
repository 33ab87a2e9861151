use std::fmt;

use rave_core::{Chroma, Packing, PixelFormat, Sample};

use crate::graph::Width;

/// What a model works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelColor {
    /// Three channels: R', G', B'.
    Rgb,
    /// One channel: Y'. Chroma is interpolated beside it.
    Luma,
}

impl ModelColor {
    /// Number of channels.
    pub const fn channels(self) -> usize {
        match self {
            Self::Rgb => 3,
            Self::Luma => 1,
        }
    }
}

/// The order of a tensor's axes: N batch, C channels, H height, W width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TensorAxes {
    /// Channel planes, as PyTorch has them.
    Nchw,
    /// Interleaved channels, as TensorFlow has them.
    Nhwc,
}

/// What a model takes and gives, read from its graph and proved by a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// The built-in model's name, or the file's without its extension.
    pub name: String,
    /// Type of the tensors' elements: [`Sample::F32`] or [`Sample::F16`].
    pub sample: Sample,
    /// RGB or luma only.
    pub color: ModelColor,
    /// Order of the axes, alike for input and output.
    pub axes: TensorAxes,
    /// Width and height of the input in pixels where the graph fixes them; larger pictures run in tiles.
    pub size: Option<(u32, u32)>,
    /// Number of pixels that width and height must be a multiple of; pictures are padded to it.
    pub multiple: u32,
    /// Factor by which width and height grow, 1 to 4.
    pub scale: u32,
    /// Whether several pictures can go through it together, each as if it were alone: proved by a run.
    pub takes_batches: bool,
    /// Input pixels, in each direction, for each position of the network's inner tensors: 2 where it begins with a
    /// `SpaceToDepth` by 2.
    pub unshuffle: u32,
    /// Bytes, roughly, that the network's inner tensors take for each input pixel.
    pub inner_bytes_per_pixel: u64,
}

impl ModelInfo {
    /// The format that frames of `source` must be converted to for this model: R, G, B planes, or for a luma-only model
    /// planar Y'CbCr with the source's chroma (grey for a grey source, 4:4:4 for an RGB source), both of the model's
    /// sample type.
    pub const fn input_format(&self, source: PixelFormat) -> PixelFormat {
        let sample = self.sample;
        let packing = Packing::Planar;
        match (self.color, source) {
            (ModelColor::Rgb, _) => PixelFormat::Rgb { sample },
            (ModelColor::Luma, PixelFormat::Yuv { chroma, .. }) => {
                PixelFormat::Yuv { chroma, sample, packing }
            }
            (ModelColor::Luma, PixelFormat::Gray { .. }) => PixelFormat::Gray { sample },
            (ModelColor::Luma, PixelFormat::Rgb { .. }) => {
                PixelFormat::Yuv { chroma: Chroma::C444, sample, packing }
            }
        }
    }

    /// A tensor's shape for `count` pictures of `width` x `height`.
    pub(crate) fn shape(&self, count: usize, (width, height): (usize, usize)) -> [i64; 4] {
        let sides = [count, self.color.channels(), width, height];
        let [count, channels, width, height] = sides.map(|side| side as i64);
        match self.axes {
            TensorAxes::Nchw => [count, channels, height, width],
            TensorAxes::Nhwc => [count, height, width, channels],
        }
    }
}

/// `rgb f16 x2 nchw, any size in multiples of 4`, for people.
impl fmt::Display for ModelInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let color = if self.color == ModelColor::Rgb { "rgb" } else { "luma" };
        let sample = if self.sample == Sample::F16 { "f16" } else { "f32" };
        let axes = if self.axes == TensorAxes::Nchw { "nchw" } else { "nhwc" };
        write!(f, "{color} {sample} x{} {axes}, ", self.scale)?;
        match (self.size, self.multiple) {
            (Some((width, height)), _) => write!(f, "tiles of {width}x{height}"),
            (None, 1) => f.write_str("any size"),
            (None, multiple) => write!(f, "any size in multiples of {multiple}"),
        }
    }
}

/// Bytes, roughly, that a network's inner tensors take for each input pixel.
///
/// ONNX Runtime 1.31 was seen to hold 2.4 to 4.7 tensors of the width of the widest convolution at the same time, twice as
/// many where it has to convert half precision to single and back, which the CPU computes in.
pub(crate) const fn inner_bytes_per_pixel(width: Width, sample: Sample) -> u64 {
    let tensors = if matches!(sample, Sample::F16) { 6 } else { 4 };
    let bytes = width.channels.saturating_mul(tensors * size_of::<f32>() as u64);
    bytes / width.unshuffle.saturating_mul(width.unshuffle)
}

/// A rough estimate of the memory, in bytes, that upscaling one picture of `width` x `height` takes: both pictures and
/// the network's inner tensors.
///
/// For a check before anything is allocated: within a factor of two for plain convolutional networks, too low for others.
/// Weights and what other stages hold come on top.
pub fn memory_estimate(info: &ModelInfo, width: u32, height: u32) -> u64 {
    let pixels = u64::from(width) * u64::from(height);
    let sample_bytes = info.sample.bytes() as u64 * 3;
    let pictures = sample_bytes * (1 + u64::from(info.scale).pow(2));
    pixels.saturating_mul(pictures.saturating_add(info.inner_bytes_per_pixel))
}

/// As [`memory_estimate`], for the CUDA provider: it computes in half precision what is in half precision.
pub(crate) fn device_memory_estimate(info: &ModelInfo, width: u32, height: u32) -> u64 {
    let pixels = u64::from(width) * u64::from(height);
    let inner_bytes = match info.sample {
        Sample::F16 => info.inner_bytes_per_pixel / 3,
        _ => info.inner_bytes_per_pixel,
    };
    pixels.saturating_mul(inner_bytes)
}
