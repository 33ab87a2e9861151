use std::fmt;

use super::table::Table;
use crate::failure::Failure;

/// A figure beside the one that it is compared with.
pub struct Comparison {
    pub what: String,
    pub ours: String,
    pub theirs: String,
    pub ratio: f64,
    pub wanted: Bound,
}

/// What a ratio must keep to.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
    /// It is stated as it is.
    Open,
}

impl Bound {
    fn holds(self, ratio: f64) -> bool {
        match self {
            Bound::AtLeast(least) => ratio >= least,
            Bound::AtMost(most) => ratio <= most,
            Bound::Open => true,
        }
    }

    fn sign(self) -> String {
        match self {
            Bound::AtLeast(least) => format!(">= {least}"),
            Bound::AtMost(most) => format!("<= {most}"),
            Bound::Open => String::new(),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} to {}, {:.3}", self.what, self.ours, self.theirs, self.ratio)
    }
}

/// A line for each.
pub fn to_table(comparisons: &[Comparison]) -> Table {
    let mut table = Table::new(&["what", "rave", "peer", "ratio", "wanted"]);
    for line in comparisons {
        let ratio = format!("{:.3}", line.ratio);
        table.push([line.what.clone(), line.ours.clone(), line.theirs.clone(), ratio, line.wanted.sign()]);
    }
    table
}

/// Fails with the first ratio that does not keep to its bound.
pub fn conclude(comparisons: &[Comparison]) -> Result<(), Failure> {
    match comparisons.iter().find(|line| !line.wanted.holds(line.ratio)) {
        None => Ok(()),
        Some(line) => {
            Err(Failure::Message(format!("{}: {:.3}, wanted {}", line.what, line.ratio, line.wanted.sign())))
        }
    }
}

/// The middle one; the mean of the two middle ones of an even number.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => (sorted[count / 2 - 1] + sorted[count / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_at_their_edge() {
        assert!(Bound::AtLeast(1.35).holds(1.35) && !Bound::AtLeast(1.35).holds(1.34));
        assert!(Bound::AtMost(3.0).holds(3.0) && !Bound::AtMost(3.0).holds(3.1));
        assert!(Bound::Open.holds(0.1));
        assert!(!Bound::AtLeast(1.0).holds(f64::NAN) && !Bound::AtMost(1.0).holds(f64::NAN));
    }

    #[test]
    fn the_median_ignores_an_outlier() {
        assert_eq!(median(&[3.0, 100.0, 2.0]), 3.0);
        assert_eq!(median(&[1.0, 2.0, 3.0, 100.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
