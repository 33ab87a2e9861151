use std::collections::BTreeMap;

/// Sizes below this are powers of two, above multiples of it, in bytes.
const LARGE: usize = 2 << 20;
const SMALLEST: usize = 4096;
/// Idle buffers that a bucket keeps, unless more were asked for.
pub(crate) const MAX_IDLE: usize = 32;

/// The size that is allocated for a buffer of `len_bytes`: few sizes, so that buffers are used again.
pub(crate) const fn bucket_bytes(len_bytes: usize) -> usize {
    if len_bytes > LARGE {
        return len_bytes.next_multiple_of(LARGE);
    }
    let power = len_bytes.next_power_of_two();
    if power < SMALLEST { SMALLEST } else { power }
}

/// Idle buffers by their bucket. The one that was put back last, and so is likeliest in a cache, is taken first.
#[derive(Debug)]
pub(crate) struct Shelves<T> {
    idle: BTreeMap<usize, Vec<T>>,
    /// How many of a bucket will be in use at the same time.
    expected: BTreeMap<usize, usize>,
}

impl<T> Default for Shelves<T> {
    fn default() -> Self {
        Self { idle: BTreeMap::new(), expected: BTreeMap::new() }
    }
}

impl<T> Shelves<T> {
    pub(crate) fn take(&mut self, bucket_bytes: usize) -> Option<T> {
        self.shelf(bucket_bytes).pop()
    }

    /// Gives the buffer back if its bucket is full.
    pub(crate) fn put(&mut self, bucket_bytes: usize, buffer: T) -> Option<T> {
        let most = self.expected.get(&bucket_bytes).map_or(MAX_IDLE, |&expected| expected.max(MAX_IDLE));
        let shelf = self.shelf(bucket_bytes);
        if shelf.len() >= most {
            return Some(buffer);
        }
        shelf.push(buffer);
        None
    }

    /// With room for what it keeps, so that putting a buffer back takes no memory.
    fn shelf(&mut self, bucket_bytes: usize) -> &mut Vec<T> {
        self.idle.entry(bucket_bytes).or_insert_with(|| Vec::with_capacity(MAX_IDLE))
    }

    /// Notes that so many more of a bucket will be in use at the same time. It keeps as many as are expected in all, and has
    /// the room for them.
    pub(crate) fn expect(&mut self, bucket_bytes: usize, count: usize) {
        let expected = self.expected.entry(bucket_bytes).or_default();
        *expected = expected.saturating_add(count);
        let expected = *expected;
        let shelf = self.shelf(bucket_bytes);
        shelf.reserve(expected.saturating_sub(shelf.len()));
    }

    /// Each bucket of which fewer are idle than are expected, and how many are missing; small ones first.
    pub(crate) fn missing(&self) -> Vec<(usize, usize)> {
        let idle = |bucket| self.idle.get(bucket).map_or(0, Vec::len);
        let missing =
            self.expected.iter().map(|(bucket, count)| (*bucket, count.saturating_sub(idle(bucket))));
        missing.filter(|(_, count)| *count > 0).collect()
    }

    /// Removes an idle buffer to make room: the one that is idle longest among the largest.
    pub(crate) fn evict(&mut self) -> Option<T> {
        self.idle.values_mut().rev().find(|shelf| !shelf.is_empty()).map(|shelf| shelf.remove(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_powers_of_two_then_multiples() {
        const KIB: usize = 1 << 10;
        const MIB: usize = 1 << 20;
        for (len, bucket) in [
            (0, 4 * KIB),
            (1, 4 * KIB),
            (4 * KIB, 4 * KIB),
            (4 * KIB + 1, 8 * KIB),
            (MIB + 1, 2 * MIB),
            (2 * MIB, 2 * MIB),
            (2 * MIB + 1, 4 * MIB),
            (4 * MIB + 1, 6 * MIB),
            (1920 * 1080 * 3 / 2, 4 * MIB),
            (3840 * 2160 * 6, 48 * MIB),
        ] {
            assert_eq!(bucket_bytes(len), bucket, "{len}");
        }
    }

    #[test]
    fn every_bucket_holds_what_it_is_for_and_is_its_own_bucket() {
        for len in (0..64 << 20).step_by(12_345) {
            let bucket = bucket_bytes(len);
            assert!(bucket >= len && bucket_bytes(bucket) == bucket, "{len}");
        }
    }

    #[test]
    fn the_last_one_in_is_the_first_one_out_of_its_own_bucket() {
        let mut shelves = Shelves::default();
        for (bucket, name) in [(4096, 'a'), (8192, 'b'), (4096, 'c')] {
            assert_eq!(shelves.put(bucket, name), None);
        }
        assert_eq!(shelves.take(4096), Some('c'));
        assert_eq!(shelves.take(4096), Some('a'));
        assert_eq!(shelves.take(4096), None);
        assert_eq!(shelves.take(16384), None);
        assert_eq!(shelves.evict(), Some('b'));
    }

    #[test]
    fn a_full_bucket_gives_the_buffer_back() {
        let mut shelves = Shelves::default();
        for number in 0..MAX_IDLE {
            assert_eq!(shelves.put(4096, number), None);
        }
        assert_eq!(shelves.put(4096, 99), Some(99));
        assert_eq!(shelves.put(8192, 100), None);
    }

    #[test]
    fn a_bucket_keeps_as_many_as_are_expected_in_all_and_never_fewer_than_usual() {
        let mut shelves = Shelves::default();
        shelves.expect(4096, MAX_IDLE);
        shelves.expect(4096, 2);
        shelves.expect(8192, 1);
        for number in 0..MAX_IDLE + 2 {
            assert_eq!(shelves.put(4096, number), None);
        }
        assert_eq!(shelves.put(4096, 99), Some(99));
        assert_eq!(shelves.put(8192, 100), None);
        assert_eq!(shelves.put(8192, 101), None);
    }

    #[test]
    fn what_is_expected_and_not_idle_is_missing() {
        let mut shelves = Shelves::default();
        for (bucket, count) in [(8192, 2), (4096, 1), (8192, 1), (16384, 1)] {
            shelves.expect(bucket, count);
        }
        shelves.put(8192, 'a');
        shelves.put(16384, 'b');
        shelves.put(16384, 'c');
        assert_eq!(shelves.missing(), [(4096, 1), (8192, 2)]);
        shelves.put(4096, 'd');
        shelves.take(16384);
        assert_eq!(shelves.missing(), [(8192, 2)]);
    }

    #[test]
    fn the_largest_and_longest_idle_goes_first() {
        let mut shelves = Shelves::default();
        for (bucket, name) in [(4096, 'a'), (8192, 'b'), (8192, 'c'), (4096, 'd')] {
            shelves.put(bucket, name);
        }
        let evicted: String = std::iter::from_fn(|| shelves.evict()).collect();
        assert_eq!(evicted, "bcad");
    }
}
