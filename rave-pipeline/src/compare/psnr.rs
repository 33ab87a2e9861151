//! Peak signal-to-noise ratio.

use std::num::NonZeroU64;

use rave_core::{HostFrame, SampleType};

use super::bands::Bands;

/// The squared errors of one plane.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct PlaneError {
    pub(super) sum: u64,
    pub(super) samples: u64,
}

/// The squared error of each plane of two frames with one layout.
pub(super) fn plane_errors(first: &HostFrame, second: &HostFrame, bands: Bands) -> Vec<PlaneError> {
    let planes = 0..first.layout().format().plane_count();
    match first.layout().format().sample().bytes() {
        1 => planes.map(|plane| plane_error::<u8>(first, second, plane, bands)).collect(),
        _ => planes.map(|plane| plane_error::<u16>(first, second, plane, bands)).collect(),
    }
}

fn plane_error<T: SampleType + Into<i32>>(
    first: &HostFrame,
    second: &HostFrame,
    plane: usize,
    bands: Bands,
) -> PlaneError {
    let rows: (Vec<&[T]>, Vec<&[T]>) = (first.rows(plane).collect(), second.rows(plane).collect());
    let sums = bands.map(rows.0.len(), |band| {
        rows.0[band.clone()]
            .iter()
            .zip(&rows.1[band])
            .map(|(first, second)| row_error(first, second))
            .sum::<u64>()
    });
    let samples = rows.0.iter().map(|row| row.len() as u64).sum();
    PlaneError { sum: sums.into_iter().sum(), samples }
}

fn row_error<T: Copy + Into<i32>>(first: &[T], second: &[T]) -> u64 {
    let square = |(&first, &second): (&T, &T)| {
        let difference: i32 = first.into() - second.into();
        u64::from(difference.unsigned_abs()) * u64::from(difference.unsigned_abs())
    };
    first.iter().zip(second).map(square).sum()
}

impl PlaneError {
    pub(super) fn plus(self, other: Self) -> Self {
        Self { sum: self.sum + other.sum, samples: self.samples + other.samples }
    }

    pub(super) fn mean(self) -> f64 {
        NonZeroU64::new(self.samples).map_or(0.0, |samples| self.sum as f64 / samples.get() as f64)
    }
}

/// Decibels of a mean squared error; infinite for equal pictures.
pub(super) fn decibels(mean_squared_error: f64, bits: u8) -> f64 {
    let peak = f64::from((1_u32 << bits) - 1);
    10.0 * (peak * peak / mean_squared_error).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decibels_follow_from_the_peak() {
        assert!((decibels(1.0, 8) - 48.1308).abs() < 1e-4);
        assert!((decibels(16.0, 10) - 48.1563).abs() < 1e-4);
        assert_eq!(decibels(0.0, 8), f64::INFINITY);
    }

    #[test]
    fn errors_are_summed_exactly() {
        assert_eq!(row_error::<u16>(&[0, 65535, 7], &[65535, 65535, 4]), 65535 * 65535 + 9);
        assert_eq!(row_error::<u8>(&[], &[]), 0);
        let error = PlaneError { sum: 6, samples: 3 }.plus(PlaneError { sum: 2, samples: 1 });
        assert_eq!(error.mean(), 2.0);
        assert_eq!(PlaneError::default().mean(), 0.0);
    }
}
