use std::fmt;

use rave_core::{TimeBase, Timestamp};

use crate::sys::InputContext;

/// The part of an input that is wanted, counted from the input's start; everything by default.
///
/// ```
/// use rave_ffmpeg::{TimeRange, parse_time};
/// let range = TimeRange { start: Some(parse_time("1:02.5")?), end: Some(parse_time("70")?) };
/// assert_eq!(range.to_string(), "62.500 s to 70.000 s");
/// # Ok::<(), rave_ffmpeg::InvalidTime>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TimeRange {
    /// The first moment; the beginning if `None`.
    pub start: Option<Timestamp>,
    /// One past the last moment; the end if `None`.
    pub end: Option<Timestamp>,
}

impl TimeRange {
    /// Whether it is everything.
    pub const fn is_everything(&self) -> bool {
        self.start.is_none() && self.end.is_none()
    }

    /// The same range on the input's own clock.
    pub(crate) fn on_clock_of(&self, input: &InputContext) -> ClockRange {
        let origin = input.earliest_start();
        let absolute = |time: Timestamp| match origin {
            Some(origin) => time.plus_ticks(origin.rescale(time.time_base()).ticks()),
            None => time,
        };
        ClockRange { start: self.start.map(absolute), end: self.end.map(absolute) }
    }
}

impl fmt::Display for TimeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.start, self.end) {
            (Some(start), Some(end)) => write!(f, "{:.3} s to {:.3} s", start.seconds(), end.seconds()),
            (Some(start), None) => write!(f, "{:.3} s to the end", start.seconds()),
            (None, Some(end)) => write!(f, "the beginning to {:.3} s", end.seconds()),
            (None, None) => f.write_str("the beginning to the end"),
        }
    }
}

/// A range on an input's own clock.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ClockRange {
    pub(crate) start: Option<Timestamp>,
    pub(crate) end: Option<Timestamp>,
}

impl ClockRange {
    /// Whether a frame of this time is shown.
    pub(crate) fn contains(&self, time: Timestamp) -> bool {
        !self.is_before(time) && !self.is_behind(time)
    }

    /// The part of a span that lies in the range, in the span's own unit.
    pub(crate) fn clip(&self, from: Timestamp, to: Timestamp) -> Option<[Timestamp; 2]> {
        let unit = from.time_base();
        let start = self.start.map_or(from, |start| from.max(start)).rescale(unit);
        let end = self.end.map_or(to, |end| to.min(end)).rescale(unit);
        (start < end || (start, end) == (from, to)).then_some([start, end])
    }

    pub(crate) fn is_before(&self, time: Timestamp) -> bool {
        self.start.is_some_and(|start| time < start)
    }

    pub(crate) fn is_behind(&self, time: Timestamp) -> bool {
        self.end.is_some_and(|end| time >= end)
    }
}

/// The text is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time: use seconds, such as 62.5, or 1:02.5, or 0:01:02.5")]
pub struct InvalidTime(String);

/// A time as FFmpeg takes it: `[[hours:]minutes:]seconds[.fraction]`, or a number with `ms` or `us`.
///
/// # Errors
/// [`InvalidTime`], also for what is negative.
pub fn parse_time(text: &str) -> Result<Timestamp, InvalidTime> {
    let nanoseconds = nanoseconds(text).and_then(|time| i64::try_from(time).ok());
    let unit = TimeBase::new(1, NANOSECONDS_PER_SECOND as i64).ok();
    nanoseconds
        .zip(unit)
        .map(|(ticks, unit)| Timestamp::new(ticks, unit))
        .ok_or_else(|| InvalidTime(text.to_owned()))
}

const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;

fn nanoseconds(text: &str) -> Option<u64> {
    for (unit, scale) in [("ms", 1_000_000), ("us", 1000)] {
        if let Some(number) = text.strip_suffix(unit) {
            return Some(decimal(number)? / (NANOSECONDS_PER_SECOND / scale));
        }
    }
    let text = text.strip_suffix('s').unwrap_or(text);
    let parts: Vec<&str> = text.split(':').collect();
    let (seconds, larger) = parts.split_last()?;
    let whole = larger.iter().try_fold(0_u64, |sum, part| sum.checked_mul(60)?.checked_add(digits(part)?))?;
    let is_sexagesimal = larger.is_empty() || decimal(seconds)? < 60 * NANOSECONDS_PER_SECOND;
    let total = whole.checked_mul(60 * NANOSECONDS_PER_SECOND)?.checked_add(decimal(seconds)?)?;
    (larger.len() < 3 && is_sexagesimal).then_some(total)
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// A decimal number times 10^9; further digits are cut off.
fn decimal(text: &str) -> Option<u64> {
    const DIGITS: usize = 9;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let fraction = format!("{fraction:0<DIGITS$}");
    let whole = if whole.is_empty() { 0 } else { digits(whole)? };
    digits(&fraction)?;
    whole.checked_mul(NANOSECONDS_PER_SECOND)?.checked_add(digits(&fraction[..DIGITS])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_for_ffmpeg() {
        for (text, milliseconds) in [
            ("0", 0),
            ("62.5", 62_500),
            ("1:02.5", 62_500),
            ("01:01:02.5", 3_662_500),
            (".25", 250),
            ("5s", 5000),
            ("1500ms", 1500),
            ("200000us", 200),
            ("90:00", 5_400_000),
        ] {
            let time = parse_time(text).unwrap();
            assert_eq!(time, Timestamp::new(milliseconds, TimeBase::new(1, 1000).unwrap()), "{text}");
        }
        for text in ["", "-1", "a", "1:60", "1:2:3:4", "1.2.3", "1:", ":", "1e3", "9999999999999", "+1"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_range_is_half_open() {
        let time = |ticks| Timestamp::new(ticks, TimeBase::new(1, 25).unwrap());
        let range = ClockRange { start: Some(time(10)), end: Some(time(20)) };
        assert_eq!([9, 10, 19, 20].map(|ticks| range.contains(time(ticks))), [false, true, true, false]);
        assert!(ClockRange::default().contains(time(-5)));
    }
}
