//! Rates at which theory says that a rule works, diverges or can do neither.

use thalweg::optim::{ALL, Adam, Configurable, Convention, DynRule, Momentum, Nesterov, Optimizer, RmsProp, Sgd};

use crate::faulty::{complaint, sound};
use crate::prototype::{STEPS, named};
use crate::run::{GRID, Ground, Run, Verdict, at};
use crate::table::{LEFT_OUT, Row, rows};

/// Every rule has a decade of rates on every bowl, works somewhere on every other shape, and nowhere at all rates.
#[test]
fn every_rule_in_every_convention_has_its_decade() {
    let mut wrong = Vec::new();
    for row in rows() {
        wrong.extend(sound(&row.verdicts).err().map(|why| format!("{}: {why}", row.whose())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let forms: usize = ALL.iter().map(|entry| entry.conventions.len()).sum();
    let left: usize =
        ALL.iter().filter(|e| LEFT_OUT.iter().any(|(name, _)| *name == e.name)).map(|e| e.conventions.len()).sum();
    assert_eq!(rows().len(), forms - left);
    assert!(rows().len() >= 40 && complaint().is_some());
}

/// The distance from the minimum after `steps` on a bowl of curvature 100, from 1.
fn on_a_bowl(rule: &dyn DynRule, rate: f64, steps: usize) -> f64 {
    let mut run = Run::new(rule, rate, &[2.0]);
    for _ in 0..steps {
        let g = 100.0 * (run.parameters[0] - 1.0);
        run.step(&[g]);
    }
    (run.parameters[0] - 1.0).abs()
}

/// `x ← (1 − ηL) x`: each step multiplies the distance by |1 − ηL|, above 1 beyond `η = 2/L`.
#[test]
fn sgd_diverges_beyond_two_over_the_curvature() {
    for &convention in Sgd::CONVENTIONS {
        let rule = Sgd::defaults(convention);
        for share in [0.5_f64, 0.9, 0.99, 0.999, 1.001, 1.01, 1.1] {
            let rate = share * 2.0 / 100.0;
            let factor = (1.0 - 100.0 * rate).abs();
            assert_eq!(factor < 1.0, share < 1.0);
            // Rounding at 1, where the minimum is, is 10⁻¹⁶ of the distance; 50 steps add it up.
            let (found, expected) = (on_a_bowl(&rule, rate, 50), factor.powi(50));
            assert!((found - expected).abs() <= 1e-12 * expected.max(1.0), "{convention} {share}: {found}, {expected}");
        }
    }
}

/// The growth of a distance a step, where it settles.
fn growth(rule: &dyn DynRule, rate: f64) -> f64 {
    (on_a_bowl(rule, rate, 220) / on_a_bowl(rule, rate, 200)).powf(1.0 / 20.0)
}

/// The heavy ball: `λ² − (1 + μ − ηL) λ + μ = 0` has the root −1 at `η = 2(1 + μ)/L`. Nesterov's:
/// `λ² − (1 + μ)(1 − ηL) λ + μ(1 − ηL) = 0`, at `η = (2 + 2μ)/((1 + 2μ) L)`. Beyond, the distance grows by the root.
#[test]
fn momentum_and_nesterov_diverge_beyond_theirs() {
    for &convention in Momentum::CONVENTIONS {
        for mu in [0.5, 0.9] {
            let ball = Momentum { momentum: mu, ..Momentum::defaults(convention) };
            let ahead = Nesterov { momentum: mu, ..Nesterov::defaults(convention) };
            let (limit_of_ball, limit_of_ahead) =
                (2.0 * (1.0 + mu) / 100.0, (2.0 + 2.0 * mu) / (1.0 + 2.0 * mu) / 100.0);
            for (rule, limit, nesterov) in
                [(&ball as &dyn DynRule, limit_of_ball, false), (&ahead as &dyn DynRule, limit_of_ahead, true)]
            {
                let below = on_a_bowl(rule, 0.99 * limit, 1000);
                assert!(below < 1e-6, "{rule:?}: {below} below the limit");
                let rate = 1.01 * limit;
                let rest = 1.0 - 100.0 * rate;
                let (b, c) = if nesterov { ((1.0 + mu) * rest, mu * rest) } else { (mu + rest, mu) };
                let root = (0.5 * (b - (b * b - 4.0 * c).sqrt())).abs();
                let found = growth(rule, rate);
                assert!(root > 1.0 && (found - root).abs() <= 1e-9, "{rule:?}: grows by {found}, the root is {root}");
            }
        }
    }
}

/// Adam's first two moments bound its step by `η (1 − β₁)/√(1 − β₂)` (Kingma and Ba, §2.1), RMSprop's is `η/√(1 − ρ)`,
/// Adagrad's η: on the steepest bowl none of them leaves the numbers at any rate, and no run is farther than it can walk.
#[test]
fn a_normalised_step_has_a_length() {
    let ground = named("h = 100");
    let mut seen = 0;
    for entry in ALL {
        for &convention in entry.conventions {
            let optimizer = (entry.defaults)(convention);
            let length = match &optimizer {
                Optimizer::Adagrad(_) => 1.0,
                Optimizer::RmsProp(rule) if !rule.centered => 1.0 / (1.0 - rule.decay).sqrt(),
                Optimizer::Adam(rule) => (1.0 - rule.beta1) / (1.0 - rule.beta2).sqrt(),
                _ => continue,
            };
            for rate in GRID {
                let rule = at(&optimizer, rate);
                let mut run = Run::new(&*rule, rate, ground.start);
                let mut g = [0.0];
                for t in 0..STEPS {
                    let before = run.parameters[0];
                    (ground.slope)(t, &run.parameters, &mut g);
                    run.step(&g);
                    let step = (run.parameters[0] - before).abs();
                    let longest = rate * length * (1.0 + 1e-9) + 1e-15 * before.abs();
                    assert!(step <= longest, "{} {convention} {rate} step {t}: {step}, at most {longest}", entry.name);
                }
            }
            seen += 1;
        }
    }
    assert!(seen >= 14, "{seen}");
}

/// A slope of ±1 tells a rule nothing of the distance: at a fixed rate SGD ends within η of the kink of |x − 1|, and not
/// nearer than it must.
#[test]
fn a_kink_is_missed_by_the_learning_rate() {
    let abs = named("abs");
    for rate in [1e-2, 3e-2, 0.1, 0.3] {
        let rule = Sgd::default();
        let mut run = Run::new(&rule, rate, abs.start);
        let mut g = [0.0];
        for t in 0..STEPS {
            (abs.slope)(t, &run.parameters, &mut g);
            run.step(&g);
        }
        let here = (run.parameters[0] - 1.0).abs();
        (abs.slope)(0, &run.parameters, &mut g);
        run.step(&g);
        let next = (run.parameters[0] - 1.0).abs();
        assert!(((here + next) - rate).abs() <= 1e-12, "{rate}: {here} and {next} on the two sides");
    }
}

/// In a valley of condition number κ the best rate of SGD, 2/(L + l), shrinks the distance by (κ − 1)/(κ + 1) a step:
/// 0.135 in 1000 steps, and the grid has no rate as near to the limit as that.
#[test]
fn sgd_has_a_sliver_of_rates_in_a_valley() {
    let ground = Ground::new(named("valley"));
    let verdict = |rate| ground.verdict(&Sgd::default(), rate);
    assert_eq!(verdict(0.019), Verdict::There);
    assert_eq!(verdict(0.01), Verdict::Elsewhere);
    assert_eq!(verdict(0.0204), Verdict::Diverged);
    let best = ground.ends(&Sgd::default(), 2.0 / 100.1).expect("it shrinks").farthest / 2.0;
    // The mean of the last hundredth to tenth: between the 900th and the 1000th power, over the two ends of the spectrum.
    let q = 999.0_f64 / 1001.0;
    assert!(best < q.powi(900) && best > q.powi(1000) * 0.5_f64.sqrt(), "{best}");
}

/// What the page says of rules that it names.
#[test]
fn what_the_page_says() {
    let row = |name: &str, convention| {
        rows().iter().find(|row| (row.name, row.convention) == (name, convention)).expect("a rule of the library")
    };
    for &convention in Convention::ALL.iter().filter(|c| Sgd::CONVENTIONS.contains(c)) {
        for name in ["sgd", "momentum", "nesterov"] {
            let row = row(name, convention);
            assert_eq!(row.on("σ = 1"), row.on("σ = 10"), "{name}: the same in other units");
            assert!(row.works("Cauchy").is_empty(), "{name}");
        }
    }
    // A hundredth of the curvature asks SGD for a hundred times the rate, and Adam for nothing.
    let sgd = row("sgd", Convention::PyTorch);
    let adam = row("adam", Convention::PyTorch);
    assert_eq!((sgd.works("h = 1")[0], sgd.works("h = 100")[0]), (3e-3, 3e-5));
    assert_eq!(adam.works("h = 0.01"), adam.works("h = 100"));
    assert_ne!(adam.on("σ = 1"), adam.on("σ = 10"));
    let tenfold: Vec<f64> = adam.works("σ = 1").iter().map(|rate| (rate * 1e4).round() / 1e3).collect();
    assert_eq!(adam.works("σ = 10"), tenfold);
    for row in rows().iter().filter(|row| ["sgd", "adagrad", "adadelta"].contains(&row.name)) {
        assert!(row.works("valley").is_empty(), "{}", row.whose());
    }
    let momentum = row("momentum", Convention::PyTorch).works("valley");
    assert_eq!((momentum[0], momentum[momentum.len() - 1], adam.works("valley")[0]), (3e-3, 3e-2, 0.1));

    // Who survives a rate ten times the bowl, and who remembers for how long.
    let last = |row: &Row, landscape| *row.works(landscape).last().expect("some rate works");
    let short = [row("rmsprop", Convention::Keras), row("rmsprop", Convention::Optax)];
    let long = row("rmsprop", Convention::PyTorch);
    assert!(short.iter().all(|row| last(row, "h = 1") == 0.1));
    assert_eq!((last(long, "h = 1"), last(adam, "h = 1")), (10.0, 10.0));
    for name in ["adam", "amsgrad", "adagrad"] {
        assert!(row(name, Convention::PyTorch).works("softer")[0] >= 0.1, "{name}");
    }
    assert!(short.iter().chain([&long]).all(|row| row.works("softer")[0] <= 1e-2));
    assert_eq!(row("adagrad", Convention::PyTorch).works("drift")[0], 1.0);
    assert!(adam.works("Cauchy").is_empty() && short.iter().all(|row| !row.works("Cauchy").is_empty()));

    let adadelta = row("adadelta", Convention::Keras);
    assert!(adadelta.verdicts.iter().all(|verdicts| verdicts[..9].iter().all(|v| *v != Verdict::There)), "below 0.3");
}

/// The page names the memory of v as the cause: a default with another memory alone does what the page says of it.
#[test]
fn the_memory_is_the_cause() {
    let works = |optimizer: &Optimizer, landscape| {
        let verdicts = Ground::new(named(landscape)).verdicts(&|rate| at(optimizer, rate));
        let there = verdicts.iter().zip(GRID).filter(|(verdict, _)| **verdict == Verdict::There);
        there.map(|(_, rate)| rate).collect::<Vec<_>>()
    };
    let forgetful = Optimizer::from(RmsProp { decay: 0.9, ..RmsProp::default() });
    assert_eq!(works(&forgetful, "h = 1").last(), Some(&0.1));
    let quick = Optimizer::from(Adam { beta2: 0.9, ..Adam::default() });
    let slow = Optimizer::from(Adam::default());
    assert!(!works(&quick, "Cauchy").is_empty() && works(&slow, "Cauchy").is_empty());
    assert!(works(&quick, "softer")[0] <= 1e-2 && works(&slow, "softer")[0] >= 0.1);
}
