use crate::{Error, Matrix, PixelFormat, Range};

/// The matrix between R'G'B' and Y'CbCr on normalised values: R', G', B', Y' in 0..1, Cb and Cr in -0.5..0.5.
///
/// YCgCo, which has no such weights, by H.273's equations 8 to 10 and their inverse; Cg and Co stand in the places of Cb
/// and Cr.
///
/// Derived from Kr and Kb as in Rec. ITU-T H.273, clause 8.3: Y' = Kr R' + (1 - Kr - Kb) G' + Kb B',
/// Cb = (B' - Y') / (2 (1 - Kb)), Cr = (R' - Y') / (2 (1 - Kr)). BT.601-7 (2.5.1 and 2.5.2), BT.709-6 (items 3.2 and
/// 3.3) and BT.2020-2 (table 4) give the same equations with their own numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MatrixCoefficients {
    /// Rows R', G', B'; columns Y', Cb, Cr.
    pub rgb_from_yuv: [[f64; 3]; 3],
    /// Rows Y', Cb, Cr; columns R', G', B'.
    pub yuv_from_rgb: [[f64; 3]; 3],
}

impl MatrixCoefficients {
    const YCGCO: Self = Self {
        rgb_from_yuv: [[1.0, -1.0, 1.0], [1.0, 1.0, 0.0], [1.0, -1.0, -1.0]],
        yuv_from_rgb: [[0.25, 0.5, 0.25], [-0.25, 0.5, -0.25], [0.5, 0.0, -0.5]],
    };

    /// The coefficients of `matrix`.
    ///
    /// # Errors
    /// [`Error::Color`] if it is neither derived from Kr and Kb nor YCgCo, or not said: see [`Matrix::luma_weights`].
    pub fn new(matrix: Matrix) -> Result<Self, Error> {
        if matrix == Matrix::YCgCo {
            return Ok(Self::YCGCO);
        }
        let (kr, kb) = matrix.luma_weights()?;
        let kg = 1.0 - kr - kb;
        let (red, blue) = (2.0 * (1.0 - kr), 2.0 * (1.0 - kb));
        Ok(Self {
            rgb_from_yuv: [[1.0, 0.0, red], [1.0, -kb * blue / kg, -kr * red / kg], [1.0, blue, 0.0]],
            yuv_from_rgb: [[kr, kg, kb], [-kr / blue, -kg / blue, 0.5], [0.5, -kg / red, -kb / red]],
        })
    }
}

/// How normalised values become code values: `code = value * scale + offset`, rounded.
///
/// Rec. ITU-T H.273, clause 8.3; BT.601-7 (2.5.3), BT.709-6 (items 3.4 and 4.6) and BT.2020-2 (table 5) for limited
/// range. R', G' and B' are scaled as Y'.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantization {
    /// Codes from black to white.
    pub luma_scale: f64,
    /// The code of black.
    pub luma_offset: f64,
    /// Codes from Cb = -0.5 to Cb = 0.5.
    pub chroma_scale: f64,
    /// The code of Cb = 0.
    pub chroma_offset: f64,
}

impl Quantization {
    /// That of floating-point samples: the values themselves.
    pub const NORMALIZED: Self =
        Self { luma_scale: 1.0, luma_offset: 0.0, chroma_scale: 1.0, chroma_offset: 0.0 };

    /// That of the samples of `format` in `range`, which counts for integers only.
    ///
    /// # Errors
    /// [`Error::Color`] if integer samples have an unspecified range; [`Error::Format`] if they do not have 8 to 16
    /// bits.
    pub fn new(format: PixelFormat, range: Range) -> Result<Self, Error> {
        let Some(bits) = format.bits() else { return Ok(Self::NORMALIZED) };
        if !(8..=16).contains(&bits) {
            return Err(Error::Format { format: format.to_string(), action: "converted: 8 to 16 bits can" });
        }
        let codes = f64::from(1_u32 << bits);
        match range {
            Range::Limited => Ok(Self {
                luma_scale: 219.0 / 256.0 * codes,
                luma_offset: 16.0 / 256.0 * codes,
                chroma_scale: 224.0 / 256.0 * codes,
                chroma_offset: 0.5 * codes,
            }),
            Range::Full => Ok(Self {
                luma_scale: codes - 1.0,
                luma_offset: 0.0,
                chroma_scale: codes - 1.0,
                chroma_offset: 0.5 * codes,
            }),
            Range::Unspecified => Err(Error::Color {
                what: format!("range {range} of {format}"),
                reason: "the stream does not say it, and no default was applied",
            }),
        }
    }

    /// That of samples of this matrix. H.273 takes Cg and Co of limited range from code values of R', G' and B', so that
    /// they are scaled as those.
    pub(super) fn of_matrix(self, matrix: Matrix) -> Self {
        match matrix {
            Matrix::YCgCo => Self { chroma_scale: self.luma_scale, ..self },
            _ => self,
        }
    }
}

/// `out = (value - subtract) * multiply + add`: the order keeps black at exactly zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rescale {
    pub subtract: f32,
    pub multiply: f32,
    pub add: f32,
}

impl Rescale {
    pub fn luma(from: &Quantization, to: &Quantization) -> Self {
        Self {
            subtract: from.luma_offset as f32,
            multiply: (to.luma_scale / from.luma_scale) as f32,
            add: to.luma_offset as f32,
        }
    }

    pub fn chroma(from: &Quantization, to: &Quantization) -> Self {
        Self {
            subtract: from.chroma_offset as f32,
            multiply: (to.chroma_scale / from.chroma_scale) as f32,
            add: to.chroma_offset as f32,
        }
    }

    pub fn is_identity(self) -> bool {
        self.multiply == 1.0 && self.subtract == self.add
    }
}

/// Y'CbCr samples of one quantisation to R'G'B' samples of another, in single precision.
#[derive(Clone, Copy, Debug)]
pub(super) struct RgbFromYuv {
    pub luma: Rescale,
    pub chroma_subtract: f32,
    pub red_cb: f32,
    pub red_cr: f32,
    pub green_cb: f32,
    pub green_cr: f32,
    pub blue_cb: f32,
    pub blue_cr: f32,
}

impl RgbFromYuv {
    pub fn new(matrix: &MatrixCoefficients, from: &Quantization, to: &Quantization) -> Self {
        let scale = to.luma_scale / from.chroma_scale;
        let [[_, red_cb, red_cr], [_, green_cb, green_cr], [_, blue_cb, blue_cr]] = matrix.rgb_from_yuv;
        Self {
            luma: Rescale::luma(from, to),
            chroma_subtract: from.chroma_offset as f32,
            red_cb: (red_cb * scale) as f32,
            red_cr: (red_cr * scale) as f32,
            green_cb: (green_cb * scale) as f32,
            green_cr: (green_cr * scale) as f32,
            blue_cb: (blue_cb * scale) as f32,
            blue_cr: (blue_cr * scale) as f32,
        }
    }

    /// Whether red needs Cb or blue Cr: only in YCgCo.
    pub fn is_crossed(&self) -> bool {
        self.red_cb != 0.0 || self.blue_cr != 0.0
    }
}

/// R'G'B' samples of one quantisation to Y'CbCr samples of another, in single precision.
#[derive(Clone, Copy, Debug)]
pub(super) struct YuvFromRgb {
    pub rgb_subtract: f32,
    pub rows: [[f32; 3]; 3],
    pub add: [f32; 3],
}

impl YuvFromRgb {
    pub fn new(matrix: &MatrixCoefficients, from: &Quantization, to: &Quantization) -> Self {
        let scales = [to.luma_scale, to.chroma_scale, to.chroma_scale];
        let mut rows = [[0.0; 3]; 3];
        for ((row, coefficients), scale) in rows.iter_mut().zip(&matrix.yuv_from_rgb).zip(scales) {
            *row = coefficients.map(|coefficient| (coefficient * scale / from.luma_scale) as f32);
        }
        let add = [to.luma_offset, to.chroma_offset, to.chroma_offset].map(|offset| offset as f32);
        Self { rgb_subtract: from.luma_offset as f32, rows, add }
    }
}
