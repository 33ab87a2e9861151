use std::fmt;

use crate::{HostFrame, Layout};

/// A digest of pictures: equal pictures have equal digests, different ones almost never (one in 2^64).
///
/// It is for tests, benchmarks and comparisons between devices, not against forgery. Each row of each plane is cut into
/// words of eight bytes, little-endian, the last one filled up with zeros. A word is added to its position (plane, row and
/// word in the row) times an odd constant and scrambled by the finaliser of `SplitMix64` (Steele, Lea and Flood, "Fast
/// Splittable Pseudorandom Number Generators", 2014); the digest is the sum over all words modulo 2^64. So it does not depend
/// on strides, padding or the order of the work, and a GPU gives the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Digest(u64);

/// 2^64 divided by the golden ratio, made odd.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Digest {
    /// From a sum over all words of a picture, as defined above.
    pub const fn from_sum(sum: u64) -> Self {
        Self(sum)
    }

    /// The digest of what has this digest followed by `next`. Order counts.
    #[must_use]
    pub const fn followed_by(self, next: Self) -> Self {
        Self(scramble(self.0.wrapping_mul(STEP).wrapping_add(next.0)))
    }

    /// The digest of the samples in `bytes`.
    ///
    /// # Panics
    /// If `bytes` are fewer than the layout says.
    pub fn of(layout: &Layout, bytes: &[u8]) -> Self {
        let of_plane = |(index, plane): (usize, &crate::Plane)| {
            let of_row = |row: usize| {
                let from = plane.offset_bytes + row * plane.stride_bytes;
                of_row(index, row, &bytes[from..from + plane.row_bytes])
            };
            (0..plane.rows).map(of_row).fold(0, u64::wrapping_add)
        };
        Self(layout.planes().iter().enumerate().map(of_plane).fold(0, u64::wrapping_add))
    }
}

impl HostFrame {
    /// The digest of the picture; time and colour are not in it.
    pub fn digest(&self) -> Digest {
        Digest::of(self.layout(), self.buffer().as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

fn of_row(plane: usize, row: usize, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let last = (!rest.is_empty()).then_some(&last);
    let start = (plane as u64) << 48 | (row as u64) << 24;
    let scrambled = |(index, word): (usize, &[u8; 8])| {
        let position = start + index as u64 + 1;
        scramble(u64::from_le_bytes(*word).wrapping_add(position.wrapping_mul(STEP)))
    };
    words.iter().chain(last).enumerate().map(scrambled).fold(0, u64::wrapping_add)
}

const fn scramble(word: u64) -> u64 {
    let word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PixelFormat;

    fn picture(layout: &Layout, padding: u8) -> Vec<u8> {
        let mut bytes = vec![padding; layout.size_bytes()];
        for plane in layout.planes() {
            for row in 0..plane.rows {
                let start = plane.offset_bytes + row * plane.stride_bytes;
                let samples = &mut bytes[start..start + plane.row_bytes];
                samples.iter_mut().enumerate().for_each(|(x, sample)| *sample = (7 * x + 13 * row) as u8);
            }
        }
        bytes
    }

    #[test]
    fn strides_and_padding_do_not_count() {
        let packed = Layout::packed(PixelFormat::NV12, 35, 17).unwrap();
        let padded = Layout::aligned(PixelFormat::NV12, 35, 17, 64).unwrap();
        let digest = Digest::of(&packed, &picture(&packed, 0));
        assert_eq!(digest, Digest::of(&padded, &picture(&padded, 0x55)));
        assert_ne!(digest, Digest::default());
    }

    #[test]
    fn every_byte_and_its_place_counts() {
        let layout = Layout::packed(PixelFormat::NV12, 11, 3).unwrap();
        let bytes = picture(&layout, 0);
        let digest = Digest::of(&layout, &bytes);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_ne!(Digest::of(&layout, &changed), digest, "byte {at}");
        }
        let mut swapped = bytes;
        swapped.rotate_left(8);
        assert_ne!(Digest::of(&layout, &swapped), digest);
    }

    #[test]
    fn the_order_of_pictures_counts() {
        let (a, b) = (Digest::from_sum(1), Digest::from_sum(2));
        assert_ne!(a.followed_by(b), b.followed_by(a));
        assert_ne!(a.followed_by(b), a);
        assert_eq!(a.to_string(), "0000000000000001");
    }
}
