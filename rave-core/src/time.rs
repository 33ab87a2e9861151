use std::cmp::Ordering;
use std::fmt;

use crate::Error;

/// A positive rational number in lowest terms: a frame rate, an aspect ratio, the length of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rational {
    numerator: i32,
    denominator: i32,
}

impl Rational {
    /// One.
    pub const ONE: Rational = Rational { numerator: 1, denominator: 1 };

    /// `numerator / denominator`, reduced.
    ///
    /// # Errors
    /// [`Error::Rational`] if either is not positive, or the reduced parts do not fit 32 bits.
    pub fn new(numerator: i64, denominator: i64) -> Result<Self, Error> {
        let error = Error::Rational { numerator, denominator };
        if numerator <= 0 || denominator <= 0 {
            return Err(error);
        }
        let divisor = gcd(numerator, denominator);
        match (i32::try_from(numerator / divisor), i32::try_from(denominator / divisor)) {
            (Ok(numerator), Ok(denominator)) => Ok(Self { numerator, denominator }),
            _ => Err(error),
        }
    }

    /// The numerator, at least 1.
    pub const fn numerator(self) -> i32 {
        self.numerator
    }

    /// The denominator, at least 1.
    pub const fn denominator(self) -> i32 {
        self.denominator
    }

    /// `1 / self`.
    pub const fn inverse(self) -> Self {
        Self { numerator: self.denominator, denominator: self.numerator }
    }

    /// The nearest floating-point number, for printing and estimates only.
    pub fn to_f64(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }
}

impl PartialOrd for Rational {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rational {
    fn cmp(&self, other: &Self) -> Ordering {
        let left = i64::from(self.numerator) * i64::from(other.denominator);
        let right = i64::from(other.numerator) * i64::from(self.denominator);
        left.cmp(&right)
    }
}

impl fmt::Display for Rational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.numerator, self.denominator)
    }
}

fn gcd(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The length of one tick, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeBase(Rational);

impl TimeBase {
    /// A tick of `numerator / denominator` seconds.
    ///
    /// # Errors
    /// [`Error::Rational`] if either is not positive, or the reduced parts do not fit 32 bits.
    pub fn new(numerator: i64, denominator: i64) -> Result<Self, Error> {
        Rational::new(numerator, denominator).map(Self)
    }

    /// The length of one tick in seconds.
    pub const fn seconds_per_tick(self) -> Rational {
        self.0
    }
}

impl From<Rational> for TimeBase {
    fn from(seconds_per_tick: Rational) -> Self {
        Self(seconds_per_tick)
    }
}

impl fmt::Display for TimeBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A moment, as a whole number of ticks of a [`TimeBase`].
///
/// Moments in different time bases compare by their time, exactly.
///
/// ```
/// use rave_core::{TimeBase, Timestamp};
/// let frame = Timestamp::new(1, TimeBase::new(1001, 30000)?);
/// assert_eq!(frame.rescale(TimeBase::new(1, 90000)?).ticks(), 3003);
/// # Ok::<(), rave_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Eq)]
pub struct Timestamp {
    ticks: i64,
    time_base: TimeBase,
}

impl Timestamp {
    /// The moment `ticks * time_base` seconds.
    pub const fn new(ticks: i64, time_base: TimeBase) -> Self {
        Self { ticks, time_base }
    }

    /// Whole ticks; may be negative.
    pub const fn ticks(self) -> i64 {
        self.ticks
    }

    /// The unit of [`ticks`](Self::ticks).
    pub const fn time_base(self) -> TimeBase {
        self.time_base
    }

    /// The nearest moment in another time base, halves away from zero; saturates at the ends of `i64`.
    pub fn rescale(self, to: TimeBase) -> Self {
        Self { ticks: rescale(self.ticks, self.time_base, to), time_base: to }
    }

    /// The moment `ticks` of this time base later.
    pub const fn plus_ticks(self, ticks: i64) -> Self {
        Self { ticks: self.ticks.saturating_add(ticks), time_base: self.time_base }
    }

    /// Seconds as a floating-point number, for printing only.
    pub fn seconds(self) -> f64 {
        self.ticks as f64 * self.time_base.0.to_f64()
    }
}

/// `ticks` of `from`, to the nearest tick of `to`, halves away from zero.
fn rescale(ticks: i64, from: TimeBase, to: TimeBase) -> i64 {
    let numerator = i128::from(from.0.numerator) * i128::from(to.0.denominator);
    let denominator = i128::from(from.0.denominator) * i128::from(to.0.numerator);
    let product = i128::from(ticks).saturating_mul(numerator);
    let half = if product < 0 { -denominator / 2 } else { denominator / 2 };
    let ticks = product.saturating_add(half) / denominator;
    ticks.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

impl PartialEq for Timestamp {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.time_base.0, other.time_base.0);
        // Below 2^125: 63 bits of ticks and 31 bits of each part.
        let left = i128::from(self.ticks) * i128::from(a.numerator) * i128::from(b.denominator);
        let right = i128::from(other.ticks) * i128::from(b.numerator) * i128::from(a.denominator);
        left.cmp(&right)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6} s ({} x {})", self.seconds(), self.ticks, self.time_base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(numerator: i64, denominator: i64) -> TimeBase {
        TimeBase::new(numerator, denominator).unwrap()
    }

    #[test]
    fn rational_is_reduced_and_positive() {
        assert_eq!(Rational::new(60000, 2002).unwrap(), Rational::new(30000, 1001).unwrap());
        for (numerator, denominator) in [(0, 1), (1, 0), (-1, 1), (1, -1), (i64::MAX, 2)] {
            assert!(Rational::new(numerator, denominator).is_err(), "{numerator}/{denominator}");
        }
    }

    #[test]
    fn rescale_rounds_halves_away_from_zero() {
        for (ticks, from, to, expected) in [
            (1, base(1001, 30000), base(1, 90000), 3003),
            (1, base(1, 2), base(1, 1), 1),
            (-1, base(1, 2), base(1, 1), -1),
            (1, base(1, 3), base(1, 1), 0),
            (41, base(1, 1000), base(1, 24), 1),
            (i64::MAX, base(1, 1), base(1, 1000), i64::MAX),
            (i64::MIN, base(1, 1), base(1, 1000), i64::MIN),
        ] {
            assert_eq!(Timestamp::new(ticks, from).rescale(to).ticks(), expected, "{ticks} x {from} -> {to}");
        }
    }

    #[test]
    fn timestamps_compare_across_time_bases() {
        let half = Timestamp::new(1, base(1, 2));
        assert_eq!(half, Timestamp::new(500, base(1, 1000)));
        assert!(half < Timestamp::new(501, base(1, 1000)));
        assert!(Timestamp::new(-1, base(1, 1000)) < Timestamp::new(0, base(1, 25)));
    }
}
