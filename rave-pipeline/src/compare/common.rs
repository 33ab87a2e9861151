//! What two videos are compared in: one size, one pixel format, one matrix and range.

use rave_core::{
    BoxError, Chroma, ChromaFilter, ColorSpec, Convert, HostFrame, Kernel, Matrix, Packing, PixelFormat,
    Range, Sample, VideoInfo,
};

use super::resize::Resize;
use crate::verify::rotation_text;

/// The pictures that metrics are computed on, and how each video becomes one.
pub(super) struct Common {
    pub(super) info: VideoInfo,
    pub(super) reference: Path,
    pub(super) distorted: Path,
    /// What had to be converted or assumed, a sentence each.
    pub(super) notices: Vec<String>,
}

/// From decoded frames to comparable ones.
pub(super) struct Path(Vec<Step>);

enum Step {
    Convert(Box<Convert>),
    Resize(Box<Resize>),
}

impl Path {
    pub(super) fn apply(&mut self, frame: HostFrame) -> Result<HostFrame, BoxError> {
        let mut frame = frame;
        for step in &mut self.0 {
            frame = match step {
                Step::Convert(convert) => convert.convert(&frame)?,
                Step::Resize(resize) => resize.resize(&frame)?,
            };
        }
        Ok(frame)
    }
}

impl Common {
    /// The size of the second video, the greater depth and, where both are alike, their own subsampling, matrix and
    /// siting with the first one's range; otherwise 4:4:4 in the first one's matrix.
    pub(super) fn new(reference: VideoInfo, distorted: VideoInfo, kernel: Kernel) -> Result<Self, BoxError> {
        let mut notices: Vec<String> = turned(&reference, &distorted).into_iter().collect();
        let reference = resolved(reference, "first", &mut notices);
        let distorted =
            same_light(resolved(distorted, "second", &mut notices), reference.color, &mut notices);
        let (format, color) = target(&reference, &distorted, &mut notices);
        let (width, height) = (distorted.width, distorted.height);
        if (reference.width, reference.height) != (width, height) {
            notices.push(format!(
                "the first video is resampled from {}x{} to {width}x{height} ({})",
                reference.width,
                reference.height,
                kernel_name(kernel)
            ));
        }
        let info = VideoInfo { format, color, width, height, ..reference };
        Ok(Self {
            info,
            reference: path(&reference, &info, kernel)?,
            distorted: path(&distorted, &info, kernel)?,
            notices,
        })
    }
}

fn kernel_name(kernel: Kernel) -> &'static str {
    match kernel {
        Kernel::Triangle => "bilinear",
        Kernel::CatmullRom => "bicubic, a = -0.5",
        Kernel::Lanczos3 => "Lanczos, 3 lobes",
    }
}

/// Samples are compared as they are coded, before a player turns them.
fn turned(first: &VideoInfo, second: &VideoInfo) -> Option<String> {
    let [first, second] = [first, second].map(|info| rotation_text(info.display_matrix));
    (first != second).then(|| {
        format!(
            "the videos are shown turned differently (first {first}, second {second}), and are compared as they are coded: \
             `rave --autorotate` and `ffmpeg` turn pictures upright"
        )
    })
}

fn resolved(info: VideoInfo, which: &str, notices: &mut Vec<String>) -> VideoInfo {
    let (color, assumed) = info.color.resolve(info.width, info.height);
    if !assumed.is_empty() {
        notices.push(format!("the {which} video does not say its colours, assumed {}", assumed.join(", ")));
    }
    VideoInfo { color, ..info }
}

/// Primaries and transfer are not converted: samples are compared as they are coded.
fn same_light(info: VideoInfo, reference: ColorSpec, notices: &mut Vec<String>) -> VideoInfo {
    let mut differ = |what: &str, first: &str, second: &str| {
        if first != second {
            notices
                .push(format!("{what} differs ({first}, {second}): samples are compared as they are coded"));
        }
    };
    differ("transfer", reference.transfer.name(), info.color.transfer.name());
    differ("primaries", reference.primaries.name(), info.color.primaries.name());
    let color = ColorSpec { transfer: reference.transfer, primaries: reference.primaries, ..info.color };
    VideoInfo { color, ..info }
}

fn target(first: &VideoInfo, second: &VideoInfo, notices: &mut Vec<String>) -> (PixelFormat, ColorSpec) {
    let bits = |info: &VideoInfo| info.format.bits().unwrap_or(16);
    let depth = bits(first).max(bits(second));
    if bits(first) != bits(second) {
        notices.push(format!("{} and {} bits are compared as {depth}", bits(first), bits(second)));
    }
    if first.color.range != second.color.range {
        let (from, to) = (second.color.range, first.color.range);
        notices.push(format!("the second video is converted from range {from} to {to}"));
    }
    let is_gray = |info: &VideoInfo| matches!(info.format, PixelFormat::Gray { .. });
    if is_gray(first) || is_gray(second) {
        let color =
            if is_gray(first) { first.color } else { ColorSpec { range: first.color.range, ..second.color } };
        return (PixelFormat::Gray { sample: Sample::Uint { bits: depth } }, color);
    }
    match (first.format.chroma(), second.format.chroma()) {
        (Some(chroma), Some(other)) if chroma == other && is_alike(first, second, chroma) => {
            (PixelFormat::yuv_planar(chroma, depth), first.color)
        }
        _ => {
            let color = matrix_color(first, second);
            notices.push(format!(
                "both are converted to 4:4:4 in matrix {}, range {}",
                color.matrix, color.range
            ));
            (PixelFormat::yuv_planar(Chroma::C444, depth), color)
        }
    }
}

fn is_alike(first: &VideoInfo, second: &VideoInfo, chroma: Chroma) -> bool {
    let (first, second) = (first.color, second.color);
    first.matrix == second.matrix
        && (chroma == Chroma::C444 || first.siting.offset() == second.siting.offset())
}

/// The first Y'CbCr of the two; for R'G'B' alone that of its size.
fn matrix_color(first: &VideoInfo, second: &VideoInfo) -> ColorSpec {
    let is_yuv = |info: &&&VideoInfo| info.color.matrix.luma_weights().is_ok();
    match [first, second].iter().find(is_yuv) {
        Some(yuv) => ColorSpec { siting: yuv.color.siting, ..yuv.color },
        None => {
            let (standard, _) = ColorSpec::default().resolve(first.width, first.height);
            ColorSpec {
                matrix: standard.matrix,
                range: Range::Limited,
                siting: standard.siting,
                ..first.color
            }
        }
    }
}

fn path(from: &VideoInfo, to: &VideoInfo, kernel: Kernel) -> Result<Path, BoxError> {
    let mut steps = Vec::new();
    let mut now = *from;
    let same_size = (from.width, from.height) == (to.width, to.height);
    if !same_size {
        let float = planar_float(now.format);
        let convert = Convert::new(&now, float, now.color, ChromaFilter::Bilinear)?;
        now = *convert.output_info();
        steps.push(Step::Convert(Box::new(convert)));
        let resize = Resize::new(&now, (to.width, to.height), kernel)?;
        now = *resize.output_info();
        steps.push(Step::Resize(Box::new(resize)));
    }
    let is_direct = now.format.chroma() == to.format.chroma() && has_matrix_of(&now, to)
        || matches!(to.format, PixelFormat::Gray { .. }) && !matches!(now.format, PixelFormat::Rgb { .. });
    if !is_direct && !matches!(now.format, PixelFormat::Rgb { .. }) {
        let convert = Convert::new(&now, PixelFormat::RGB_F32, now.color.to_rgb(), ChromaFilter::Bilinear)?;
        now = *convert.output_info();
        steps.push(Step::Convert(Box::new(convert)));
    }
    if now.format != to.format || now.color != to.color {
        // Names that stand for the same are one to the converter.
        let color = if is_direct { alike(to.color, now.color) } else { to.color };
        let convert = Convert::new(&now, to.format, color, ChromaFilter::Bilinear)?;
        steps.push(Step::Convert(Box::new(convert)));
    }
    Ok(Path(steps))
}

fn alike(to: ColorSpec, now: ColorSpec) -> ColorSpec {
    ColorSpec { matrix: now.matrix, siting: now.siting, ..to }
}

fn has_matrix_of(now: &VideoInfo, to: &VideoInfo) -> bool {
    let siting =
        to.format.chroma() == Some(Chroma::C444) || now.color.siting.offset() == to.color.siting.offset();
    let matrix = now.color.matrix == to.color.matrix && now.color.matrix != Matrix::Identity;
    matrix && siting
}

fn planar_float(format: PixelFormat) -> PixelFormat {
    match format {
        PixelFormat::Yuv { chroma, .. } => {
            PixelFormat::Yuv { chroma, sample: Sample::F32, packing: Packing::Planar }
        }
        other => other.with_sample(Sample::F32),
    }
}
