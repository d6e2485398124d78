//! A line search that shortens the step until the function falls enough.

use super::Curved;
use super::host::dot;
use super::wolfe::{C1, C2};

/// Most trials of a search: 2⁻⁵⁰ of a step is below rounding.
const TRIALS: usize = 50;
/// A value's own rounding, relative: a sum of a few thousand terms.
const ROUNDING: f64 = 1e-12;

/// The point that a search ended at.
pub(super) struct Found {
    pub t: f64,
    pub x: Vec<f64>,
    pub f: f64,
    pub g: Vec<f64>,
}

/// From `x` along `d`, beginning with the step `t`; `None` where no trial is good enough. And how many trials there were.
pub(super) fn search<F: Curved + ?Sized>(
    function: &mut F,
    x: &[f64],
    d: &[f64],
    (f, slope): (f64, f64),
    mut t: f64,
) -> Result<(Option<Found>, usize), F::Error> {
    let mut g = vec![0.0; x.len()];
    for trial in 1..=TRIALS {
        let at: Vec<f64> = x.iter().zip(d).map(|(x, d)| x + t * d).collect();
        let value = function.evaluate(&at, &mut g)?;
        let end = dot(&g, d);
        let falls = value < f && value <= f + C1 * t * slope;
        // Where the fall is lost in the value's rounding: Hager and Zhang's conditions, which ask the slope.
        let same = value <= f + ROUNDING * f.abs() && end <= (2.0 * C1 - 1.0) * slope && end >= C2 * slope;
        if value.is_finite() && end.is_finite() && (falls || same) {
            return Ok((Some(Found { t, x: at, f: value, g }), trial));
        }
        // Where the parabola through both values and the slope is least; half where there is none.
        let least = -slope * t * t / (2.0 * (value - f - slope * t));
        t = if least.is_finite() { least.clamp(0.1 * t, 0.5 * t) } else { 0.5 * t };
    }
    Ok((None, TRIALS))
}
