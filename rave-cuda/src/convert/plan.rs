use rave_core::{
    Chroma, ChromaFilter, ColorSpec, Converter, Error, Layout, MatrixCoefficients, Packing, PixelFormat,
    Quantization, Sample,
};

use crate::kernels::{Entry, Geometry, Launch, Topic};
use crate::layout::{kind, max_code, param_planes};
use crate::params::{FromRgb, MAX_FRAMES, Params, Plane, Rescale, ToRgb};

/// Pixels that a thread handles side by side: `PIXELS` in rave-cuda/kernels/samples.cuh.
const PIXELS: u32 = 8;
/// Rows that a thread handles: many save work at their borders, few make more threads.
const TO_RGB_ROWS: (u32, u32) = (4, 8);
const FROM_RGB_ROWS: (u32, u32) = (8, 16);
/// Threads of these kernels that the largest GPUs run at once.
const BUSY: usize = 60_000;

/// One side of a conversion.
pub(super) type Side = (PixelFormat, ColorSpec);

/// What is launched for a frame; addresses and planes are filled in then.
#[derive(Clone, Debug)]
pub(super) enum Plan {
    ToRgb(Entry, Box<ToRgb>),
    FromRgb(Entry, Box<FromRgb>),
    Planes(Vec<Pass>),
}

/// Planes of the same size that are rescaled alike.
#[derive(Clone, Debug)]
pub(super) struct Pass {
    entry: Entry,
    /// The planes that are read, one for each that is written; `None` to write `add`.
    from: Option<Vec<Component>>,
    to: Vec<Component>,
    template: Rescale,
}

/// A plane, and the sample of its groups that is meant: Cb and Cr lie in one plane of pairs.
#[derive(Clone, Copy, Debug)]
struct Component {
    plane: usize,
    sample: u64,
}

/// The frames of one launch: addresses and the layouts that all of them have.
pub(super) struct Batch<'a> {
    pub(super) sources: &'a [u64],
    pub(super) targets: &'a [u64],
    pub(super) from: &'a Layout,
    pub(super) to: &'a Layout,
}

impl Plan {
    /// What the host would do, if there is a kernel for it.
    pub(super) fn new(from: Side, to: Side, size: (u32, u32), filter: ChromaFilter) -> Result<Self, Error> {
        use PixelFormat::{Gray, Rgb, Yuv};
        // The host's converter refuses what makes no sense; only what it can do is done here.
        Converter::new(from, to, size, filter)?;
        match (from.0, to.0) {
            (Yuv { sample: Sample::Uint { .. }, .. }, Rgb { sample: Sample::F16 | Sample::F32 }) => {
                to_rgb(from, to, size, filter)
            }
            (Rgb { sample: Sample::F16 | Sample::F32 }, Yuv { .. } | Gray { .. })
                if to.0.bits().is_some() =>
            {
                from_rgb(from, to, size, filter)
            }
            (Yuv { .. }, Rgb { .. }) | (Rgb { .. }, Yuv { .. } | Gray { .. }) => {
                Err(Error::Format { format: format!("{} to {}", from.0, to.0), action: "converted on a GPU" })
            }
            _ => planes(from, to, size),
        }
    }

    /// The file that its kernels are in.
    pub(super) fn topic(&self) -> Topic {
        match self {
            Self::ToRgb(..) => Topic::ToRgb,
            Self::FromRgb(..) => Topic::FromRgb,
            Self::Planes(_) => Topic::Rescale,
        }
    }

    /// Calls `enqueue` with each launch that converts the batch.
    pub(super) fn each_launch<E>(
        &self,
        batch: &Batch<'_>,
        mut enqueue: impl FnMut(&Launch) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut chunks = batch.sources.chunks(MAX_FRAMES).zip(batch.targets.chunks(MAX_FRAMES));
        let (from, to) = (batch.from, batch.to);
        match self {
            Self::ToRgb(entry, template) => chunks.try_for_each(|(sources, targets)| {
                enqueue(&launch_to_rgb(*entry, template, sources, targets, from, to))
            }),
            Self::FromRgb(entry, template) => chunks.try_for_each(|(sources, targets)| {
                enqueue(&launch_from_rgb(*entry, template, sources, targets, from, to))
            }),
            Self::Planes(passes) => {
                let mut frames = batch.sources.iter().zip(batch.targets);
                frames.try_for_each(|(&source, &target)| {
                    passes.iter().try_for_each(|pass| enqueue(&pass.launch(source, target, from, to)))
                })
            }
        }
    }
}

fn frames(addresses: &[u64]) -> [u64; MAX_FRAMES] {
    std::array::from_fn(|index| addresses.get(index).copied().unwrap_or_default())
}

/// Whether every row of every frame can be accessed 16 bytes at a time.
fn is_aligned(addresses: &[u64], planes: &[Plane; 3]) -> u32 {
    let is_multiple = |value: u64| value.is_multiple_of(16);
    let are_rows = planes.iter().all(|plane| is_multiple(plane.offset) && is_multiple(plane.stride));
    u32::from(are_rows && addresses.iter().copied().all(is_multiple))
}

fn launch_to_rgb(
    entry: Entry,
    template: &ToRgb,
    sources: &[u64],
    targets: &[u64],
    from: &Layout,
    to: &Layout,
) -> Launch {
    let (from, to) = (param_planes(from), param_planes(to));
    let rows = rows(TO_RGB_ROWS, (template.width, template.height), sources.len());
    let params = ToRgb {
        rows: rows as i32,
        sources: frames(sources),
        targets: frames(targets),
        from,
        to,
        is_source_aligned: is_aligned(sources, &from),
        is_target_aligned: is_aligned(targets, &to),
        ..*template
    };
    let geometry = rows_of_pixels((params.width, params.height), rows, sources.len());
    Launch { entry, geometry, params: Params::ToRgb(params) }
}

fn launch_from_rgb(
    entry: Entry,
    template: &FromRgb,
    sources: &[u64],
    targets: &[u64],
    from: &Layout,
    to: &Layout,
) -> Launch {
    let (from, to) = (param_planes(from), param_planes(to));
    let rows = rows(FROM_RGB_ROWS, (template.width, template.height), sources.len());
    let params = FromRgb {
        rows: rows as i32,
        sources: frames(sources),
        targets: frames(targets),
        from,
        to,
        is_source_aligned: is_aligned(sources, &from),
        is_target_aligned: is_aligned(targets, &to),
        ..*template
    };
    let geometry = rows_of_pixels((params.width, params.height), rows, sources.len());
    Launch { entry, geometry, params: Params::FromRgb(params) }
}

fn rows((few, many): (u32, u32), (width, height): (i32, i32), frames: usize) -> u32 {
    let threads = width.unsigned_abs().div_ceil(PIXELS) * height.unsigned_abs().div_ceil(many);
    if threads as usize * frames >= BUSY { many } else { few }
}

fn rows_of_pixels((width, height): (i32, i32), rows: u32, frames: usize) -> Geometry {
    let threads = (width.unsigned_abs().div_ceil(PIXELS), height.unsigned_abs().div_ceil(rows));
    Geometry::covering(threads, frames as u32, (32, 4))
}

fn packing(format: PixelFormat) -> &'static str {
    if is_pairs(format) { "pairs" } else { "planar" }
}

const fn is_pairs(format: PixelFormat) -> bool {
    matches!(format, PixelFormat::Yuv { packing: Packing::SemiPlanar, .. })
}

fn to_rgb(from: Side, to: Side, size: (u32, u32), filter: ChromaFilter) -> Result<Plan, Error> {
    let name = format!("to_rgb_{}_{}_{}", kind(from.0), packing(from.0), kind(to.0));
    let chroma = from.0.chroma().unwrap_or(Chroma::C444);
    // The kernel has no place for a red that depends on Cb: YCgCo is for the host.
    from.1.matrix.luma_weights()?;
    let matrix = MatrixCoefficients::new(from.1.matrix)?;
    let (from_codes, to_codes) =
        (Quantization::new(from.0, from.1.range)?, Quantization::new(to.0, to.1.range)?);
    let (siting_x, siting_y) = from.1.siting.offset();
    let (even, odd) = weights_across(filter, siting_x);
    let scale = to_codes.luma_scale / from_codes.chroma_scale;
    let [[_, _, red_cr], [_, green_cb, green_cr], [_, blue_cb, _]] = matrix.rgb_from_yuv;
    let (chroma_width, chroma_height) = chroma.size(size.0, size.1);
    let (x_shift, y_shift) = chroma.shifts();
    let template = ToRgb {
        width: size.0 as i32,
        height: size.1 as i32,
        chroma_width: chroma_width as i32,
        chroma_height: chroma_height as i32,
        halves_width: x_shift,
        halves_height: y_shift,
        nearest: u32::from(filter == ChromaFilter::Nearest),
        siting_y,
        shift: from.0.sample_shift(),
        even,
        odd,
        luma_subtract: from_codes.luma_offset as f32,
        luma_multiply: (to_codes.luma_scale / from_codes.luma_scale) as f32,
        chroma_subtract: from_codes.chroma_offset as f32,
        red_cr: (red_cr * scale) as f32,
        green_cb: (green_cb * scale) as f32,
        green_cr: (green_cr * scale) as f32,
        blue_cb: (blue_cb * scale) as f32,
        ..ToRgb::default()
    };
    Ok(Plan::ToRgb(Entry::find(Topic::ToRgb, &name), Box::new(template)))
}

fn from_rgb(from: Side, to: Side, size: (u32, u32), filter: ChromaFilter) -> Result<Plan, Error> {
    let name = format!("from_rgb_{}_{}_{}", kind(from.0), kind(to.0), packing(to.0));
    to.1.matrix.luma_weights()?;
    let matrix = MatrixCoefficients::new(to.1.matrix)?;
    let (from_codes, to_codes) =
        (Quantization::new(from.0, from.1.range)?, Quantization::new(to.0, to.1.range)?);
    let scales = [to_codes.luma_scale, to_codes.chroma_scale, to_codes.chroma_scale];
    let row = |index: usize| {
        matrix.yuv_from_rgb[index].map(|weight| (weight * scales[index] / from_codes.luma_scale) as f32)
    };
    let (siting_x, siting_y) = to.1.siting.offset();
    let chroma = to.0.chroma();
    let (chroma_width, chroma_height) = chroma.unwrap_or(Chroma::C444).size(size.0, size.1);
    let (x_shift, y_shift) = chroma.map_or((0, 0), Chroma::shifts);
    let template = FromRgb {
        width: size.0 as i32,
        height: size.1 as i32,
        chroma_width: chroma_width as i32,
        chroma_height: chroma_height as i32,
        has_chroma: u32::from(chroma.is_some()),
        halves_width: x_shift,
        halves_height: y_shift,
        shift: to.0.sample_shift(),
        across: weights_down(filter, siting_x),
        down: weights_down(filter, siting_y),
        matrix: [row(0), row(1), row(2)],
        luma_add: to_codes.luma_offset as f32,
        chroma_add: to_codes.chroma_offset as f32,
        max_code: max_code(to.0),
        ..FromRgb::default()
    };
    Ok(Plan::FromRgb(Entry::find(Topic::FromRgb, &name), Box::new(template)))
}

/// Weights of the previous and this chroma sample for an even pixel, and of this and the next for an odd one.
fn weights_across(filter: ChromaFilter, offset: f32) -> ([f32; 2], [f32; 2]) {
    match filter {
        ChromaFilter::Nearest => ([0.0, 1.0], [1.0, 0.0]),
        ChromaFilter::Bilinear => {
            ([offset / 2.0, 1.0 - offset / 2.0], [0.5 + offset / 2.0, 0.5 - offset / 2.0])
        }
    }
}

/// Weights of the luma samples at 2j - 1 to 2j + 2 for chroma sample j.
fn weights_down(filter: ChromaFilter, offset: f32) -> [f32; 4] {
    match filter {
        ChromaFilter::Nearest => [0.0, 0.5, 0.5, 0.0],
        ChromaFilter::Bilinear => {
            [-1.0, 0.0, 1.0, 2.0].map(|tap: f32| (1.0 - (tap - offset).abs() / 2.0).max(0.0) / 2.0)
        }
    }
}

fn planes(from: Side, to: Side, size: (u32, u32)) -> Result<Plan, Error> {
    use PixelFormat::{Gray, Rgb, Yuv};
    let codes = (Quantization::new(from.0, from.1.range)?, Quantization::new(to.0, to.1.range)?);
    let luma = |read: &[usize]| {
        let template = Rescale {
            count: size.0 as i32,
            rows: size.1 as i32,
            from_step: 1,
            to_step: 1,
            subtract: codes.0.luma_offset as f32,
            multiply: (codes.1.luma_scale / codes.0.luma_scale) as f32,
            add: codes.1.luma_offset as f32,
            ..Rescale::default()
        };
        let whole = |plane: usize| Component { plane, sample: 0 };
        let written = (0..read.len()).map(whole).collect();
        Pass::new(from.0, to.0, Some(read.iter().copied().map(whole).collect()), written, template)
    };
    let passes = match (from.0, to.0) {
        (Rgb { .. }, _) => vec![luma(&[0, 1, 2])],
        (Gray { .. }, Rgb { .. }) => vec![luma(&[0, 0, 0])],
        (_, Gray { .. }) => vec![luma(&[0])],
        (_, Yuv { .. } | Rgb { .. }) => vec![luma(&[0]), chroma_pass(from.0, to.0, &codes, size)],
    };
    Ok(Plan::Planes(passes))
}

fn chroma_pass(
    from: PixelFormat,
    to: PixelFormat,
    codes: &(Quantization, Quantization),
    size: (u32, u32),
) -> Pass {
    let (width, height) = to.chroma().unwrap_or(Chroma::C444).size(size.0, size.1);
    let step = |format| if is_pairs(format) { 2 } else { 1 };
    let template = Rescale {
        count: width as i32,
        rows: height as i32,
        from_step: step(from),
        to_step: step(to),
        subtract: codes.0.chroma_offset as f32,
        multiply: (codes.1.chroma_scale / codes.0.chroma_scale) as f32,
        add: codes.1.chroma_offset as f32,
        ..Rescale::default()
    };
    let read = from.chroma().map(|_| chroma_components(from));
    Pass::new(from, to, read, chroma_components(to), template)
}

fn chroma_components(format: PixelFormat) -> Vec<Component> {
    let component = |index: usize| match is_pairs(format) {
        true => Component { plane: 1, sample: index as u64 },
        false => Component { plane: 1 + index, sample: 0 },
    };
    vec![component(0), component(1)]
}

impl Pass {
    fn new(
        from_format: PixelFormat,
        to_format: PixelFormat,
        from: Option<Vec<Component>>,
        to: Vec<Component>,
        template: Rescale,
    ) -> Self {
        let name = format!("rescale_{}_{}", kind(from_format), kind(to_format));
        let template = Rescale {
            from_shift: from_format.sample_shift(),
            to_shift: to_format.sample_shift(),
            is_identity: u32::from(template.multiply == 1.0 && template.subtract == template.add),
            max_code: max_code(to_format),
            ..template
        };
        Self { entry: Entry::find(Topic::Rescale, &name), from, to, template }
    }

    fn launch(&self, source: u64, target: u64, from: &Layout, to: &Layout) -> Launch {
        let read = self.from.as_ref().map_or([Plane::default(); 3], |read| component_planes(from, read));
        let written = component_planes(to, &self.to);
        let params = Rescale {
            source: if self.from.is_some() { source } else { 0 },
            target,
            from: read,
            to: written,
            is_source_aligned: is_aligned(&[source], &read),
            is_target_aligned: is_aligned(&[target], &written),
            ..self.template
        };
        let threads = (params.count.unsigned_abs().div_ceil(PIXELS), params.rows.unsigned_abs());
        let geometry = Geometry::covering(threads, self.to.len() as u32, (32, 8));
        Launch { entry: self.entry, geometry, params: Params::Rescale(params) }
    }
}

fn component_planes(layout: &Layout, components: &[Component]) -> [Plane; 3] {
    let planes = param_planes(layout);
    let sample_bytes = layout.format().sample().bytes() as u64;
    let mut chosen = [Plane::default(); 3];
    for (chosen, component) in chosen.iter_mut().zip(components) {
        let plane = planes[component.plane];
        *chosen = Plane { offset: plane.offset + component.sample * sample_bytes, ..plane };
    }
    chosen
}
