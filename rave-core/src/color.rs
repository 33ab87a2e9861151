use std::fmt;

use crate::Error;

/// Declares an enumeration whose values are code points of Rec. ITU-T H.273, with FFmpeg's names.
macro_rules! code_points {
    ($(#[$meta:meta])* $kind:ident { $($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $kind {
            $($(#[$doc])* $variant = $code,)+
        }

        impl $kind {
            /// The value with this code point; unassigned and reserved ones are `Unspecified`.
            pub const fn from_code(code: u8) -> Self {
                match code { $($code => Self::$variant,)+ _ => Self::Unspecified }
            }

            /// The value with FFmpeg's name for it.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }

            /// The code point of Rec. ITU-T H.273.
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// FFmpeg's name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Whether the stream says nothing.
            pub const fn is_unspecified(self) -> bool {
                matches!(self, Self::Unspecified)
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

code_points! {
    /// The matrix between R'G'B' and Y'CbCr (H.273, clause 8.3, MatrixCoefficients).
    Matrix {
        /// Samples are R'G'B'.
        Identity = 0, "gbr";
        /// Rec. ITU-R BT.709.
        Bt709 = 1, "bt709";
        /// Not said.
        #[default]
        Unspecified = 2, "unknown";
        /// FCC Title 47 (2003), 73.682.
        Fcc = 4, "fcc";
        /// Rec. ITU-R BT.601, 625 lines.
        Bt470bg = 5, "bt470bg";
        /// Rec. ITU-R BT.601, 525 lines; the same coefficients as [`Bt470bg`](Self::Bt470bg).
        Smpte170m = 6, "smpte170m";
        /// SMPTE ST 240.
        Smpte240m = 7, "smpte240m";
        /// YCgCo.
        YCgCo = 8, "ycgco";
        /// Rec. ITU-R BT.2020, non-constant luminance.
        Bt2020Ncl = 9, "bt2020nc";
        /// Rec. ITU-R BT.2020, constant luminance.
        Bt2020Cl = 10, "bt2020c";
        /// SMPTE ST 2085.
        Smpte2085 = 11, "smpte2085";
        /// Derived from the primaries, non-constant luminance.
        ChromaDerivedNcl = 12, "chroma-derived-nc";
        /// Derived from the primaries, constant luminance.
        ChromaDerivedCl = 13, "chroma-derived-c";
        /// ICtCp, Rec. ITU-R BT.2100.
        ICtCp = 14, "ictcp";
    }
}

code_points! {
    /// The colour primaries (H.273, clause 8.1). RAVE carries them, it does not convert between them.
    Primaries {
        /// Rec. ITU-R BT.709.
        Bt709 = 1, "bt709";
        /// Not said.
        #[default]
        Unspecified = 2, "unknown";
        /// Rec. ITU-R BT.470, system M.
        Bt470m = 4, "bt470m";
        /// Rec. ITU-R BT.601, 625 lines.
        Bt470bg = 5, "bt470bg";
        /// Rec. ITU-R BT.601, 525 lines.
        Smpte170m = 6, "smpte170m";
        /// SMPTE ST 240.
        Smpte240m = 7, "smpte240m";
        /// Generic film.
        Film = 8, "film";
        /// Rec. ITU-R BT.2020.
        Bt2020 = 9, "bt2020";
        /// SMPTE ST 428-1.
        Smpte428 = 10, "smpte428";
        /// SMPTE RP 431-2.
        Smpte431 = 11, "smpte431";
        /// SMPTE EG 432-1.
        Smpte432 = 12, "smpte432";
        /// EBU Tech. 3213-E.
        Ebu3213 = 22, "ebu3213";
    }
}

code_points! {
    /// The transfer characteristics (H.273, clause 8.2). RAVE carries them, models work on the coded values.
    Transfer {
        /// Rec. ITU-R BT.709.
        Bt709 = 1, "bt709";
        /// Not said.
        #[default]
        Unspecified = 2, "unknown";
        /// Gamma 2.2.
        Gamma22 = 4, "bt470m";
        /// Gamma 2.8.
        Gamma28 = 5, "bt470bg";
        /// Rec. ITU-R BT.601.
        Smpte170m = 6, "smpte170m";
        /// SMPTE ST 240.
        Smpte240m = 7, "smpte240m";
        /// Linear.
        Linear = 8, "linear";
        /// Logarithmic, range 100:1.
        Log = 9, "log100";
        /// Logarithmic, range 100 x sqrt(10) : 1.
        LogSqrt = 10, "log316";
        /// IEC 61966-2-4.
        Iec61966_2_4 = 11, "iec61966-2-4";
        /// Rec. ITU-R BT.1361.
        Bt1361 = 12, "bt1361e";
        /// IEC 61966-2-1, sRGB.
        Srgb = 13, "iec61966-2-1";
        /// Rec. ITU-R BT.2020, 10 bits.
        Bt2020Ten = 14, "bt2020-10";
        /// Rec. ITU-R BT.2020, 12 bits.
        Bt2020Twelve = 15, "bt2020-12";
        /// SMPTE ST 2084, PQ.
        Pq = 16, "smpte2084";
        /// SMPTE ST 428-1.
        Smpte428 = 17, "smpte428";
        /// ARIB STD-B67, HLG.
        Hlg = 18, "arib-std-b67";
    }
}

impl Matrix {
    /// Kr and Kb, the weights of R' and B' in Y' (H.273, table 4; BT.601-7, 2.5.1; BT.709-6, item 3.2; BT.2020-2,
    /// table 4).
    ///
    /// # Errors
    /// [`Error::Color`] for a matrix that is not of this kind, or not said.
    pub fn luma_weights(self) -> Result<(f64, f64), Error> {
        match self {
            Self::Bt709 => Ok((0.2126, 0.0722)),
            Self::Fcc => Ok((0.30, 0.11)),
            Self::Bt470bg | Self::Smpte170m => Ok((0.299, 0.114)),
            Self::Smpte240m => Ok((0.212, 0.087)),
            Self::Bt2020Ncl => Ok((0.2627, 0.0593)),
            _ => Err(Error::Color { what: format!("matrix {self}"), reason: self.refusal() }),
        }
    }

    fn refusal(self) -> &'static str {
        match self {
            Self::Unspecified => "the stream does not name one, and no default was applied",
            Self::Identity => "the samples are already R'G'B'",
            Self::Bt2020Cl | Self::ChromaDerivedCl => {
                "constant luminance needs the transfer characteristics undone before the matrix"
            }
            Self::ICtCp | Self::Smpte2085 => "it is not a matrix on R'G'B'",
            _ => "no conversion is implemented for it",
        }
    }
}

/// Which code values stand for black and white (H.273, clause 8.3, VideoFullRangeFlag).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Range {
    /// Not said.
    #[default]
    Unspecified,
    /// Black at 16, white at 235, chroma 16 to 240, all times `2^(bits - 8)`.
    Limited,
    /// Black at 0, white at `2^bits - 1`.
    Full,
}

impl Range {
    /// FFmpeg's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unknown",
            Self::Limited => "tv",
            Self::Full => "pc",
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a chroma sample lies among the luma samples it belongs to (H.273, Chroma420SampleLocType).
///
/// It matters for 4:2:0, and its horizontal part for 4:2:2; 4:4:4 has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Siting {
    /// Not said.
    #[default]
    Unspecified,
    /// On the even columns, between the rows: MPEG-2, H.264 and HEVC by default.
    Left,
    /// Between columns and between rows: MPEG-1, JPEG.
    Center,
    /// On the even columns and even rows: BT.2020, Ultra HD.
    TopLeft,
    /// Between the columns, on the even rows.
    Top,
    /// On the even columns and odd rows.
    BottomLeft,
    /// Between the columns, on the odd rows.
    Bottom,
}

impl Siting {
    /// FFmpeg's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Left => "left",
            Self::Center => "center",
            Self::TopLeft => "topleft",
            Self::Top => "top",
            Self::BottomLeft => "bottomleft",
            Self::Bottom => "bottom",
        }
    }

    /// The first chroma sample's column and row, in luma samples, for a component reduced by two in that direction.
    /// `Unspecified` counts as [`Left`](Self::Left).
    pub const fn offset(self) -> (f32, f32) {
        match self {
            Self::Unspecified | Self::Left => (0.0, 0.5),
            Self::Center => (0.5, 0.5),
            Self::TopLeft => (0.0, 0.0),
            Self::Top => (0.5, 0.0),
            Self::BottomLeft => (0.0, 1.0),
            Self::Bottom => (0.5, 1.0),
        }
    }
}

impl fmt::Display for Siting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the samples' code values mean as colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ColorSpec {
    /// Matrix between R'G'B' and Y'CbCr.
    pub matrix: Matrix,
    /// Colour primaries.
    pub primaries: Primaries,
    /// Transfer characteristics.
    pub transfer: Transfer,
    /// Limited or full range.
    pub range: Range,
    /// Chroma sample location.
    pub siting: Siting,
}

impl ColorSpec {
    /// BT.709, limited range, left siting: high definition.
    pub const BT709: ColorSpec = ColorSpec {
        matrix: Matrix::Bt709,
        primaries: Primaries::Bt709,
        transfer: Transfer::Bt709,
        range: Range::Limited,
        siting: Siting::Left,
    };

    /// This description with every property that the stream does not name filled in, and a sentence for each.
    ///
    /// A missing matrix is BT.709 from 1280 columns or 577 rows on, below that BT.601 with the primaries of 625 lines
    /// for 576 and 288 rows and of 525 lines otherwise. Missing primaries and transfer are those that belong to the
    /// matrix, a missing range is limited (full for R'G'B'), a missing siting is left (top-left for BT.2020).
    pub fn resolve(self, width: u32, height: u32) -> (ColorSpec, Vec<String>) {
        let mut resolved = self;
        let mut assumed = Vec::new();
        if self.matrix.is_unspecified() {
            resolved.matrix = default_matrix(width, height);
            assumed.push(format!("matrix {} (from the size {width}x{height})", resolved.matrix));
        }
        let (primaries, transfer) = companions(resolved.matrix);
        if self.primaries.is_unspecified() && !primaries.is_unspecified() {
            resolved.primaries = primaries;
            assumed.push(format!("primaries {primaries} (from the matrix)"));
        }
        if self.transfer.is_unspecified() && !transfer.is_unspecified() {
            resolved.transfer = transfer;
            assumed.push(format!("transfer {transfer} (from the matrix)"));
        }
        if self.range == Range::Unspecified {
            resolved.range = if resolved.matrix == Matrix::Identity { Range::Full } else { Range::Limited };
            assumed.push(format!("range {}", resolved.range));
        }
        if self.siting == Siting::Unspecified {
            let ultra_hd = matches!(resolved.matrix, Matrix::Bt2020Ncl | Matrix::Bt2020Cl);
            resolved.siting = if ultra_hd { Siting::TopLeft } else { Siting::Left };
        }
        (resolved, assumed)
    }
}

/// The matrix of an untagged picture, by its size.
pub(crate) fn default_matrix(width: u32, height: u32) -> Matrix {
    match height {
        _ if width >= 1280 || height > 576 => Matrix::Bt709,
        576 | 288 => Matrix::Bt470bg,
        _ => Matrix::Smpte170m,
    }
}

fn companions(matrix: Matrix) -> (Primaries, Transfer) {
    match matrix {
        Matrix::Bt709 => (Primaries::Bt709, Transfer::Bt709),
        Matrix::Bt470bg => (Primaries::Bt470bg, Transfer::Smpte170m),
        Matrix::Smpte170m => (Primaries::Smpte170m, Transfer::Smpte170m),
        Matrix::Smpte240m => (Primaries::Smpte240m, Transfer::Smpte240m),
        Matrix::Bt2020Ncl | Matrix::Bt2020Cl => (Primaries::Bt2020, Transfer::Bt2020Ten),
        _ => (Primaries::Unspecified, Transfer::Unspecified),
    }
}

/// The mastering display's colour volume, in the units of SMPTE ST 2086 as coded in HEVC (H.265, D.3.28).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MasteringDisplay {
    /// Chromaticities x, y of red, green and blue, in 0.00002.
    pub primaries: [[u16; 2]; 3],
    /// Chromaticity x, y of white, in 0.00002.
    pub white_point: [u16; 2],
    /// Highest luminance, in 0.0001 cd/m2.
    pub max_luminance: u32,
    /// Lowest luminance, in 0.0001 cd/m2.
    pub min_luminance: u32,
}

/// The content light level, in cd/m2 (CTA-861.3; H.265, D.3.35).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContentLight {
    /// MaxCLL: the brightest pixel.
    pub max_content: u16,
    /// MaxFALL: the brightest frame average.
    pub max_frame_average: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_points_round_trip() {
        for code in 0..=255 {
            let matrix = Matrix::from_code(code);
            assert!(matrix.code() == code || matrix.is_unspecified());
            assert_eq!(Matrix::from_name(matrix.name()), Some(matrix));
        }
        assert_eq!(Transfer::from_code(16), Transfer::Pq);
        assert_eq!(Primaries::from_code(9), Primaries::Bt2020);
    }

    #[test]
    fn untagged_pictures_get_the_documented_default() {
        for (width, height, matrix, primaries) in [
            (720, 480, Matrix::Smpte170m, Primaries::Smpte170m),
            (720, 576, Matrix::Bt470bg, Primaries::Bt470bg),
            (352, 288, Matrix::Bt470bg, Primaries::Bt470bg),
            (1280, 720, Matrix::Bt709, Primaries::Bt709),
            (480, 854, Matrix::Bt709, Primaries::Bt709),
            (1, 1, Matrix::Smpte170m, Primaries::Smpte170m),
        ] {
            let (color, assumed) = ColorSpec::default().resolve(width, height);
            assert_eq!((color.matrix, color.primaries), (matrix, primaries), "{width}x{height}");
            assert_eq!((color.range, color.siting), (Range::Limited, Siting::Left));
            assert_eq!(assumed.len(), 4, "{assumed:?}");
        }
    }

    #[test]
    fn what_is_tagged_stays() {
        let tagged = ColorSpec {
            matrix: Matrix::Bt2020Ncl,
            primaries: Primaries::Bt2020,
            transfer: Transfer::Pq,
            range: Range::Full,
            siting: Siting::Center,
        };
        assert_eq!(tagged.resolve(320, 240), (tagged, vec![]));
    }
}
