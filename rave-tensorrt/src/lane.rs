use half::f16;
use rave_core::{Error as FrameError, HostBuffer, HostFrame, HostPool, Layout, Sample, VideoInfo};

use crate::chroma::ChromaUpscaler;
use crate::error::Error;
use crate::info::{ModelColor, ModelInfo, TensorAxes};
use crate::model::Model;
use crate::network::Element;
use crate::planes::{self, Tile};
use crate::tiling::Axis;

/// Upscales one picture at a time, in memory of type `B`.
pub(crate) struct Lane<B> {
    model: Model,
    input: Layout,
    output: Layout,
    axes: [Axis; 2],
    chroma: Option<ChromaUpscaler>,
    pool: HostPool,
    /// What the network sees and gives where that is not a frame's memory itself.
    tile_input: B,
    tile_output: B,
}

impl Lane<HostBuffer> {
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
        Ok(Self {
            input: Layout::packed(input.format, input.width, input.height)?,
            output,
            axes,
            chroma,
            pool,
            tile_input: HostBuffer::zeroed(0),
            tile_output: HostBuffer::zeroed(0),
            model,
        })
    }

    pub(crate) fn upscale(&mut self, frame: &HostFrame) -> Result<HostFrame, Error> {
        self.check(frame.layout())?;
        let mut output = HostFrame::from_pool(&self.pool, self.output, frame.color(), frame.info());
        match self.model.info().sample {
            Sample::F16 => self.run::<f16>(frame, &mut output)?,
            _ => self.run::<f32>(frame, &mut output)?,
        }
        if let Some(chroma) = &mut self.chroma {
            chroma.upscale(frame, &mut output);
        }
        Ok(output)
    }

    fn check(&self, layout: &Layout) -> Result<(), FrameError> {
        let of = |layout: &Layout| (layout.format(), layout.width(), layout.height());
        if of(layout) == of(&self.input) {
            return Ok(());
        }
        let text = |(format, width, height)| format!("{format} {width}x{height}");
        let (is, promised) = (text(of(layout)), text(of(&self.input)));
        Err(FrameError::Layout(format!("a frame of {is} came where {promised} was promised")))
    }

    fn run<T: Element>(&mut self, frame: &HostFrame, output: &mut HostFrame) -> Result<(), Error> {
        let is_whole = self.axes.iter().all(Axis::is_identity);
        if is_whole && self.model.info().axes == TensorAxes::Nchw {
            return self.run_whole::<T>(frame, output);
        }
        let Self { model, axes: [x, y], tile_input, tile_output, .. } = self;
        planes::tiles(x, y)
            .try_for_each(|tile| run_tile::<T>(model, frame, tile, (tile_input, tile_output), output))
    }

    /// The network reads the frame's memory and writes the output's.
    fn run_whole<T: Element>(&mut self, frame: &HostFrame, output: &mut HostFrame) -> Result<(), Error> {
        let channels = self.model.info().color.channels();
        let [x, y] = &self.axes;
        let size = (x.tile, y.tile);
        let target = planes::packed_mut::<T>(output, channels);
        if let Some(source) = planes::packed::<T>(frame, channels) {
            return run_model(&mut self.model, size, source, target);
        }
        let source = scratch::<T>(&mut self.tile_input, channels * size.0 * size.1);
        for tile in planes::tiles(x, y) {
            planes::gather(frame, channels, tile, TensorAxes::Nchw, source);
        }
        run_model(&mut self.model, size, source, target)
    }
}

fn run_tile<T: Element>(
    model: &mut Model,
    frame: &HostFrame,
    tile: Tile<'_>,
    (input, output): (&mut HostBuffer, &mut HostBuffer),
    target: &mut HostFrame,
) -> Result<(), Error> {
    let &ModelInfo { color, axes, scale, .. } = model.info();
    let (channels, scale) = (color.channels(), scale as usize);
    let samples = channels * tile.width * tile.height;
    let input = scratch::<T>(input, samples);
    let output = scratch::<T>(output, samples * scale * scale);
    planes::gather(frame, channels, tile, axes, input);
    run_model(model, (tile.width, tile.height), input, output)?;
    planes::scatter(output, channels, tile, (axes, scale), target);
    Ok(())
}

fn run_model<T: Element>(
    model: &mut Model,
    (width, height): (usize, usize),
    input: &[T],
    output: &mut [T],
) -> Result<(), Error> {
    let info = model.info();
    let scale = info.scale as usize;
    let shapes = (info.shape((width, height)), info.shape((width * scale, height * scale)));
    let result = model.network_mut().run_into((shapes.0, input), (shapes.1, output));
    result.map_err(|source| Error::InferenceFailed {
        model: model.info().name.clone(),
        width: width as u32,
        height: height as u32,
        source,
    })
}

/// `buffer` as `samples` samples, made anew when it has another size.
fn scratch<T: Element>(buffer: &mut HostBuffer, samples: usize) -> &mut [T] {
    let len_bytes = samples * size_of::<T>();
    if buffer.as_bytes().len() != len_bytes {
        *buffer = HostBuffer::zeroed(len_bytes);
    }
    bytemuck::cast_slice_mut(buffer.as_bytes_mut())
}
