//! A line search that ends where the strong Wolfe conditions hold.

use super::Space;

/// Sufficient decrease: `f(x + t d) ≤ f(x) + c₁ t ⟨g, d⟩`.
pub(super) const C1: f64 = 1e-4;
/// Curvature: `|⟨g(x + t d), d⟩| ≤ c₂ |⟨g, d⟩|`.
pub(super) const C2: f64 = 0.9;

/// Where the search stands: the line `x + t d`, the value and slope at its beginning.
pub(super) struct Line<'a, V> {
    pub x: &'a V,
    pub d: &'a V,
    /// `max |dᵢ|`.
    pub size: f64,
    pub f: f64,
    pub slope: f64,
    /// Most evaluations of the search.
    pub most: usize,
    /// Brackets whose points are nearer than this end the search.
    pub tolerance: f64,
}

/// What was found: the step (0 where no lower point was), the value there, and the evaluations it took.
pub(super) struct Found {
    pub t: f64,
    pub f: f64,
    pub evaluations: usize,
}

/// A point of the line: the step, the value, the slope; the gradient's place in the work vectors.
#[derive(Clone, Copy)]
struct Point {
    t: f64,
    f: f64,
    slope: f64,
    gradient: usize,
}

/// Vectors that the search works in: a trial point, and gradients.
#[derive(Debug)]
pub(super) struct Work<V> {
    pub trial: V,
    pub gradients: [V; 3],
}

/// Where the cubic through two points' values and slopes is least, within bounds (without them: between the points).
///
/// Where it is no number (an infinite value at one end), the middle is taken.
fn cubic(a: Point, b: Point, bounds: Option<(f64, f64)>) -> f64 {
    let (low, high) = bounds.unwrap_or(if a.t <= b.t { (a.t, b.t) } else { (b.t, a.t) });
    let d1 = a.slope + b.slope - 3.0 * (a.f - b.f) / (a.t - b.t);
    let square = d1 * d1 - a.slope * b.slope;
    let middle = (low + high) / 2.0;
    if !(square >= 0.0) {
        return middle;
    }
    let d2 = square.sqrt();
    let least = if a.t <= b.t {
        b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2))
    } else {
        a.t - (a.t - b.t) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2.0 * d2))
    };
    if least.is_nan() { middle } else { least.max(low).min(high) }
}

/// PyTorch's `_strong_wolfe`, trial by trial: extrapolate until a bracket holds a good point, then close it by cubic interpolation.
/// `g` is the gradient at the beginning and becomes that of the point found.
///
/// It differs in two places where PyTorch has no answer. A trial whose value or slope is infinite or no number is too far and closes
/// the bracket, which is halved towards its lower end; PyTorch compares with the NaN, walks on, and ends there. And where the
/// fall is lost in the value's own rounding ([`Space::rounding`]), Hager and Zhang's approximate Wolfe conditions ask the slope
/// instead; PyTorch takes noise for a rise and stays 1e-8 away from the minimum.
pub(super) fn search<S: Space>(
    space: &mut S,
    line: &Line<'_, S::Vector>,
    t: f64,
    g: &mut S::Vector,
    work: &mut Work<S::Vector>,
) -> Result<Found, S::Error> {
    let Line { f, slope, most, .. } = *line;
    let too_high = |p: &Point| p.f > f + C1 * p.t * slope;
    let flat = |p: &Point| p.slope.abs() <= -C2 * slope;
    let noise = space.rounding() * f.abs();
    let lost = |p: &Point| p.f <= f + noise && p.slope <= (2.0 * C1 - 1.0) * slope && p.slope >= C2 * slope;
    let mut evaluations = 1;
    space.copy(g, &mut work.gradients[0])?;
    let mut before = Point { t: 0.0, f, slope, gradient: 0 };
    let mut now = trial(space, line, t, 1, work)?;
    let (mut done, mut n) = (false, 0);
    let mut bracket = loop {
        if n >= most {
            // The slope is not looked at again: the search is over.
            space.copy(g, &mut work.gradients[before.gradient])?;
            break [Point { t: 0.0, f, slope, gradient: before.gradient }, now];
        }
        let high = !now.f.is_finite() || too_high(&now) || (n > 1 && now.f >= before.f);
        if high && !lost(&now) {
            break [before, now];
        }
        if high || flat(&now) {
            done = true;
            break [now, now];
        }
        if now.slope >= 0.0 {
            break [before, now];
        }
        let next = cubic(before, now, Some((now.t + 0.01 * (now.t - before.t), now.t * 10.0)));
        let free = before.gradient;
        before = now;
        now = trial(space, line, next, free, work)?;
        evaluations += 1;
        n += 1;
    };
    let order = |b: &[Point; 2]| if b[0].f <= b[1].f { (0, 1) } else { (1, 0) };
    let (mut low, mut high) = order(&bracket);
    let (mut free, mut slow) = (2, false);
    while !done && n < most {
        let [a, b] = bracket.map(|p| p.t);
        if (b - a).abs() * line.size < line.tolerance {
            break;
        }
        let (least, largest) = (a.min(b), a.max(b));
        let mut t = cubic(bracket[0], bracket[1], None);
        // A trial at or near an end makes no progress: the second time it is moved a tenth inwards.
        let margin = 0.1 * (largest - least);
        if (largest - t).min(t - least) < margin {
            if slow || t >= largest || t <= least {
                t = if (t - largest).abs() < (t - least).abs() { largest - margin } else { least + margin };
                slow = false;
            } else {
                slow = true;
            }
        } else {
            slow = false;
        }
        let now = trial(space, line, t, free, work)?;
        evaluations += 1;
        n += 1;
        let lies_high = !now.f.is_finite() || too_high(&now) || now.f >= bracket[low].f;
        if lies_high && !lost(&now) {
            free = bracket[high].gradient;
            bracket[high] = now;
            (low, high) = order(&bracket);
        } else {
            if lies_high || flat(&now) {
                done = true;
                free = bracket[low].gradient;
            } else if now.slope * (bracket[high].t - bracket[low].t) >= 0.0 {
                free = bracket[high].gradient;
                bracket[high] = bracket[low];
            } else {
                free = bracket[low].gradient;
            }
            bracket[low] = now;
        }
    }
    let found = bracket[low];
    std::mem::swap(g, &mut work.gradients[found.gradient]);
    Ok(Found { t: found.t, f: found.f, evaluations })
}

/// The point at `t`, its gradient put into the n-th place. What is not finite is infinitely high.
fn trial<S: Space>(
    space: &mut S,
    line: &Line<'_, S::Vector>,
    t: f64,
    n: usize,
    work: &mut Work<S::Vector>,
) -> Result<Point, S::Error> {
    space.sum(line.x, t, line.d, &mut work.trial)?;
    let f = space.evaluate(&work.trial, &mut work.gradients[n])?;
    let [slope] = space.dots([(&work.gradients[n], line.d)])?;
    let finite = f.is_finite() && slope.is_finite();
    let (f, slope) = if finite { (f, slope) } else { (f64::INFINITY, f64::INFINITY) };
    Ok(Point { t, f, slope, gradient: n })
}
