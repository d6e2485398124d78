//! The fused update on a GPU against its formula, with gradients that are given.

use thalweg::device::Device;
use thalweg::device::gpu::{Gpu, Options};
use thalweg::optim::Optimizer;
use thalweg::rng::Stream;

use super::bounds::{Near, update};
use super::common::noise;
use super::given::{WIDTH, call, ready};
use super::{case, golden};
use crate::support;

const STEPS: u32 = 20;

/// Parameters that f32 holds, each member its own.
fn start(member: usize) -> Vec<Vec<f64>> {
    [3000, 1500, 1000, 600, 1].iter().enumerate().map(|(i, &n)| noise(n, (100 * member + i) as u32 + 50)).collect()
}

/// The gradients of that step, in f64.
fn gradients(row: &[f64]) -> Vec<Vec<f64>> {
    let most = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::NEG_INFINITY, f64::max);
    let columns = |n: usize| (0..n).map(|j| most(&mut row.iter().skip(j).step_by(n).copied())).collect::<Vec<_>>();
    let rows = row.chunks(5).map(|part| most(&mut part.iter().copied())).collect();
    vec![row.to_vec(), columns(1500), columns(1000), rows, vec![most(&mut row.iter().copied())]]
}

/// Rows with many sizes of numbers, and zeros.
fn rows() -> Vec<f64> {
    let scale = Stream::new(3, 0, 0);
    let sized = |(i, x): (usize, f64)| f64::from((x * 10f64.powi((scale.word(i as u32) % 7) as i32 - 4)) as f32);
    let mut all: Vec<f64> = noise(STEPS as usize * WIDTH, 77).into_iter().enumerate().map(sized).collect();
    all.iter_mut().step_by(37).for_each(|x| *x = 0.0);
    all
}

pub fn options() -> [(&'static str, Options); 3] {
    [
        ("whole", Options::default()),
        // The control words of three members fit; the 6272 elements of a member's flat buffers need two windows.
        ("windows", Options { max_elements: Some(4736), checked: true, ..Options::default() }),
        ("folded", Options { max_groups: Some(1), ..Options::default() }),
    ]
}

/// Parameters and states of `member` after all steps, at the rates of a population of three from that member on.
fn trained(
    gpu: &Gpu,
    optimizer: &Optimizer,
    members: std::ops::Range<usize>,
) -> thalweg::Result<Vec<Vec<Vec<Vec<f64>>>>> {
    let count = members.len();
    let (mut engine, _, program) = ready(&Device::Gpu(gpu.clone()), optimizer, count, &rows())?;
    for (place, member) in members.clone().enumerate() {
        engine.set_parameters(place, &start(member))?;
    }
    let calls: Vec<_> = (0..STEPS)
        .map(|t| {
            let all = call(program, optimizer.rule(), t, members.end);
            let hyper = all.hyper[2 * members.start..].to_vec();
            thalweg::device::Call::new(program, hyper)
        })
        .collect();
    // Two submissions, so that the control words move on between them.
    engine.submit(0, 0, &calls[..7])?;
    engine.submit(7, 7, &calls[7..])?;
    engine.collect()?;
    engine.collect()?;
    let all = (0..count).map(|m| {
        let mut found = vec![engine.parameters(m)?];
        found.extend(engine.states(m)?);
        Ok(found)
    });
    all.collect()
}

/// 20 steps over five ragged tensors in two groups, against the formula with its errors carried from step to step.
pub fn follows_the_formula(gpu: &Gpu, optimizer: &Optimizer) -> thalweg::Result<()> {
    let found = trained(gpu, optimizer, 0..1)?.remove(0);
    let (rule, groups) = (optimizer.rule(), [0, 1, 0, 1, 0]);
    let given: Vec<_> = rows().chunks(WIDTH).map(gradients).collect();
    let states = rule.states().len();
    let (mut tight, mut elements) = (0, 0);
    for (tensor, values) in start(0).into_iter().enumerate() {
        for (i, p) in values.into_iter().enumerate() {
            let mut near = Near::exact(p);
            let initial = |s: usize| if s < states { rule.initial_state(s) } else { 0.0 };
            let mut state = [0, 1, 2].map(|s| Near::rounded(initial(s)));
            let (mut exact, mut exact_state) = ([p], [0, 1, 2].map(|s| [initial(s)]));
            for t in 0..STEPS {
                let hyper = call_hyper(optimizer, t)[groups[tensor]];
                let g = given[t as usize][tensor][i];
                (near, state) = update(optimizer, &hyper, Near::exact(g), near, state);
                let mut views: Vec<&mut [f64]> = exact_state.iter_mut().take(states).map(|s| &mut s[..]).collect();
                rule.update_f64(&hyper, &[g], &mut exact, &mut views);
            }
            // The formula as written in the tests is the rule's: f64 rounds 2⁻²⁹ as coarsely as the bounds allow.
            let twin = (near.value - exact[0]).abs();
            assert!(
                twin <= 1e-7 * near.error.max(f64::EPSILON * p.abs()) + 1e-13,
                "{optimizer:?}: twin is {twin:e} off"
            );
            let named = [near].into_iter().chain(state.into_iter().take(states)).zip(&found);
            for (what, (near, found)) in named.enumerate() {
                let error = (found[tensor][i] - near.value).abs();
                assert!(
                    error <= near.error,
                    "{optimizer:?}: tensor {tensor}, element {i}, value {what}: {} is {error:e} from {}, allowed {:e}",
                    found[tensor][i],
                    near.value,
                    near.error
                );
            }
            elements += 1;
            tight += usize::from(near.error <= 1e-4 * (near.value - p).abs() + 1e-5 * p.abs());
        }
    }
    assert!(tight * 10 >= elements * 9, "{optimizer:?}: only {tight} of {elements} bounds say something");
    Ok(())
}

/// 20 steps of a rule with a trust ratio, each from where the GPU itself stood.
pub fn follows_the_ratio(gpu: &Gpu, optimizer: &Optimizer) -> thalweg::Result<()> {
    let (rule, groups) = (optimizer.rule(), [0, 1, 0, 1, 0]);
    let (mut engine, _, program) = ready(&Device::Gpu(gpu.clone()), optimizer, 1, &rows())?;
    engine.set_parameters(0, &start(0))?;
    let (mut sharp, mut all) = (0, 0);
    for (t, row) in rows().chunks(WIDTH).enumerate() {
        let (before, states) = (engine.parameters(0)?, engine.states(0)?);
        engine.submit(t as u32, t as u32, &[call(program, rule, t as u32, 1)])?;
        engine.collect()?;
        let (after, next) = (engine.parameters(0)?, engine.states(0)?);
        for (tensor, gradient) in gradients(row).into_iter().enumerate() {
            let hyper = call_hyper(optimizer, t as u32)[groups[tensor]];
            let (rate, shrink) = (Near::rounded(hyper[10]), Near::rounded(hyper[11]));
            let old: Vec<Near> = before[tensor].iter().map(|&p| Near::exact(p)).collect();
            let mut directions = Vec::with_capacity(old.len());
            for (i, &p) in old.iter().enumerate() {
                let mut state = [Near::ZERO; 3];
                states.iter().zip(&mut state).for_each(|(from, to)| *to = Near::exact(from[tensor][i]));
                let (u, state) = update(optimizer, &hyper, Near::exact(gradient[i]), p, state);
                for (near, found) in state.into_iter().zip(&next) {
                    within(optimizer, (t, tensor, i, "state"), found[tensor][i], near);
                }
                directions.push(u);
            }
            let shrunk: Vec<Near> = old.iter().map(|&p| p - shrink * p).collect();
            let (w, u) = (norm(&shrunk), norm(&directions));
            let ratio = if w.value > 0.0 && u.value > 0.0 { w / u } else { Near::exact(1.0) };
            for (i, (&p, &u)) in shrunk.iter().zip(&directions).enumerate() {
                let near = p - rate * ratio * u;
                within(optimizer, (t, tensor, i, "parameter"), after[tensor][i], near);
                all += 1;
                sharp += usize::from(near.error <= 0.1 * (near.value - old[i].value).abs());
            }
        }
    }
    assert!(sharp * 10 >= all * 8, "{optimizer:?}: only {sharp} of {all} bounds say something");
    Ok(())
}

/// √Σx², added up in a tree of blocks: no term passes through more than 64 sums.
fn norm(values: &[Near]) -> Near {
    let squares: Vec<Near> = values.iter().map(|&x| x * x).collect();
    let (sum, carried) = squares.iter().fold((0.0, 0.0), |(sum, error), x| (sum + x.value, error + x.error));
    let total = Near { value: sum, error: carried + thalweg::op::rounding::gamma(64) * (sum + carried) };
    thalweg::Number::sqrt(total)
}

fn within(optimizer: &Optimizer, what: (usize, usize, usize, &str), found: f64, near: Near) {
    let error = (found - near.value).abs();
    let (t, tensor, i, what) = what;
    assert!(
        error <= near.error,
        "{optimizer:?}: step {t}, tensor {tensor}, element {i}, {what}: {found} is {error:e} from {}, allowed {:e}",
        near.value,
        near.error
    );
}

fn call_hyper(optimizer: &Optimizer, t: u32) -> [thalweg::optim::Hyper; 2] {
    let rule = optimizer.rule();
    [0, 1].map(|g| rule.hyper(u64::from(t) + 1, rule.learning_rate() / (1.0 + f64::from(g))))
}

/// The golden trajectories whose rates fall, within what f32 allows from step to step.
pub fn follows_the_libraries(gpu: &Gpu, rule: &str) -> thalweg::Result<()> {
    let cases = case::of(rule).into_iter().filter(|case| case.rates[0] != case.rates[23] && !case.transformed());
    for case in cases {
        let (optimizer, count) = (case.optimizer(), case.start.len());
        let rule = optimizer.rule();
        if rule.trust_ratio() {
            continue; // as `follows_the_ratio`
        }
        let found = golden::trained(&Device::Gpu(gpu.clone()), &case)?;
        let expected = golden::expected(&case);
        for i in 0..count {
            let mut near = Near::rounded(case.start[i]);
            let initial = |s: usize| if s < rule.states().len() { rule.initial_state(s) } else { 0.0 };
            let mut state = [0, 1, 2].map(|s| Near::rounded(initial(s)));
            for (t, (&rate, gradients)) in (1..).zip(case.rates.iter().zip(&case.gradients)) {
                let g = Near::rounded(gradients[i]);
                (near, state) = update(&optimizer, &rule.hyper(t, rate), g, near, state);
            }
            let moved = (near.value - case.start[i]).abs();
            // A small step is lost in the roundings of p itself: two a step, 48 · 2⁻²⁴.
            let unavoidable = 3e-6 * case.start[i].abs();
            assert!(near.error <= 1e-3 * moved + 1e-6 + unavoidable, "{:?}: {near:?} says nothing", case.table());
            for (what, near) in [near].into_iter().chain(state).take(found.len()).enumerate() {
                let (found, golden) = (found[what][i], expected[what][i]);
                let (error, allowed) = ((found - golden).abs(), near.error + 1e-12 * golden.abs().max(1.0));
                assert!(
                    error <= allowed,
                    "{:?}: element {i}, value {what}: {found}, golden {golden}, {error:e} off, allowed {allowed:e}",
                    case.table()
                );
            }
        }
    }
    Ok(())
}

/// Three members together are three alone; windows and folds are one launch: all to the last bit.
pub fn members_windows_and_folds_change_no_bit(optimizer: &Optimizer) -> thalweg::Result<()> {
    let gpus = options().map(|(_, options)| support::open(options).expect("the adapter opened before"));
    let together = trained(&gpus[0], optimizer, 0..3)?;
    assert_ne!(together[0], together[1]);
    for (member, own) in together.iter().enumerate() {
        assert_eq!(trained(&gpus[0], optimizer, member..member + 1)?[0], *own, "member {member}");
    }
    for (gpu, (name, _)) in gpus.iter().zip(options()).skip(1) {
        // Where three members do not fit one binding each has its own launches.
        assert_eq!(trained(gpu, optimizer, 0..3)?, together, "{name}");
    }
    Ok(())
}
