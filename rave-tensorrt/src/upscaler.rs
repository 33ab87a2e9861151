use half::f16;
use rave_core::{
    BoxError, Error as FrameError, HostBuffer, HostFrame, HostPool, Layout, PixelFormat, Sample, Stage,
    VideoInfo,
};

use crate::chroma::ChromaUpscaler;
use crate::error::Error;
use crate::info::{ModelColor, ModelInfo, TensorAxes, memory_estimate};
use crate::model::Model;
use crate::network::Element;
use crate::planes::{self, Tile as Rectangle};
use crate::tiling::Axis;

/// Whether pictures go through the network whole.
///
/// A model that fixes its input's size runs in tiles of that size where the picture is larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tile {
    /// Whole pictures.
    Off,
    /// Whole pictures if [`memory_estimate`] says that 4 GiB suffice, otherwise tiles of 1024 x 1024 pixels.
    #[default]
    Auto,
    /// Square tiles with sides of this many input pixels, rounded up to the model's multiple.
    Size(u32),
}

const AUTO_LIMIT_BYTES: u64 = 4 << 30;
const AUTO_TILE: u32 = 1024;
const DEFAULT_OVERLAP: usize = 16;

/// How pictures are given to the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpscalerOptions {
    /// Whole pictures or tiles.
    pub tile: Tile,
    /// Input pixels, at least, by which neighbouring tiles overlap; at most half of a tile. They are cut in the middle of the
    /// overlap. `None` for 16, or a quarter of a tile if that is less.
    pub overlap: Option<u32>,
}

/// A stage that enlarges frames by a model, in memory of type `B`.
///
/// Frames come in the format that [`ModelInfo::input_format`] names and leave in the same, larger; colour, time and
/// sample aspect ratio stay. Values outside 0..1 are kept.
pub struct Upscaler<B> {
    model: Model,
    input: Layout,
    output: Layout,
    output_info: VideoInfo,
    x: Axis,
    y: Axis,
    chroma: Option<ChromaUpscaler>,
    pool: HostPool,
    /// What the network sees and gives where that is not a frame's memory itself.
    tile_input: B,
    tile_output: B,
}

impl<B> Upscaler<B> {
    /// What is true of the frames that come out.
    pub const fn output_info(&self) -> &VideoInfo {
        &self.output_info
    }

    /// The model's properties.
    pub const fn model_info(&self) -> &ModelInfo {
        self.model.info()
    }
}

impl Upscaler<HostBuffer> {
    /// A stage for frames of `input`.
    ///
    /// # Errors
    /// [`rave_core::Error::Format`] if the frames are not in [`ModelInfo::input_format`], [`rave_core::Error::Size`] if a
    /// side of the output is too large, [`Error::Options`] if the model cannot run as `options` say.
    pub fn new(model: Model, input: &VideoInfo, options: &UpscalerOptions) -> Result<Self, Error> {
        let info = model.info();
        check_format(info, input.format)?;
        let output_info = enlarged(input, info.scale);
        let output = Layout::packed(output_info.format, output_info.width, output_info.height)?;
        let [x, y] = axes(info, input, options)?;
        let chroma = match info.color {
            ModelColor::Rgb => None,
            ModelColor::Luma => ChromaUpscaler::new(input.format.chroma(), input, info.scale)?,
        };
        Ok(Self {
            input: Layout::packed(input.format, input.width, input.height)?,
            output,
            output_info,
            x,
            y,
            chroma,
            pool: HostPool::new(),
            tile_input: HostBuffer::zeroed(0),
            tile_output: HostBuffer::zeroed(0),
            model,
        })
    }

    fn upscale(&mut self, frame: &HostFrame) -> Result<HostFrame, Error> {
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
        if self.x.is_identity() && self.y.is_identity() && self.model.info().axes == TensorAxes::Nchw {
            return self.run_whole::<T>(frame, output);
        }
        let Self { model, x, y, tile_input, tile_output, .. } = self;
        let info = model.info().clone();
        for tile in planes::tiles(x, y) {
            run_tile::<T>(model, &info, frame, tile, (tile_input, tile_output), output)?;
        }
        Ok(())
    }

    /// The network reads the frame's memory and writes the output's.
    fn run_whole<T: Element>(&mut self, frame: &HostFrame, output: &mut HostFrame) -> Result<(), Error> {
        let channels = self.model.info().color.channels();
        let size = (self.x.tile, self.y.tile);
        let target = planes::packed_mut::<T>(output, channels);
        if let Some(source) = planes::packed::<T>(frame, channels) {
            return run_model(&mut self.model, size, source, target);
        }
        let source = scratch::<T>(&mut self.tile_input, channels * size.0 * size.1);
        for tile in planes::tiles(&self.x, &self.y) {
            planes::gather(frame, channels, tile, TensorAxes::Nchw, source);
        }
        run_model(&mut self.model, size, source, target)
    }
}

impl Stage for Upscaler<HostBuffer> {
    type Input = HostFrame;
    type Output = HostFrame;

    fn process(&mut self, input: HostFrame, emit: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        emit(self.upscale(&input)?);
        Ok(())
    }

    fn finish(&mut self, _emit: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        Ok(())
    }
}

fn run_tile<T: Element>(
    model: &mut Model,
    info: &ModelInfo,
    frame: &HostFrame,
    tile: Rectangle<'_>,
    (input, output): (&mut HostBuffer, &mut HostBuffer),
    target: &mut HostFrame,
) -> Result<(), Error> {
    let (channels, scale) = (info.color.channels(), info.scale as usize);
    let samples = channels * tile.width * tile.height;
    let input = scratch::<T>(input, samples);
    let output = scratch::<T>(output, samples * scale * scale);
    planes::gather(frame, channels, tile, info.axes, input);
    run_model(model, (tile.width, tile.height), input, output)?;
    planes::scatter(output, channels, tile, (info.axes, scale), target);
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

fn check_format(info: &ModelInfo, format: PixelFormat) -> Result<(), FrameError> {
    if format == info.input_format(format) {
        return Ok(());
    }
    Err(FrameError::Format {
        format: format.to_string(),
        action: "upscaled by this model without conversion",
    })
}

fn enlarged(input: &VideoInfo, scale: u32) -> VideoInfo {
    let (width, height) = (input.width.saturating_mul(scale), input.height.saturating_mul(scale));
    VideoInfo { width, height, ..*input }
}

fn axes(info: &ModelInfo, input: &VideoInfo, options: &UpscalerOptions) -> Result<[Axis; 2], Error> {
    let lengths = [input.width as usize, input.height as usize];
    let multiple = info.multiple as usize;
    if let Some((width, height)) = info.size {
        check_fixed(info, (width, height), input, options)?;
        let tiles = [width as usize, height as usize];
        return tiled(lengths, tiles, options, tiles.map(start_step));
    }
    let side = match options.tile {
        Tile::Size(0) => return Err(Error::Options("a tile size of 0 is not possible".into())),
        Tile::Size(side) => side,
        Tile::Auto if memory_estimate(info, input.width, input.height) > AUTO_LIMIT_BYTES => AUTO_TILE,
        Tile::Off | Tile::Auto => return Ok(lengths.map(|length| Axis::whole(length, multiple))),
    };
    let side = (side as usize).next_multiple_of(multiple);
    tiled(lengths, [side; 2], options, [multiple; 2])
}

fn check_fixed(
    info: &ModelInfo,
    (width, height): (u32, u32),
    input: &VideoInfo,
    options: &UpscalerOptions,
) -> Result<(), Error> {
    let fits = match options.tile {
        Tile::Auto => true,
        Tile::Off => input.width <= width && input.height <= height,
        Tile::Size(side) => (side, side) == (width, height),
    };
    if fits {
        return Ok(());
    }
    let name = &info.name;
    Err(Error::Options(format!(
        "model {name} runs on {width}x{height} pixels only: the tile size cannot be chosen"
    )))
}

/// Tiles of a fixed-size network start at multiples of 8 where they can, so that pooling and unshuffling inside it see
/// neighbouring tiles in the same phase.
fn start_step(tile: usize) -> usize {
    [8, 4, 2].into_iter().find(|step| tile.is_multiple_of(*step) && tile >= 4 * step).unwrap_or(1)
}

fn tiled(
    lengths: [usize; 2],
    tiles: [usize; 2],
    options: &UpscalerOptions,
    steps: [usize; 2],
) -> Result<[Axis; 2], Error> {
    let axis = |index: usize| {
        let (tile, step) = (tiles[index], steps[index]);
        let overlap = match options.overlap {
            Some(overlap) => overlap as usize,
            None => DEFAULT_OVERLAP.min(tile / 4 / step * step),
        };
        if overlap.next_multiple_of(step) > tile / 2 {
            let reason =
                format!("tiles of {tile} pixels cannot overlap by {overlap}: at most half of a tile can");
            return Err(Error::Options(reason));
        }
        Ok(Axis::tiled(lengths[index], tile, overlap, step))
    };
    Ok([axis(0)?, axis(1)?])
}
