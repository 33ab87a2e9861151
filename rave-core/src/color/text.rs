use std::str::FromStr;

use super::{ColorSpec, Matrix, Primaries, Range, Siting, Transfer};

/// The text names no colour description.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} names no colour: use 601, 601-625, 709, 2020, pq, hlg, 240m, srgb, tv, pc, or matrix=, primaries=, transfer=, \
     range=, siting= with FFmpeg's names, separated by commas"
)]
pub struct InvalidColor(String);

impl FromStr for ColorSpec {
    type Err = InvalidColor;

    /// Names separated by commas; a later one wins. What none names is unspecified.
    ///
    /// ```
    /// use rave_core::{ColorSpec, Matrix, Range};
    /// let color: ColorSpec = "709,range=pc".parse()?;
    /// assert_eq!((color.matrix, color.range), (Matrix::Bt709, Range::Full));
    /// # Ok::<(), rave_core::InvalidColor>(())
    /// ```
    fn from_str(text: &str) -> Result<Self, InvalidColor> {
        text.split(',')
            .try_fold(Self::default(), |color, part| Some(named(part)?.or(color)))
            .ok_or_else(|| InvalidColor(text.to_owned()))
    }
}

fn named(part: &str) -> Option<ColorSpec> {
    match part.split_once('=') {
        Some((key, name)) => property(key, name),
        None => preset(part),
    }
}

fn preset(name: &str) -> Option<ColorSpec> {
    let of =
        |matrix, primaries, transfer| Some(ColorSpec { matrix, primaries, transfer, ..ColorSpec::default() });
    match name {
        "601" | "601-525" => of(Matrix::Smpte170m, Primaries::Smpte170m, Transfer::Smpte170m),
        "601-625" => of(Matrix::Bt470bg, Primaries::Bt470bg, Transfer::Smpte170m),
        "709" => of(Matrix::Bt709, Primaries::Bt709, Transfer::Bt709),
        "240m" => of(Matrix::Smpte240m, Primaries::Smpte240m, Transfer::Smpte240m),
        "2020" => of(Matrix::Bt2020Ncl, Primaries::Bt2020, Transfer::Bt2020Ten),
        "pq" => of(Matrix::Bt2020Ncl, Primaries::Bt2020, Transfer::Pq),
        "hlg" => of(Matrix::Bt2020Ncl, Primaries::Bt2020, Transfer::Hlg),
        "srgb" => of(Matrix::Unspecified, Primaries::Bt709, Transfer::Srgb),
        _ => property("range", name),
    }
}

fn property(key: &str, name: &str) -> Option<ColorSpec> {
    let nothing = ColorSpec::default();
    Some(match key {
        "matrix" => ColorSpec { matrix: Matrix::from_name(name)?, ..nothing },
        "primaries" => ColorSpec { primaries: Primaries::from_name(name)?, ..nothing },
        "transfer" => ColorSpec { transfer: Transfer::from_name(name)?, ..nothing },
        "range" => ColorSpec { range: range(name)?, ..nothing },
        "siting" => ColorSpec { siting: siting(name)?, ..nothing },
        _ => return None,
    })
}

fn range(name: &str) -> Option<Range> {
    match name {
        "tv" | "limited" => Some(Range::Limited),
        "pc" | "full" => Some(Range::Full),
        _ => None,
    }
}

fn siting(name: &str) -> Option<Siting> {
    const ALL: [Siting; 6] =
        [Siting::Left, Siting::Center, Siting::TopLeft, Siting::Top, Siting::BottomLeft, Siting::Bottom];
    ALL.into_iter().find(|siting| siting.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_add_up() {
        let color: ColorSpec = "601,pc,siting=center,transfer=iec61966-2-1".parse().unwrap();
        assert_eq!(color.matrix, Matrix::Smpte170m);
        assert_eq!((color.range, color.siting), (Range::Full, Siting::Center));
        assert_eq!(color.transfer, Transfer::Srgb);
        let matrix: ColorSpec = "matrix=ycgco".parse().unwrap();
        assert_eq!(matrix, ColorSpec { matrix: Matrix::YCgCo, ..ColorSpec::default() });
        for text in ["", "908", "709,", "matrix=709", "gamma=2", "range=", "siting=unspecified"] {
            assert!(text.parse::<ColorSpec>().is_err(), "{text}");
        }
    }
}
