use std::ops::Range;

/// One piece of an axis that the network sees at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// First pixel that the network sees.
    pub(crate) start: usize,
    /// Pixels of the picture that are taken from this piece.
    pub(crate) keep: Range<usize>,
}

/// One axis of a picture as equal, overlapping pieces. Pieces may reach beyond the end, where the picture is reflected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Axis {
    /// Pixels of the picture.
    pub(crate) length: usize,
    /// Pixels of each piece.
    pub(crate) tile: usize,
    /// The pieces; what they keep covers the picture once.
    pub(crate) spans: Vec<Span>,
}

/// The smallest side that a network is given: it was proved on about this size, and inner borders may be wider than a
/// tiny picture.
const MIN_SIDE: usize = 32;

impl Axis {
    /// One piece, padded to a multiple.
    pub(crate) fn whole(length: usize, multiple: usize) -> Self {
        let tile = length.max(MIN_SIDE).next_multiple_of(multiple);
        Self { length, tile, spans: vec![Span { start: 0, keep: 0..length }] }
    }

    /// Pieces of `tile` pixels that overlap by at least `overlap` and start at multiples of `step`. They are spread
    /// evenly, and cut in the middle of the overlap.
    ///
    /// `tile` must be a multiple of `step`, and `overlap` at most half of it after rounding up to `step`.
    pub(crate) fn tiled(length: usize, tile: usize, overlap: usize, step: usize) -> Self {
        let steps = length.div_ceil(step);
        let (tile_steps, overlap_steps) = (tile / step, overlap.div_ceil(step));
        if steps <= tile_steps {
            return Self { length, tile, spans: vec![Span { start: 0, keep: 0..length }] };
        }
        let count = (steps - overlap_steps).div_ceil(tile_steps - overlap_steps);
        let start = |index: usize| index * (steps - tile_steps) / (count - 1) * step;
        let cut = |index: usize| (start(index) + start(index + 1) + tile) / 2;
        let span = |index: usize| {
            let first = if index == 0 { 0 } else { cut(index - 1) };
            let end = if index == count - 1 { length } else { cut(index) };
            Span { start: start(index), keep: first..end }
        };
        Self { length, tile, spans: (0..count).map(span).collect() }
    }

    /// Whether the network sees the picture as it is.
    pub(crate) fn is_identity(&self) -> bool {
        self.tile == self.length
    }
}

/// The size of the tiles that a picture is cut into: width and height; nothing if it is not cut.
pub(crate) fn tile_size([x, y]: &[Axis; 2]) -> Option<(u32, u32)> {
    let is_cut = x.spans.len() > 1 || y.spans.len() > 1;
    is_cut.then_some((x.tile as u32, y.tile as u32))
}

/// The pixel that stands for position `index` of an axis of `length` pixels: reflected at the last, without repeating it.
pub(crate) const fn reflect(index: usize, length: usize) -> usize {
    if index < length {
        return index;
    }
    if length == 1 {
        return 0;
    }
    let period = 2 * (length - 1);
    let folded = index % period;
    if folded < length { folded } else { period - folded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reflection_turns_at_both_ends() {
        let of = |length| (0..8).map(|index| reflect(index, length)).collect::<Vec<_>>();
        assert_eq!(of(1), [0; 8]);
        assert_eq!(of(2), [0, 1, 0, 1, 0, 1, 0, 1]);
        assert_eq!(of(3), [0, 1, 2, 1, 0, 1, 2, 1]);
        assert_eq!(of(9), [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn every_pixel_is_kept_once_and_seen_with_half_the_overlap_around() {
        for (tile, overlap, step) in [(64, 16, 1), (64, 16, 8), (8, 0, 8), (33, 16, 1), (16, 8, 4), (1, 0, 1)]
        {
            for length in 1..400 {
                let axis = Axis::tiled(length, tile, overlap, step);
                let mut covered = 0;
                for span in &axis.spans {
                    assert_eq!(span.keep.start, covered, "{length} in {tile}");
                    assert!(span.keep.end > span.keep.start, "{length} in {tile}");
                    assert!(span.keep.end <= span.start + tile && span.start % step == 0);
                    let inner = |edge: usize| edge != 0 && edge != length;
                    assert!(!inner(span.keep.start) || span.keep.start - span.start >= overlap / 2);
                    assert!(!inner(span.keep.end) || span.start + tile - span.keep.end >= overlap / 2);
                    covered = span.keep.end;
                }
                assert_eq!(covered, length);
            }
        }
    }

    #[test]
    fn a_whole_picture_is_padded_to_the_multiple() {
        for (length, multiple, tile) in
            [(1080, 1, 1080), (1080, 16, 1088), (1, 1, 32), (1, 24, 48), (33, 2, 34)]
        {
            assert_eq!(Axis::whole(length, multiple).tile, tile);
        }
    }
}
