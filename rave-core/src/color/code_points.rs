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
            Self::YCgCo => "it is not derived from weights of red and blue",
            Self::Bt2020Cl | Self::ChromaDerivedCl => {
                "constant luminance needs the transfer characteristics undone before the matrix"
            }
            Self::ICtCp | Self::Smpte2085 => "it is not a matrix on R'G'B'",
            _ => "no conversion is implemented for it",
        }
    }
}
