//! What a megapixel costs, in pictures of different sizes.

use std::time::Instant;

use rave_core::PixelFormat;
use rave_tensorrt::Runtime;

use super::UpscaleOptions;
use super::alone::{Run, model_alone};
use super::bench::median;
use super::device::Placed;
use super::end::Assembling;
use super::stress::to_null;
use super::synthetic::{Synthetic, synthetic_line};
use crate::{Control, Error};

/// What is measured.
#[derive(Clone, Debug)]
pub struct MegapixelOptions {
    /// Where and how the network runs.
    pub upscale: UpscaleOptions,
    /// Sizes of the input, in pixels.
    pub sizes: Vec<(u32, u32)>,
    /// Frames of 1920x1080; of other sizes as many as have the same number of pixels.
    pub frames: u64,
    /// How often each size is measured.
    pub rounds: usize,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct SizeCost {
    /// Width and height of the input, in pixels.
    pub size: (u32, u32),
    /// Frames a second of the network alone, in each round.
    pub model: Vec<f64>,
    /// Frames a second of conversion, network and conversion of frames that are there, in each round.
    pub chain: Vec<f64>,
}

impl SizeCost {
    /// Seconds that a million pixels of input take: in the network alone, and in the chain.
    pub fn seconds_per_megapixel(&self) -> [f64; 2] {
        let megapixels = f64::from(self.size.0) * f64::from(self.size.1) / 1e6;
        [&self.model, &self.chain].map(|rates| 1.0 / (median(rates.clone()) * megapixels))
    }
}

/// The dearest megapixel over the cheapest: of the network alone, and of the chain.
pub fn cost_spread(sizes: &[SizeCost]) -> [f64; 2] {
    [0, 1].map(|way| {
        let costs = || sizes.iter().map(|size| size.seconds_per_megapixel()[way]);
        costs().fold(0.0, f64::max) / costs().fold(f64::INFINITY, f64::min)
    })
}

/// Measures every size in turn, over and over, there and back.
///
/// `progress` is called before each size, with the number of the round; round 0, of a few frames, does not count.
///
/// # Errors
/// Those of [`UpscaleJob::open`](super::UpscaleJob::open) and of the stages.
pub fn cost_per_megapixel(
    runtime: &Runtime,
    options: &MegapixelOptions,
    mut progress: impl FnMut((u32, u32), usize),
) -> Result<Vec<SizeCost>, Error> {
    options.upscale.check()?;
    let cost = |&size| SizeCost { size, model: Vec::new(), chain: Vec::new() };
    let mut costs: Vec<_> = options.sizes.iter().map(cost).collect();
    for round in 0..=options.rounds {
        let mut order: Vec<_> = costs.iter_mut().collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for cost in order {
            progress(cost.size, round);
            let frames = if round == 0 { FEWEST } else { frames_of(cost.size, options.frames) };
            let pictures = Synthetic::new(PixelFormat::YUV420P, cost.size).map_err(Error::leaf)?;
            let model = model_alone(runtime, &options.upscale, &pictures, frames)?;
            let chain = chain(runtime, &options.upscale, &pictures, frames)?;
            if round > 0 {
                cost.model.push(model.rate);
                cost.chain.push(chain.rate);
            }
        }
    }
    Ok(costs)
}

/// Fewer frames than that say nothing.
const FEWEST: u64 = 8;

fn frames_of((width, height): (u32, u32), frames: u64) -> u64 {
    (frames * 1920 * 1080 / (u64::from(width) * u64::from(height))).max(FEWEST)
}

fn chain(
    runtime: &Runtime,
    upscale: &UpscaleOptions,
    pictures: &Synthetic,
    frames: u64,
) -> Result<Run, Error> {
    let (start, control) = (Instant::now(), Control::new());
    let mut job = Assembling::new(upscale, &control);
    let placed = Placed::new(runtime, upscale)?;
    let line = synthetic_line(pictures, &placed.network, frames)?;
    let chain = to_null(line, pictures.info(), placed, &mut job)?;
    let opening = start.elapsed().as_secs_f64();
    let (_, report) = chain.run(&control, |_| {})?;
    Ok(Run::of(&report, opening))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_of_megapixels_not_of_frames() {
        let cost = |size, model: f64, chain| SizeCost { size, model: vec![model], chain: vec![chain] };
        let sizes = [cost((1000, 1000), 100.0, 100.0), cost((2000, 1000), 50.0, 40.0)];
        assert_eq!(sizes[0].seconds_per_megapixel(), [0.01, 0.01]);
        assert_eq!(cost_spread(&sizes), [1.0, 1.25]);
        assert_eq!(frames_of((960, 540), 100), 400);
        assert_eq!(frames_of((15_360, 8640), 100), FEWEST);
    }
}
