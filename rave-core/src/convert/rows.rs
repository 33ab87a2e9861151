//! The loops over one row. Each takes its slices as separate arguments, which tells the compiler that they do not
//! overlap; they are cut to one length first, so that it can drop the bounds checks and use vector instructions.

use super::chroma::UpWeights;
use super::coefficients::{Rescale, RgbFromYuv, YuvFromRgb};

pub(super) fn rescale(by: Rescale, values: &[f32], out: &mut [f32]) {
    for (out, &value) in out.iter_mut().zip(values) {
        *out = (value - by.subtract) * by.multiply + by.add;
    }
}

pub(super) fn rescale_in_place(by: Rescale, values: &mut [f32]) {
    for value in values {
        *value = (*value - by.subtract) * by.multiply + by.add;
    }
}

#[inline(never)]
pub(super) fn rgb_from_yuv(
    by: &RgbFromYuv,
    luma: &[f32],
    cb: &[f32],
    cr: &[f32],
    red: &mut [f32],
    green: &mut [f32],
    blue: &mut [f32],
) {
    let by = *by;
    let n = luma.len();
    let (cb, cr) = (&cb[..n], &cr[..n]);
    let (red, green, blue) = (&mut red[..n], &mut green[..n], &mut blue[..n]);
    for i in 0..n {
        let y = (luma[i] - by.luma.subtract) * by.luma.multiply + by.luma.add;
        let (cb, cr) = (cb[i] - by.chroma_subtract, cr[i] - by.chroma_subtract);
        red[i] = y + cr * by.red_cr;
        green[i] = y + cb * by.green_cb + cr * by.green_cr;
        blue[i] = y + cb * by.blue_cb;
    }
}

/// As [`rgb_from_yuv`], where each component depends on both of chroma.
#[inline(never)]
pub(super) fn rgb_from_crossed(
    by: &RgbFromYuv,
    luma: &[f32],
    cb: &[f32],
    cr: &[f32],
    red: &mut [f32],
    green: &mut [f32],
    blue: &mut [f32],
) {
    let by = *by;
    let n = luma.len();
    let (cb, cr) = (&cb[..n], &cr[..n]);
    let (red, green, blue) = (&mut red[..n], &mut green[..n], &mut blue[..n]);
    for i in 0..n {
        let y = (luma[i] - by.luma.subtract) * by.luma.multiply + by.luma.add;
        let (cb, cr) = (cb[i] - by.chroma_subtract, cr[i] - by.chroma_subtract);
        red[i] = y + cb * by.red_cb + cr * by.red_cr;
        green[i] = y + cb * by.green_cb + cr * by.green_cr;
        blue[i] = y + cb * by.blue_cb + cr * by.blue_cr;
    }
}

#[inline(never)]
pub(super) fn yuv_from_rgb(
    by: &YuvFromRgb,
    red: &[f32],
    green: &[f32],
    blue: &[f32],
    luma: &mut [f32],
    cb: &mut [f32],
    cr: &mut [f32],
) {
    let by = *by;
    let n = luma.len();
    let (red, green, blue) = (&red[..n], &green[..n], &blue[..n]);
    let (cb, cr) = (&mut cb[..n], &mut cr[..n]);
    for i in 0..n {
        let [r, g, b] = [red[i], green[i], blue[i]].map(|value| value - by.rgb_subtract);
        let [y, u, v] = by.rows;
        luma[i] = r * y[0] + g * y[1] + b * y[2] + by.add[0];
        cb[i] = r * u[0] + g * u[1] + b * u[2] + by.add[1];
        cr[i] = r * v[0] + g * v[1] + b * v[2] + by.add[2];
    }
}

#[inline(never)]
pub(super) fn luma_from_rgb(by: &YuvFromRgb, red: &[f32], green: &[f32], blue: &[f32], luma: &mut [f32]) {
    let n = luma.len();
    let (red, green, blue) = (&red[..n], &green[..n], &blue[..n]);
    let weights = by.rows[0];
    for i in 0..n {
        let [r, g, b] = [red[i], green[i], blue[i]].map(|value| value - by.rgb_subtract);
        luma[i] = r * weights[0] + g * weights[1] + b * weights[2] + by.add[0];
    }
}

/// `padded` holds the chroma row with its first and last samples repeated once; `out` has an even length.
#[inline(never)]
pub(super) fn upsample(by: UpWeights, padded: &[f32], out: &mut [f32]) {
    let (pairs, _) = out.as_chunks_mut::<2>();
    let n = pairs.len();
    let (previous, this, next) = (&padded[..n], &padded[1..n + 1], &padded[2..n + 2]);
    for i in 0..n {
        pairs[i] =
            [previous[i] * by.even[0] + this[i] * by.even[1], this[i] * by.odd[0] + next[i] * by.odd[1]];
    }
}

/// `padded` holds a row with its first sample repeated once and its last once or twice, so that its length is
/// `2 * out.len() + 2`.
#[inline(never)]
pub(super) fn downsample(weights: [f32; 4], padded: &[f32], out: &mut [f32]) {
    let (pairs, _) = padded.as_chunks::<2>();
    let n = out.len();
    let (these, next) = (&pairs[..n], &pairs[1..n + 1]);
    for i in 0..n {
        let ([a, b], [c, d]) = (these[i], next[i]);
        out[i] = a * weights[0] + b * weights[1] + c * weights[2] + d * weights[3];
    }
}

#[inline(never)]
pub(super) fn blend_two(weights: [f32; 2], a: &[f32], b: &[f32], out: &mut [f32]) {
    let n = out.len();
    let (a, b) = (&a[..n], &b[..n]);
    for i in 0..n {
        out[i] = a[i] * weights[0] + b[i] * weights[1];
    }
}

#[inline(never)]
pub(super) fn blend_four(weights: [f32; 4], rows: [&[f32]; 4], out: &mut [f32]) {
    let n = out.len();
    let [a, b, c, d] = rows.map(|row| &row[..n]);
    for i in 0..n {
        out[i] = a[i] * weights[0] + b[i] * weights[1] + c[i] * weights[2] + d[i] * weights[3];
    }
}
