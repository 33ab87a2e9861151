//! What every trained model that is built in keeps to, whatever its weights are.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

mod support;

use rave_core::{HostFrame, PixelFormat};
use rave_tensorrt::{BuiltIn, Model, ModelSource, Tile, built_in_models};
use support::{OPTIONS, fill_with, frame, rows, run, runtime, upscaler, video};

const SIDE: u32 = 48;

fn trained() -> impl Iterator<Item = BuiltIn> {
    built_in_models().iter().copied().filter(|model| model.name().starts_with("rave-"))
}

/// The values of the first plane of a square source, enlarged.
fn upscaled(model: BuiltIn, value: impl Fn(usize, usize) -> f32) -> Vec<Vec<f32>> {
    let model = Model::load(&runtime(), &ModelSource::BuiltIn(model), &OPTIONS).unwrap();
    let format = model.info().input_format(PixelFormat::YUV420P);
    let mut source = frame(format, SIDE, SIDE, 1);
    (0..format.plane_count()).for_each(|plane| fill_with(&mut source, plane, |_, x, y| value(x, y)));
    let output: HostFrame =
        run(&mut upscaler(model, &video(format, SIDE, SIDE), Tile::Auto), source).unwrap();
    rows(&output, 0)
}

/// Each value with the source pixel that it comes of.
fn places(model: BuiltIn, rows: &[Vec<f32>]) -> impl Iterator<Item = (usize, usize, f32)> {
    let scale = model.scale() as usize;
    rows.iter().enumerate().flat_map(move |(y, row)| {
        row.iter().enumerate().map(move |(x, &value)| (x / scale, y / scale, value))
    })
}

#[test]
fn nothing_rings_beside_a_step() {
    for model in trained() {
        for (low, high) in [(0.0, 1.0), (0.25, 0.75)] {
            let output = upscaled(model, |x, _| if x < 24 { low } else { high });
            for (x, y, value) in places(model, &output) {
                let allowed = match x {
                    ..23 => low..=low,
                    25.. => high..=high,
                    _ => low..=high,
                };
                assert!(allowed.contains(&value), "{model:?}: {value} at {x}, {y} of {low} to {high}");
            }
        }
    }
}

#[test]
fn a_line_without_antialiasing_leaves_the_ground_as_it_is() {
    const GROUND: f32 = 0.75;
    for model in trained() {
        let output = upscaled(model, |x, y| if x == y && (8..40).contains(&x) { 0.0 } else { GROUND });
        for (x, y, value) in places(model, &output).filter(|&(x, y, _)| x != y) {
            let allowed = if x.abs_diff(y) > 2 { GROUND..=GROUND } else { 0.0..=GROUND };
            assert!(allowed.contains(&value), "{model:?}: {value} at {x}, {y}");
        }
    }
}

#[test]
fn a_flat_picture_stays_as_it_is() {
    for model in trained() {
        for level in [-0.125, 0.0, 0.5, 1.0, 1.25] {
            let output = upscaled(model, |_, _| level);
            assert!(output.iter().flatten().all(|&value| value == level), "{model:?} at {level}");
        }
    }
}
