use std::num::NonZeroUsize;

use rave_core::VideoInfo;

use crate::error::Error;
use crate::info::{ModelInfo, memory_estimate};
use crate::report::BatchReason;
use crate::tiling::{Axis, tile_size};

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

/// How many frames go through the network together, at most. A batch is shorter at the end, and where no frame came for
/// 20 milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Batch {
    /// On a GPU the most of 4, 2 and 1 that have together no more than 230 400 positions in the network's inner tensors
    /// (pixels, divided by the square of [`ModelInfo::unshuffle`]): beyond that, one picture keeps a GPU busy. One on the
    /// CPU, for a model that takes one at a time, and for pictures in tiles.
    #[default]
    Auto,
    /// This many, from 1 to 16, for models that [take batches](ModelInfo::takes_batches). Fewer only where GPU memory does
    /// not suffice.
    Size(u32),
}

/// The largest batch that can be asked for.
const MAX_BATCH: u32 = 16;

/// Positions of a network's inner tensors, of all pictures of a batch, that keep a GPU busy. Of `rave-x2` on an H100, a pixel
/// takes 15 % longer with 57 600 of them than with 518 400, and 1 % longer with 129 600.
const BUSY_POSITIONS: u64 = 4 * 57_600;

/// How pictures are given to the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpscalerOptions {
    /// Whole pictures or tiles.
    pub tile: Tile,
    /// Frames that go through the network together.
    pub batch: Batch,
    /// Input pixels, at least, by which neighbouring tiles overlap; at most half of a tile. They are cut in the middle of the
    /// overlap. `None` for 16, or a quarter of a tile if that is less.
    pub overlap: Option<u32>,
}

/// How many frames go through the network together, and why; `auto` says what [`Batch::Auto`] is for a model that takes
/// batches.
pub(crate) fn batch(
    info: &ModelInfo,
    batch: Batch,
    auto: impl FnOnce() -> (usize, BatchReason),
) -> Result<(usize, BatchReason), Error> {
    let refuse = |reason: &str| Err(Error::Options(reason.to_owned()));
    match batch {
        Batch::Auto if info.takes_batches => Ok(auto()),
        Batch::Auto => Ok((1, BatchReason::Model)),
        Batch::Size(size) if !(1..=MAX_BATCH).contains(&size) => {
            refuse(&format!("a batch of {size} frames is not possible: from 1 to {MAX_BATCH} are"))
        }
        Batch::Size(size) if size > 1 && !info.takes_batches => {
            refuse(&format!("model {} takes one picture at a time, not a batch of {size}", info.name))
        }
        Batch::Size(size) => Ok((size as usize, BatchReason::Asked)),
    }
}

/// What [`Batch::Auto`] is on a GPU.
pub(crate) fn device_batch(info: &ModelInfo, axes: &[Axis; 2]) -> (usize, BatchReason) {
    if tile_size(axes).is_some() {
        return (1, BatchReason::Tiles);
    }
    let pixels = axes.iter().map(|axis| axis.tile as u64).product::<u64>();
    let positions = pixels / u64::from(info.unshuffle).pow(2).max(1);
    match [4, 2].into_iter().find(|&size| size as u64 * positions <= BUSY_POSITIONS) {
        Some(size) => (size, BatchReason::SmallPictures),
        None => (1, BatchReason::LargePictures),
    }
}

/// How many pictures are upscaled at once, and by how many threads each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lanes {
    pub(crate) count: usize,
    pub(crate) threads: NonZeroUsize,
    /// What they take together, roughly.
    pub(crate) memory_bytes: u64,
}

/// More do not help: then a network's own threads are used well.
const MAX_LANES: usize = 8;

/// What pictures that are worked on at the same time may take together.
const PARALLEL_LIMIT_BYTES: u64 = 4 << 30;

/// One thread for each of several pictures is faster than several threads for one: parts of every network run on one
/// thread, and the others would wait for it.
///
/// Each needs the weights too: twice, as ONNX Runtime keeps a rearranged copy.
pub(crate) fn lanes(
    info: &ModelInfo,
    weights_bytes: u64,
    (axes, batch): (&[Axis; 2], usize),
    threads: NonZeroUsize,
) -> Lanes {
    let [width, height] = axes.each_ref().map(|axis| axis.tile as u32);
    let pictures_bytes = memory_estimate(info, width, height).saturating_mul(batch as u64);
    let one_bytes = pictures_bytes.saturating_add(2 * weights_bytes);
    let fitting = PARALLEL_LIMIT_BYTES / one_bytes.max(1);
    let most = fitting.clamp(1, MAX_LANES as u64) as usize;
    let per_lane = threads.get().div_ceil(most);
    let count = threads.get() / per_lane;
    Lanes {
        count,
        threads: NonZeroUsize::new(per_lane).unwrap_or(threads),
        memory_bytes: one_bytes.saturating_mul(count as u64),
    }
}

/// Whether [`Tile::Auto`] gives a picture of this size whole to a network on the CPU.
pub(crate) fn fits_host(info: &ModelInfo, width: u32, height: u32) -> bool {
    memory_estimate(info, width, height) <= AUTO_LIMIT_BYTES
}

/// The axes of a picture as the network will see them: width and height. `fits` says whether [`Tile::Auto`] means whole
/// pictures of a size.
pub(crate) fn axes(
    info: &ModelInfo,
    input: &VideoInfo,
    options: &UpscalerOptions,
    fits: impl Fn(u32, u32) -> bool,
) -> Result<[Axis; 2], Error> {
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
        Tile::Auto if !fits(input.width, input.height) => AUTO_TILE,
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
