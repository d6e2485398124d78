//! How far the kernels of [`Function`] may lie from the truth: Lipschitz constant × input error + rounding of the form that
//! the shader evaluates, from the accuracies of WGSL §15.7.4.

use super::Function;
use crate::op::rounding::{DIVIDE, EPSILON, SQRT, TINY, exp, log, round};

/// Products of errors, which the first-order sums below leave out.
const SECOND_ORDER: f64 = 1.001;

/// Absolute error of `shaders/lib/erf.wgsl`: fit 0.3 ε; in the worst piece, [0.84, 1.25], Σ|pᵢ|sⁱ γ₁₃ ≤ 3.4 ε for the
/// numerator, as much again for denominator and division, 1 ε each for the constant and the last sum.
const ERF: f64 = 9.0 * EPSILON;

/// Where erf(x/√2) is ±1 to f32's last bit on both devices.
const ERF_FLAT: f64 = 5.7;

impl Function {
    /// |f̂(x̂) − y|, y = f(x), for |x̂ − x| ≤ e.
    pub(crate) fn value_error(self, x: f64, e: f64, y: f64) -> f64 {
        let (low, high) = ((x.abs() - e).max(0.0), x.abs() + e);
        // The largest |f| in reach.
        let most = |lipschitz: f64| y.abs() + lipschitz * e;
        match self {
            Self::Relu => return if x + e <= 0.0 { 0.0 } else { e + TINY },
            Self::Abs => return e + TINY,
            Self::LeakyRelu { .. } | Self::Elu { .. } if x - e > 0.0 => return e + TINY,
            Self::LeakyRelu { slope } => {
                let lipschitz = if x + e < 0.0 { slope } else { slope.max(1.0) };
                return lipschitz * e + 2.1 * EPSILON * slope * high + TINY;
            }
            _ => {}
        }
        let (lipschitz, own) = match self {
            Self::Elu { alpha } => (alpha.max(1.0), (expm1(low, high) + 2.0 * EPSILON) * alpha * -(-high).exp_m1()),
            Self::Tanh => (1.0, (2.0 * expm1(2.0 * low, 2.0 * high) + EPSILON + DIVIDE) * most(1.0).min(1.0)),
            Self::Sigmoid => (0.25, sigmoid(x, e)),
            Self::Softplus => {
                // ln(1 + z) = 2 artanh s has condition 1.09 in s, s = z/(2 + z) at most 1 in z; the series 4 ε.
                let series = 1.09 * (exp(high) + EPSILON + DIVIDE) + 4.0 * EPSILON;
                (1.0, series * (-low).exp().ln_1p() + EPSILON * most(1.0))
            }
            Self::Silu => (1.1, high * sigmoid(x, e) + EPSILON * most(1.1)),
            Self::Gelu => (1.13, 0.5 * high * cumulative(low) + 2.0 * EPSILON * most(1.13)),
            Self::Exp => (0.0, y * e.exp_m1() + exp(high) * y * e.exp()),
            Self::Ln => (0.0, if e < x { e / (x - e) + log(y).max(log(y.abs() - e / (x - e))) } else { f64::INFINITY }),
            Self::Sqrt => {
                let far = e / (x.sqrt() + (x - e).max(0.0).sqrt());
                let propagated = if e == 0.0 { 0.0 } else { far };
                (0.0, propagated + SQRT * (y + propagated))
            }
            Self::Square => (2.0 * high, round(high * high)),
            Self::Relu | Self::LeakyRelu { .. } | Self::Abs => unreachable!("returned above"),
        };
        lipschitz * e + SECOND_ORDER * own + 2.0 * TINY
    }

    /// |f̂′(ŝ) − d|, d = f′(s), for |ŝ − s| ≤ e. Includes the jump of a derivative whose kink lies within e.
    pub(super) fn derivative_error(self, s: f64, e: f64, d: f64) -> f64 {
        let (low, high) = ((s.abs() - e).max(0.0), s.abs() + e);
        let kink = e > 0.0 && s.abs() <= e;
        let jump = |size: f64| if kink { size.abs() } else { 0.0 };
        let (lipschitz, own) = match self {
            Self::Relu => return jump(1.0),
            Self::Abs => return jump(2.0),
            Self::LeakyRelu { slope } => (0.0, jump(1.0 - slope) + EPSILON * slope),
            Self::Elu { .. } if s - e > 0.0 => return 0.0,
            Self::Elu { alpha } => (1.0, jump(1.0 - alpha) + EPSILON * (2.0 * alpha + e)),
            Self::Tanh => (2.0 * high, 3.0 * EPSILON * (d.abs() + 2.0 * high * e)),
            Self::Sigmoid => (1.0 + 2.0 * e, 2.0 * EPSILON * (d.abs() + e)),
            Self::Softplus => (1.0, expm1(low, high) * (d.abs() + e)),
            Self::Silu => {
                let [p, q] = [s, -s].map(|s| 0.25 * e + 1.0 / (1.0 + (-s).exp()));
                let sizes = p * (1.0 + high * q);
                let parts = sigmoid(s, e) * (1.0 + high * q) + p * high * sigmoid(-s, e);
                (0.5, parts + 4.0 * EPSILON * sizes)
            }
            Self::Gelu => {
                let density = 0.3989422804014327 * (-0.5 * low * low).exp();
                // The rounded exponent −½x², off by 2 ε of itself, moves the exponential by as much.
                let bell = high * density * (exp(0.5 * high * high) + EPSILON * high * high + 4.0 * EPSILON);
                (0.8, 0.5 * cumulative(low) + bell + EPSILON * (1.0 + d.abs()))
            }
            Self::Exp => (1.0, 0.0),
            Self::Ln | Self::Sqrt if e >= s => return f64::INFINITY,
            Self::Ln => (1.0 / (s * (s - e)), DIVIDE / (s - e)),
            Self::Sqrt => (0.5 / (s * (s - e)), DIVIDE * 0.5 / (s - e)),
            Self::Square => (2.0, EPSILON * 2.0 * high),
        };
        lipschitz * e + SECOND_ORDER * own + 2.0 * TINY
    }
}

/// Relative error of `shaders/lib/expm1.wgsl` at an argument −z, low ≤ z ≤ high: 4 ε by its series up to ½, beyond it the
/// exponential's, larger by e⁻ᶻ/(1 − e⁻ᶻ), and a rounding.
fn expm1(low: f64, high: f64) -> f64 {
    let series = 4.0 * EPSILON;
    // Where x̂ and x fall to different sides of ½, the larger of the two holds for both.
    series.max(exp(high) / low.max(0.5).exp_m1() + EPSILON)
}

/// Absolute error of `shaders/lib/sigmoid.wgsl` at x ± e: z = e^(−|x|) moves z/(1+z) by at most its own relative error, and
/// 1/(1+z) by z times that.
fn sigmoid(x: f64, e: f64) -> f64 {
    let z = (-(x - e).max(0.0)).exp();
    let value = 1.0 / (1.0 + (-x).exp()) + 0.25 * e;
    SECOND_ORDER * (exp(x.abs() + e) * z + EPSILON + DIVIDE) * value + TINY
}

/// Absolute error of 1 + erf(x/√2) before its last rounding, |x| ≥ low: erf's, and 1 ε for its argument, rounded twice
/// (u erf′(u) ≤ 0.49).
fn cumulative(low: f64) -> f64 {
    if low > ERF_FLAT { EPSILON } else { ERF + 2.0 * EPSILON }
}
