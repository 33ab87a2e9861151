use std::collections::VecDeque;

use half::f16;
use rave_core::{
    CodedError, ColorSpec, FieldOrder, FrameInfo, HostFrame, HostPool, Layout, Sample, Timestamp, VideoInfo,
};
use rave_cuda::{
    CudaBuffer, CudaFrame, PendingStatistics, Pool, Reservation, Statistics, Stream, TileCopier, Upload,
    device_layout,
};

use crate::device::lane::DeviceLane;
use crate::device::model::{DeviceModel, OnNan};
use crate::device::session::{DeviceNetwork, Purpose};
use crate::error::Error;
use crate::info::{ModelInfo, device_memory_estimate};
use crate::origin::Origin;
use crate::plan::{Tile, UpscalerOptions, axes};
use crate::report::ReportHandle;
use crate::tiling::{Axis, tile_size};
use crate::upscaler::{Upscaler, Work, check_format, enlarged};

/// Frames whose values are looked at when later ones have been enqueued. The GPU has the work of this many frames when the
/// host waits for the oldest.
const LOOKED_AT_LATER: usize = 3;

/// Frames of the model's input and output that a pipeline holds, at most, beside the network.
const HELD_FRAMES: u64 = 10;

/// Sides of tiles, in input pixels, that [`Tile::Auto`] goes through when memory does not suffice.
const LADDER: [u32; 6] = [1024, 768, 512, 384, 256, 128];

impl Upscaler<CudaBuffer> {
    /// A stage for frames of `input` in GPU memory. It runs the model once on a black frame, so that memory, algorithms and
    /// the first frames' buffers are there when the first frame comes.
    ///
    /// With [`Tile::Auto`], pictures are given to the network whole if the estimate fits into what the GPU and the pool's
    /// limit leave; where it then runs out of memory, now or later, smaller tiles are tried down to 128 pixels.
    ///
    /// # Errors
    /// [`rave_core::Error::Format`] if the frames are not in [`ModelInfo::input_format`], [`rave_core::Error::Size`] if a
    /// side of the output is too large, [`Error::Options`] if the model cannot run as `options` say;
    /// [`Error::InferenceMemory`] and [`rave_cuda::Error::VramLimit`] if memory does not suffice;
    /// [`Error::ProviderRefused`] if the provider does not take the model; [`Error::InferenceFailed`].
    pub fn new(model: DeviceModel, input: &VideoInfo, options: &UpscalerOptions) -> Result<Self, Error> {
        let info = model.info().clone();
        check_format(&info, input.format)?;
        let output_info = enlarged(input, info.scale);
        device_layout(output_info.format, output_info.width, output_info.height)?;
        let report = ReportHandle::new(model.provider(), None);
        let work = DeviceWork::new(model, input, *options, report.clone())?;
        Ok(Self { memory_bytes: work.memory_bytes()?, info, output_info, report, work: Box::new(work) })
    }
}

struct DeviceWork {
    model: DeviceModel,
    input: VideoInfo,
    options: UpscalerOptions,
    /// `None` after smaller tiles did not help either: then the stage is at its end.
    lane: Option<Fitted>,
    single: Single,
    statistics: Statistics,
    /// Where values are looked at, so that the next frame need not wait.
    side: Stream,
    waiting: VecDeque<Waiting>,
    next_number: u64,
    report: ReportHandle,
}

/// A lane with the memory that its session was seen to take.
pub(super) struct Fitted {
    pub(super) lane: DeviceLane,
    axes: [Axis; 2],
    reserved: Reservation,
}

/// The model in single precision, for frames that are not finite in half.
enum Single {
    NotNeededYet,
    Loaded(Box<Fitted>),
    /// The model is in single precision already.
    Same,
}

/// A frame whose work is enqueued.
struct Waiting {
    number: u64,
    input: CudaFrame,
    output: CudaFrame,
    statistics: PendingStatistics,
}

impl DeviceWork {
    fn new(
        model: DeviceModel,
        input: &VideoInfo,
        options: UpscalerOptions,
        report: ReportHandle,
    ) -> Result<Self, Error> {
        let pool = model.pool();
        let (statistics, side) = (Statistics::new(pool)?, pool.device().new_stream()?);
        let room_bytes = room_bytes(pool)?;
        let fits = |width, height| picture_bytes(model.info(), width, height) <= room_bytes;
        let axes = axes(model.info(), input, &options, fits)?;
        let lane = Some(first_that_fits(&model, model.origin(), input, &options, axes)?);
        let single =
            if model.origin().is_in_single_precision() { Single::Same } else { Single::NotNeededYet };
        let waiting = VecDeque::with_capacity(LOOKED_AT_LATER + 1);
        let input = *input;
        let work =
            Self { model, input, options, lane, single, statistics, side, waiting, next_number: 0, report };
        work.tell();
        Ok(work)
    }

    /// Writes into the report what the lane is.
    fn tell(&self) {
        let Some(lane) = &self.lane else { return };
        let (tile, runtime_bytes) = (tile_size(&lane.axes), lane.reserved.len_bytes() as u64);
        let is_recorded = lane.lane.is_recorded();
        self.report.update(|report| {
            (report.tile, report.runtime_bytes, report.is_recorded) = (tile, runtime_bytes, is_recorded);
        });
    }

    /// What the session took, and the frames that are held.
    fn memory_bytes(&self) -> Result<u64, Error> {
        let frame = |scale: u32| {
            let (width, height) = (self.input.width * scale, self.input.height * scale);
            Ok::<_, Error>(device_layout(self.input.format, width, height)?.size_bytes() as u64)
        };
        let frames = (frame(1)? + frame(self.model.info().scale)?) * (LOOKED_AT_LATER as u64 + 1);
        Ok(self.report.get().runtime_bytes + frames)
    }

    /// Enqueues a frame; where memory does not suffice, in smaller tiles from now on.
    fn upscale(&mut self, frame: &CudaFrame) -> Result<CudaFrame, Error> {
        loop {
            let Some(fitted) = &mut self.lane else {
                return Err(Error::Options("the upscaler has failed".into()));
            };
            match fitted.lane.upscale(frame) {
                Err(error) if error.is_recoverable() && self.options.tile == Tile::Auto => {
                    let axes =
                        smaller(self.model.info(), &self.input, &self.options, &fitted.axes).ok_or(error)?;
                    self.shrink(axes)?;
                }
                other => return other,
            }
        }
    }

    fn shrink(&mut self, axes: [Axis; 2]) -> Result<(), Error> {
        // Its memory is needed.
        self.lane = None;
        let lane = first_that_fits(&self.model, self.model.origin(), &self.input, &self.options, axes)?;
        tracing::warn!(tile = ?tile_size(&lane.axes), "out of GPU memory, going on in smaller tiles");
        self.lane = Some(lane);
        self.tell();
        Ok(())
    }

    /// Looks at the values of the frame that waits for the longest time, and emits it.
    fn settle(&mut self, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), Error> {
        let Some(waiting) = self.waiting.pop_front() else { return Ok(()) };
        let Waiting { number, input, output, statistics } = waiting;
        if is_finite(statistics)? {
            emit(output);
            return Ok(());
        }
        let is_first = self.report.add_not_finite(number);
        if is_first {
            tracing::warn!(frame = number, "the model gave values that are not finite numbers");
        }
        match self.model.options().on_nan {
            OnNan::Error => Err(Error::NotFinite { model: self.model.info().name.clone(), frame: number }),
            OnNan::Keep => {
                emit(output);
                Ok(())
            }
            OnNan::Fp32 => {
                emit(self.run_again(&input, output)?);
                Ok(())
            }
        }
    }

    /// The frame in single precision, or as it is if that is no help.
    fn run_again(&mut self, input: &CudaFrame, output: CudaFrame) -> Result<CudaFrame, Error> {
        let output = match self.single()? {
            Some(lane) => {
                let again = lane.upscale(input)?;
                self.report.update(|report| report.run_again += 1);
                again
            }
            None => output,
        };
        if !is_finite(self.statistics.start(&self.side, &output)?)? {
            self.report.update(|report| report.still_not_finite += 1);
        }
        Ok(output)
    }

    fn single(&mut self) -> Result<Option<&mut DeviceLane>, Error> {
        if matches!(self.single, Single::NotNeededYet) {
            let origin = self.model.origin().in_single_precision()?;
            let axes = self.lane.as_ref().map(|lane| lane.axes.clone());
            if let Some(axes) = axes {
                let fitted = first_that_fits(&self.model, &origin, &self.input, &self.options, axes)?;
                self.single = Single::Loaded(Box::new(fitted));
            }
        }
        Ok(match &mut self.single {
            Single::Loaded(fitted) => Some(&mut fitted.lane),
            Single::NotNeededYet | Single::Same => None,
        })
    }
}

impl Work<CudaBuffer> for DeviceWork {
    fn process(&mut self, input: CudaFrame, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), Error> {
        let output = self.upscale(&input)?;
        let statistics = self.statistics.start(&self.side, &output)?;
        let number = self.next_number;
        self.next_number += 1;
        self.waiting.push_back(Waiting { number, input, output, statistics });
        if self.waiting.len() > LOOKED_AT_LATER {
            self.settle(emit)?;
        }
        Ok(())
    }

    fn finish(&mut self, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), Error> {
        while !self.waiting.is_empty() {
            self.settle(emit)?;
        }
        Ok(())
    }

    fn frames_at_once(&self) -> usize {
        LOOKED_AT_LATER + 1
    }
}

impl Fitted {
    /// Opens a session on a stream of its own and runs it once.
    pub(super) fn with_origin(
        model: &DeviceModel,
        origin: &Origin,
        input: &VideoInfo,
        axes: [Axis; 2],
    ) -> Result<Self, Error> {
        let pool = model.pool();
        let stream = pool.device().new_stream()?;
        let before = others_bytes(pool)?;
        let size = (axes[0].tile, axes[1].tile);
        let network = DeviceNetwork::open(&Purpose { model, origin, size, stream: &stream })?;
        let mut lane = DeviceLane::new(network, model.info(), input, axes.clone(), (pool, &stream))?;
        warm_up(&mut lane, pool, &stream, input)?;
        let reserved = pool.reserve(others_bytes(pool)?.saturating_sub(before))?;
        Ok(Self { lane, axes, reserved })
    }
}

/// A lane for `axes`, or with [`Tile::Auto`] for the largest smaller tiles that memory suffices for.
fn first_that_fits(
    model: &DeviceModel,
    origin: &Origin,
    input: &VideoInfo,
    options: &UpscalerOptions,
    mut axes: [Axis; 2],
) -> Result<Fitted, Error> {
    loop {
        match Fitted::with_origin(model, origin, input, axes.clone()) {
            Err(error) if error.is_recoverable() && options.tile == Tile::Auto => {
                axes = smaller(model.info(), input, options, &axes).ok_or(error)?;
            }
            other => return other,
        }
    }
}

/// The next smaller tiles; nothing if there are none, or the model fixes its size.
fn smaller(
    info: &ModelInfo,
    input: &VideoInfo,
    options: &UpscalerOptions,
    axes: &[Axis; 2],
) -> Option<[Axis; 2]> {
    if info.size.is_some() {
        return None;
    }
    let now = axes[0].tile.max(axes[1].tile);
    let side = LADDER.into_iter().find(|&side| (side as usize) < now)?;
    crate::plan::axes(info, input, &UpscalerOptions { tile: Tile::Size(side), ..*options }, |_, _| false).ok()
}

/// Runs a black frame to the end: the GPU's memory and the algorithms are chosen now. Where the host is too slow, runs are
/// recorded.
fn warm_up(lane: &mut DeviceLane, pool: &Pool, stream: &Stream, input: &VideoInfo) -> Result<(), Error> {
    let layout = device_layout(input.format, input.width, input.height)?;
    let pts = Timestamp::new(0, input.time_base);
    let info = FrameInfo { pts, duration_ticks: None, field_order: FieldOrder::Progressive };
    let mut black = pool.frame(layout, ColorSpec::default(), info)?;
    TileCopier::new(pool.device())?.clear(stream, &mut black)?;
    drop(lane.upscale(&black)?);
    stream.synchronize()?;
    if lane.is_bound_by_host(&black)? {
        let other = Upload::new(pool, input)?.upload(&noise(input, info)?)?;
        lane.record([&black, &other])?;
    }
    Ok(stream.synchronize()?)
}

/// A picture of no meaning, with values from 0 to 1.
fn noise(input: &VideoInfo, info: FrameInfo) -> Result<HostFrame, Error> {
    let layout = Layout::packed(input.format, input.width, input.height)?;
    let mut picture = HostFrame::from_pool(&HostPool::new(), layout, ColorSpec::default(), info);
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    };
    for plane in 0..input.format.plane_count() {
        match input.format.sample() {
            Sample::F16 => {
                picture.rows_mut::<f16>(plane).flatten().for_each(|sample| *sample = f16::from_f32(next()));
            }
            _ => picture.rows_mut::<f32>(plane).flatten().for_each(|sample| *sample = next()),
        }
    }
    Ok(picture)
}

fn is_finite(statistics: PendingStatistics) -> Result<bool, Error> {
    Ok(statistics.wait()?.iter().all(|plane| plane.not_finite == 0))
}

/// Bytes of the GPU that are in use by others than the pool.
fn others_bytes(pool: &Pool) -> Result<usize, Error> {
    let info = pool.device().info()?;
    let health = pool.health();
    Ok((info.total_bytes - info.free_bytes).saturating_sub(health.allocated_bytes))
}

/// What the GPU and the pool's limit leave, idle buffers included.
fn room_bytes(pool: &Pool) -> Result<u64, Error> {
    let (info, health) = (pool.device().info()?, pool.health());
    let on_device =
        info.free_bytes + (health.allocated_bytes - health.used_bytes.min(health.allocated_bytes));
    let limit = health.limit_mib.map_or(u64::MAX, |mib| mib.saturating_mul(1 << 20));
    Ok(limit.saturating_sub(health.used_bytes as u64).min(on_device as u64))
}

/// What pictures of a size take as a whole: the network and the frames that a pipeline holds.
fn picture_bytes(info: &ModelInfo, width: u32, height: u32) -> u64 {
    let pixels = u64::from(width) * u64::from(height);
    let frame_bytes = 3 * info.sample.bytes() as u64 * (1 + u64::from(info.scale).pow(2));
    device_memory_estimate(info, width, height).saturating_add(pixels * frame_bytes * HELD_FRAMES)
}

#[cfg(test)]
mod tests {
    use rave_core::{PixelFormat, TimeBase};

    use super::*;
    use crate::info::{ModelColor, TensorAxes};

    fn info(size: Option<(u32, u32)>) -> ModelInfo {
        ModelInfo {
            name: "model".into(),
            sample: Sample::F16,
            color: ModelColor::Rgb,
            axes: TensorAxes::Nchw,
            size,
            multiple: 4,
            scale: 2,
            inner_bytes_per_pixel: 1536,
        }
    }

    fn video(width: u32, height: u32) -> VideoInfo {
        VideoInfo {
            format: PixelFormat::RGB_F16,
            width,
            height,
            color: ColorSpec::BT709,
            sample_aspect_ratio: None,
            frame_rate: None,
            time_base: TimeBase::new(1, 25).unwrap(),
            display_matrix: None,
            mastering_display: None,
            content_light: None,
        }
    }

    #[test]
    fn without_memory_tiles_become_smaller_to_the_end() {
        let (info, input, options) = (info(None), video(3840, 2160), UpscalerOptions::default());
        let mut now = axes(&info, &input, &options, |_, _| true).unwrap();
        let mut sides = vec![now[0].tile];
        while let Some(next) = smaller(&info, &input, &options, &now) {
            sides.push(next[0].tile);
            now = next;
        }
        assert_eq!(sides, [3840, 1024, 768, 512, 384, 256, 128]);
        let small = axes(&info, &video(320, 180), &options, |_, _| true).unwrap();
        assert_eq!(smaller(&info, &video(320, 180), &options, &small).unwrap()[0].tile, 256);
    }

    #[test]
    fn a_size_that_the_model_fixes_does_not_change() {
        let (info, input, options) = (info(Some((64, 64))), video(640, 360), UpscalerOptions::default());
        let now = axes(&info, &input, &options, |_, _| true).unwrap();
        assert!(smaller(&info, &input, &options, &now).is_none());
    }
}
