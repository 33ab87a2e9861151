use half::f16;
use rave_core::{
    CodedError, ColorSpec, FieldOrder, FrameInfo, HostFrame, HostPool, Layout, Sample, Timestamp, VideoInfo,
};
use rave_cuda::{Pool, Reservation, Stream, TileCopier, Upload, device_layout};

use crate::device::lane::DeviceLane;
use crate::device::model::DeviceModel;
use crate::device::session::{DeviceNetwork, Purpose};
use crate::error::Error;
use crate::info::{ModelInfo, device_memory_estimate};
use crate::origin::Origin;
use crate::plan::{Tile, UpscalerOptions, axes};
use crate::tiling::Axis;

/// Frames of the model's input and output that a pipeline holds, at most, beside the network.
const HELD_FRAMES: u64 = 10;

/// Sides of tiles, in input pixels, that [`Tile::Auto`] goes through when memory does not suffice.
const LADDER: [u32; 6] = [1024, 768, 512, 384, 256, 128];

/// A lane with the memory that its session was seen to take.
pub(super) struct Fitted {
    pub(super) lane: DeviceLane,
    pub(super) axes: [Axis; 2],
    pub(super) reserved: Reservation,
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
pub(super) fn first_that_fits(
    model: &DeviceModel,
    origin: &Origin,
    input: &VideoInfo,
    options: &UpscalerOptions,
    mut now: [Axis; 2],
) -> Result<Fitted, Error> {
    loop {
        match Fitted::with_origin(model, origin, input, now.clone()) {
            Err(error) if error.is_recoverable() && options.tile == Tile::Auto => {
                now = smaller(model.info(), input, options, &now).ok_or(error)?;
            }
            other => return other,
        }
    }
}

/// The next smaller tiles; nothing if there are none, or the model fixes its size.
pub(super) fn smaller(
    info: &ModelInfo,
    input: &VideoInfo,
    options: &UpscalerOptions,
    now: &[Axis; 2],
) -> Option<[Axis; 2]> {
    if info.size.is_some() {
        return None;
    }
    let longest = now[0].tile.max(now[1].tile);
    let side = LADDER.into_iter().find(|&side| (side as usize) < longest)?;
    axes(info, input, &UpscalerOptions { tile: Tile::Size(side), ..*options }, |_, _| false).ok()
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
