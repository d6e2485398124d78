//! Functions of one number: value and derivative. Their accuracy in f32 is in `accuracy.rs`.

use crate::error::GraphError;
use crate::kernel::wgsl;
use crate::scalar::Scalar;

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// `max(x, 0)`; its derivative at 0 is 0.
    Relu,
    /// `x` above 0, `slope·x` below. Maas et al. 2013.
    LeakyRelu {
        /// In `[0, ∞)`. PyTorch's default is 0.01.
        slope: f64,
    },
    /// `x` above 0, `α(eˣ − 1)` below. Clevert et al. 2016.
    Elu {
        /// α, in `[0, ∞)`. PyTorch's default is 1.
        alpha: f64,
    },
    /// The hyperbolic tangent.
    Tanh,
    /// `σ(x) = 1/(1 + e⁻ˣ)`
    Sigmoid,
    /// `ln(1 + eˣ)` (β = 1), as `max(x, 0) + ln(1 + e^(−|x|))`. PyTorch switches to x above 20, where the two agree in f32.
    Softplus,
    /// `x σ(x)`, also called swish. Elfwing et al. 2018.
    Silu,
    /// `½ x (1 + erf(x/√2))`, the exact form. Hendrycks & Gimpel 2016.
    Gelu,
    /// `|x|`; its derivative at 0 is 0.
    Abs,
    /// `eˣ`
    Exp,
    /// `ln x`
    Ln,
    /// `√x`
    Sqrt,
    /// `x²`
    Square,
}

impl Function {
    /// Every function, with its default fields.
    pub const ALL: [Self; 13] = [
        Self::Relu,
        Self::LeakyRelu { slope: 0.01 },
        Self::Elu { alpha: 1.0 },
        Self::Tanh,
        Self::Sigmoid,
        Self::Softplus,
        Self::Silu,
        Self::Gelu,
        Self::Abs,
        Self::Exp,
        Self::Ln,
        Self::Sqrt,
        Self::Square,
    ];

    /// Its name, as PyTorch calls it (`ln`: `log`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::LeakyRelu { .. } => "leaky_relu",
            Self::Elu { .. } => "elu",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
            Self::Softplus => "softplus",
            Self::Silu => "silu",
            Self::Gelu => "gelu",
            Self::Abs => "abs",
            Self::Exp => "exp",
            Self::Ln => "ln",
            Self::Sqrt => "sqrt",
            Self::Square => "square",
        }
    }

    /// Whether [`derivative`](Self::derivative) takes the function's output; it takes the input otherwise.
    pub fn from_output(self) -> bool {
        !matches!(self, Self::Silu | Self::Gelu | Self::Abs | Self::Ln | Self::Square)
    }

    /// Whether [`derivative`](Self::derivative) can be infinite where the value is not, or grows without a bound.
    pub(crate) fn steep(self) -> bool {
        matches!(self, Self::Exp | Self::Ln | Self::Sqrt | Self::Square)
    }

    /// f(x)
    #[inline]
    pub fn value<T: Scalar>(self, x: T) -> T {
        let (zero, one) = (T::zero(), T::one());
        match self {
            // Comparisons that NaN fails, so that it shows.
            Self::Relu => if x < zero { zero } else { x },
            Self::LeakyRelu { slope } => if x > zero { x } else { T::of(slope) * x },
            Self::Elu { alpha } => if x > zero { x } else { T::of(alpha) * x.exp_m1() },
            Self::Tanh => x.tanh(),
            Self::Sigmoid => sigmoid(x),
            Self::Softplus => x.max(zero) + (-x.abs()).exp().ln_1p(),
            Self::Silu => x * sigmoid(x),
            Self::Gelu => T::of(0.5) * x * (one + (x * T::of(std::f64::consts::FRAC_1_SQRT_2)).erf()),
            Self::Abs => x.abs(),
            Self::Exp => x.exp(),
            Self::Ln => x.ln(),
            Self::Sqrt => x.sqrt(),
            Self::Square => x * x,
        }
    }

    /// f′, from the output or the input as [`from_output`](Self::from_output) says.
    #[inline]
    pub fn derivative<T: Scalar>(self, s: T) -> T {
        let (zero, one) = (T::zero(), T::one());
        match self {
            Self::Relu => if s > zero { one } else { zero },
            Self::LeakyRelu { slope } => if s > zero { one } else { T::of(slope) },
            Self::Elu { alpha } => if s > zero { one } else { s + T::of(alpha) },
            Self::Tanh => (one - s) * (one + s),
            Self::Sigmoid => s * (one - s),
            Self::Softplus => -(-s).exp_m1(),
            Self::Silu => sigmoid(s) * (one + s * sigmoid(-s)),
            Self::Gelu => {
                let density = T::of(0.5 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2);
                T::of(0.5) * (one + (s * T::of(std::f64::consts::FRAC_1_SQRT_2)).erf())
                    + s * density * (T::of(-0.5) * s * s).exp()
            }
            Self::Abs => if s > zero { one } else if s < zero { -one } else { zero },
            Self::Exp => s,
            Self::Ln => one / s,
            Self::Sqrt => T::of(0.5) / s,
            Self::Square => s + s,
        }
    }

    /// Which branch `x` takes, for functions with a kink in value or derivative.
    pub(crate) fn branch(self, x: f64) -> Option<u32> {
        matches!(self, Self::Relu | Self::LeakyRelu { .. } | Self::Elu { .. } | Self::Abs).then_some(u32::from(x > 0.0))
    }

    /// Refuses fields outside their range.
    pub(crate) fn check(self) -> Result<(), GraphError> {
        let (field, value) = match self {
            Self::LeakyRelu { slope } => ("slope", slope),
            Self::Elu { alpha } => ("alpha", alpha),
            _ => return Ok(()),
        };
        if (value as f32).is_finite() && value >= 0.0 {
            return Ok(());
        }
        Err(GraphError::Range { op: self.name(), field, range: "in [0, ∞) and finite in f32", found: crate::error::number(value) })
    }

    /// Its shader: `f` and `df`, with what they link.
    pub(crate) fn part(self) -> &'static str {
        match self {
            Self::Relu => wgsl!("op/relu"),
            Self::LeakyRelu { .. } => wgsl!("op/leaky_relu"),
            Self::Elu { .. } => wgsl!("op/elu", "lib/expm1"),
            Self::Tanh => wgsl!("op/tanh", "lib/expm1"),
            Self::Sigmoid => wgsl!("op/sigmoid", "lib/sigmoid"),
            Self::Softplus => wgsl!("op/softplus", "lib/expm1"),
            Self::Silu => wgsl!("op/silu", "lib/sigmoid"),
            Self::Gelu => wgsl!("op/gelu", "lib/erf"),
            Self::Abs => wgsl!("op/abs"),
            Self::Exp => wgsl!("op/exp"),
            Self::Ln => wgsl!("op/ln"),
            Self::Sqrt => wgsl!("op/sqrt"),
            Self::Square => wgsl!("op/square"),
        }
    }

    /// The numbers that its shader takes.
    pub(crate) fn constants(self) -> Vec<(&'static str, f64)> {
        match self {
            Self::LeakyRelu { slope } => vec![("SLOPE", slope)],
            Self::Elu { alpha } => vec![("ALPHA", alpha)],
            _ => Vec::new(),
        }
    }
}

/// By an exponential that cannot overflow.
fn sigmoid<T: Scalar>(x: T) -> T {
    let z = (-x.abs()).exp();
    (if x < T::zero() { z } else { T::one() }) / (T::one() + z)
}
