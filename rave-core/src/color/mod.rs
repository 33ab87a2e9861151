mod code_points;
mod hdr;
mod text;

pub use code_points::{Matrix, Primaries, Transfer};
pub use hdr::{ContentLight, MasteringDisplay};
pub use text::InvalidColor;

use std::fmt;

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

    /// What `self` says, and what `other` says where `self` is silent.
    #[must_use]
    pub fn or(self, other: ColorSpec) -> ColorSpec {
        ColorSpec {
            matrix: if self.matrix.is_unspecified() { other.matrix } else { self.matrix },
            primaries: if self.primaries.is_unspecified() { other.primaries } else { self.primaries },
            transfer: if self.transfer.is_unspecified() { other.transfer } else { self.transfer },
            range: if self.range == Range::Unspecified { other.range } else { self.range },
            siting: if self.siting == Siting::Unspecified { other.siting } else { self.siting },
        }
    }

    /// The properties that both name, and name differently: what, here, there.
    pub fn conflicts_with(self, other: ColorSpec) -> Vec<(&'static str, &'static str, &'static str)> {
        let mut conflicts = Vec::new();
        let mut compare = |what, here: &'static str, there: &'static str, is_said: bool| {
            if is_said && here != there {
                conflicts.push((what, here, there));
            }
        };
        let both = |a: bool, b: bool| !a && !b;
        let (a, b) = (self, other);
        let is_said = both(a.matrix.is_unspecified(), b.matrix.is_unspecified());
        compare("matrix", a.matrix.name(), b.matrix.name(), is_said);
        let is_said = both(a.primaries.is_unspecified(), b.primaries.is_unspecified());
        compare("primaries", a.primaries.name(), b.primaries.name(), is_said);
        let is_said = both(a.transfer.is_unspecified(), b.transfer.is_unspecified());
        compare("transfer", a.transfer.name(), b.transfer.name(), is_said);
        let is_said = both(a.range == Range::Unspecified, b.range == Range::Unspecified);
        compare("range", a.range.name(), b.range.name(), is_said);
        conflicts
    }

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

    #[test]
    fn conflicts_are_what_both_name_differently() {
        let tagged = ColorSpec { range: Range::Full, ..ColorSpec::BT709 };
        let other = ColorSpec { matrix: Matrix::Smpte170m, range: Range::Limited, ..ColorSpec::default() };
        assert_eq!(tagged.conflicts_with(other), [("matrix", "bt709", "smpte170m"), ("range", "pc", "tv")]);
        assert_eq!(tagged.conflicts_with(ColorSpec::default()), []);
        assert_eq!(other.or(tagged).primaries, Primaries::Bt709);
    }
}
