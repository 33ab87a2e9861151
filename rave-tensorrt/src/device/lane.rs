use std::borrow::Borrow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rave_core::{DeviceTimes, Digest, Error as FrameError, Kernel, Layout, PixelFormat, VideoInfo};
use rave_cuda::{
    CudaBuffer, CudaFrame, CudaResize, DigestTaker, Pool, Stream, TensorAt, TensorShape, TileCopier,
    WorkTimer, device_layout,
};

use crate::device::geometry::{kept, picture_shape, tensor_offset};
use crate::device::ladder::Rung;
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

/// Enqueues pictures on one stream, a batch at a time.
pub(super) struct DeviceLane {
    // Dropped before the session whose runs they are.
    replays: Option<Replays>,
    network: DeviceNetwork,
    info: ModelInfo,
    input: (PixelFormat, u32, u32),
    input_layout: Layout,
    output: Layout,
    /// Pictures of a run. Fewer are run with what is in memory in place of the others: another number would cost time to
    /// choose algorithms anew, and memory.
    batch: usize,
    axes: Arc<[Axis; 2]>,
    copier: TileCopier,
    /// Makes the output frame with its chroma planes, for luma-only networks.
    chroma: Option<CudaResize>,
    pool: Pool,
    /// Of the network's runs alone.
    timer: WorkTimer,
    stream: Stream,
}

impl DeviceLane {
    pub(super) fn new(
        network: DeviceNetwork,
        info: &ModelInfo,
        input: &VideoInfo,
        rung: &Rung,
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
            input_layout: device_layout(input.format, input.width, input.height)?,
            output: device_layout(input.format, size.0, size.1)?,
            batch: rung.batch,
            axes: Arc::new(rung.axes.clone()),
            copier: TileCopier::new(pool.device())?,
            chroma,
            pool: pool.clone(),
            timer: WorkTimer::new(pool.device(), stream)?,
            stream: stream.clone(),
        })
    }

    /// Adds the times of runs to `times` from now on.
    pub(super) fn note_times_in(&mut self, times: &DeviceTimes) -> Result<(), Error> {
        self.timer = WorkTimer::with_times(self.pool.device(), &self.stream, times)?;
        Ok(())
    }

    /// Records runs from now on, if they give what they should: what comes out of recorded runs must equal what comes out
    /// of the others, for two pictures.
    ///
    /// # Errors
    /// Those of a run that is not recorded.
    pub(super) fn record(&mut self, pictures: [&CudaFrame; 2]) -> Result<(), Error> {
        let taker = DigestTaker::new(&self.pool)?;
        let expected = pictures.map(|picture| self.digests(&taker, picture));
        let [Ok(first), Ok(second)] = expected else { return Ok(()) };
        self.replays = Some(Replays::new(&self.pool, self.batch * self.picture(1).size_bytes())?);
        // Seen, recorded, and launched again with another input.
        let recorded = [pictures[0], pictures[0], pictures[1]].map(|picture| self.digests(&taker, picture));
        let is_right = match recorded {
            [Ok(a), Ok(b), Ok(c)] => a == first && b == first && c == second,
            _ => false,
        };
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

    /// What comes out for a picture in each place of a batch.
    pub(super) fn digests(&mut self, taker: &DigestTaker, picture: &CudaFrame) -> Result<Vec<Digest>, Error> {
        let outputs = self.run_filled_with(picture)?;
        let started = outputs.iter().map(|output| taker.start(&self.stream, output));
        let started = started.collect::<Result<Vec<_>, _>>()?;
        Ok(started.into_iter().map(|digest| digest.wait()).collect::<Result<_, _>>()?)
    }

    /// Enqueues a run with the same picture in each place.
    pub(super) fn run_filled_with(&mut self, picture: &CudaFrame) -> Result<Vec<CudaFrame>, Error> {
        let mut outputs = Vec::with_capacity(self.batch);
        self.upscale(&vec![picture; self.batch], &mut outputs)?;
        Ok(outputs)
    }

    /// Enqueues the enlargement of frames, at most as many as a batch has, and appends the results to `outputs`. After an
    /// error nothing was appended.
    pub(super) fn upscale<F: Borrow<CudaFrame>>(
        &mut self,
        frames: &[F],
        outputs: &mut Vec<CudaFrame>,
    ) -> Result<(), Error> {
        debug_assert!(frames.len() <= self.batch, "{} frames for a batch of {}", frames.len(), self.batch);
        let first = outputs.len();
        let enqueued = self.try_upscale(frames, outputs, first);
        if enqueued.is_err() {
            outputs.truncate(first);
        }
        enqueued
    }

    fn try_upscale<F: Borrow<CudaFrame>>(
        &mut self,
        frames: &[F],
        outputs: &mut Vec<CudaFrame>,
        first: usize,
    ) -> Result<(), Error> {
        for frame in frames {
            outputs.push(self.output_for(frame.borrow())?);
        }
        match (frames, &mut outputs[first..]) {
            ([frame], [output]) if self.batch == 1 && self.is_whole() => {
                self.run_whole(frame.borrow(), output)
            }
            (_, outputs) => self.run_tiles(frames, outputs),
        }
    }

    /// A frame for the output, with what the network does not give.
    fn output_for(&mut self, frame: &CudaFrame) -> Result<CudaFrame, Error> {
        Ok(match &mut self.chroma {
            Some(chroma) => chroma.resize(frame)?,
            None => self.pool.frame(self.output, frame.color(), frame.info())?,
        })
    }

    /// Whether a frame is of the kind that was announced.
    pub(super) fn check(&self, layout: &Layout) -> Result<(), FrameError> {
        let (format, width, height) = self.input;
        layout.check(format, (width, height))
    }

    fn is_whole(&self) -> bool {
        self.axes.iter().all(Axis::is_identity) && self.info.axes == TensorAxes::Nchw
    }

    /// The network reads the frame's memory and writes the output's, where they are tensors as they stand.
    fn run_whole(&mut self, frame: &CudaFrame, output: &mut CudaFrame) -> Result<(), Error> {
        let channels = self.info.color.channels();
        let [source, target] =
            [frame.layout(), output.layout()].map(|layout| tensor_offset(layout, channels));
        let stream = self.stream.clone();
        match (source, target, self.replays.is_some()) {
            (Some(source), Some(target), false) => {
                let (read, write) = (frame.buffer().read(&stream)?, output.buffer_mut().write(&stream)?);
                self.run(read.address() + source, write.address() + target)
            }
            (_, Some(target), true) => {
                self.gather((0, 0), &[frame], None)?;
                let write = output.buffer_mut().write(&stream)?;
                self.replay(write.address() + target)
            }
            _ => self.run_tiles(&[frame], std::slice::from_mut(output)),
        }
    }

    fn run_tiles<F: Borrow<CudaFrame>>(
        &mut self,
        frames: &[F],
        outputs: &mut [CudaFrame],
    ) -> Result<(), Error> {
        let axes = Arc::clone(&self.axes);
        planes::tiles(&axes[0], &axes[1]).try_for_each(|tile| self.run_tile(tile, frames, outputs))
    }

    /// The same tile of all frames, through memory of its own. It goes back to the pool at once; its next user waits for
    /// this work.
    fn run_tile<F: Borrow<CudaFrame>>(
        &mut self,
        tile: Tile<'_>,
        frames: &[F],
        outputs: &mut [CudaFrame],
    ) -> Result<(), Error> {
        let (stream, place) = (self.stream.clone(), (tile.x.start as i64, tile.y.start as i64));
        let mut result = self.pool.take(self.batch * self.picture(self.info.scale).size_bytes())?;
        if self.replays.is_some() {
            self.gather(place, frames, None)?;
            let write = result.write(&stream)?;
            self.replay(write.address())?;
        } else {
            let mut input = self.pool.take(self.batch * self.picture(1).size_bytes())?;
            self.gather(place, frames, Some(&mut input))?;
            let (read, write) = (input.read(&stream)?, result.write(&stream)?);
            self.run(read.address(), write.address())?;
        }
        self.scatter(tile, &result, outputs)
    }

    /// Fills `input`, or the input of recorded runs, with what is at `place` of each frame.
    fn gather<F: Borrow<CudaFrame>>(
        &mut self,
        place: (i64, i64),
        frames: &[F],
        input: Option<&mut CudaBuffer>,
    ) -> Result<(), Error> {
        let shape = self.picture(1);
        let Some(buffer) = input.or(self.replays.as_mut().map(Replays::input_mut)) else { return Ok(()) };
        for (index, frame) in frames.iter().enumerate() {
            let target = TensorAt { buffer: &mut *buffer, offset_bytes: index * shape.size_bytes(), shape };
            self.copier.gather(&self.stream, frame.borrow(), place, target)?;
        }
        Ok(())
    }

    /// Copies what is kept of a tile into each output.
    fn scatter(&self, tile: Tile<'_>, result: &CudaBuffer, outputs: &mut [CudaFrame]) -> Result<(), Error> {
        let shape = self.picture(self.info.scale);
        let (keep, place) = kept(tile, self.info.scale);
        for (index, output) in outputs.iter_mut().enumerate() {
            let source = TensorAt { buffer: result, offset_bytes: index * shape.size_bytes(), shape };
            self.copier.scatter(&self.stream, source, keep, output, place)?;
        }
        Ok(())
    }

    /// Notes with the pool what runs take besides frames: the tiles of a batch and their enlargements.
    pub(super) fn expect_memory(&self) {
        let channels = self.info.color.channels();
        let are_tensors = self.batch == 1
            && self.is_whole()
            && tensor_offset(&self.output, channels).is_some()
            && (self.replays.is_some() || tensor_offset(&self.input_layout, channels).is_some());
        if are_tensors {
            return;
        }
        self.pool.expect(self.batch * self.picture(self.info.scale).size_bytes(), 1);
        if self.replays.is_none() {
            self.pool.expect(self.batch * self.picture(1).size_bytes(), 1);
        }
    }

    /// How long `runs` runs of one tile take, in the same memory, and how long the enqueuing of one while the GPU is idle.
    pub(super) fn time(&mut self, runs: u32) -> Result<(Duration, Duration), Error> {
        let mut input = self.pool.take(self.batch * self.picture(1).size_bytes())?;
        let mut output = self.pool.take(self.batch * self.picture(self.info.scale).size_bytes())?;
        let stream = self.stream.clone();
        let (source, target) = (input.write(&stream)?, output.write(&stream)?);
        let mut run = || match self.replays {
            Some(_) => self.replay(target.address()),
            None => self.run(source.address(), target.address()),
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
            let outputs = self.run_filled_with(picture)?;
            let enqueued = start.elapsed();
            drop(outputs);
            self.stream.synchronize()?;
            least = least.min((enqueued, start.elapsed()));
        }
        Ok(self.network.is_recordable() && least.0 * ENQUEUE_PART > least.1)
    }

    /// Both addresses are held for the stream by the caller, with as many bytes as a batch of tiles and its enlargement take.
    fn run(&mut self, input: u64, output: u64) -> Result<(), Error> {
        let input = DeviceTensor { address: input, shape: self.tensor(1) };
        let output = DeviceTensor { address: output, shape: self.tensor(self.info.scale) };
        let tile = self.tile();
        let Self { network, info, timer, .. } = self;
        // SAFETY: the callers hold accesses to both buffers for this stream, which the session uses, and have found the
        // tensors inside of them: by `tensor_offset` in a frame's layout, or by the size that was taken from the pool.
        let mut enqueue = || unsafe { network.run(input, output) };
        timer.around(|| enqueue().map_err(|source| run_error(info, tile, source)))
    }

    /// From the input of recorded runs; as for [`run`](Self::run).
    fn replay(&mut self, output: u64) -> Result<(), Error> {
        let (input, tile) = (self.tensor(1), self.tile());
        let output = DeviceTensor { address: output, shape: self.tensor(self.info.scale) };
        let Self { network, info, timer, stream, replays, .. } = self;
        let Some(replays) = replays else { return Ok(()) };
        let failed = |source| run_error(info, tile, source);
        // SAFETY: as in `run`; the input of recorded runs has the size of a batch of tiles.
        timer.around(|| unsafe { replays.run(network, stream, input, output, failed) })
    }

    fn tile(&self) -> (usize, usize) {
        (self.axes[0].tile, self.axes[1].tile)
    }

    /// The shape of a batch of tiles, enlarged.
    fn tensor(&self, scale: u32) -> [i64; 4] {
        let (width, height) = self.tile();
        self.info.shape(self.batch, (width * scale as usize, height * scale as usize))
    }

    /// One tile of a batch, enlarged.
    fn picture(&self, scale: u32) -> TensorShape {
        let (width, height) = self.tile();
        picture_shape(&self.info, (width, height), scale)
    }
}
