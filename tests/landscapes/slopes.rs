//! The landscapes are what they are said to be.

use thalweg::rng::Stream;

use crate::prototype::{Noise, STEPS, groups};
use crate::run::trusted;

/// The slope is the derivative of the value, and the loss is nowhere lower near a minimum than on it.
#[test]
fn slopes_and_minima() {
    let stream = Stream::new(7, 0, 0);
    for prototype in groups().into_iter().flat_map(|group| group.prototypes) {
        let (name, n) = (prototype.name, prototype.start.len());
        let mut seen = 0;
        for draw in 0..200_u32 {
            let t = draw as usize * (STEPS / 200);
            let p: Vec<f64> = (0..n).map(|i| 6.0 * stream.uniform(draw * 4 + i as u32) - 1.0).collect();
            let mut g = vec![f64::NAN; n];
            (prototype.slope)(t, &p, &mut g);
            // A kink or a wall's foot within the interval has no derivative.
            let one_sided = |sign: f64| {
                let differences = (0..n).map(|i| {
                    let mut q = p.clone();
                    q[i] += sign * 1e-6;
                    sign * ((prototype.value)(t, &q) - (prototype.value)(t, &p)) / 1e-6
                });
                differences.collect::<Vec<_>>()
            };
            for ((left, right), g) in one_sided(-1.0).into_iter().zip(one_sided(1.0)).zip(&g) {
                // Curvature at most 100·4 + 75: the one-sided differences are that times 10⁻⁶ apart, but for kinks.
                if (left - right).abs() < 1e-2 {
                    let error = (0.5 * (left + right) - g).abs();
                    assert!(
                        error <= 1e-6 * g.abs().max(10.0),
                        "{name} at {p:?}: slope {g}, differences off by {error:e}"
                    );
                    seen += 1;
                }
            }
        }
        assert!(seen > 190 * n, "{name}: {seen}");

        // Downhill by small steps ends in the neighbourhood that `away` tells.
        let mut p = prototype.start.to_vec();
        let mut g = vec![0.0; n];
        for _ in 0..200_000 {
            (prototype.slope)(STEPS - 1, &p, &mut g);
            p.iter_mut().zip(&g).for_each(|(p, g)| *p -= 1e-3 * g);
        }
        let away = (prototype.away)(STEPS - 1, &p);
        assert!(away <= 0.2 && away < (prototype.away)(0, prototype.start), "{name}: {away} at {p:?}");
        assert!(
            prototype.near < (prototype.away)(0, prototype.start) / 4.0,
            "{name}: it does not begin where it should end"
        );
    }
}

/// The landscapes of the page are those that the paper's authors name, noise and change included.
#[test]
fn every_kind_of_noise_is_there() {
    let found: Vec<Noise> = groups().into_iter().flat_map(|group| group.prototypes).map(|p| p.noise).collect();
    for kind in [Noise::None, Noise::Additive(0.1), Noise::Multiplicative(1.0), Noise::Masked(0.9), Noise::Cauchy(1.0)]
    {
        assert!(found.contains(&kind), "{kind:?}");
    }
}

/// ‖(3, 4)‖ = 5 and ‖(6, 8)‖ = 10: half of u times the rate. After a shrinkage by ½ it is a quarter.
#[test]
fn a_trust_ratio() {
    let moved = |p: [f64; 2], u: [f64; 2], shrink: f64| {
        let mut p = p;
        trusted(&mut p, &u, 0.5, shrink);
        p
    };
    assert_eq!(moved([3.0, 4.0], [6.0, 8.0], 0.0), [1.5, 2.0]);
    assert_eq!(moved([3.0, 4.0], [-6.0, 8.0], 0.5), [2.25, 1.0]);
    assert_eq!(moved([0.0, 0.0], [6.0, 8.0], 0.0), [-3.0, -4.0]);
    assert_eq!(moved([3.0, 4.0], [0.0, 0.0], 0.0), [3.0, 4.0]);
}
