use half::f16;
use rave_core::{Error as FrameError, HostBuffer, HostFrame, HostPool, Layout, Sample, VideoInfo};

use crate::chroma::ChromaUpscaler;
use crate::error::Error;
use crate::info::{ModelColor, ModelInfo, TensorAxes};
use crate::model::Model;
use crate::network::Element;
use crate::planes::{self, Tile};
use crate::tiling::Axis;

/// Enlarges frames in host memory, a batch at a time.
pub(crate) struct Lane {
    model: Model,
    input: Layout,
    output: Layout,
    axes: [Axis; 2],
    chroma: Option<ChromaUpscaler>,
    pool: HostPool,
    /// What the network sees and gives where that is not a frame's memory itself.
    tensors: Tensors,
}

struct Tensors {
    input: HostBuffer,
    output: HostBuffer,
}

impl Lane {
    pub(crate) fn new(
        model: Model,
        input: &VideoInfo,
        output: Layout,
        axes: [Axis; 2],
        pool: HostPool,
    ) -> Result<Self, FrameError> {
        let info = model.info();
        let chroma = match info.color {
            ModelColor::Rgb => None,
            ModelColor::Luma => ChromaUpscaler::new(input.format.chroma(), input, info.scale)?,
        };
        let tensors = Tensors { input: HostBuffer::zeroed(0), output: HostBuffer::zeroed(0) };
        let input = Layout::packed(input.format, input.width, input.height)?;
        Ok(Self { model, input, output, axes, chroma, pool, tensors })
    }

    pub(crate) const fn model(&self) -> &Model {
        &self.model
    }

    /// The same with the model in single precision; nothing if it is that already.
    pub(crate) fn in_single_precision(&self, input: &VideoInfo) -> Result<Option<Self>, Error> {
        let Some(model) = self.model.in_single_precision()? else { return Ok(None) };
        Ok(Some(Self::new(model, input, self.output, self.axes.clone(), self.pool.clone())?))
    }

    /// Enlarges `frames` together and appends the results to `outputs`.
    pub(crate) fn upscale(
        &mut self,
        frames: &[HostFrame],
        outputs: &mut Vec<HostFrame>,
    ) -> Result<(), Error> {
        let first = outputs.len();
        for frame in frames {
            frame.layout().check(self.input.format(), (self.input.width(), self.input.height()))?;
            outputs.push(HostFrame::from_pool(&self.pool, self.output, frame.color(), frame.info()));
        }
        let outputs = &mut outputs[first..];
        match self.model.info().sample {
            Sample::F16 => self.run::<f16>(frames, outputs)?,
            _ => self.run::<f32>(frames, outputs)?,
        }
        if let Some(chroma) = &mut self.chroma {
            frames.iter().zip(outputs).for_each(|(frame, output)| chroma.upscale(frame, output));
        }
        Ok(())
    }

    fn run<T: Element>(&mut self, frames: &[HostFrame], outputs: &mut [HostFrame]) -> Result<(), Error> {
        let is_whole = self.axes.iter().all(Axis::is_identity);
        match (frames, &mut *outputs) {
            ([frame], [output]) if is_whole && self.model.info().axes == TensorAxes::Nchw => {
                self.run_whole::<T>(frame, output)
            }
            _ => {
                let Self { model, axes: [x, y], tensors, .. } = self;
                planes::tiles(x, y).try_for_each(|tile| run_tile::<T>(model, tile, tensors, frames, outputs))
            }
        }
    }

    /// The network reads the frame's memory and writes the output's.
    fn run_whole<T: Element>(&mut self, frame: &HostFrame, output: &mut HostFrame) -> Result<(), Error> {
        let channels = self.model.info().color.channels();
        let [x, y] = &self.axes;
        let size = (x.tile, y.tile);
        let target = planes::packed_mut::<T>(output, channels);
        if let Some(source) = planes::packed::<T>(frame, channels) {
            return run_model(&mut self.model, (1, size), source, target);
        }
        let source = scratch::<T>(&mut self.tensors.input, channels * size.0 * size.1);
        for tile in planes::tiles(x, y) {
            planes::gather(frame, channels, tile, TensorAxes::Nchw, source);
        }
        run_model(&mut self.model, (1, size), source, target)
    }
}

/// The same tile of all frames.
fn run_tile<T: Element>(
    model: &mut Model,
    tile: Tile<'_>,
    tensors: &mut Tensors,
    frames: &[HostFrame],
    outputs: &mut [HostFrame],
) -> Result<(), Error> {
    let &ModelInfo { color, axes, scale, .. } = model.info();
    let (channels, scale, count) = (color.channels(), scale as usize, frames.len());
    let samples = channels * tile.width * tile.height;
    let input = scratch::<T>(&mut tensors.input, count * samples);
    let output = scratch::<T>(&mut tensors.output, count * samples * scale * scale);
    for (frame, picture) in frames.iter().zip(input.chunks_exact_mut(samples)) {
        planes::gather(frame, channels, tile, axes, picture);
    }
    run_model(model, (count, (tile.width, tile.height)), input, output)?;
    for (target, picture) in outputs.iter_mut().zip(output.chunks_exact(samples * scale * scale)) {
        planes::scatter(picture, channels, tile, (axes, scale), target);
    }
    Ok(())
}

fn run_model<T: Element>(
    model: &mut Model,
    (count, (width, height)): (usize, (usize, usize)),
    input: &[T],
    output: &mut [T],
) -> Result<(), Error> {
    let info = model.info();
    let scale = info.scale as usize;
    let shapes = (info.shape(count, (width, height)), info.shape(count, (width * scale, height * scale)));
    let result = model.network_mut().run_into((shapes.0, input), (shapes.1, output));
    result.map_err(|source| Error::InferenceFailed {
        model: model.info().name.clone(),
        width: width as u32,
        height: height as u32,
        source,
    })
}

/// `buffer` as `samples` samples, made anew when it is too small.
fn scratch<T: Element>(buffer: &mut HostBuffer, samples: usize) -> &mut [T] {
    let len_bytes = samples * size_of::<T>();
    if buffer.as_bytes().len() < len_bytes {
        *buffer = HostBuffer::zeroed(len_bytes);
    }
    bytemuck::cast_slice_mut(&mut buffer.as_bytes_mut()[..len_bytes])
}
