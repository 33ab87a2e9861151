use rave_core::VideoInfo;

use crate::error::Error;
use crate::info::ModelInfo;
use crate::plan::{Tile, UpscalerOptions, axes};
use crate::tiling::Axis;

/// Sides of tiles, in input pixels, that [`Tile::Auto`] goes through when memory does not suffice.
const SIDES: [u32; 6] = [1024, 768, 512, 384, 256, 128];

/// How much a network is given at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rung {
    /// Frames, at most.
    pub(super) batch: usize,
    /// The axes of each.
    pub(super) axes: [Axis; 2],
}

impl Rung {
    /// The next that needs less memory: half as many frames, then smaller tiles. Nothing if there is none: the tile size was
    /// chosen, or the model fixes its size.
    pub(super) fn below(
        &self,
        info: &ModelInfo,
        input: &VideoInfo,
        options: &UpscalerOptions,
    ) -> Option<Self> {
        if self.batch > 1 {
            return Some(Self { batch: self.batch / 2, axes: self.axes.clone() });
        }
        if info.size.is_some() || options.tile != Tile::Auto {
            return None;
        }
        let longest = self.axes[0].tile.max(self.axes[1].tile);
        let side = SIDES.into_iter().find(|&side| (side as usize) < longest)?;
        let tiled = UpscalerOptions { tile: Tile::Size(side), ..*options };
        let axes = axes(info, input, &tiled, |_, _| false).ok()?;
        Some(Self { batch: 1, axes })
    }
}

/// What enlarges frames, as many at once as it says, and can do it with less memory.
pub(super) struct Descent<'a, S> {
    pub(super) state: &'a mut S,
    /// How many frames it takes at once now.
    pub(super) batch: fn(&S) -> usize,
    /// Makes it take less at once, or hands the error on.
    pub(super) give_way: fn(&mut S, Error) -> Result<(), Error>,
}

impl<S> Descent<'_, S> {
    /// Has all of `frames` enlarged by `upscale`, in order. Those that memory did not suffice for are tried again with less.
    ///
    /// # Errors
    /// Those of `upscale` that less memory does not help against, and those of `give_way`.
    pub(super) fn through<T>(
        self,
        mut frames: &[T],
        mut upscale: impl FnMut(&mut S, &[T]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        use rave_core::CodedError;
        while !frames.is_empty() {
            let (now, later) = frames.split_at((self.batch)(self.state).clamp(1, frames.len()));
            match upscale(self.state, now) {
                Ok(()) => frames = later,
                Err(error) if error.is_recoverable() => (self.give_way)(self.state, error)?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rave_core::{ColorSpec, PixelFormat, Sample, TimeBase};

    use super::*;
    use crate::info::{ModelColor, TensorAxes};
    use crate::plan::Batch;

    fn info(size: Option<(u32, u32)>) -> ModelInfo {
        ModelInfo {
            name: "model".into(),
            sample: Sample::F16,
            color: ModelColor::Rgb,
            axes: TensorAxes::Nchw,
            size,
            multiple: 4,
            scale: 2,
            takes_batches: size.is_none(),
            unshuffle: 1,
            inner_bytes_per_pixel: 1536,
        }
    }

    fn video(width: u32, height: u32) -> VideoInfo {
        VideoInfo::new(PixelFormat::RGB_F16, (width, height), ColorSpec::BT709, TimeBase::new(1, 25).unwrap())
    }

    fn first(info: &ModelInfo, input: &VideoInfo, options: &UpscalerOptions, batch: usize) -> Rung {
        Rung { batch, axes: axes(info, input, options, |_, _| true).unwrap() }
    }

    fn steps(
        info: &ModelInfo,
        input: &VideoInfo,
        options: &UpscalerOptions,
        batch: usize,
    ) -> Vec<(usize, usize)> {
        let first = first(info, input, options, batch);
        let rungs = std::iter::successors(Some(first), |rung| rung.below(info, input, options));
        rungs.map(|rung| (rung.batch, rung.axes[0].tile)).collect()
    }

    #[test]
    fn without_memory_batches_and_then_tiles_become_smaller_to_the_end() {
        let (info, options) = (info(None), UpscalerOptions::default());
        assert_eq!(
            steps(&info, &video(3840, 2160), &options, 5),
            [(5, 3840), (2, 3840), (1, 3840), (1, 1024), (1, 768), (1, 512), (1, 384), (1, 256), (1, 128)]
        );
        assert_eq!(steps(&info, &video(320, 180), &options, 2), [(2, 320), (1, 320), (1, 256), (1, 128)]);
    }

    #[test]
    fn a_tile_size_that_was_chosen_or_that_the_model_fixes_does_not_change() {
        let whole = UpscalerOptions { tile: Tile::Off, ..UpscalerOptions::default() };
        assert_eq!(steps(&info(None), &video(640, 360), &whole, 4), [(4, 640), (2, 640), (1, 640)]);
        let options = UpscalerOptions { tile: Tile::Size(64), batch: Batch::Size(2), overlap: None };
        assert_eq!(steps(&info(None), &video(640, 360), &options, 2), [(2, 64), (1, 64)]);
        assert_eq!(steps(&info(Some((64, 64))), &video(640, 360), &UpscalerOptions::default(), 1).len(), 1);
    }

    /// A provider that has memory for so many pixels at once, from one frame on.
    struct Scarce {
        rung: Rung,
        pixels: usize,
        enlarged: Vec<u32>,
        steps: Vec<(usize, usize)>,
    }

    impl Scarce {
        fn give_way(&mut self, error: Error) -> Result<(), Error> {
            let options = UpscalerOptions::default();
            self.rung = self.rung.below(&info(None), &video(640, 360), &options).ok_or(error)?;
            self.steps.push((self.enlarged.len(), self.rung.batch));
            Ok(())
        }

        fn upscale(&mut self, frames: &[u32]) -> Result<(), Error> {
            let [x, y] = &self.rung.axes;
            if frames.len() * x.tile * y.tile > self.pixels {
                let wanted_bytes = frames.len() * x.tile * y.tile;
                return Err(rave_cuda::Error::VramLimit { wanted_bytes, used_bytes: 0, limit_mib: 1 }.into());
            }
            self.enlarged.extend(frames);
            Ok(())
        }
    }

    fn run(scarce: &mut Scarce, frames: &[u32]) -> Result<(), Error> {
        let (batch, give_way) = ((|state| state.rung.batch) as fn(&Scarce) -> usize, Scarce::give_way);
        Descent { state: scarce, batch, give_way }.through(frames, Scarce::upscale)
    }

    fn scarce(pixels: usize) -> Scarce {
        let rung = first(&info(None), &video(640, 360), &UpscalerOptions::default(), 4);
        Scarce { rung, pixels, enlarged: vec![], steps: vec![] }
    }

    #[test]
    fn no_frame_is_lost_and_what_worked_is_kept() {
        let mut state = scarce(usize::MAX);
        run(&mut state, &[0, 1, 2, 3]).unwrap();
        state.pixels = 2 * 640 * 360;
        run(&mut state, &[4, 5, 6, 7]).unwrap();
        state.pixels = 512 * 512;
        run(&mut state, &[8, 9, 10, 11]).unwrap();
        run(&mut state, &[12]).unwrap();
        assert_eq!(state.enlarged, (0..13).collect::<Vec<_>>());
        assert_eq!(state.steps, [(4, 2), (8, 1)]);
        state.pixels = 300 * 300;
        run(&mut state, &[13]).unwrap();
        assert_eq!((state.rung.batch, state.rung.axes[0].tile), (1, 256));
    }

    #[test]
    fn when_nothing_helps_the_error_is_the_one_of_memory() {
        let mut state = scarce(100);
        let error = run(&mut state, &[0, 1]).unwrap_err();
        let expected = rave_cuda::Error::VramLimit { wanted_bytes: 128 * 128, used_bytes: 0, limit_mib: 1 };
        assert_eq!(error.to_string(), expected.to_string());
        assert!(state.enlarged.is_empty());
    }
}
