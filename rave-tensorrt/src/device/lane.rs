use std::time::{Duration, Instant};

use rave_core::{Digest, Error as FrameError, Kernel, Layout, PixelFormat, VideoInfo};
use rave_cuda::{
    CudaFrame, CudaResize, DigestTaker, Pool, Stream, TensorAt, TensorAxes as DeviceAxes, TensorShape,
    TileCopier, Window, device_layout,
};

use crate::device::replays::Replays;
use crate::device::session::{DeviceNetwork, DeviceTensor, run_error};
use crate::error::Error;
use crate::info::{ModelColor, ModelInfo, TensorAxes};
use crate::planes::{self, Tile};
use crate::tiling::Axis;

/// Runs are recorded where enqueuing takes more than this part of them.
const ENQUEUE_PART: u32 = 5;

/// Runs before a measurement.
const WARM_UP: u32 = 10;

/// Enqueues pictures on one stream.
pub(super) struct DeviceLane {
    // Dropped before the session whose runs they are.
    replays: Option<Replays>,
    network: DeviceNetwork,
    info: ModelInfo,
    input: (PixelFormat, u32, u32),
    output: Layout,
    axes: [Axis; 2],
    copier: TileCopier,
    /// Makes the output frame with its chroma planes, for luma-only networks.
    chroma: Option<CudaResize>,
    pool: Pool,
    stream: Stream,
}

impl DeviceLane {
    pub(super) fn new(
        network: DeviceNetwork,
        info: &ModelInfo,
        input: &VideoInfo,
        axes: [Axis; 2],
        (pool, stream): (&Pool, &Stream),
    ) -> Result<Self, Error> {
        let size = (input.width * info.scale, input.height * info.scale);
        let chroma = match (info.color, input.format.chroma()) {
            (ModelColor::Luma, Some(_)) => Some(CudaResize::new(pool, input, size, Kernel::CatmullRom)?),
            _ => None,
        };
        Ok(Self {
            replays: None,
            network,
            info: info.clone(),
            input: (input.format, input.width, input.height),
            output: device_layout(input.format, size.0, size.1)?,
            axes,
            copier: TileCopier::new(pool.device())?,
            chroma,
            pool: pool.clone(),
            stream: stream.clone(),
        })
    }

    /// Records runs from now on, if they give what they should: what comes out of recorded runs must equal what comes out
    /// of the others, for two pictures.
    ///
    /// # Errors
    /// Those of a run that is not recorded.
    pub(super) fn record(&mut self, pictures: [&CudaFrame; 2]) -> Result<(), Error> {
        let taker = DigestTaker::new(&self.pool)?;
        let expected = pictures.map(|picture| self.digest(&taker, picture));
        let [Some(first), Some(second)] = expected.map(Result::ok) else { return Ok(()) };
        let (width, height) = self.tile();
        self.replays = Some(Replays::new(&self.pool, self.shape(width, height, 1).size_bytes())?);
        // Seen, recorded, and launched again with another input.
        let recorded = [pictures[0], pictures[0], pictures[1]].map(|picture| self.digest(&taker, picture));
        let is_right = matches!(recorded, [Ok(a), Ok(b), Ok(c)] if (a, b, c) == (first, first, second));
        let is_recorded = self.replays.as_ref().is_some_and(Replays::has_any);
        if !is_right || !is_recorded {
            tracing::debug!(model = self.info.name, "runs are not recorded: they differ, or cannot be");
            self.replays = None;
        }
        Ok(())
    }

    pub(super) const fn is_recorded(&self) -> bool {
        self.replays.is_some()
    }

    fn digest(&mut self, taker: &DigestTaker, picture: &CudaFrame) -> Result<Digest, Error> {
        let output = self.upscale(picture)?;
        Ok(taker.start(&self.stream, &output)?.wait()?)
    }

    /// Enqueues the enlargement of a frame.
    pub(super) fn upscale(&mut self, frame: &CudaFrame) -> Result<CudaFrame, Error> {
        self.check(frame.layout())?;
        let mut output = match &mut self.chroma {
            Some(chroma) => chroma.resize(frame)?,
            None => self.pool.frame(self.output, frame.color(), frame.info())?,
        };
        if self.is_whole() {
            self.run_whole(frame, &mut output)?;
        } else {
            let axes = self.axes.clone();
            planes::tiles(&axes[0], &axes[1]).try_for_each(|tile| self.run_tile(frame, tile, &mut output))?;
        }
        Ok(output)
    }

    fn check(&self, layout: &Layout) -> Result<(), FrameError> {
        let is = (layout.format(), layout.width(), layout.height());
        if is == self.input {
            return Ok(());
        }
        let text = |(format, width, height)| format!("{format} {width}x{height}");
        Err(FrameError::Layout(format!(
            "a frame of {} came where {} was promised",
            text(is),
            text(self.input)
        )))
    }

    fn is_whole(&self) -> bool {
        self.axes.iter().all(Axis::is_identity) && self.info.axes == TensorAxes::Nchw
    }

    /// The network reads the frame's memory and writes the output's, where they are tensors as they stand.
    fn run_whole(&mut self, frame: &CudaFrame, output: &mut CudaFrame) -> Result<(), Error> {
        let channels = self.info.color.channels();
        let [source, target] =
            [frame.layout(), output.layout()].map(|layout| tensor_offset(layout, channels));
        let (stream, size) = (self.stream.clone(), self.tile());
        match (source, target, self.replays.is_some()) {
            (Some(source), Some(target), false) => {
                let (read, write) = (frame.buffer().read(&stream)?, output.buffer_mut().write(&stream)?);
                self.run(size, read.address() + source, write.address() + target)
            }
            (_, Some(target), true) => {
                self.gather(frame, (0, 0))?;
                let write = output.buffer_mut().write(&stream)?;
                self.replay(size, write.address() + target)
            }
            _ => {
                let axes = self.axes.clone();
                planes::tiles(&axes[0], &axes[1]).try_for_each(|tile| self.run_tile(frame, tile, output))
            }
        }
    }

    /// Through memory of its own. It goes back to the pool at once; its next user waits for this work.
    fn run_tile(&mut self, frame: &CudaFrame, tile: Tile<'_>, output: &mut CudaFrame) -> Result<(), Error> {
        let (scale, size, stream) = (self.info.scale, (tile.width, tile.height), self.stream.clone());
        let (seen, made) = (self.shape(size.0, size.1, 1), self.shape(size.0, size.1, scale));
        let place = (tile.x.start as i64, tile.y.start as i64);
        let mut result = self.pool.take(made.size_bytes())?;
        if self.replays.is_some() {
            self.gather(frame, place)?;
            let write = result.write(&stream)?;
            self.replay(size, write.address())?;
        } else {
            let mut input = self.pool.take(seen.size_bytes())?;
            let target = TensorAt { buffer: &mut input, offset_bytes: 0, shape: seen };
            self.copier.gather(&stream, frame, place, target)?;
            let (read, write) = (input.read(&stream)?, result.write(&stream)?);
            self.run(size, read.address(), write.address())?;
        }
        let source = TensorAt { buffer: &result, offset_bytes: 0, shape: made };
        let (keep, place) = kept(tile, scale);
        Ok(self.copier.scatter(&stream, source, keep, output, place)?)
    }

    /// Fills the input of recorded runs.
    fn gather(&mut self, frame: &CudaFrame, place: (i64, i64)) -> Result<(), Error> {
        let (width, height) = self.tile();
        let shape = self.shape(width, height, 1);
        let Some(replays) = &mut self.replays else { return Ok(()) };
        let target = TensorAt { buffer: replays.input_mut(), offset_bytes: 0, shape };
        Ok(self.copier.gather(&self.stream, frame, place, target)?)
    }

    /// How long `runs` runs of one tile take, in the same memory, and how long the enqueuing of one while the GPU is idle.
    pub(super) fn time(&mut self, runs: u32) -> Result<(Duration, Duration), Error> {
        let (width, height) = self.tile();
        let mut input = self.pool.take(self.shape(width, height, 1).size_bytes())?;
        let mut output = self.pool.take(self.shape(width, height, self.info.scale).size_bytes())?;
        let stream = self.stream.clone();
        let (source, target) = (input.write(&stream)?, output.write(&stream)?);
        let mut run = || match self.replays {
            Some(_) => self.replay((width, height), target.address()),
            None => self.run((width, height), source.address(), target.address()),
        };
        let mut enqueue = Duration::MAX;
        // The first runs after a while find the GPU at a low clock.
        for _ in 0..WARM_UP {
            let start = Instant::now();
            run()?;
            enqueue = enqueue.min(start.elapsed());
            stream.synchronize()?;
        }
        let start = Instant::now();
        for _ in 0..runs {
            run()?;
        }
        stream.synchronize()?;
        Ok((start.elapsed(), enqueue))
    }

    /// Whether a good part of the time of a run goes by until it is enqueued.
    pub(super) fn is_bound_by_host(&mut self, picture: &CudaFrame) -> Result<bool, Error> {
        let mut least = (Duration::MAX, Duration::MAX);
        for _ in 0..2 {
            let start = Instant::now();
            let output = self.upscale(picture)?;
            let enqueued = start.elapsed();
            drop(output);
            self.stream.synchronize()?;
            least = least.min((enqueued, start.elapsed()));
        }
        Ok(least.0 * ENQUEUE_PART > least.1)
    }

    /// Both addresses are held for the stream by the caller, with as many bytes as a tile and its enlargement take.
    fn run(&mut self, (width, height): (usize, usize), input: u64, output: u64) -> Result<(), Error> {
        let scale = self.info.scale as usize;
        let input = DeviceTensor { address: input, shape: self.info.shape((width, height)) };
        let output =
            DeviceTensor { address: output, shape: self.info.shape((width * scale, height * scale)) };
        // SAFETY: the callers hold accesses to both buffers for this stream, which the session uses, and have found the
        // tensors inside of them: by `tensor_offset` in a frame's layout, or by the size that was taken from the pool.
        let result = unsafe { self.network.run(input, output) };
        result.map_err(|source| run_error(&self.info, (width, height), source))
    }

    /// From the input of recorded runs; as for [`run`](Self::run).
    fn replay(&mut self, (width, height): (usize, usize), output: u64) -> Result<(), Error> {
        let scale = self.info.scale as usize;
        let input = self.info.shape((width, height));
        let output =
            DeviceTensor { address: output, shape: self.info.shape((width * scale, height * scale)) };
        let Some(replays) = &mut self.replays else { return Ok(()) };
        let failed = |source| run_error(&self.info, (width, height), source);
        // SAFETY: as in `run`; the input of recorded runs has the size of a tile.
        unsafe { replays.run(&mut self.network, &self.stream, input, output, failed) }
    }

    fn tile(&self) -> (usize, usize) {
        let [x, y] = &self.axes;
        (x.tile, y.tile)
    }

    fn shape(&self, width: usize, height: usize, scale: u32) -> TensorShape {
        TensorShape {
            channels: self.info.color.channels() as u32,
            width: width as u32 * scale,
            height: height as u32 * scale,
            sample: self.info.sample,
            axes: match self.info.axes {
                TensorAxes::Nchw => DeviceAxes::Nchw,
                TensorAxes::Nhwc => DeviceAxes::Nhwc,
            },
        }
    }
}

/// What is taken from an enlarged tile, and where it goes.
fn kept(tile: Tile<'_>, scale: u32) -> (Window, (i64, i64)) {
    let scaled = |pixels: usize| pixels as u32 * scale;
    let (x, y) = (tile.x, tile.y);
    let window = Window {
        x: scaled(x.keep.start - x.start),
        y: scaled(y.keep.start - y.start),
        width: scaled(x.keep.len()),
        height: scaled(y.keep.len()),
    };
    (window, (i64::from(scaled(x.keep.start)), i64::from(scaled(y.keep.start))))
}

/// Where the first `channels` planes lie as one tensor, if they follow each other without gaps and begin where a GPU can
/// read 16 bytes at once.
fn tensor_offset(layout: &Layout, channels: usize) -> Option<u64> {
    let planes = layout.planes().get(..channels)?;
    let first = planes.first()?.offset_bytes;
    let mut next = first;
    for plane in planes {
        if plane.offset_bytes != next || plane.stride_bytes != plane.row_bytes {
            return None;
        }
        next = plane.end_bytes();
    }
    first.is_multiple_of(16).then_some(first as u64)
}

#[cfg(test)]
mod tests {
    use rave_core::{Chroma, Packing, Sample};

    use super::*;

    #[test]
    fn packed_planes_are_a_tensor() {
        let rgb = device_layout(PixelFormat::RGB_F16, 321, 241).unwrap();
        assert_eq!(tensor_offset(&rgb, 3), Some(0));
        let padded = Layout::aligned(PixelFormat::RGB_F16, 321, 241, 256).unwrap();
        assert_eq!(tensor_offset(&padded, 3), None);
        let format = PixelFormat::Yuv { chroma: Chroma::C420, sample: Sample::F32, packing: Packing::Planar };
        assert_eq!(tensor_offset(&device_layout(format, 1920, 1080).unwrap(), 1), Some(0));
        assert_eq!(tensor_offset(&device_layout(format, 321, 241).unwrap(), 1), None);
        let planes = [(8, 642), (8 + 642 * 241, 642), (8 + 2 * 642 * 241, 642)];
        let odd = Layout::with_planes(PixelFormat::RGB_F16, 321, 241, &planes).unwrap();
        assert_eq!(tensor_offset(&odd, 3), None);
    }

    #[test]
    fn what_a_tile_keeps_is_enlarged() {
        let axes = [Axis::tiled(150, 64, 16, 1), Axis::tiled(110, 64, 16, 1)];
        let tiles = planes::tiles(&axes[0], &axes[1]).map(|tile| kept(tile, 2));
        let mut pixels = 0;
        for (window, (x, y)) in tiles {
            assert!(window.x + window.width <= 128 && window.y + window.height <= 128);
            assert!(x + i64::from(window.width) <= 300 && y + i64::from(window.height) <= 220);
            pixels += window.width * window.height;
        }
        assert_eq!(pixels, 300 * 220);
    }
}
