use crate::{Chroma, Siting};

/// How chroma planes of 4:2:0 and 4:2:2 are brought to luma's size and back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ChromaFilter {
    /// A chroma sample counts for the two or four pixels of its block, wherever it is sited; back, a block is averaged.
    /// This is what swscale does when it does not scale.
    Nearest,
    /// Linear interpolation between the chroma samples at their sited positions; back, the triangle filter of twice
    /// the width at the same positions. Edge samples are repeated.
    #[default]
    Bilinear,
}

/// The rows that make up one row, and their weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Taps<const N: usize> {
    pub rows: [usize; N],
    pub weights: [f32; N],
}

/// The weights that make two samples from a chroma sample and its neighbours: the even one from the previous and this,
/// the odd one from this and the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct UpWeights {
    pub even: [f32; 2],
    pub odd: [f32; 2],
}

/// How a format's chroma relates to luma, in one direction or the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subsampling {
    chroma: Chroma,
    siting: Siting,
    filter: ChromaFilter,
}

impl Subsampling {
    pub const fn new(chroma: Chroma, siting: Siting, filter: ChromaFilter) -> Self {
        Self { chroma, siting, filter }
    }

    pub const fn halves_width(&self) -> bool {
        self.chroma.shifts().0 == 1
    }

    pub fn chroma_width(&self, width: u32) -> usize {
        self.chroma.size(width, 1).0 as usize
    }

    pub fn horizontal_up(&self) -> UpWeights {
        let offset = self.siting.offset().0;
        match self.filter {
            ChromaFilter::Nearest => UpWeights { even: [0.0, 1.0], odd: [1.0, 0.0] },
            ChromaFilter::Bilinear => UpWeights {
                even: [offset / 2.0, 1.0 - offset / 2.0],
                odd: [0.5 + offset / 2.0, 0.5 - offset / 2.0],
            },
        }
    }

    pub fn horizontal_down(&self) -> [f32; 4] {
        down_weights(self.filter, self.siting.offset().0)
    }

    /// For every row of luma, the chroma rows it lies between.
    pub fn vertical_up(&self, height: u32) -> Vec<Taps<2>> {
        let halved = self.chroma.shifts().1 == 1;
        let last = i64::from(self.chroma.size(1, height).1) - 1;
        let clamp = |row: i64| row.clamp(0, last) as usize;
        (0..i64::from(height))
            .map(|y| {
                let (row, fraction) = match self.filter {
                    _ if !halved => (y, 0.0),
                    ChromaFilter::Nearest => (y / 2, 0.0),
                    ChromaFilter::Bilinear => position_between(y, self.siting.offset().1),
                };
                Taps { rows: [clamp(row), clamp(row + 1)], weights: [1.0 - fraction, fraction] }
            })
            .collect()
    }

    /// For every row of chroma, the luma rows that it is made from, in ascending order.
    pub fn vertical_down(&self, height: u32) -> Vec<Taps<4>> {
        let halved = self.chroma.shifts().1 == 1;
        let last = i64::from(height) - 1;
        let clamp = |row: i64| row.clamp(0, last) as usize;
        (0..i64::from(self.chroma.size(1, height).1))
            .map(|y| match halved {
                false => Taps { rows: [clamp(y); 4], weights: [1.0, 0.0, 0.0, 0.0] },
                true => Taps {
                    rows: [-1, 0, 1, 2].map(|tap| clamp(2 * y + tap)),
                    weights: down_weights(self.filter, self.siting.offset().1),
                },
            })
            .collect()
    }
}

/// The chroma row at or above luma row `y`, and how far below it `y` lies, in chroma rows.
fn position_between(y: i64, offset: f32) -> (i64, f32) {
    let position = (y as f32 - offset) / 2.0;
    (position.floor() as i64, position - position.floor())
}

/// Weights of the samples at 2j - 1, 2j, 2j + 1 and 2j + 2 for chroma sample j: a triangle around 2j + `offset` that
/// reaches zero at a distance of 2.
fn down_weights(filter: ChromaFilter, offset: f32) -> [f32; 4] {
    match filter {
        ChromaFilter::Nearest => [0.0, 0.5, 0.5, 0.0],
        ChromaFilter::Bilinear => {
            [-1.0, 0.0, 1.0, 2.0].map(|tap: f32| (1.0 - (tap - offset).abs() / 2.0).max(0.0) / 2.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_triangle_filter_has_the_well_known_weights() {
        for (offset, weights) in [
            (0.0, [0.25, 0.5, 0.25, 0.0]),
            (0.5, [0.125, 0.375, 0.375, 0.125]),
            (1.0, [0.0, 0.25, 0.5, 0.25]),
        ] {
            assert_eq!(down_weights(ChromaFilter::Bilinear, offset), weights);
        }
    }

    #[test]
    fn rows_between_chroma_rows_are_interpolated() {
        let of = |siting, y: usize| {
            let taps = Subsampling::new(Chroma::C420, siting, ChromaFilter::Bilinear).vertical_up(8)[y];
            (taps.rows, taps.weights)
        };
        assert_eq!(of(Siting::Left, 0), ([0, 0], [0.25, 0.75]));
        assert_eq!(of(Siting::Left, 3), ([1, 2], [0.75, 0.25]));
        assert_eq!(of(Siting::Left, 7), ([3, 3], [0.75, 0.25]));
        assert_eq!(of(Siting::TopLeft, 2), ([1, 2], [1.0, 0.0]));
        assert_eq!(of(Siting::TopLeft, 3), ([1, 2], [0.5, 0.5]));
        assert_eq!(of(Siting::BottomLeft, 3), ([1, 2], [1.0, 0.0]));
        assert_eq!(of(Siting::BottomLeft, 2), ([0, 1], [0.5, 0.5]));
    }
}
