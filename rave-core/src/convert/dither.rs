/// How values between two codes are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dither {
    /// As the nearest code: smooth gradients may show steps.
    #[default]
    None,
    /// As either of the two, by a fixed pattern of 8x8 pixels (Bayer 1973), so that their mean is the value. Values that
    /// are codes stay.
    Ordered,
}

const SIDE: usize = 8;

/// What is added to the values of row `y` before rounding: from -0.5 to 0.5, by the column.
pub(super) const fn thresholds(y: usize) -> &'static [f32; SIDE] {
    &PATTERN[y % SIDE]
}

const PATTERN: [[f32; SIDE]; SIDE] = pattern();

/// The bits of column and of column xor row, taken in turns from the lowest up, are the rank's bits from the highest
/// down.
const fn pattern() -> [[f32; SIDE]; SIDE] {
    let mut pattern = [[0.0; SIDE]; SIDE];
    let mut y = 0;
    while y < SIDE {
        let mut x = 0;
        while x < SIDE {
            let (mut rank, mut bit) = (0, 0);
            while bit < 3 {
                rank = rank << 2 | ((x ^ y) >> bit & 1) << 1 | y >> bit & 1;
                bit += 1;
            }
            pattern[y][x] = (rank as f32 + 0.5) / (SIDE * SIDE) as f32 - 0.5;
            x += 1;
        }
        y += 1;
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_threshold_comes_once_and_their_mean_is_zero() {
        let mut all: Vec<f32> = (0..SIDE).flat_map(|y| *thresholds(y)).collect();
        all.sort_by(f32::total_cmp);
        for (rank, threshold) in all.iter().enumerate() {
            assert_eq!(*threshold, (rank as f32 + 0.5) / 64.0 - 0.5);
        }
    }

    #[test]
    fn neighbours_are_far_apart() {
        for y in 0..SIDE {
            for x in 0..SIDE {
                let distance = (thresholds(y)[x] - thresholds(y)[(x + 1) % SIDE]).abs();
                assert!(distance >= 0.25, "{x} {y}: {distance}");
            }
        }
    }
}
