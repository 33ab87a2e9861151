//! Resampling against its definition.
#![allow(clippy::unwrap_used)]

mod common;

use common::{CHROMAS, Random, SITINGS};
use rave_core::{Chroma, Code, CodedError, Kernel, Rational, ResampleAxis, Resampler, Siting};

const KERNELS: [Kernel; 3] = [Kernel::Triangle, Kernel::CatmullRom, Kernel::Lanczos3];

fn run(kernel: Kernel, x: ResampleAxis, y: ResampleAxis, source: &[f32]) -> Vec<f32> {
    let mut target = vec![f32::NAN; x.output as usize * y.output as usize];
    let mut resampler = Resampler::new(kernel, x, y).unwrap();
    resampler.resample(source, x.input as usize, &mut target, x.output as usize);
    target
}

fn noise(width: u32, height: u32) -> Vec<f32> {
    let mut random = Random::new(u64::from(width * 1000 + height));
    (0..width * height).map(|_| random.unit() as f32).collect()
}

/// The weighted mean of all samples, repeated beyond the edges, in double precision.
fn reference(kernel: Kernel, x: ResampleAxis, y: ResampleAxis, source: &[f32]) -> Vec<f64> {
    let mut target = Vec::new();
    for row in 0..y.output {
        for column in 0..x.output {
            let mut sum = 0.0;
            for (sample_y, weight_y) in weights(kernel, y, row) {
                for &(sample_x, weight_x) in &weights(kernel, x, column) {
                    sum += weight_x * weight_y * f64::from(source[sample_y * x.input as usize + sample_x]);
                }
            }
            target.push(sum);
        }
    }
    target
}

fn weights(kernel: Kernel, axis: ResampleAxis, output: u32) -> Vec<(usize, f64)> {
    let scale = axis.scale.to_f64();
    let position = (f64::from(output) + 0.5) / scale - 0.5 + axis.shift;
    let weight = |sample: i64| kernel.weight((sample as f64 - position) * scale.min(1.0));
    let reach = (kernel.radius() / scale.min(1.0)).ceil() as i64 + 1;
    let samples = position as i64 - reach..=position as i64 + reach;
    let sum: f64 = samples.clone().map(weight).sum();
    let last = i64::from(axis.input) - 1;
    samples.map(|sample| (sample.clamp(0, last) as usize, weight(sample) / sum)).collect()
}

fn assert_reference(kernel: Kernel, x: ResampleAxis, y: ResampleAxis) {
    let source = noise(x.input, y.input);
    let (result, exact) = (run(kernel, x, y, &source), reference(kernel, x, y, &source));
    for (i, (&value, exact)) in result.iter().zip(exact).enumerate() {
        // Weights and sums are rounded to single precision; there are at most some dozens of them.
        let error = (f64::from(value) - exact).abs();
        assert!(error < 2e-6, "{kernel:?} {x:?} {y:?}: sample {i} is {value}, exactly {exact}");
    }
}

#[test]
fn every_kernel_matches_its_definition_at_any_scale() {
    for kernel in KERNELS {
        for (from, to) in
            [(1, 1), (1, 7), (7, 1), (2, 3), (3, 2), (10, 40), (40, 10), (37, 53), (53, 37), (64, 9)]
        {
            for (shift, input) in [(0.0, 5), (0.125, 17), (-0.3, 1), (1.75, 9)] {
                let x = ResampleAxis { shift, ..ResampleAxis::fit(from, to).unwrap() };
                let y = ResampleAxis { shift: -shift, ..ResampleAxis::fit(input, 2 * input + 1).unwrap() };
                assert_reference(kernel, x, y);
                assert_reference(kernel, y, x);
            }
        }
    }
}

#[test]
fn the_same_size_without_a_shift_is_the_same_picture() {
    for kernel in KERNELS {
        let (x, y) = (ResampleAxis::fit(13, 13).unwrap(), ResampleAxis::fit(9, 9).unwrap());
        let source = noise(13, 9);
        let result = run(kernel, x, y, &source);
        for (value, original) in result.iter().zip(&source) {
            assert!((value - original).abs() < 1e-6, "{kernel:?}");
        }
    }
}

#[test]
fn strides_are_respected() {
    let axis = ResampleAxis::fit(6, 12).unwrap();
    let source = noise(6, 6);
    let packed = run(Kernel::CatmullRom, axis, axis, &source);
    let mut padded = vec![f32::NAN; 6 * 9];
    for (row, samples) in source.chunks(6).enumerate() {
        padded[row * 9..row * 9 + 6].copy_from_slice(samples);
    }
    let mut target = vec![-7.0; 12 * 20];
    Resampler::new(Kernel::CatmullRom, axis, axis).unwrap().resample(
        &padded[..5 * 9 + 6],
        9,
        &mut target,
        20,
    );
    for (row, samples) in target.chunks(20).enumerate() {
        assert_eq!(samples[..12], packed[row * 12..row * 12 + 12]);
        assert_eq!(samples[12..], [-7.0; 8]);
    }
}

/// Chroma that follows a ramp over the picture must follow the same ramp over the enlarged picture.
#[test]
fn enlarged_chroma_keeps_its_siting() {
    for chroma in CHROMAS {
        for siting in SITINGS {
            for factor in [1, 2, 3, 4] {
                let [x, y] = ResampleAxis::for_chroma(chroma, siting, (33, 32), factor).unwrap();
                let ((x_shift, y_shift), (x_offset, y_offset)) = (chroma.shifts(), siting.offset());
                let what = format!("{chroma:?} {siting} x{factor}");
                assert_ramp_is_kept(x, factor, (x_shift, x_offset), &what);
                assert_ramp_is_kept(y, factor, (y_shift, y_offset), &what);
            }
        }
    }
}

fn assert_ramp_is_kept(axis: ResampleAxis, factor: u32, (shift, offset): (u32, f32), what: &str) {
    let ramp = |luma_position: f64| 0.1 + 0.02 * luma_position;
    let offset = if shift == 1 { f64::from(offset) } else { 0.0 };
    let luma_position = |sample: u32| f64::from(sample << shift) + offset;
    let source: Vec<f32> = (0..axis.input).map(|i| ramp(luma_position(i)) as f32).collect();
    let result = run(Kernel::CatmullRom, axis, ResampleAxis::fit(1, 1).unwrap(), &source);
    // Away from the edges, where samples are repeated.
    let edge = 2 * factor as usize;
    for (i, &value) in result.iter().enumerate().take(result.len() - edge - 1).skip(edge) {
        let source_position = (luma_position(i as u32) + 0.5) / f64::from(factor) - 0.5;
        let error = (f64::from(value) - ramp(source_position)).abs();
        assert!(error < 1e-6, "{what}: sample {i} is off by {error}");
    }
}

#[test]
fn enlarged_chroma_has_the_size_of_the_enlarged_picture() {
    for (size, factor, expected) in
        [((33, 31), 2, (33, 31)), ((33, 31), 3, (50, 47)), ((1, 1), 4, (2, 2)), ((32, 16), 1, (16, 8))]
    {
        let [x, y] = ResampleAxis::for_chroma(Chroma::C420, Siting::Left, size, factor).unwrap();
        assert_eq!((x.output, y.output), expected);
    }
}

#[test]
fn a_fine_pattern_does_not_alias_when_it_shrinks() {
    let source: Vec<f32> = (0..64).map(|i| (i % 2) as f32).collect();
    for kernel in KERNELS {
        let x = ResampleAxis::fit(64, 16).unwrap();
        let result = run(kernel, x, ResampleAxis::fit(1, 1).unwrap(), &source);
        for value in &result[2..14] {
            assert!((value - 0.5).abs() < 0.01, "{kernel:?}: {result:?}");
        }
    }
}

#[test]
fn impossible_axes_are_refused() {
    let axis = ResampleAxis::fit(4, 4).unwrap();
    let code = |axis| Resampler::new(Kernel::Triangle, axis, axis).unwrap_err().code();
    assert_eq!(ResampleAxis::fit(0, 4).unwrap_err().code(), Code::TimeBaseInvalid);
    assert_eq!(code(ResampleAxis { input: 0, ..axis }), Code::SizeInvalid);
    assert_eq!(code(ResampleAxis { output: 0, scale: Rational::ONE, ..axis }), Code::SizeInvalid);
    assert_eq!(code(ResampleAxis { shift: f64::NAN, ..axis }), Code::LayoutInvalid);
    let too_large = ResampleAxis::for_chroma(Chroma::C420, Siting::Left, (40_000, 4), 2).unwrap_err();
    assert_eq!(too_large.code(), Code::SizeInvalid);
}
