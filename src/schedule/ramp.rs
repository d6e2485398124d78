//! The way from one number to another.

use std::f64::consts::FRAC_PI_2;

/// How a number goes from one value to another. Written `"linear"` or `"cos"`, as in PyTorch's `OneCycleLR`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ramp {
    /// At constant speed.
    #[default]
    Linear,
    /// Along half a wave: slow at both ends.
    Cos,
}

impl Ramp {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Cos => "cos",
        }
    }

    /// After the part `share` of the way, in `[0, 1]`.
    ///
    /// ```text
    /// linear   from + (to − from)·share
    /// cos      to + (from − to)·cos²(π/2·share)     cos²(x/2) = (1 + cos x)/2, without its cancellation near the end
    /// ```
    pub fn between(self, from: f64, to: f64, share: f64) -> f64 {
        match self {
            _ if share >= 1.0 => to,
            Self::Linear => from + (to - from) * share,
            Self::Cos => to + (from - to) * (FRAC_PI_2 * share).cos().powi(2),
        }
    }
}
