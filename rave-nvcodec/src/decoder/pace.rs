use rave_core::{Rational, TimeBase, Timestamp, VideoInfo};

/// Gives every frame a presentation time that is after the one before, like the clock of `rave-ffmpeg`'s decoder.
#[derive(Debug)]
pub(crate) struct Pace {
    time_base: TimeBase,
    /// The length of a field, half a frame's, in ticks: numerator and denominator.
    field: (i128, i128),
    last: Option<i64>,
    /// The last time that was given, in ticks, and the fields shown since: reconstructed times do not drift.
    origin: i64,
    fields: i64,
}

/// When and how long a frame is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) pts: Timestamp,
    pub(crate) duration_ticks: Option<i64>,
    pub(crate) is_reconstructed: bool,
}

pub(crate) const FIELDS_PER_FRAME: i64 = 2;

impl Pace {
    pub(crate) fn new(info: &VideoInfo) -> Self {
        // What FFmpeg's raw demuxers assume where nothing is said.
        const DEFAULT_RATE: (i128, i128) = (25, 1);
        let parts = |rate: Rational| (i128::from(rate.numerator()), i128::from(rate.denominator()));
        let rate = info.frame_rate.map_or(DEFAULT_RATE, parts);
        let tick = parts(info.time_base.seconds_per_tick());
        let field = (rate.1 * tick.1, i128::from(FIELDS_PER_FRAME) * rate.0 * tick.0);
        Self { time_base: info.time_base, field, last: None, origin: 0, fields: 0 }
    }

    /// The time of the next frame, given its own, if it has one, its duration and the fields that it is shown for.
    pub(crate) fn next(&mut self, given: Option<Timestamp>, duration: Option<i64>, fields: i64) -> Stamp {
        let given = given.map(|pts| pts.rescale(self.time_base).ticks());
        let missing = self.origin.saturating_add(self.ticks(self.fields));
        let after_last = self.last.map_or(i64::MIN, |last| last.saturating_add(1));
        let ticks = given.unwrap_or(missing).max(after_last);
        let mut duration_ticks = duration;
        if given.is_some() {
            (self.origin, self.fields) = (ticks, fields);
        } else {
            self.fields += fields;
            let end = self.origin.saturating_add(self.ticks(self.fields));
            duration_ticks = Some(end.saturating_sub(ticks)).filter(|&ticks| ticks > 0);
        }
        self.last = Some(ticks);
        let pts = Timestamp::new(ticks, self.time_base);
        Stamp { pts, duration_ticks, is_reconstructed: given != Some(ticks) }
    }

    /// The nearest number of ticks.
    fn ticks(&self, fields: i64) -> i64 {
        let (numerator, denominator) = self.field;
        let ticks = (i128::from(fields) * numerator * 2 + denominator) / (denominator * 2);
        i64::try_from(ticks).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::tests::video;

    fn pace(rate: (i64, i64), ticks_per_second: i64) -> Pace {
        let frame_rate = Some(Rational::new(rate.0, rate.1).unwrap());
        let time_base = TimeBase::new(1, ticks_per_second).unwrap();
        Pace::new(&VideoInfo { frame_rate, time_base, ..video() })
    }

    fn run(pace: &mut Pace, given: &[(Option<i64>, i64)]) -> Vec<(i64, bool)> {
        let time_base = pace.time_base;
        let stamp = |&(ticks, fields): &(Option<i64>, i64)| {
            let given = ticks.map(|ticks: i64| Timestamp::new(ticks, time_base));
            let stamp = pace.next(given, None, fields);
            (stamp.pts.ticks(), stamp.is_reconstructed)
        };
        given.iter().map(stamp).collect()
    }

    #[test]
    fn times_that_are_given_stay_and_missing_ones_follow_the_rate() {
        let mixed = [(Some(-40), 2), (None, 2), (None, 2), (Some(120), 2)];
        assert_eq!(
            run(&mut pace((25, 1), 1000), &mixed),
            [(-40, false), (0, true), (40, true), (120, false)]
        );
        let ticks = run(&mut pace((30000, 1001), 1000), &[(None, 2); 31]);
        assert_eq!((ticks[1], ticks[30]), ((33, true), (1001, true)));
    }

    #[test]
    fn pulldown_shows_three_fields() {
        let ticks = run(&mut pace((30, 1), 60), &[(None, 3), (None, 2), (None, 3), (None, 2)]);
        assert_eq!(ticks, [0, 3, 5, 8].map(|ticks| (ticks, true)));
    }

    #[test]
    fn a_time_that_goes_back_is_moved_after_the_last() {
        let ticks = run(&mut pace((25, 1), 25), &[(Some(5), 2), (Some(5), 2), (Some(4), 2), (Some(8), 2)]);
        assert_eq!(ticks, [(5, false), (6, true), (7, true), (8, false)]);
    }

    #[test]
    fn a_time_in_another_base_is_rescaled() {
        let given = Timestamp::new(3, TimeBase::new(1, 25).unwrap());
        let stamp = pace((25, 1), 1000).next(Some(given), Some(40), 2);
        assert_eq!((stamp.pts.ticks(), stamp.duration_ticks, stamp.is_reconstructed), (120, Some(40), false));
    }
}
