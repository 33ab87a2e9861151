use rave_core::{TimeBase, Timestamp};

use crate::VideoStream;
use crate::sys::AvFrame;

/// Gives every frame a presentation time that is after the one before.
pub(crate) struct Clock {
    time_base: TimeBase,
    field: Field,
    /// Whether every time is reconstructed.
    is_untimed: bool,
    last: Option<i64>,
    /// The last time that was given, in ticks, and the fields shown since: reconstructed times do not drift.
    origin: i64,
    fields: i64,
}

/// The length of a field, in ticks: half a frame's.
struct Field {
    numerator: i128,
    denominator: i128,
}

impl Field {
    /// The nearest number of ticks.
    fn ticks(&self, fields: i64) -> i64 {
        let ticks = (i128::from(fields) * self.numerator * 2 + self.denominator) / (self.denominator * 2);
        i64::try_from(ticks).unwrap_or(i64::MAX)
    }
}

/// When and how long a frame is shown.
pub(crate) struct Stamp {
    pub(crate) pts: Timestamp,
    pub(crate) duration_ticks: Option<i64>,
    pub(crate) is_reconstructed: bool,
}

const FIELDS_PER_FRAME: i64 = 2;

impl Clock {
    pub(crate) fn new(stream: &VideoStream) -> Self {
        let (pace, time_base) = (stream.shared.pace, stream.info().time_base);
        let tick = time_base.seconds_per_tick();
        let field = Field {
            numerator: i128::from(pace.denominator()) * i128::from(tick.denominator()),
            denominator: i128::from(FIELDS_PER_FRAME)
                * i128::from(pace.numerator())
                * i128::from(tick.numerator()),
        };
        Self { time_base, field, is_untimed: stream.shared.is_untimed, last: None, origin: 0, fields: 0 }
    }

    pub(crate) fn stamp(&mut self, frame: &AvFrame) -> Stamp {
        let given = if self.is_untimed { None } else { frame.best_effort_pts() };
        self.next(given, frame.duration(), FIELDS_PER_FRAME + i64::from(frame.repeated_fields()))
    }

    fn next(&mut self, given: Option<i64>, duration: Option<i64>, shown_fields: i64) -> Stamp {
        let missing = self.origin.saturating_add(self.field.ticks(self.fields));
        let after_last = self.last.map(|last| last.saturating_add(1));
        let ticks = given.unwrap_or(missing).max(after_last.unwrap_or(i64::MIN));
        let is_reconstructed = given != Some(ticks);
        let mut duration_ticks = duration;
        if given.is_some() {
            (self.origin, self.fields) = (ticks, shown_fields);
        } else {
            self.fields += shown_fields;
            duration_ticks =
                Some(self.origin + self.field.ticks(self.fields) - ticks).filter(|&ticks| ticks > 0);
        }
        self.last = Some(ticks);
        Stamp { pts: Timestamp::new(ticks, self.time_base), duration_ticks, is_reconstructed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(rate: (i128, i128), ticks_per_second: i64) -> Clock {
        let time_base = TimeBase::new(1, ticks_per_second).unwrap();
        let field = Field { numerator: rate.1 * i128::from(ticks_per_second), denominator: 2 * rate.0 };
        Clock { time_base, field, is_untimed: false, last: None, origin: 0, fields: 0 }
    }

    fn run(clock: &mut Clock, given: &[(Option<i64>, i64)]) -> Vec<(i64, bool)> {
        let stamp = |&(given, fields)| {
            let stamp = clock.next(given, None, fields);
            (stamp.pts.ticks(), stamp.is_reconstructed)
        };
        given.iter().map(stamp).collect()
    }

    #[test]
    fn times_that_are_given_stay() {
        let given = [-2, 0, 3, 100].map(|ticks| (Some(ticks), 2));
        assert_eq!(run(&mut clock((25, 1), 1000), &given), [-2, 0, 3, 100].map(|ticks| (ticks, false)));
    }

    #[test]
    fn missing_times_follow_the_rate_without_drift() {
        let ticks = run(&mut clock((30000, 1001), 1000), &[(None, 2); 31]);
        assert_eq!(ticks[1], (33, true));
        assert_eq!(ticks[30], (1001, true));
        let mixed = run(&mut clock((25, 1), 1000), &[(Some(500), 2), (None, 2), (None, 2), (Some(620), 2)]);
        assert_eq!(mixed, [(500, false), (540, true), (580, true), (620, false)]);
    }

    #[test]
    fn pulldown_shows_three_fields() {
        let ticks = run(&mut clock((30, 1), 60), &[(None, 3), (None, 2), (None, 3), (None, 2)]);
        assert_eq!(ticks, [0, 3, 5, 8].map(|ticks| (ticks, true)));
    }

    #[test]
    fn a_time_that_goes_back_is_moved_after_the_last() {
        let ticks = run(&mut clock((25, 1), 25), &[(Some(5), 2), (Some(5), 2), (Some(4), 2), (Some(8), 2)]);
        assert_eq!(ticks, [(5, false), (6, true), (7, true), (8, false)]);
    }
}
