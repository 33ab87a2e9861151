//! A metric over time, as SVG.

use std::fmt::Write;

use super::{FrameScore, Pooled};

/// One metric of all pairs.
pub(super) struct Series {
    /// For people.
    pub(super) title: &'static str,
    /// For the page's script.
    pub(super) key: &'static str,
    pub(super) unit: &'static str,
    pub(super) decimals: usize,
    pub(super) pooled: Pooled,
    /// Of each pair; what is infinite is left out.
    pub(super) values: Vec<Option<f64>>,
}

/// The plot's inside, in units of its view box.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 56.0;
const BOTTOM: f64 = 24.0;
const TOP: f64 = 10.0;
const RIGHT: f64 = 10.0;
/// More points than there are pixels show nothing more: the lowest of each group is drawn.
const MOST_POINTS: usize = 1000;

impl Series {
    pub(super) fn of(
        (key, title, unit, decimals): (&'static str, &'static str, &'static str, usize),
        frames: &[FrameScore],
        pooled: Option<Pooled>,
        value: impl Fn(&FrameScore) -> Option<f64>,
    ) -> Option<Self> {
        let values = frames.iter().map(|frame| value(frame).filter(|value| value.is_finite())).collect();
        Some(Self { title, key, unit, decimals, pooled: pooled?, values })
    }

    /// The lowest value of each group of frames, with the number of its frame.
    pub(super) fn points(&self) -> Vec<(usize, f64)> {
        let group = self.values.len().div_ceil(MOST_POINTS).max(1);
        let known = |(index, value): (usize, &Option<f64>)| value.map(|value| (index, value));
        let chunks = self.values.chunks(group).enumerate();
        chunks
            .filter_map(|(chunk, values)| {
                let points = values.iter().enumerate().filter_map(known);
                let lowest = points.min_by(|a, b| a.1.total_cmp(&b.1))?;
                Some((chunk * group + lowest.0, lowest.1))
            })
            .collect()
    }

    /// An SVG element with axes, the mean and the values.
    pub(super) fn to_svg(&self, frames: &[FrameScore]) -> String {
        let points = self.points();
        let (low, high) = range(&points);
        let last = (self.values.len().max(2) - 1) as f64;
        let x = |frame: usize| LEFT + (WIDTH - LEFT - RIGHT) * frame as f64 / last;
        let y = |value: f64| TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low);
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{} over time\" data-metric=\"{}\" \
             data-left=\"{LEFT}\" data-right=\"{RIGHT}\">",
            self.title, self.key
        );
        for value in ticks(low, high) {
            let (at, decimals) = (y(value), self.decimals.min(3));
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value:.decimals$}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                at + 4.0
            );
        }
        for part in 0..=4 {
            let frame = (last * f64::from(part) / 4.0).round() as usize;
            let Some(score) = frames.get(frame) else { continue };
            let anchor = ["start", "middle", "middle", "middle", "end"][part as usize];
            let seconds = score.reference_time.seconds();
            let (at, bottom) = (x(frame), HEIGHT - 6.0);
            let _ = write!(
                svg,
                "<text x=\"{at:.1}\" y=\"{bottom}\" text-anchor=\"{anchor}\">{seconds:.2} s</text>"
            );
        }
        let mean = y(self.pooled.mean.clamp(low, high));
        let _ = write!(
            svg,
            "<line class=\"mean\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{mean:.1}\" y2=\"{mean:.1}\"/>",
            WIDTH - RIGHT
        );
        let line: Vec<String> =
            points.iter().map(|&(frame, value)| format!("{:.1},{:.1}", x(frame), y(value))).collect();
        let _ = write!(svg, "<polyline class=\"values\" points=\"{}\"/>", line.join(" "));
        let bottom = HEIGHT - BOTTOM;
        let _ =
            write!(svg, "<line class=\"cursor\" x1=\"-9\" x2=\"-9\" y1=\"{TOP}\" y2=\"{bottom}\"/></svg>");
        svg
    }
}

/// The values' range with room around it.
fn range(points: &[(usize, f64)]) -> (f64, f64) {
    let (low, high) = points
        .iter()
        .fold((f64::MAX, f64::MIN), |(low, high), &(_, value)| (low.min(value), high.max(value)));
    match high - low {
        span if span > 0.0 => (low - 0.08 * span, high + 0.08 * span),
        _ if high > f64::MIN => (high - 0.5, high + 0.5),
        _ => (0.0, 1.0),
    }
}

/// Three to six round numbers in a range.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 4.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= rough);
    let step = step.unwrap_or(power);
    let first = (low / step).ceil() as i64;
    (first..).map(|index| index as f64 * step).take_while(|value| *value <= high).take(10).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(ticks(31.2, 44.9), [35.0, 40.0]);
        assert_eq!(ticks(0.0, 100.0), [0.0, 50.0, 100.0]);
        assert_eq!(ticks(0.9, 1.0).len(), 3);
        assert!(ticks(5.0, 5.5).len() >= 2);
    }

    #[test]
    fn long_series_keep_their_lowest_values() {
        let pooled = Pooled { mean: 1.0, min: 0.0, min_index: 4321, harmonic_mean: 1.0 };
        let mut values = vec![Some(1.0); 9999];
        values[4321] = Some(0.0);
        let series = Series { title: "", key: "", unit: "", decimals: 2, pooled, values };
        let points = series.points();
        assert!(points.len() <= MOST_POINTS);
        assert!(points.contains(&(4321, 0.0)));
    }

    #[test]
    fn a_flat_or_empty_series_has_a_range() {
        assert_eq!(range(&[(0, 1.0), (1, 1.0)]), (0.5, 1.5));
        assert_eq!(range(&[]), (0.0, 1.0));
    }
}
