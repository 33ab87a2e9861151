//! Frames and their times.

use rave_core::{TimeBase, Timestamp};

use super::finding::{Aspect, Finding, Verdict};
use super::side::Side;

/// How the times of two videos stand to each other.
pub(super) struct Times {
    pub(super) findings: Vec<Finding>,
    /// By how much all of the output are later; `None` if they are equal, or not known.
    pub(super) shift: Option<Timestamp>,
}

/// Frames, their times and the whole duration.
pub(super) fn compare(source: &Side, output: &Side) -> Times {
    let (expected, found) = (&source.video.timestamps, &output.video.timestamps);
    if !output.has_timestamps() || !source.has_timestamps() {
        let frames = frames_finding(expected, found, None);
        let words = |side: &Side| if side.has_timestamps() { "of its own" } else { "a raw stream has none" };
        let times = Finding::new(Aspect::Timestamps, words(source), words(output), Verdict::Converted);
        return Times { findings: vec![frames, times], shift: None };
    }
    let alignment = Alignment::of(expected, found);
    let missing = (expected.len() != found.len()).then(|| alignment.first_alone(expected, found)).flatten();
    let findings = vec![
        frames_finding(expected, found, missing),
        times_finding(&alignment, expected, found),
        duration_finding(source, output),
    ];
    Times { findings, shift: alignment.shift() }
}

fn frames_finding(expected: &[Timestamp], found: &[Timestamp], missing: Option<String>) -> Finding {
    let verdict = if expected.len() == found.len() { Verdict::Same } else { Verdict::Different };
    let count = |times: &[Timestamp]| times.len().to_string();
    Finding::new(Aspect::Frames, count(expected), count(found), verdict).maybe_noted(missing)
}

/// A constant shift, and which frames it brings together.
struct Alignment {
    time_base: TimeBase,
    shift_ticks: i64,
    /// Pairs of indices whose times agree.
    pairs: Vec<(usize, usize)>,
}

impl Alignment {
    /// The shift of the first frames, or none if that brings as many together: the first one may be lost.
    fn of(expected: &[Timestamp], found: &[Timestamp]) -> Self {
        let (Some(&first_expected), Some(&first_found)) = (expected.first(), found.first()) else {
            let time_base = TimeBase::new(1, 1000).expect("positive");
            return Self { time_base, shift_ticks: 0, pairs: Vec::new() };
        };
        let time_base = first_found.time_base();
        let shift = first_found.ticks() - first_expected.rescale(time_base).ticks();
        let by_first = Self::with_shift(expected, found, time_base, shift);
        if shift == 0 || by_first.pairs.len() == expected.len().max(found.len()) {
            return by_first;
        }
        let unmoved = Self::with_shift(expected, found, time_base, 0);
        if unmoved.pairs.len() >= by_first.pairs.len() { unmoved } else { by_first }
    }

    fn with_shift(
        expected: &[Timestamp],
        found: &[Timestamp],
        time_base: TimeBase,
        shift_ticks: i64,
    ) -> Self {
        // A shift is applied before the rounding to the container's ticks, so it can move the result by one.
        let tolerance = i64::from(shift_ticks != 0);
        let mut pairs = Vec::with_capacity(expected.len().min(found.len()));
        let (mut e, mut f) = (0, 0);
        while let (Some(expected), Some(found)) = (expected.get(e), found.get(f)) {
            let ahead = found.rescale(time_base).ticks() - expected.rescale(time_base).ticks() - shift_ticks;
            match ahead {
                _ if ahead.abs() <= tolerance => {
                    pairs.push((e, f));
                    (e, f) = (e + 1, f + 1);
                }
                1.. => e += 1,
                _ => f += 1,
            }
        }
        Self { time_base, shift_ticks, pairs }
    }

    fn shift(&self) -> Option<Timestamp> {
        (self.shift_ticks != 0).then(|| Timestamp::new(self.shift_ticks, self.time_base))
    }

    fn is_complete(&self, expected: &[Timestamp], found: &[Timestamp]) -> bool {
        self.pairs.len() == expected.len() && self.pairs.len() == found.len()
    }

    /// The first frame that has no partner, in words.
    fn first_alone(&self, expected: &[Timestamp], found: &[Timestamp]) -> Option<String> {
        let lost =
            (0..expected.len()).find(|&index| self.pairs.get(index).is_none_or(|pair| pair.0 != index));
        let added = (0..found.len()).find(|&index| self.pairs.get(index).is_none_or(|pair| pair.1 != index));
        let at = |times: &[Timestamp], index: usize| format!("{:.3} s", times[index].seconds());
        match (lost, added) {
            (Some(index), _) if expected.len() > found.len() => {
                Some(format!("frame {index} of the source, at {}, has no partner", at(expected, index)))
            }
            (_, Some(index)) => {
                Some(format!("frame {index} of the output, at {}, has no partner", at(found, index)))
            }
            _ => None,
        }
    }
}

fn times_finding(alignment: &Alignment, expected: &[Timestamp], found: &[Timestamp]) -> Finding {
    let range = |times: &[Timestamp]| match (times.first(), times.last()) {
        (Some(first), Some(last)) => format!("{:.3} to {:.3} s", first.seconds(), last.seconds()),
        _ => "none".to_owned(),
    };
    let agree = alignment.pairs.len();
    let is_complete = alignment.is_complete(expected, found);
    // With frames that were lost or added, the others may still be where they belong.
    let is_kept = expected.len() != found.len() && agree == expected.len().min(found.len());
    let verdict = if is_complete || is_kept { Verdict::Same } else { Verdict::Different };
    let shift = alignment.shift().map(|shift| format!("all moved by {:+.6} s", shift.seconds()));
    let note = match verdict {
        Verdict::Same => shift,
        _ => {
            let first = alignment.first_alone(expected, found).unwrap_or_default();
            Some(format!("{agree} of {} agree; {first}", expected.len().max(found.len())))
        }
    };
    Finding::new(Aspect::Timestamps, range(expected), range(found), verdict).maybe_noted(note)
}

/// How long the frames are shown together: the last one's own duration counts where both files tell it.
fn duration_finding(source: &Side, output: &Side) -> Finding {
    let lasts = (source.video.last_duration, output.video.last_duration);
    let with_last = matches!(lasts, (Some(_), Some(_)));
    let [before, after] = [source, output].map(|side| {
        let times = &side.video.timestamps;
        let span = times
            .first()
            .zip(times.last())
            .map_or(0, |(first, last)| nanoseconds(*last) - nanoseconds(*first));
        span + side.video.last_duration.filter(|_| with_last).map_or(0, nanoseconds)
    });
    // Some containers round the last duration, or make it up.
    let tolerance = frame_nanoseconds(&source.video.timestamps).max(1_000_000).unsigned_abs();
    let verdict = if before.abs_diff(after) <= tolerance { Verdict::Same } else { Verdict::Different };
    let text = |nanoseconds: i64| format!("{:.3} s", nanoseconds as f64 / 1e9);
    let note = (!with_last).then(|| "without the last frame's own duration".to_owned());
    Finding::new(Aspect::Duration, text(before), text(after), verdict).maybe_noted(note)
}

/// The mean distance of two frames.
pub(super) fn frame_nanoseconds(times: &[Timestamp]) -> i64 {
    let ends = times.first().zip(times.last());
    let span = ends.map_or(0, |(first, last)| nanoseconds(*last) - nanoseconds(*first));
    span / times.len().saturating_sub(1).max(1) as i64
}

/// A moment in nanoseconds, for comparing across time bases.
pub(super) fn nanoseconds(time: Timestamp) -> i64 {
    time.rescale(TimeBase::new(1, 1_000_000_000).expect("positive")).ticks()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(ticks: &[i64], denominator: i64) -> Vec<Timestamp> {
        let time_base = TimeBase::new(1, denominator).unwrap();
        ticks.iter().map(|&ticks| Timestamp::new(ticks, time_base)).collect()
    }

    fn finding(expected: &[Timestamp], found: &[Timestamp]) -> (Verdict, Option<i64>, String) {
        let alignment = Alignment::of(expected, found);
        let finding = times_finding(&alignment, expected, found);
        (finding.verdict, alignment.shift().map(Timestamp::ticks), finding.note.unwrap_or_default())
    }

    #[test]
    fn timestamps_are_equal_after_rounding_to_the_containers_ticks() {
        let source = times(&[0, 3003, 6006, 9009], 90_000);
        assert_eq!(finding(&source, &times(&[0, 33, 67, 100], 1000)).0, Verdict::Same);
        let (verdict, _, note) = finding(&source, &times(&[0, 33, 66, 100], 1000));
        assert_eq!(verdict, Verdict::Different);
        assert!(note.contains("3 of 4 agree") && note.contains("frame 2"), "{note}");
    }

    #[test]
    fn a_common_shift_is_reported_and_a_gap_is_not_one() {
        let source = times(&[-20, 20, 60], 1000);
        let moved = finding(&source, &times(&[0, 40, 80], 1000));
        assert_eq!((moved.0, moved.1), (Verdict::Same, Some(20)));
        assert_eq!(finding(&source, &times(&[0, 40, 120], 1000)).0, Verdict::Different);
    }

    #[test]
    fn a_lost_frame_is_named_wherever_it_was() {
        let source = times(&[0, 40, 80, 120], 1000);
        for (found, lost) in [([40, 80, 120], 0), ([0, 80, 120], 1), ([0, 40, 80], 3)] {
            let found = times(&found, 1000);
            let alignment = Alignment::of(&source, &found);
            let words = alignment.first_alone(&source, &found).unwrap();
            assert!(words.starts_with(&format!("frame {lost} of the source")), "{words}");
            assert_eq!(times_finding(&alignment, &source, &found).verdict, Verdict::Same);
        }
        let words = Alignment::of(&source, &times(&[0, 20, 40, 80, 120], 1000))
            .first_alone(&source, &times(&[0, 20, 40, 80, 120], 1000));
        assert!(words.unwrap().starts_with("frame 1 of the output"));
    }

    #[test]
    fn nothing_against_nothing_is_the_same() {
        assert_eq!(finding(&[], &[]).0, Verdict::Same);
        assert_eq!(finding(&[], &times(&[0], 1000)).0, Verdict::Same, "the count says it");
    }
}
