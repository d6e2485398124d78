//! A number of each member of a population: listed, or drawn.

use crate::rng::{Stream, stream};

/// A number that each member of a population has of its own.
///
/// Draws are functions of the run's seed, the number's name and the member: a member keeps its number when others are added, or
/// when another number is drawn too.
///
/// ```
/// use thalweg::train::Spread;
///
/// let rates = Spread::LogUniform([1e-4, 1e-1]);
/// let drawn: Vec<f64> = (0..4).map(|member| rates.of(1, "learning_rate", member)).collect();
/// assert!(drawn.iter().all(|rate| (1e-4..=1e-1).contains(rate)));
/// assert_eq!(drawn[2], rates.of(1, "learning_rate", 2));
/// assert_ne!(drawn[2], rates.of(1, "l2", 2));
/// assert_eq!(Spread::Each(vec![0.5, 0.9]).of(1, "momentum", 1), 0.9);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Spread {
    /// One number a member, in order.
    Each(Vec<f64>),
    /// Drawn evenly from an interval, `a + u (b − a)`.
    Uniform([f64; 2]),
    /// Drawn from an interval of positive numbers so that all orders of magnitude are as likely, `a (b/a)ᵘ`: for learning rates and
    /// penalties.
    LogUniform([f64; 2]),
    /// One of several numbers, each as likely.
    Choice(Vec<f64>),
}

impl Spread {
    /// The names of the distributions in the TOML form.
    pub const NAMES: [&'static str; 3] = ["uniform", "log_uniform", "choice"];

    /// The number called `name` of a member, in a run of `seed`. Drawn numbers lie within their bounds, whatever rounding does;
    /// past the end of a list there is only NaN.
    pub fn of(&self, seed: u64, name: &str, member: usize) -> f64 {
        // FNV-1a: which stream a name has must never change.
        let hash = name.bytes().fold(0x811c_9dc5_u32, |h, byte| (h ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        let u = || Stream::new(seed, hash, stream::POPULATION).uniform(member as u32);
        match self {
            Self::Each(list) => list.get(member).copied().unwrap_or(f64::NAN),
            Self::Uniform([a, b]) => (a + u() * (b - a)).clamp(*a, *b),
            Self::LogUniform([a, b]) => (a * (b / a).powf(u())).clamp(*a, *b),
            Self::Choice(list) => list[((u() * list.len() as f64) as usize).min(list.len() - 1)],
        }
    }

    /// The numbers between which all lie: a list, or the ends of an interval.
    pub(super) fn ends(&self) -> &[f64] {
        match self {
            Self::Each(list) | Self::Choice(list) => list,
            Self::Uniform(ends) | Self::LogUniform(ends) => ends,
        }
    }

    /// What makes the draws impossible, in words; nothing where they are not.
    pub(super) fn wrong(&self) -> Option<&'static str> {
        let ordered = |[a, b]: &[f64; 2]| a <= b && a.is_finite() && b.is_finite() && (b - a).is_finite();
        match self {
            Self::Each(list) if list.is_empty() => Some("a number for each member"),
            Self::Choice(list) if list.is_empty() => Some("at least one number to choose"),
            Self::Uniform(ends) if !ordered(ends) => Some("two finite numbers, the smaller first"),
            Self::LogUniform(ends) if !(ordered(ends) && ends[0] > 0.0 && (ends[1] / ends[0]).is_finite()) => {
                Some("two positive finite numbers, the smaller first")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: usize = 10_000;

    /// The share of draws that `holds`, within four standard deviations of ½.
    fn half(spread: &Spread, holds: impl Fn(f64) -> bool) {
        let share = (0..DRAWS).filter(|&m| holds(spread.of(7, "x", m))).count() as f64 / DRAWS as f64;
        assert!((share - 0.5).abs() <= 4.0 * 0.5 / (DRAWS as f64).sqrt(), "{share}");
    }

    #[test]
    fn half_of_the_draws_lie_below_the_middle() {
        half(&Spread::Uniform([-3.0, 5.0]), |x| x < 1.0);
        // The middle in the logarithm.
        half(&Spread::LogUniform([1e-5, 1e-1]), |x| x < 1e-3);
        half(&Spread::Choice(vec![0.0, 1.0, 2.0, 3.0]), |x| x < 2.0);
    }

    #[test]
    fn draws_stay_within_their_ends() {
        let narrow = f64::from_bits(1.0f64.to_bits() + 1);
        for ends in [[1.0, 1.0], [1.0, narrow], [1e-300, 1e300], [5e-324, 1e-323]] {
            for m in 0..100 {
                for spread in [Spread::Uniform(ends), Spread::LogUniform(ends)] {
                    assert!((ends[0]..=ends[1]).contains(&spread.of(1, "x", m)), "{spread:?}");
                }
            }
        }
        assert!((0..100).all(|m| [2.0, 4.0].contains(&Spread::Choice(vec![2.0, 4.0]).of(1, "x", m))));
        assert!(Spread::Each(vec![1.0]).of(1, "x", 1).is_nan());
    }

    #[test]
    fn what_cannot_be_drawn_is_said() {
        let wrong = [
            Spread::Each(vec![]),
            Spread::Choice(vec![]),
            Spread::Uniform([1.0, 0.0]),
            Spread::Uniform([f64::NAN, 1.0]),
            Spread::Uniform([-1e308, 1e308]),
            Spread::LogUniform([0.0, 1.0]),
            Spread::LogUniform([-1.0, 1.0]),
            Spread::LogUniform([1e-300, 1e300]),
        ];
        assert!(wrong.iter().all(|spread| spread.wrong().is_some()));
        assert_eq!(Spread::LogUniform([1e-9, 1.0]).wrong(), None);
    }
}
