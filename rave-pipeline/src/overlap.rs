use std::ops::Range;
use std::time::Duration;

use rave_core::DeviceTimes;

type Interval = Range<Duration>;

/// The part of the time of one record during which something of the other ran, too.
///
/// Of records that no longer hold their beginnings only the time is looked at that both hold.
pub(crate) fn overlap(of: &DeviceTimes, with: &DeviceTimes) -> Option<f64> {
    let since = beginning(of).max(beginning(with));
    let [of, with] = [of, with].map(|times| union(times.recent(), since));
    let whole = length(&of);
    (whole > Duration::ZERO).then(|| length(&intersection(&of, &with)).as_secs_f64() / whole.as_secs_f64())
}

/// From when on a record is complete.
fn beginning(times: &DeviceTimes) -> Duration {
    let recent = times.recent();
    let is_complete = times.totals().count == recent.len() as u64;
    if is_complete { Duration::ZERO } else { recent.first().map_or(Duration::ZERO, |first| first.start) }
}

/// The time since a moment that the intervals cover, as intervals in order without a common moment.
fn union(mut intervals: Vec<Interval>, since: Duration) -> Vec<Interval> {
    intervals.sort_unstable_by_key(|interval| interval.start);
    let mut union: Vec<Interval> = Vec::new();
    for Interval { start, end } in intervals {
        let start = start.max(since);
        match union.last_mut() {
            Some(last) if start <= last.end => last.end = last.end.max(end),
            _ if start < end => union.push(start..end),
            _ => {}
        }
    }
    union
}

/// The time that both cover; both are in order without a common moment.
fn intersection(a: &[Interval], b: &[Interval]) -> Vec<Interval> {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    let mut common = Vec::new();
    while let (Some(one), Some(other)) = (a.peek(), b.peek()) {
        let both = one.start.max(other.start)..one.end.min(other.end);
        if both.start < both.end {
            common.push(both);
        }
        if one.end < other.end {
            a.next();
        } else {
            b.next();
        }
    }
    common
}

fn length(intervals: &[Interval]) -> Duration {
    intervals.iter().map(|interval| interval.end - interval.start).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intervals(millis: &[(u64, u64)]) -> Vec<Interval> {
        let millis =
            millis.iter().map(|&(start, end)| (Duration::from_millis(start), Duration::from_millis(end)));
        millis.map(|(start, end)| start..end).collect()
    }

    fn times(millis: &[(u64, u64)]) -> DeviceTimes {
        let times = DeviceTimes::new();
        intervals(millis).into_iter().for_each(|interval| times.add(interval));
        times
    }

    #[test]
    fn a_union_counts_every_moment_once() {
        for (given, expected) in [
            (&[(0, 10), (10, 20)][..], &[(0, 20)][..]),
            (&[(5, 6), (0, 10), (8, 12), (20, 21)], &[(0, 12), (20, 21)]),
            (&[(3, 3), (4, 5)], &[(4, 5)]),
            (&[], &[]),
        ] {
            assert_eq!(union(intervals(given), Duration::ZERO), intervals(expected), "{given:?}");
        }
        let late = union(intervals(&[(0, 4), (2, 10), (12, 14)]), Duration::from_millis(6));
        assert_eq!(late, intervals(&[(6, 10), (12, 14)]));
    }

    #[test]
    fn an_intersection_is_what_both_cover() {
        for (a, b, expected) in [
            (&[(0, 10)][..], &[(2, 4), (6, 12)][..], &[(2, 4), (6, 10)][..]),
            (&[(0, 1), (5, 6)], &[(1, 5), (6, 9)], &[]),
            (&[(0, 2), (3, 8)], &[(1, 4), (7, 9)], &[(1, 2), (3, 4), (7, 8)]),
            (&[], &[(0, 1)], &[]),
        ] {
            assert_eq!(intersection(&intervals(a), &intervals(b)), intervals(expected), "{a:?} {b:?}");
            assert_eq!(intersection(&intervals(b), &intervals(a)), intervals(expected), "{b:?} {a:?}");
        }
    }

    #[test]
    fn the_overlap_is_a_part_of_the_first() {
        let (decode, model) = (times(&[(0, 2), (10, 12), (20, 22), (30, 32)]), times(&[(1, 11), (11, 30)]));
        assert_eq!(overlap(&decode, &model), Some(5.0 / 8.0));
        assert_eq!(overlap(&decode, &decode), Some(1.0));
        assert_eq!(overlap(&decode, &times(&[])), Some(0.0));
        assert_eq!(overlap(&times(&[]), &model), None);
    }

    #[test]
    fn beginnings_that_are_forgotten_are_left_out_of_both() {
        let long: Vec<_> = (0..6000).map(|index| (10 * index, 10 * index + 5)).collect();
        // The other runs in the first part only, which the longer record has forgotten, and in the last millisecond.
        let other = times(&[(0, 10_000), (59_994, 59_995)]);
        let share = overlap(&times(&long), &other).unwrap();
        assert!((share - 1.0 / (4096.0 * 5.0)).abs() < 1e-9, "{share}");
    }
}
