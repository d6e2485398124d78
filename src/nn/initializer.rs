//! How a parameter starts.

use std::fmt;
use std::str::FromStr;

use crate::rng::{Stream, stream};
use crate::shape::Shape;

/// How a parameter starts: independent draws from one distribution, or a constant.
///
/// **Formula**, with `n` = fan-in and `m` = fan-out, the numbers of products that a unit sums forward and backward
/// (`[out, in]`: `n = in`, `m = out`; `[out, in, kh, kw]`: both times `kh·kw`):
///
/// ```text
/// kaiming_uniform   U(−b, b)    b = √(6 / ((1 + a²)·n))      a = √5 gives 1/√n: PyTorch's Linear and Conv, weight and bias
/// kaiming_normal    N(0, σ²)    σ = √(2 / ((1 + a²)·n))      a is the slope of the leaky ReLU that follows; 0 for a ReLU
/// xavier_uniform    U(−b, b)    b = gain·√(6 / (n + m))
/// xavier_normal     N(0, σ²)    σ = gain·√(2 / (n + m))
/// normal            N(0, std²)
/// uniform           U(−bound, bound)
/// zeros, ones, constant
/// ```
///
/// A fan of 0 gives zeros, as PyTorch's biases do.
///
/// **Source**: He et al., *Delving Deep into Rectifiers* (2015), eq. 10 and 15; Glorot and Bengio (2010), eq. 12 and 16;
/// `torch.nn.init`, whose arguments and defaults these are. The draws are of this crate's generator, not PyTorch's: the
/// same distribution, other numbers.
///
/// ```
/// use thalweg::{Shape, nn::Initializer};
/// // Linear(16, 2) in PyTorch: U(−¼, ¼).
/// let w = Initializer::default().fill(&Shape::from([2, 16]), 16, 1, 0);
/// assert!(w.len() == 32 && w.iter().all(|w| w.abs() <= 0.25));
/// assert_eq!("kaiming_normal".parse(), Ok(Initializer::KaimingNormal { a: 0.0 }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Initializer {
    /// He's uniform distribution.
    KaimingUniform {
        /// The negative slope of what follows.
        a: f64,
    },
    /// He's normal distribution.
    KaimingNormal {
        /// The negative slope of what follows.
        a: f64,
    },
    /// Glorot's uniform distribution.
    XavierUniform {
        /// Factor on the bound; 5/3 before a tanh in PyTorch's `calculate_gain`.
        gain: f64,
    },
    /// Glorot's normal distribution.
    XavierNormal {
        /// Factor on the standard deviation.
        gain: f64,
    },
    /// The normal distribution around 0.
    Normal {
        /// Its standard deviation.
        std: f64,
    },
    /// The uniform distribution around 0.
    Uniform {
        /// Its largest magnitude.
        bound: f64,
    },
    /// All 0.
    Zeros,
    /// All 1.
    Ones,
    /// All of one value.
    Constant {
        /// The value.
        value: f64,
    },
}

impl Default for Initializer {
    /// PyTorch's for the weights and biases of linear and convolution layers: `U(−1/√n, 1/√n)`.
    fn default() -> Self {
        Self::KaimingUniform { a: 5f64.sqrt() }
    }
}

impl Initializer {
    /// The names that [`FromStr`] knows, each with PyTorch's default arguments.
    pub const NAMES: [&str; 9] = [
        "kaiming_uniform",
        "kaiming_normal",
        "xavier_uniform",
        "xavier_normal",
        "normal",
        "uniform",
        "zeros",
        "ones",
        "constant",
    ];

    /// The values of the `tensor`-th parameter of a model, of `shape`, under `seed`, row-major. `fan_in` is passed because
    /// a bias takes its weight's.
    pub fn fill(&self, shape: &Shape, fan_in: usize, seed: u64, tensor: u32) -> Vec<f64> {
        let draws = Stream::new(seed, tensor, stream::INIT);
        let uniform = |bound: f64| -> Vec<f64> {
            (0..shape.elements() as u32).map(|i| bound * (2.0 * draws.uniform(i) - 1.0)).collect()
        };
        let normal = |std: f64| -> Vec<f64> { (0..shape.elements() as u32).map(|i| std * draws.normal(i)).collect() };
        let fans = fan_in + fan_out(shape);
        let over = |numerator: f64, fan: usize| if fan == 0 { 0.0 } else { (numerator / fan as f64).sqrt() };
        match *self {
            Self::KaimingUniform { a } => uniform(over(6.0 / (1.0 + a * a), fan_in)),
            Self::KaimingNormal { a } => normal(over(2.0 / (1.0 + a * a), fan_in)),
            Self::XavierUniform { gain } => uniform(gain * over(6.0, fans)),
            Self::XavierNormal { gain } => normal(gain * over(2.0, fans)),
            Self::Normal { std } => normal(std),
            Self::Uniform { bound } => uniform(bound),
            Self::Zeros => vec![0.0; shape.elements()],
            Self::Ones => vec![1.0; shape.elements()],
            Self::Constant { value } => vec![value; shape.elements()],
        }
    }
}

/// The first axis times the receptive field; a vector counts its elements.
fn fan_out(shape: &Shape) -> usize {
    shape.first().map_or(1, |out| out * shape.iter().skip(2).product::<usize>())
}

/// A name that is no initialiser's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no initialiser is named `{found}`; known: {}", Initializer::NAMES.join(", "))]
pub struct UnknownInitializer {
    /// The name.
    pub found: String,
}

impl FromStr for Initializer {
    type Err = UnknownInitializer;

    /// The arguments are the defaults of `torch.nn.init` (`a = 0`, `gain = 1`, `std = 1`, `bound = 1`); a `constant` is 0.
    fn from_str(name: &str) -> Result<Self, UnknownInitializer> {
        Ok(match name {
            "kaiming_uniform" => Self::KaimingUniform { a: 0.0 },
            "kaiming_normal" => Self::KaimingNormal { a: 0.0 },
            "xavier_uniform" => Self::XavierUniform { gain: 1.0 },
            "xavier_normal" => Self::XavierNormal { gain: 1.0 },
            "normal" => Self::Normal { std: 1.0 },
            "uniform" => Self::Uniform { bound: 1.0 },
            "zeros" => Self::Zeros,
            "ones" => Self::Ones,
            "constant" => Self::Constant { value: 0.0 },
            _ => return Err(UnknownInitializer { found: name.into() }),
        })
    }
}

impl Initializer {
    /// The distribution's argument: its name and value.
    pub fn argument(&self) -> Option<(&'static str, f64)> {
        match *self {
            Self::KaimingUniform { a } | Self::KaimingNormal { a } => Some(("a", a)),
            Self::XavierUniform { gain } | Self::XavierNormal { gain } => Some(("gain", gain)),
            Self::Normal { std } => Some(("std", std)),
            Self::Uniform { bound } => Some(("bound", bound)),
            Self::Constant { value } => Some(("value", value)),
            Self::Zeros | Self::Ones => None,
        }
    }

    /// With another value of its argument, if it has one; `a` of any sign, the others finite and, but for `value`, at least 0.
    #[must_use]
    pub fn with_argument(self, x: f64) -> Self {
        match self {
            Self::KaimingUniform { .. } => Self::KaimingUniform { a: x },
            Self::KaimingNormal { .. } => Self::KaimingNormal { a: x },
            Self::XavierUniform { .. } => Self::XavierUniform { gain: x },
            Self::XavierNormal { .. } => Self::XavierNormal { gain: x },
            Self::Normal { .. } => Self::Normal { std: x },
            Self::Uniform { .. } => Self::Uniform { bound: x },
            Self::Constant { .. } => Self::Constant { value: x },
            Self::Zeros | Self::Ones => self,
        }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::KaimingUniform { .. } => "kaiming_uniform",
            Self::KaimingNormal { .. } => "kaiming_normal",
            Self::XavierUniform { .. } => "xavier_uniform",
            Self::XavierNormal { .. } => "xavier_normal",
            Self::Normal { .. } => "normal",
            Self::Uniform { .. } => "uniform",
            Self::Zeros => "zeros",
            Self::Ones => "ones",
            Self::Constant { .. } => "constant",
        }
    }

    /// As the TOML form writes it: `"zeros"`, `{ name = "normal", std = 0.01 }`.
    pub fn to_toml(&self) -> String {
        match self.argument() {
            // Debug keeps the point of `1.0`.
            Some((argument, x)) => format!(r#"{{ name = "{}", {argument} = {x:?} }}"#, self.name()),
            None => format!(r#""{}""#, self.name()),
        }
    }
}

impl fmt::Display for Initializer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.argument() {
            Some((argument, x)) => write!(f, "{}({argument} = {x})", self.name()),
            None => f.write_str(self.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: usize = 100 * 400;

    fn draw(init: Initializer) -> Vec<f64> {
        // fan-in 400, fan-out 100.
        init.fill(&Shape::from([100, 400]), 400, 3, 1)
    }

    /// Mean and variance within four standard errors of `(0, variance)`, given the distribution's kurtosis.
    fn moments(init: Initializer, variance: f64, kurtosis: f64) {
        let w = draw(init);
        let n = N as f64;
        let mean = w.iter().sum::<f64>() / n;
        let found = w.iter().map(|w| w * w).sum::<f64>() / n;
        assert!(mean.abs() <= 4.0 * (variance / n).sqrt(), "{init}: mean {mean}");
        let tolerance = 4.0 * variance * ((kurtosis - 1.0) / n).sqrt();
        assert!((found - variance).abs() <= tolerance, "{init}: variance {found}, not {variance}");
    }

    fn bounded(init: Initializer, bound: f64) {
        let largest = draw(init).iter().fold(0.0f64, |m, w| m.max(w.abs()));
        // All of N draws fall below (1 − 10⁻³)·b with probability (1 − 10⁻³)^40000 < 10⁻¹⁷.
        assert!(largest <= bound && largest > 0.999 * bound, "{init}: {largest} against {bound}");
        moments(init, bound * bound / 3.0, 1.8);
    }

    #[test]
    fn uniform_bounds_and_moments() {
        bounded(Initializer::default(), 1.0 / 20.0);
        bounded(Initializer::KaimingUniform { a: 0.0 }, (6.0f64 / 400.0).sqrt());
        bounded(Initializer::XavierUniform { gain: 1.0 }, (6.0f64 / 500.0).sqrt());
        bounded(Initializer::Uniform { bound: 0.3 }, 0.3);
    }

    #[test]
    fn normal_moments() {
        moments(Initializer::KaimingNormal { a: 0.0 }, 2.0 / 400.0, 3.0);
        moments(Initializer::XavierNormal { gain: 2.0 }, 4.0 * 2.0 / 500.0, 3.0);
        moments(Initializer::Normal { std: 0.02 }, 0.0004, 3.0);
    }

    #[test]
    fn constants_and_no_fan() {
        let shape = Shape::from([3]);
        assert_eq!(Initializer::Zeros.fill(&shape, 5, 1, 0), [0.0; 3]);
        assert_eq!(Initializer::Ones.fill(&shape, 5, 1, 0), [1.0; 3]);
        assert_eq!(Initializer::Constant { value: 0.1 }.fill(&shape, 5, 1, 0), [0.1; 3]);
        assert_eq!(Initializer::default().fill(&shape, 0, 1, 0), [0.0; 3]);
    }

    #[test]
    fn tensors_and_seeds_differ_and_repeat() {
        let fill = |seed, tensor| Initializer::default().fill(&Shape::from([4]), 4, seed, tensor);
        assert_eq!(fill(1, 0), fill(1, 0));
        assert_ne!(fill(1, 0), fill(1, 1));
        assert_ne!(fill(1, 0), fill(2, 0));
    }

    #[test]
    fn a_convolution_counts_its_receptive_field() {
        assert_eq!(fan_out(&Shape::from([8, 3, 5, 5])), 200);
        assert_eq!(fan_out(&Shape::from([8])), 8);
    }

    #[test]
    fn every_name_parses() {
        for name in Initializer::NAMES {
            assert!(name.parse::<Initializer>().is_ok(), "{name}");
        }
        assert_eq!("he".parse::<Initializer>(), Err(UnknownInitializer { found: "he".into() }));
    }
}
