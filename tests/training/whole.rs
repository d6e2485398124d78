//! Rules for whole tensors in engines: gradients that are given, buffers of the member's own times the row's number.

use std::collections::HashMap;

use thalweg::Shape;
use thalweg::check::bounds;
use thalweg::device::{
    Call, Column, Device, Engine, Feed, Part, Precision, ProgramId, Record, Setup, StepGraph, Tensor, Transform, Update,
};
use thalweg::graph::{Context, Graph};
use thalweg::op::rounding::{TINY, gamma};
use thalweg::optim::{ALL, Clip, FROZEN, Hyper, Operands, Optimizer, TensorRule};

use super::bounds::{Near, update as of_element};
use super::case::{self, Case};
use super::common::{noise, optimizer};
use super::fused::{same, within};
use super::given;

/// Two matrices in two groups, a kernel, a frozen matrix and a vector; 64 elements where they move.
fn shapes() -> Vec<Shape> {
    vec![[8, 8].into(), [16, 4].into(), [4, 4, 2, 2].into(), [6, 5].into(), [64].into()]
}

const GROUPS: [usize; 5] = [0, 1, 0, FROZEN, 1];

/// Every rule for whole tensors; Optax's Adafactor as it factors tensors this small too.
pub fn rules() -> Vec<Optimizer> {
    let made = ALL.iter().flat_map(|entry| entry.conventions.iter().map(|&c| (entry.defaults)(c)));
    let mut all: Vec<_> = made.filter(|o| o.rule().tensor_rule().is_some()).collect();
    all.push(optimizer("name = 'adafactor'\nconvention = 'optax'\nmin_dim_size_to_factor = 2"));
    all
}

pub struct Rig {
    engine: Box<dyn Engine>,
    step: ProgramId,
    shapes: Vec<Shape>,
    groups: Vec<usize>,
    optimizer: Optimizer,
    members: usize,
}

impl Rig {
    pub fn new(
        device: &Device,
        optimizer: &Optimizer,
        (shapes, groups): (Vec<Shape>, &[usize]),
        silent: &[usize],
        update: Update,
        members: usize,
    ) -> Self {
        let named = |letter: &'static str| {
            let each = |(i, shape): (usize, &Shape)| Tensor { name: format!("{letter}{i}"), shape: shape.clone() };
            shapes.iter().enumerate().map(each).collect::<Vec<_>>()
        };
        let (tensors, buffers) = (named("w"), named("g"));
        let rule = optimizer.rule().tensor_rule().expect("a rule for whole tensors");
        // As a trainer plans it: what is taken has a group behind the others.
        let behind = groups.iter().filter(|&&g| g != FROZEN).max().expect("a group") + 1;
        let mut own = groups.to_vec();
        let mut bare = Vec::new();
        for t in (0..shapes.len()).filter(|&t| groups[t] != FROZEN && rule.takes(&shapes[t])) {
            own[t] += behind;
            bare.push(t);
        }
        let taken: Vec<_> = bare.iter().map(|&t| (t, own[t])).collect();
        let transform = Some(Transform::new(rule, &tensors, taken).expect("a transformation"));
        let mut g = Graph::new();
        let features = g.input("x", [1, 1]).expect("an input");
        let targets = g.index_input("y", [1]).expect("an input");
        let row = g.reshape(features, Shape::scalar()).expect("a view");
        let (mut gradients, mut first) = (Vec::new(), None);
        for (i, shape) in shapes.iter().enumerate() {
            let w = g.parameter(&format!("w{i}"), shape.clone()).expect("a parameter");
            first = first.or(Some(w));
            let held = g.buffer(&format!("g{i}"), shape.clone()).expect("a buffer");
            let gradient = g.mul(held, row).expect("a product");
            gradients.push((!silent.contains(&i)).then_some(gradient));
        }
        let loss = g.sum_all(first.expect("a tensor")).expect("a sum");
        let updates = vec![None; buffers.len()];
        let step =
            StepGraph { graph: g, features, targets, record: [Some(loss), None, None, None], gradients, updates };
        let setup = Setup {
            tensors,
            buffers,
            groups: own.clone(),
            rule: optimizer.clone().into_rule(),
            update: Update { bare, transform, ..update },
            seeds: (0..members as u64).map(|m| 5 + m).collect(),
        };
        let mut engine = given::engine(device, setup).expect("an engine");
        let rows = vec![1.0; 40];
        let data = engine.add_data(40, Column::F64(&rows), Column::Index(&[0; 40])).expect("data");
        let step = engine.compile(step, data).expect("a step");
        Self { engine, step, shapes, groups: own, optimizer: optimizer.clone(), members }
    }

    fn of(device: &Device, optimizer: &Optimizer, update: Update, members: usize) -> Self {
        Self::new(device, optimizer, (shapes(), &GROUPS), &[], update, members)
    }

    fn taken(&self, t: usize) -> bool {
        self.rule().takes(&self.shapes[t])
    }

    fn rule(&self) -> &dyn TensorRule {
        self.optimizer.rule().tensor_rule().expect("a rule for whole tensors")
    }

    /// Numbers for tensors, of a size of their own.
    pub fn noise(&self, salt: usize) -> Vec<Vec<f64>> {
        let each = |(t, shape): (usize, &Shape)| noise(shape.elements(), (32 * salt + t) as u32);
        self.shapes.iter().enumerate().map(each).collect()
    }

    fn rate(&self, member: usize, group: usize) -> f64 {
        self.optimizer.rule().learning_rate() * (1.0 + member as f64) / (1.0 + group as f64)
    }

    /// Numbers of the step, as a trainer gives them.
    fn hyper(&self, step: u64, rate: impl Fn(usize, usize) -> f64) -> Vec<Hyper> {
        let last = self.groups.iter().filter(|&&g| g != FROZEN).max().expect("a group");
        let count = last + 1;
        let whole = |g: usize| (0..self.shapes.len()).any(|t| self.groups[t] == g && self.taken(t));
        let mut all = Vec::new();
        for m in 0..self.members {
            for g in 0..count {
                all.push(if whole(g) {
                    let mut hyper = self.rule().hyper(step, rate(m, g));
                    hyper[2..].iter_mut().zip(self.rule().numbers(step, rate(m, g))).for_each(|(h, x)| *h = x);
                    hyper
                } else {
                    self.optimizer.rule().hyper(step, rate(m, g))
                });
            }
        }
        all
    }

    pub fn call(&self, step: u64) -> Call {
        Call::new(self.step, self.hyper(step, |m, g| self.rate(m, g)))
    }

    pub fn go(&mut self, step: u32, calls: &[Call]) -> Vec<Record> {
        self.engine.submit(step, step, calls).expect("steps");
        self.engine.collect().expect("records")
    }

    pub fn begin(&mut self, salt: usize) {
        for m in 0..self.members {
            let start = self.noise(salt + m);
            self.engine.set_parameters(m, &start).expect("parameters");
        }
    }

    pub fn give(&mut self, gradients: impl Fn(usize) -> Vec<Vec<f64>>) {
        for m in 0..self.members {
            self.engine.set_buffers(m, &gradients(m)).expect("gradients");
        }
    }

    /// All that a member holds.
    pub fn all(&mut self, m: usize) -> Vec<Vec<f64>> {
        let mut all = self.engine.parameters(m).expect("parameters");
        all.extend(self.engine.states(m).expect("states").into_iter().flatten());
        all.extend(self.engine.tensor_states(m).expect("states"));
        all
    }
}

/// Four steps of three members with rates of their own, each from what the device held before it: within the bounds of the graph's
/// ops and of the update's few roundings.
pub fn directions_are_the_graphs(device: &Device) {
    // Of Muon's worst case five iterations leave little to say; one is sharp, and five are that graph over and over, held to the
    // golden trajectories.
    let once = ["keras", "optax", "pytorch"];
    let once = once.map(|c| optimizer(&format!("name = 'muon'\nconvention = '{c}'\nns_steps = 1")));
    for optimizer in rules().into_iter().chain(once) {
        let what = optimizer.to_table().to_string();
        let iterated = optimizer.to_table().get("ns_steps").is_some_and(|n| n.as_float() > Some(1.0));
        let mut rig = Rig::of(device, &optimizer, Update::default(), 3);
        rig.begin(1);
        let (mut sharp, mut all) = (0, 0);
        for step in 1..=4 {
            let gradients: Vec<_> = (0..3).map(|m| rig.noise(10 * step + m)).collect();
            rig.give(|m| gradients[m].clone());
            let before: Vec<_> = (0..3)
                .map(|m| {
                    let parameters = rig.engine.parameters(m).expect("parameters");
                    (parameters, rig.engine.states(m).expect("states"), rig.engine.tensor_states(m).expect("states"))
                })
                .collect();
            let call = rig.call(step as u64);
            let count = call.hyper.len() / 3;
            rig.go(step as u32 - 1, std::slice::from_ref(&call));
            for m in 0..3 {
                let (parameters, states, kept) = &before[m];
                let (found, now) = (rig.engine.parameters(m).expect("p"), rig.engine.tensor_states(m).expect("states"));
                let mut place = 0;
                for t in 0..rig.shapes.len() {
                    if rig.groups[t] == FROZEN {
                        same("frozen", &found[t..=t], &parameters[t..=t]);
                        continue;
                    }
                    let h = &call.hyper[m * count + rig.groups[t]];
                    let name = format!("{what}, step {step}, member {m}, tensor {t}");
                    if !rig.taken(t) {
                        for (i, &x) in found[t].iter().enumerate() {
                            let mut s = [Near::ZERO; 3];
                            s.iter_mut().zip(states).for_each(|(s, state)| *s = Near::exact(state[t][i]));
                            let (g, p) = (Near::exact(gradients[m][t][i]), Near::exact(parameters[t][i]));
                            within(device, &format!("{name}, element {i}"), x, of_element(&optimizer, h, g, p, s).0);
                        }
                        continue;
                    }
                    let mut graph = Graph::new();
                    let operands = Operands::sources(&mut graph, rig.rule(), &rig.shapes[t]).expect("operands");
                    let made = rig.rule().transform(&mut graph, &operands).expect("a graph");
                    let own = &kept[place..][..made.states.len()];
                    let mut feeds = HashMap::from([
                        (operands.gradient, Feed::Real(gradients[m][t].clone())),
                        (operands.parameter, Feed::Real(parameters[t].clone())),
                    ]);
                    feeds.extend(operands.states.iter().copied().zip(own.iter().cloned().map(Feed::Real)));
                    feeds.extend(operands.numbers.iter().zip(&h[2..]).map(|(&id, &x)| (id, Feed::Real(vec![x]))));
                    let wanted = [vec![made.direction], made.states.clone()].concat();
                    let expected = bounds(&graph, &feeds, &wanted, &Context::default()).expect("bounds");
                    for (i, &x) in found[t].iter().enumerate() {
                        let u = Near { value: expected[0].value[i], error: expected[0].error[i] };
                        let (p, h0, h1) = (Near::exact(parameters[t][i]), Near::rounded(h[0]), Near::rounded(h[1]));
                        let next = p - h1 * p - h0 * u;
                        within(device, &format!("{name}, element {i}"), x, next);
                        all += 1;
                        sharp += usize::from(next.error <= 0.1 * (next.value - p.value).abs());
                    }
                    for (s, expected) in expected[1..].iter().enumerate() {
                        for (i, &x) in now[place + s].iter().enumerate() {
                            let near = Near { value: expected.value[i], error: expected.error[i] };
                            within(device, &format!("{name}, state {s}, element {i}"), x, near);
                        }
                    }
                    place += made.states.len();
                }
                assert_eq!(place, now.len());
            }
        }
        assert!(iterated || sharp * 2 >= all, "{what}: only {sharp} of {all} bounds say something");
    }
}

/// What is cut to a bound or by a power of two becomes the same as such gradients, bit for bit; telemetry tells of the gradients
/// before that, and of what the parameters were changed by.
pub fn clipping_goes_before_directions(device: &Device) {
    // Four tensors of 64 elements of 1/8, signs as they fall: norms of 1, and of 2 in all.
    let eighths = |rig: &Rig, salt: usize| -> Vec<Vec<f64>> {
        let signed = |t: Vec<f64>| t.into_iter().map(|x| 0.125f64.copysign(x)).collect();
        rig.noise(salt).into_iter().map(signed).collect()
    };
    type Given<'a> = &'a dyn Fn(&Rig, usize) -> Vec<Vec<f64>>;
    let cases: [(Clip, f64, Given); 3] = [
        (Clip::Value(0.25), 1.0, &|rig, salt| rig.noise(salt)),
        (Clip::Norm { maximum: 0.5, epsilon: 0.0 }, 0.25, &eighths),
        (Clip::TensorNorm { maximum: 0.5, epsilon: 0.0 }, 0.5, &eighths),
    ];
    for optimizer in rules() {
        for (clip, factor, given) in cases {
            let what = format!("{} {clip:?}", optimizer.to_table());
            let update = Update { clip: Some(clip), telemetry: true, ..Update::default() };
            let mut cut = Rig::of(device, &optimizer, update, 2);
            let mut by_hand = Rig::of(device, &optimizer, Update::default(), 2);
            let by = |x: f64| match clip {
                Clip::Value(bound) => x.clamp(-bound, bound),
                _ => factor * x,
            };
            cut.begin(1);
            by_hand.begin(1);
            for step in 1..=3_u32 {
                let gradients: Vec<_> = (0..2).map(|m| given(&cut, 10 * step as usize + m)).collect();
                let scaled: Vec<_> = gradients.iter().map(|g| super::fused::mapped(g, by)).collect();
                cut.give(|m| gradients[m].clone());
                by_hand.give(|m| scaled[m].clone());
                let before: Vec<_> = (0..2).map(|m| cut.engine.parameters(m).expect("parameters")).collect();
                let call = cut.call(step.into());
                let told = cut.go(step - 1, &[Call { telemetry: true, ..call.clone() }]);
                let hand = Call { program: by_hand.step, ..call };
                by_hand.go(step - 1, &[hand]);
                for m in 0..2 {
                    same(&format!("{what}, step {step}, member {m}"), &cut.all(m), &by_hand.all(m));
                    assert_eq!(cut.engine.first_non_finite(m).expect("flags"), None);
                    let after = cut.engine.parameters(m).expect("parameters");
                    for (t, told) in told[0].telemetry[m].iter().enumerate() {
                        if GROUPS[t] == FROZEN {
                            continue;
                        }
                        let norm = |xs: &mut dyn Iterator<Item = f64>| xs.map(|x| x * x).sum::<f64>().sqrt();
                        let moved = norm(&mut after[t].iter().zip(&before[m][t]).map(|(a, b)| a - b));
                        let largest = gradients[m][t].iter().fold(0.0_f64, |a, g| a.max(g.abs()));
                        for (name, found, wanted) in [
                            ("gradients", told.gradients, norm(&mut gradients[m][t].iter().copied())),
                            ("update", told.update, moved),
                            ("parameters", told.parameters, norm(&mut before[m][t].iter().copied())),
                            ("largest", told.largest_gradient, largest),
                        ] {
                            // A square, 64 additions and a root.
                            let allowed = gamma(68) * wanted + 64.0 * TINY;
                            let error = (found - wanted).abs();
                            assert!(error <= allowed, "{what}, tensor {t}: {name} {found}, expected {wanted}");
                        }
                        assert!(told.update > 0.0 && told.non_finite == 0);
                    }
                }
            }
        }
    }
}

/// Parts of one gradient make the step of the whole; a tensor without a gradient takes that of 0, step after step; and a member
/// that stands keeps every bit, what is kept for whole tensors included.
pub fn parts_silence_and_standing(device: &Device) {
    for optimizer in rules() {
        let what = optimizer.to_table().to_string();
        let update = Update { accumulate: true, average: true, ..Update::default() };
        let silent = [1, 4];
        let mut rig = Rig::new(device, &optimizer, (shapes(), &GROUPS), &silent, update, 3);
        let mut other = Rig::of(device, &optimizer, Update { average: true, ..Update::default() }, 3);
        rig.begin(1);
        other.begin(1);
        // As of a run that had gradients before: a momentum makes a direction of none.
        for m in 0..3 {
            let lens = rig.engine.tensor_states(m).expect("states").into_iter().map(|state| state.len());
            let kept: Vec<_> = lens.map(|n| noise(n, 900).into_iter().map(f64::abs).collect()).collect();
            for rig in [&mut rig, &mut other] {
                rig.engine.set_tensor_states(m, &kept).expect("states");
            }
        }
        for step in 1..=4_u32 {
            // Multiples of 1/16, whose halves and quarters add up to them.
            let coarse = |rig: &Rig, m: usize| {
                super::fused::mapped(&rig.noise(10 * step as usize + m), |x| (16.0 * x).round() / 16.0)
            };
            let gradients: Vec<_> = (0..3).map(|m| coarse(&rig, m)).collect();
            rig.give(|m| gradients[m].clone());
            other.give(|m| {
                let mut own = gradients[m].clone();
                silent.iter().for_each(|&t| own[t].fill(0.0));
                own
            });
            let active = if step == 3 { vec![true, false, true] } else { Vec::new() };
            let standing = (rig.all(1), rig.engine.averages(1).expect("averages"));
            let call = Call { active: active.clone(), average: 0.25, ..rig.call(step.into()) };
            let part = |part, share, hyper: &[Hyper]| Call { part, share, hyper: hyper.to_vec(), ..call.clone() };
            let parts = [part(Part::First, 0.25, &[]), part(Part::Next, 0.25, &[]), part(Part::Last, 0.5, &call.hyper)];
            rig.engine.submit(step - 1, 3 * (step - 1), &parts).expect("steps");
            rig.engine.collect().expect("records");
            other.go(step - 1, &[Call { program: other.step, ..call }]);
            for m in 0..3 {
                same(&format!("{what}, step {step}, member {m}"), &rig.all(m), &other.all(m));
                let averages = rig.engine.averages(m).expect("averages");
                same(&what, &averages, &other.engine.averages(m).expect("averages"));
            }
            if step == 3 {
                same(&format!("{what}, standing"), &rig.all(1), &standing.0);
                same(&format!("{what}, standing"), &rig.engine.averages(1).expect("averages"), &standing.1);
            }
        }
    }
}

/// A gradient that is no number is the gradient's fault, clipped or not, and no other member's.
pub fn a_bad_gradient_is_named(device: &Device) {
    for optimizer in rules() {
        for clip in [None, Some(Clip::Value(0.25)), Some(Clip::TensorNorm { maximum: 0.5, epsilon: 0.0 })] {
            let mut rig = Rig::of(device, &optimizer, Update { clip, ..Update::default() }, 2);
            rig.begin(1);
            let mut bad = rig.noise(11);
            bad[1][5] = f64::INFINITY;
            let good = rig.noise(10);
            rig.give(|m| if m == 1 { bad.clone() } else { good.clone() });
            let call = rig.call(1);
            rig.go(6, &[call]);
            assert_eq!(rig.engine.first_non_finite(0).expect("flags"), None);
            let flag = rig.engine.first_non_finite(1).expect("flags").expect("a tensor");
            assert_eq!((flag.tensor.as_str(), flag.what, flag.step), ("w1", "gradient", 7), "{clip:?}");
        }
    }
}

/// Rows and columns of zeros beside large gradients: steps are numbers, and where nothing was asked for and nothing decays nothing
/// moves.
pub fn dead_rows_and_columns_stay_numbers(device: &Device) {
    for optimizer in rules() {
        for size in [1e-6, 1.0, 1e6] {
            let what = format!("{} {size}", optimizer.to_table());
            let mut rig = Rig::of(device, &optimizer, Update::default(), 1);
            rig.begin(1);
            for step in 1..=6_u32 {
                let mut gradients = super::fused::mapped(&rig.noise(10 + step as usize), |x| size * x);
                for (g, shape) in gradients.iter_mut().zip(&rig.shapes) {
                    let [rows, columns] = [shape[0], shape.elements() / shape[0]];
                    (0..columns).for_each(|c| g[c] = 0.0);
                    (0..rows).for_each(|r| g[r * columns] = 0.0);
                }
                rig.give(|_| gradients.clone());
                let call = rig.call(step.into());
                rig.go(step - 1, &[call]);
                assert_eq!(rig.engine.first_non_finite(0).expect("flags"), None, "{what}, step {step}");
            }
            assert!(rig.all(0).iter().flatten().all(|x| x.is_finite()), "{what}");
            let start = rig.noise(1);
            let end = rig.engine.parameters(0).expect("parameters");
            assert!(end[0].iter().zip(&start[0]).filter(|(a, b)| a != b).count() >= 32, "{what}: what lives moves");
            if optimizer.rule().name() == "adafactor" {
                same(&format!("{what}, a dead row"), &[end[0][..8].to_vec()], &[start[0][..8].to_vec()]);
            }
        }
    }
}

/// Each golden trajectory of a tensor, beside a vector that the element's rule has.
fn replayed(device: &Device, case: &Case) -> thalweg::Result<(Vec<f64>, Vec<Vec<f64>>)> {
    let optimizer = case.optimizer();
    let mut rig = Rig::new(device, &optimizer, (vec![case.shape(), [3].into()], &[0, 0]), &[], Update::default(), 1);
    rig.engine.set_parameters(0, &[case.start.clone(), vec![1.0; 3]])?;
    for (t, (gradients, &rate)) in (0_u32..).zip(case.gradients.iter().zip(&case.rates)) {
        rig.engine.set_buffers(0, &[gradients.clone(), vec![0.5; 3]])?;
        let call = Call::new(rig.step, rig.hyper(u64::from(t) + 1, |_, _| rate));
        rig.go(t, &[call]);
    }
    Ok((rig.engine.parameters(0)?.swap_remove(0), rig.engine.tensor_states(0)?))
}

/// To 1e-9 in f64, as the elements' rules are.
pub fn golden_tensors_in_f64() {
    let mut seen = 0;
    for case in ALL.iter().flat_map(|entry| case::of(entry.name)).filter(Case::transformed) {
        let (found, states) = replayed(&Device::Cpu(Precision::F64), &case).expect("the engine trains");
        let optimizer = case.optimizer();
        let names = optimizer.rule().tensor_rule().expect("a rule").states(&case.shape());
        let pairs = names.iter().zip(&states).filter_map(|((name, _), state)| Some((state, case.states.get(*name)?)));
        for (found, golden) in pairs.chain([(&found, case.parameters.last().expect("24 steps"))]) {
            assert_eq!(found.len(), golden.len());
            for (x, y) in found.iter().zip(golden) {
                assert!((x - y).abs() <= 1e-9 * y.abs().max(1.0), "{:?}: {x}, golden {y}", case.table());
            }
        }
        seen += 1;
    }
    assert!(seen >= 40, "{seen}");
}
