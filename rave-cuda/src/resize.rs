use std::sync::Arc;

use rave_core::{
    BoxError, Chroma, DeviceTimes, Error as FrameError, Kernel, Layout, Packing, PixelFormat, Rational,
    ResampleAxis, Stage, VideoInfo,
};

use crate::buffer::{CudaBuffer, CudaFrame};
use crate::error::Error;
use crate::filter::Filter;
use crate::kernels::{Entry, Geometry, Launch, Topic};
use crate::layout::{device_layout, kind, max_code, param_planes};
use crate::params::{Params, Plane, Resample};
use crate::pool::Pool;
use crate::stream::Stream;
use crate::timer::WorkTimer;
use crate::transfer::upload_bytes;

/// Rows that a thread of the horizontal pass handles: `ROWS` in rave-cuda/kernels/resample.cu.
const ROWS: u32 = 4;

/// Filters of a plan, at most: luma's two and chroma's.
const MOST_FILTERS: usize = 4;

/// Resamples frames in GPU memory to another size: the device's [`rave_core::Resampler`], with the same weights, on every
/// plane. Chroma keeps its siting. Values are rounded and clamped as by [`CudaConverter`](crate::CudaConverter).
#[derive(Debug)]
pub struct CudaResize {
    plan: Plan,
    output: VideoInfo,
    layout: Layout,
    tables: Vec<Arc<Table>>,
    pool: Pool,
    stream: Stream,
    timer: WorkTimer,
}

/// A filter in GPU memory: starts, then weights.
struct Table {
    buffer: CudaBuffer,
    weights_offset: u64,
}

impl CudaResize {
    /// A stage for the frames that `input` describes, to `size`: width and height in pixels. The pixels' aspect ratio
    /// changes so that the displayed one stays.
    ///
    /// # Errors
    /// [`Error::Frame`] if a size is impossible; as for [`Pool::take`].
    pub fn new(pool: &Pool, input: &VideoInfo, size: (u32, u32), kernel: Kernel) -> Result<Self, Error> {
        let plan = Plan::new(input, size, kernel)?;
        let device = pool.device();
        device.load(Topic::Resample)?;
        let stream = device.new_stream()?;
        let upload = |filter: &Filter| Table::new(pool, &stream, filter).map(Arc::new);
        let tables = plan.filters.iter().map(upload).collect::<Result<Vec<_>, Error>>()?;
        let output = VideoInfo { width: size.0, height: size.1, ..resized(input, size)? };
        let layout = device_layout(input.format, size.0, size.1)?;
        let timer = WorkTimer::new(device, &stream)?;
        pool.expect(plan.middle_bytes, 1);
        Ok(Self { plan, output, layout, tables, pool: pool.clone(), stream, timer })
    }

    /// What the emitted frames are.
    pub const fn output_info(&self) -> &VideoInfo {
        &self.output
    }

    /// Enqueues the resampling of one frame; its time and field order stay.
    ///
    /// # Errors
    /// [`Error::Frame`] if format or size are not those of the [`VideoInfo`]; as for [`Pool::take`].
    pub fn resize(&mut self, frame: &CudaFrame) -> Result<CudaFrame, Error> {
        frame.layout().check(self.plan.format, self.plan.input)?;
        let mut output = self.pool.frame(self.layout, frame.color(), frame.info())?;
        let mut middle = self.pool.take(self.plan.middle_bytes)?;
        let mut tables = [const { None }; MOST_FILTERS];
        let (mut starts, mut weights) = ([0; MOST_FILTERS], [0; MOST_FILTERS]);
        for (index, table) in self.tables.iter().enumerate() {
            let access = table.buffer.read(&self.stream)?;
            (starts[index], weights[index]) = (access.address(), access.address() + table.weights_offset);
            tables[index] = Some(access);
        }
        let (source, middle) = (frame.buffer().read(&self.stream)?, middle.write(&self.stream)?);
        let target = output.buffer_mut().write(&self.stream)?;
        let addresses = Addresses {
            source: source.address(),
            middle: middle.address(),
            target: target.address(),
            weights,
            starts,
        };
        let (device, stream, plan, to) = (self.pool.device(), &self.stream, &self.plan, &self.layout);
        self.timer.around(|| {
            plan.each_launch(&addresses, frame.layout(), to, |launch| {
                // SAFETY: layouts are checked above and by `Frame::new`, the buffer between the passes has the plan's size,
                // and filters reach no sample outside of their input; the accesses live until after the launches.
                unsafe { device.launch(stream, launch) }
            })
        })?;
        drop((tables, source, middle, target));
        Ok(output)
    }
}

impl Stage for CudaResize {
    type Input = CudaFrame;
    type Output = CudaFrame;

    fn process(&mut self, input: CudaFrame, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), BoxError> {
        emit(self.resize(&input)?);
        Ok(())
    }

    fn finish(&mut self, _emit: &mut dyn FnMut(CudaFrame)) -> Result<(), BoxError> {
        Ok(())
    }

    fn device_times(&self) -> Option<DeviceTimes> {
        Some(self.timer.times())
    }
}

fn resized(input: &VideoInfo, size: (u32, u32)) -> Result<VideoInfo, Error> {
    let sar = input.sample_aspect_ratio.unwrap_or(Rational::ONE);
    let part = |value: u32, by: u32, over: u32| {
        i64::from(value).checked_mul(i64::from(by)).and_then(|product| product.checked_mul(i64::from(over)))
    };
    let numerator = part(sar.numerator().unsigned_abs(), input.width, size.1);
    let denominator = part(sar.denominator().unsigned_abs(), input.height, size.0);
    let sample_aspect_ratio = match (numerator, denominator) {
        (Some(numerator), Some(denominator)) => Some(Rational::new(numerator, denominator)?),
        _ => None,
    };
    Ok(VideoInfo { sample_aspect_ratio, ..*input })
}

impl Table {
    fn new(pool: &Pool, stream: &Stream, filter: &Filter) -> Result<Self, Error> {
        let (bytes, weights_offset) = filter.to_bytes();
        Ok(Self { buffer: upload_bytes(pool, stream, &bytes)?, weights_offset })
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Table({:?})", self.buffer)
    }
}

/// What is launched for a frame, but for the addresses.
#[derive(Debug)]
struct Plan {
    format: PixelFormat,
    input: (u32, u32),
    /// Luma's horizontal and vertical, then chroma's.
    filters: Vec<Filter>,
    passes: Vec<Pass>,
    middle_bytes: usize,
}

/// One component of one plane.
#[derive(Clone, Copy, Debug)]
struct Pass {
    plane: usize,
    step: u32,
    sample: u64,
    /// Where in `filters` its two begin.
    filters: usize,
}

struct Addresses {
    source: u64,
    middle: u64,
    target: u64,
    starts: [u64; MOST_FILTERS],
    weights: [u64; MOST_FILTERS],
}

impl Plan {
    fn new(input: &VideoInfo, size: (u32, u32), kernel: Kernel) -> Result<Self, FrameError> {
        Layout::packed(input.format, input.width, input.height)?;
        Layout::packed(input.format, size.0, size.1)?;
        let axes = [ResampleAxis::fit(input.width, size.0)?, ResampleAxis::fit(input.height, size.1)?];
        let mut all = axes.to_vec();
        if let Some(chroma) = input.format.chroma() {
            all.extend(chroma_axes(chroma, input, size, axes));
        }
        let filters: Vec<_> = all.iter().map(|axis| Filter::new(kernel, axis)).collect();
        let middle_bytes = size.0 as usize * input.height as usize * size_of::<f32>();
        Ok(Self {
            format: input.format,
            input: (input.width, input.height),
            passes: passes(input.format),
            filters,
            middle_bytes,
        })
    }

    /// Calls `enqueue` with two launches for each component, all through the same memory: they run one after the other.
    fn each_launch<E>(
        &self,
        addresses: &Addresses,
        from: &Layout,
        to: &Layout,
        mut enqueue: impl FnMut(&Launch) -> Result<(), E>,
    ) -> Result<(), E> {
        self.passes.iter().try_for_each(|pass| {
            enqueue(&self.rows(*pass, addresses, from))?;
            enqueue(&self.columns(*pass, addresses, to))
        })
    }

    fn rows(&self, pass: Pass, addresses: &Addresses, from: &Layout) -> Launch {
        let (across, down) = (&self.filters[pass.filters], &self.filters[pass.filters + 1]);
        let params = Resample {
            source: addresses.source,
            target: addresses.middle,
            starts: addresses.starts[pass.filters],
            weights: addresses.weights[pass.filters],
            from: self.component(pass, from),
            to: middle_plane(across),
            width: across.output() as i32,
            height: down.input() as i32,
            taps: across.taps() as i32,
            from_step: pass.step,
            to_step: 1,
            from_shift: self.format.sample_shift(),
            ..Resample::default()
        };
        let entry = Entry::find_for(Topic::Resample, "resample_rows_", kind(self.format));
        let threads = (across.output(), down.input().div_ceil(ROWS));
        Launch { entry, geometry: Geometry::covering(threads, 1, (32, 8)), params: Params::Resample(params) }
    }

    fn columns(&self, pass: Pass, addresses: &Addresses, to: &Layout) -> Launch {
        let (across, down) = (&self.filters[pass.filters], &self.filters[pass.filters + 1]);
        let params = Resample {
            source: addresses.middle,
            target: addresses.target,
            starts: addresses.starts[pass.filters + 1],
            weights: addresses.weights[pass.filters + 1],
            from: middle_plane(across),
            to: self.component(pass, to),
            width: across.output() as i32,
            height: down.output() as i32,
            taps: down.taps() as i32,
            from_step: 1,
            to_step: pass.step,
            from_shift: 0,
            to_shift: self.format.sample_shift(),
            max_code: max_code(self.format),
        };
        let entry = Entry::find_for(Topic::Resample, "resample_columns_", kind(self.format));
        let threads = (across.output(), down.output());
        Launch { entry, geometry: Geometry::covering(threads, 1, (32, 8)), params: Params::Resample(params) }
    }

    fn component(&self, pass: Pass, layout: &Layout) -> Plane {
        let plane = param_planes(layout)[pass.plane];
        Plane { offset: plane.offset + pass.sample * self.format.sample().bytes() as u64, ..plane }
    }
}

fn middle_plane(across: &Filter) -> Plane {
    Plane { offset: 0, stride: u64::from(across.output()) * size_of::<f32>() as u64 }
}

/// A chroma sample at offset `o` lies at `2 j + o` in luma samples before and after: the derivation of
/// [`ResampleAxis::for_chroma`], for every scale.
fn chroma_axes(
    chroma: Chroma,
    input: &VideoInfo,
    size: (u32, u32),
    luma: [ResampleAxis; 2],
) -> [ResampleAxis; 2] {
    let (before, after) = (chroma.size(input.width, input.height), chroma.size(size.0, size.1));
    let ((x_shift, y_shift), (x, y)) = (chroma.shifts(), input.color.siting.offset());
    let shift = |reduced: u32, offset: f32, scale: Rational| match reduced {
        0 => 0.0,
        _ => (f64::from(offset) - 0.5) / 2.0 * (1.0 / scale.to_f64() - 1.0),
    };
    let axis = |input, output, scale, shift| ResampleAxis { input, output, scale, shift };
    let [across, down] = luma.map(|axis| axis.scale);
    [
        axis(before.0, after.0, across, shift(x_shift, x, across)),
        axis(before.1, after.1, down, shift(y_shift, y, down)),
    ]
}

fn passes(format: PixelFormat) -> Vec<Pass> {
    let whole = |plane, filters| Pass { plane, step: 1, sample: 0, filters };
    match format {
        PixelFormat::Gray { .. } => vec![whole(0, 0)],
        PixelFormat::Rgb { .. } => vec![whole(0, 0), whole(1, 0), whole(2, 0)],
        PixelFormat::Yuv { packing: Packing::Planar, .. } => vec![whole(0, 0), whole(1, 2), whole(2, 2)],
        PixelFormat::Yuv { packing: Packing::SemiPlanar, .. } => {
            let of_pair = |sample| Pass { plane: 1, step: 2, sample, filters: 2 };
            vec![whole(0, 0), of_pair(0), of_pair(1)]
        }
    }
}

#[cfg(test)]
mod tests;
