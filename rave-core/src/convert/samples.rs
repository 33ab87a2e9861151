use half::f16;
use half::slice::HalfFloatSliceExt;

use super::dither::{self, Dither};
use crate::{PixelFormat, Sample};

/// How a format stores one sample, and the way between a row's bytes and single precision. Integers become their code
/// values; normalising is left to the step that multiplies anyway.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storage {
    sample: Sample,
    shift: u32,
    max_code: f32,
    dither: Dither,
}

impl Storage {
    pub fn new(format: PixelFormat) -> Self {
        let max_code = format.bits().map_or(0, |bits| (1_u32 << bits) - 1) as f32;
        Self { sample: format.sample(), shift: format.sample_shift(), max_code, dither: Dither::None }
    }

    /// The same, with values dithered when they are rounded.
    pub const fn with_dither(self, dither: Dither) -> Self {
        Self { dither, ..self }
    }

    /// The row's values, in `out`.
    pub fn load(self, row: &[u8], out: &mut [f32]) {
        match self.sample {
            Sample::U8 => load_with(row, out, f32::from),
            Sample::Uint { .. } => {
                let shift = self.shift;
                load_with(bytemuck::cast_slice(row), out, |code: u16| f32::from(code >> shift));
            }
            Sample::F16 => bytemuck::cast_slice::<u8, f16>(row).convert_to_f32_slice(out),
            Sample::F32 => out.copy_from_slice(bytemuck::cast_slice(row)),
        }
    }

    /// The row's values: where they lie if that is possible, else loaded into `scratch`.
    pub fn view<'a>(self, row: &'a [u8], scratch: &'a mut [f32]) -> &'a [f32] {
        if self.sample == Sample::F32 {
            return bytemuck::cast_slice(row);
        }
        self.load(row, scratch);
        scratch
    }

    /// The values of a row of pairs.
    pub fn load_pairs(self, row: &[u8], first: &mut [f32], second: &mut [f32]) {
        match self.sample {
            Sample::U8 => load_pairs_with(row, first, second, f32::from),
            Sample::Uint { .. } => {
                let shift = self.shift;
                let codes = bytemuck::cast_slice(row);
                load_pairs_with(codes, first, second, |code: u16| f32::from(code >> shift));
            }
            Sample::F16 => load_pairs_with(bytemuck::cast_slice(row), first, second, f16::to_f32),
            Sample::F32 => load_pairs_with(bytemuck::cast_slice(row), first, second, |value: f32| value),
        }
    }

    /// Writes the values of row `y`. Integers are rounded half up and clamped to what their bits can hold; NaN becomes
    /// 0.
    pub fn store(self, y: usize, values: &[f32], row: &mut [u8]) {
        match self.sample {
            Sample::Uint { bits } if self.dither == Dither::Ordered => {
                self.store_dithered(y, bits, values, row)
            }
            Sample::U8 => store_with(values, row, |value| round_code(value, 255.0) as u8),
            Sample::Uint { .. } => {
                let Self { shift, max_code, .. } = self;
                let to_code = |value| (round_code(value, max_code) << shift) as u16;
                store_with(values, bytemuck::cast_slice_mut(row), to_code);
            }
            Sample::F16 => bytemuck::cast_slice_mut::<u8, f16>(row).convert_from_f32_slice(values),
            Sample::F32 => row.copy_from_slice(bytemuck::cast_slice(values)),
        }
    }

    fn store_dithered(self, y: usize, bits: u8, values: &[f32], row: &mut [u8]) {
        let thresholds = dither::thresholds(y);
        let code = |x: usize, value: f32| round_code(value + thresholds[x % thresholds.len()], self.max_code);
        let values = values.iter().enumerate();
        if bits == 8 {
            values.zip(row).for_each(|((x, &value), sample)| *sample = code(x, value) as u8);
        } else {
            let row: &mut [u16] = bytemuck::cast_slice_mut(row);
            values.zip(row).for_each(|((x, &value), sample)| *sample = (code(x, value) << self.shift) as u16);
        }
    }

    fn store_dithered_pairs(self, y: usize, bits: u8, [first, second]: [&[f32]; 2], row: &mut [u8]) {
        let thresholds = dither::thresholds(y);
        let code = |x: usize, value: f32| round_code(value + thresholds[x % thresholds.len()], self.max_code);
        let pairs = first.iter().zip(second).enumerate();
        let codes = pairs.flat_map(|(x, (&a, &b))| [code(x, a), code(x, b)]);
        if bits == 8 {
            codes.zip(row).for_each(|(code, sample)| *sample = code as u8);
        } else {
            let row: &mut [u16] = bytemuck::cast_slice_mut(row);
            codes.zip(row).for_each(|(code, sample)| *sample = (code << self.shift) as u16);
        }
    }

    /// Writes pairs of values of row `y`, as [`store`](Self::store) does.
    pub fn store_pairs(self, y: usize, first: &[f32], second: &[f32], row: &mut [u8]) {
        match self.sample {
            Sample::Uint { bits } if self.dither == Dither::Ordered => {
                self.store_dithered_pairs(y, bits, [first, second], row);
            }
            Sample::U8 => store_pairs_with(first, second, row, |value| round_code(value, 255.0) as u8),
            Sample::Uint { .. } => {
                let Self { shift, max_code, .. } = self;
                let to_code = |value| (round_code(value, max_code) << shift) as u16;
                store_pairs_with(first, second, bytemuck::cast_slice_mut(row), to_code);
            }
            Sample::F16 => store_pairs_with(first, second, bytemuck::cast_slice_mut(row), f16::from_f32),
            Sample::F32 => store_pairs_with(first, second, bytemuck::cast_slice_mut(row), |value| value),
        }
    }

    /// Lets `fill` write values to row `y`: in place if it can be, else through `scratch`.
    pub fn write(self, y: usize, row: &mut [u8], scratch: &mut [f32], fill: impl FnOnce(&mut [f32])) {
        if self.sample == Sample::F32 {
            return fill(bytemuck::cast_slice_mut(row));
        }
        fill(scratch);
        self.store(y, scratch, row);
    }

    /// As [`write`](Self::write), three rows at once.
    pub fn write_three(
        self,
        y: usize,
        rows: [&mut [u8]; 3],
        scratch: &mut [Vec<f32>; 3],
        fill: impl FnOnce([&mut [f32]; 3]),
    ) {
        if self.sample == Sample::F32 {
            return fill(rows.map(bytemuck::cast_slice_mut));
        }
        fill(scratch.each_mut().map(Vec::as_mut_slice));
        for (values, row) in scratch.iter().zip(rows) {
            self.store(y, values, row);
        }
    }
}

/// A single-precision number from here up to twice this has no fraction, and its low bits count ones.
const NO_FRACTION: f32 = 8_388_608.0;

/// The code in the low 16 bits. The comparisons are in the order that sends NaN to 0. The conversion is by addition and
/// comparison, since the cast to an integer checks for overflow once more and has no vector instruction.
#[inline(always)]
fn round_code(value: f32, max_code: f32) -> u32 {
    let raised = value + 0.5;
    let positive = if raised > 0.0 { raised } else { 0.0 };
    let clamped = if positive < max_code { positive } else { max_code };
    let counted = clamped + NO_FRACTION;
    let rounded_up = counted - NO_FRACTION > clamped;
    counted.to_bits() - u32::from(rounded_up)
}

#[inline(always)]
fn load_with<T: Copy>(row: &[T], out: &mut [f32], to_value: impl Fn(T) -> f32) {
    for (value, &sample) in out.iter_mut().zip(row) {
        *value = to_value(sample);
    }
}

#[inline(always)]
fn load_pairs_with<T: Copy>(row: &[T], first: &mut [f32], second: &mut [f32], to_value: impl Fn(T) -> f32) {
    let (pairs, _) = row.as_chunks::<2>();
    for ((first, second), &[a, b]) in first.iter_mut().zip(second).zip(pairs) {
        *first = to_value(a);
        *second = to_value(b);
    }
}

#[inline(always)]
fn store_with<T>(values: &[f32], row: &mut [T], to_sample: impl Fn(f32) -> T) {
    for (sample, &value) in row.iter_mut().zip(values) {
        *sample = to_sample(value);
    }
}

#[inline(always)]
fn store_pairs_with<T>(first: &[f32], second: &[f32], row: &mut [T], to_sample: impl Fn(f32) -> T) {
    let (pairs, _) = row.as_chunks_mut::<2>();
    for (pair, (&a, &b)) in pairs.iter_mut().zip(first.iter().zip(second)) {
        *pair = [to_sample(a), to_sample(b)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_rounded_half_up_and_clamped() {
        for (value, code) in [
            (-1.0, 0),
            (0.49, 0),
            (0.5, 1),
            (2.5, 3),
            (254.4, 254),
            (254.5, 255),
            (255.4, 255),
            (1e9, 255),
            (f32::INFINITY, 255),
            (f32::NEG_INFINITY, 0),
            (f32::NAN, 0),
        ] {
            assert_eq!(round_code(value, 255.0) as u16, code, "{value}");
        }
        assert_eq!(round_code(65535.6, 65535.0) as u16, 65535);
    }
}
