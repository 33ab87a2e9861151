use half::f16;
use rave_core::{
    CodedError, ColorSpec, DeviceTimes, FrameInfo, HostFrame, HostPool, Layout, Sample, Timestamp, VideoInfo,
};
use rave_cuda::{DigestTaker, Pool, Reservation, Stream, TileCopier, Upload, device_layout};

use crate::device::ladder::Rung;
use crate::device::lane::DeviceLane;
use crate::device::model::{BiasAddition, DeviceModel};
use crate::device::session::{DeviceNetwork, Purpose};
use crate::error::Error;
use crate::info::{ModelInfo, device_memory_estimate};
use crate::origin::Origin;
use crate::plan::{UpscalerOptions, axes};
use crate::tiling::Axis;

/// Frames of the model's input and output that a pipeline holds, at most, beside the network.
const HELD_FRAMES: u64 = 10;

/// A lane with the memory that its session was seen to take.
pub(super) struct Fitted {
    pub(super) lane: DeviceLane,
    pub(super) rung: Rung,
    pub(super) reserved: Reservation,
}

impl Fitted {
    /// Opens a session on a stream of its own and runs it once.
    pub(super) fn open(wanted: &Wanted<'_>, rung: Rung) -> Result<Self, Error> {
        let asked = wanted.model.options().cuda.bias;
        match Self::with_bias(wanted, &rung, asked) {
            Err(error @ Error::InferenceFailed { .. }) if asked == BiasAddition::Within => {
                tracing::warn!(%error, "convolutions cannot add their bias within, it is added apart");
                Self::with_bias(wanted, &rung, BiasAddition::Apart)
            }
            other => other,
        }
    }

    fn with_bias(wanted: &Wanted<'_>, rung: &Rung, bias: BiasAddition) -> Result<Self, Error> {
        let &Wanted { model, origin, input, times, others_bytes: before, .. } = wanted;
        let pool = model.pool();
        let stream = pool.device().new_stream()?;
        let size = (rung.axes[0].tile, rung.axes[1].tile);
        let purpose = Purpose { model, origin, size, batch: rung.batch, bias, stream: &stream };
        let network = DeviceNetwork::open(&purpose)?;
        let mut lane = DeviceLane::new(network, model.info(), input, rung, (pool, &stream))?;
        warm_up(&mut lane, pool, &stream, input)?;
        lane.note_times_in(times)?;
        let reserved = pool.reserve(others_bytes(pool)?.saturating_sub(before))?;
        Ok(Self { lane, rung: rung.clone(), reserved })
    }

    /// Whether what comes out for a picture is the same, bit for bit, wherever in a batch it is.
    pub(super) fn is_alike_everywhere(&mut self, pool: &Pool, input: &VideoInfo) -> Result<bool, Error> {
        let picture = Upload::new(pool, input)?.upload(&noise(input, frame_info(input))?)?;
        let digests = self.lane.digests(&DigestTaker::new(pool)?, &picture)?;
        Ok(digests.windows(2).all(|pair| pair[0] == pair[1]))
    }
}

/// What a lane is opened for.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) model: &'a DeviceModel,
    /// The model's graph, or the same in another precision.
    pub(super) origin: &'a Origin,
    pub(super) input: &'a VideoInfo,
    pub(super) options: &'a UpscalerOptions,
    /// Where its runs are noted.
    pub(super) times: &'a DeviceTimes,
    /// What others had of the GPU before its first session: not all that a session took is free as soon as it is closed.
    pub(super) others_bytes: usize,
}

impl Wanted<'_> {
    /// A lane for `rung`, or for the first below it that memory suffices for. `tell` hears why one did not.
    pub(super) fn first_that_fits(
        &self,
        mut rung: Rung,
        tell: impl Fn(&Rung, &Error),
    ) -> Result<Fitted, Error> {
        loop {
            match Fitted::open(self, rung.clone()) {
                Err(error) if error.is_recoverable() => {
                    let below = rung.below(self.model.info(), self.input, self.options);
                    let Some(below) = below else { return Err(error) };
                    tell(&below, &error);
                    rung = below;
                }
                other => return other,
            }
        }
    }
}

/// Runs black frames to the end: the GPU's memory and the algorithms are chosen now. Where the host is too slow, runs are
/// recorded.
fn warm_up(lane: &mut DeviceLane, pool: &Pool, stream: &Stream, input: &VideoInfo) -> Result<(), Error> {
    let layout = device_layout(input.format, input.width, input.height)?;
    let info = frame_info(input);
    let mut black = pool.frame(layout, ColorSpec::default(), info)?;
    TileCopier::new(pool.device())?.clear(stream, &mut black)?;
    lane.run_filled_with(&black)?;
    stream.synchronize()?;
    if lane.is_bound_by_host(&black)? {
        let other = Upload::new(pool, input)?.upload(&noise(input, info)?)?;
        lane.record([&black, &other])?;
    }
    Ok(stream.synchronize()?)
}

fn frame_info(input: &VideoInfo) -> FrameInfo {
    let pts = Timestamp::new(0, input.time_base);
    FrameInfo::new(pts)
}

/// A picture of no meaning, with values from 0 to 1.
fn noise(input: &VideoInfo, info: FrameInfo) -> Result<HostFrame, Error> {
    let layout = Layout::packed(input.format, input.width, input.height)?;
    let mut picture = HostFrame::from_pool(&HostPool::new(), layout, ColorSpec::default(), info);
    // The linear congruential generator of Numerical Recipes.
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

/// Bytes of the GPU that are in use by others than the pool.
pub(super) fn others_bytes(pool: &Pool) -> Result<usize, Error> {
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

/// The axes of a picture, as a whole if it fits.
pub(super) fn first_axes(
    model: &DeviceModel,
    input: &VideoInfo,
    options: &UpscalerOptions,
) -> Result<[Axis; 2], Error> {
    let room_bytes = room_bytes(model.pool())?;
    axes(model.info(), input, options, |width, height| {
        picture_bytes(model.info(), width, height) <= room_bytes
    })
}
