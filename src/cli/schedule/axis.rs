//! Axes: from numbers to places and to labels.

/// A stretch of numbers, and where each lies on it.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    log: bool,
}

impl Axis {
    pub(super) fn linear(low: f64, high: f64) -> Self {
        Self { low, high, log: false }
    }

    /// From 0 to just above the largest value: sizes are compared by eye.
    pub(super) fn around(points: &[(f64, f64)]) -> Self {
        let most = points.iter().fold(0.0_f64, |most, p| most.max(p.1));
        Self::linear(0.0, if most > 0.0 { 1.05 * most } else { 1.0 })
    }

    /// Over the positive values; 0 is drawn at the lower end.
    pub(super) fn log(points: &[(f64, f64)]) -> Self {
        let positive = || points.iter().map(|p| p.1).filter(|&y| y > 0.0);
        let (low, high) = (positive().fold(f64::INFINITY, f64::min), positive().fold(0.0, f64::max));
        if low > high {
            return Self::around(points);
        }
        Self { low: low.log10() - 0.1, high: high.log10() + 0.1, log: true }
    }

    /// In `[0, 1]`.
    pub(super) fn place(&self, x: f64) -> f64 {
        let x = if self.log { x.log10() } else { x };
        // The logarithm of 0 is the lower end.
        ((x.max(self.low) - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// Round numbers on it, about `count`.
    pub(super) fn ticks(&self, count: f64) -> Vec<f64> {
        let step = round_step((self.high - self.low) / count);
        if self.log && step < 1.0 {
            return self.within_decades(count);
        }
        let (first, last) = ((self.low / step).ceil() as i64, (self.high / step + 1e-9).floor() as i64);
        (first..=last).map(|n| n as f64 * step).map(|x| if self.log { 10f64.powf(x) } else { x }).collect()
    }

    /// Of a logarithmic axis of few decades: 1, 2 and 5 times powers of 10, or round numbers where none of these lies on it.
    fn within_decades(&self, count: f64) -> Vec<f64> {
        let (low, high) = (10f64.powf(self.low), 10f64.powf(self.high));
        let powers = self.low.floor() as i32..=self.high.ceil() as i32;
        let all = powers.flat_map(|power| [1.0, 2.0, 5.0].map(|m| m * 10f64.powi(power)));
        let ticks: Vec<f64> = all.filter(|x| (low..=high).contains(x)).collect();
        if ticks.len() > 1 { ticks } else { Self::linear(low, high).ticks(count) }
    }
}

/// 1, 2 or 5 times a power of 10, at least `least`.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|&step| step >= least * (1.0 - 1e-9)).unwrap_or(least)
}

/// A number with at most four digits: `0.0125`, `2e-7`, `15000`.
pub(super) fn short(x: f64) -> String {
    if x == 0.0 {
        return "0".into();
    }
    let text = format!("{x:.3e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    match exponent.parse::<i32>() {
        Ok(power @ -4..=5) => trimmed(&format!("{x:.*}", usize::try_from(3 - power).unwrap_or(0))),
        _ => format!("{}e{exponent}", trimmed(mantissa)),
    }
}

fn trimmed(text: &str) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::{Axis, short};

    #[test]
    fn labels() {
        let all =
            [(0.0, "0"), (0.1, "0.1"), (1.0 / 3.0, "0.3333"), (1e-3, "0.001"), (2e-7, "2e-7"), (15_000.0, "15000")];
        for (x, text) in all.into_iter().chain([(164.0, "164"), (1.25e9, "1.25e9"), (0.000_125, "0.000125")]) {
            assert_eq!(short(x), text);
        }
    }

    #[test]
    fn ticks_are_round_and_on_the_axis() {
        let labels = |axis: Axis, count| axis.ticks(count).into_iter().map(short).collect::<Vec<_>>();
        assert_eq!(labels(Axis::linear(0.0, 30.0), 6.0), ["0", "5", "10", "15", "20", "25", "30"]);
        assert_eq!(labels(Axis::linear(0.0, 1.0), 4.0), ["0", "0.5", "1"]);
        assert_eq!(
            labels(Axis::log(&[(0.0, 1e-6), (1.0, 0.1)]), 6.0),
            ["1e-6", "1e-5", "0.0001", "0.001", "0.01", "0.1"]
        );
        assert_eq!(labels(Axis::log(&[(0.0, 0.1), (1.0, 0.5)]), 4.0), ["0.1", "0.2", "0.5"]);
        for (low, high) in [(0.0, 1e-9), (0.0, 164.0), (0.0, 4e9)] {
            let ticks = Axis::linear(low, high).ticks(5.0);
            assert!((2..=7).contains(&ticks.len()) && ticks.iter().all(|t| (low..=high).contains(t)), "{ticks:?}");
        }
    }

    #[test]
    fn places() {
        let log = Axis::log(&[(0.0, 0.01), (1.0, 1.0), (2.0, 0.0)]);
        assert!((log.place(0.1) - 0.5).abs() < 1e-12 && log.place(0.0) == 0.0 && log.place(1.0) < 1.0);
        assert_eq!(Axis::linear(0.0, 4.0).place(1.0), 0.25);
        // Nothing above 0: an axis all the same.
        assert_eq!(Axis::log(&[(0.0, 0.0)]).place(0.0), 0.0);
    }
}
