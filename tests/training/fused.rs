//! What an update does beside its rule, with gradients that are given: those of a member are buffers of its own, times the
//! number of the row.

#[path = "fused/accumulation.rs"]
mod accumulation;
#[path = "fused/averages.rs"]
mod averages;
#[path = "fused/clipping.rs"]
mod clipping;
#[path = "fused/halves.rs"]
mod halves;
#[path = "fused/refusals.rs"]
mod refusals;
#[path = "fused/standing.rs"]
mod standing;
#[path = "fused/telemetry.rs"]
mod telemetry;
#[path = "fused/together.rs"]
mod together;
#[path = "fused/trust.rs"]
mod trust;

use std::sync::Arc;

use thalweg::device::{Call, Column, Device, Engine, Precision, ProgramId, Record, Setup, StepGraph, Tensor, Update};
use thalweg::graph::Graph;
use thalweg::op::rounding::{TINY, gamma};
use thalweg::optim::{Clip, DynRule, FROZEN, Hyper, Momentum, Sgd, hyper};

pub use accumulation::parts_are_a_whole;
pub use averages::{a_running_average_follows_its_formula, averages_are_swapped_and_reset};
pub use clipping::{clipping_follows_the_formula, clipping_hides_no_bad_number, frozen_gradients_count_for_nothing};
pub use halves::{
    half_states_are_held_as_they_say, half_states_go_on_where_they_were, long_means_move_in_bf16, odd_numbers_are_held,
};
pub use refusals::{calls_that_do_not_fit_are_refused, setups_that_do_not_fit_are_refused};
pub use standing::what_stands_keeps_every_bit;
pub use telemetry::{telemetry_comes_when_asked, telemetry_is_what_happened};
pub use together::everything_at_once;
pub use trust::{
    bare_tensors_take_their_gradient, trust_ratios_beyond_the_floats_are_none, trust_ratios_follow_the_formula,
};

use super::bounds::Near;
use super::common::noise;
use super::given;

/// Less than one vec4, less and more than one window of padding, one block, one and one, four.
pub const SIZES: [usize; 6] = [1, 63, 65, 4096, 4097, 13_000];

/// Roundings that a term of a sum of squares goes through on a GPU: its product; at most 16 additions of one invocation, 3 over
/// a vec4, 8 levels of the tree; and over the blocks of the tensors one more addition and 8 levels.
const DEPTH: usize = 1 + 16 + 3 + 8 + 1 + 8;

/// What a bound for f32 becomes in f64, whose roundings are 2⁻²⁹ as coarse: on the CPU, and here, a sum has no tree but one addition
/// after the other.
const F64: f64 = 2.0 * 21_322.0 / DEPTH as f64 / (1u64 << 29) as f64;

pub fn momentum() -> Momentum {
    Momentum { learning_rate: 0.125, momentum: 0.5, ..Momentum::default() }
}

/// b ← b/2 + g; p ← p − b/8.
pub fn halving() -> Hyper {
    hyper([0.5, 1.0, -0.125, 0.0])
}

pub fn sgd() -> Sgd {
    Sgd { learning_rate: 0.125, ..Sgd::default() }
}

/// b ← b/2 + g/4; p ← p − b/8; and of a tensor without states p ← ¾p − g/2.
pub fn quarter() -> Hyper {
    hyper([0.5, 0.25, -0.125, 0.0])
}

/// p ← p − g/8.
pub fn eighth() -> Hyper {
    hyper([0.125, 0.0])
}

#[derive(Clone)]
pub struct Plan {
    pub sizes: Vec<usize>,
    /// Tensors without a gradient.
    pub silent: Vec<usize>,
    pub groups: Vec<usize>,
    pub rule: Arc<dyn DynRule>,
    pub update: Update,
    pub seeds: Vec<u64>,
    /// What the gradients are multiplied by, row by row.
    pub rows: Vec<f64>,
}

pub struct Rig {
    pub engine: Box<dyn Engine>,
    pub step: ProgramId,
    pub evaluation: ProgramId,
    plan: Plan,
}

impl Plan {
    pub fn new(rule: impl DynRule, update: Update, members: usize) -> Self {
        Self {
            sizes: SIZES.to_vec(),
            silent: Vec::new(),
            groups: vec![0; SIZES.len()],
            rule: Arc::new(rule),
            update,
            seeds: (0..members as u64).map(|m| 5 + m + (m << 40)).collect(),
            rows: vec![1.0; 80],
        }
    }

    pub fn setup(&self) -> Setup {
        let tensor = |name: String, n: usize| Tensor { name, shape: [n].into() };
        let numbered = |letter: &'static str| {
            self.sizes.iter().enumerate().map(move |(i, &n)| tensor(format!("{letter}{i}"), n)).collect::<Vec<_>>()
        };
        let mut buffers = numbered("g");
        buffers.push(tensor("count".into(), 1));
        Setup {
            tensors: numbered("w"),
            buffers,
            groups: self.groups.clone(),
            rule: self.rule.clone(),
            update: self.update.clone(),
            seeds: self.seeds.clone(),
        }
    }

    /// The loss is the first tensor's sum; the buffer `count` grows by one a step.
    fn graph(&self, trains: bool) -> StepGraph {
        let mut g = Graph::new();
        let features = g.input("x", [1, 1]).expect("an input");
        let targets = g.index_input("y", [1]).expect("an input");
        let row = g.reshape(features, [1]).expect("a view");
        let (mut gradients, mut updates, mut first) = (Vec::new(), Vec::new(), None);
        for (i, &n) in self.sizes.iter().enumerate() {
            let w = g.parameter(&format!("w{i}"), [n]).expect("a parameter");
            first = first.or(Some(w));
            let own = g.buffer(&format!("g{i}"), [n]).expect("a buffer");
            let all = g.expand(row, [n]).expect("copies");
            let gradient = g.mul(own, all).expect("a product");
            gradients.push((!self.silent.contains(&i)).then_some(gradient));
            updates.push(None);
        }
        let count = g.buffer("count", [1]).expect("a buffer");
        let square = g.mul(row, row).expect("a product");
        let one = g.div(square, square).expect("a quotient");
        updates.push(Some(g.add(count, one).expect("a sum")));
        let loss = g.sum_all(first.expect("a tensor")).expect("a sum");
        let record = [Some(loss), None, None, None];
        if !trains {
            (gradients, updates) = (Vec::new(), Vec::new());
        }
        StepGraph { graph: g, features, targets, record, gradients, updates }
    }

    pub fn open(&self, device: &Device) -> Rig {
        let mut engine = given::engine(device, self.setup()).expect("an engine");
        let count = self.rows.len();
        let data = engine.add_data(count, Column::F64(&self.rows), Column::Index(&vec![0; count])).expect("data");
        let step = engine.compile(self.graph(true), data).expect("a step");
        let evaluation = engine.compile(self.graph(false), data).expect("a step");
        Rig { engine, step, evaluation, plan: self.clone() }
    }

    /// Numbers in [−1, 1) that f32 holds, others for each salt.
    pub fn noise(&self, salt: usize) -> Vec<Vec<f64>> {
        self.sizes.iter().enumerate().map(|(i, &n)| noise(n, (64 * salt + i) as u32)).collect()
    }

    /// The same as multiples of 2^−bits.
    pub fn dyadic(&self, salt: usize, bits: i32) -> Vec<Vec<f64>> {
        let unit = 2f64.powi(bits);
        mapped(&self.noise(salt), |x| (x * unit).round() / unit)
    }
}

impl Rig {
    /// Sets every member's parameters and gradients.
    pub fn begin(&mut self, parameters: impl Fn(usize) -> Vec<Vec<f64>>, gradients: impl Fn(usize) -> Vec<Vec<f64>>) {
        for m in 0..self.plan.seeds.len() {
            self.engine.set_parameters(m, &parameters(m)).expect("parameters");
            self.give(m, &gradients(m));
        }
    }

    pub fn give(&mut self, member: usize, gradients: &[Vec<f64>]) {
        let mut buffers = gradients.to_vec();
        buffers.push(vec![self.count(member)]);
        self.engine.set_buffers(member, &buffers).expect("gradients");
    }

    /// Steps of training that the member's buffer counted.
    pub fn count(&mut self, member: usize) -> f64 {
        self.engine.buffers(member).expect("buffers").last().expect("the count")[0]
    }

    pub fn call(&self, numbers: Hyper) -> Call {
        let groups = self.plan.setup().group_count();
        Call::new(self.step, vec![numbers; groups * self.plan.seeds.len()])
    }

    pub fn run(&mut self, step: u32, calls: &[Call]) -> Vec<Record> {
        self.engine.submit(step, step, calls).expect("steps");
        let records = self.engine.collect().expect("records");
        assert_eq!(records.len(), calls.len());
        records
    }

    pub fn parameters(&mut self, member: usize) -> Vec<Vec<f64>> {
        self.engine.parameters(member).expect("parameters")
    }

    pub fn states(&mut self, member: usize) -> Vec<Vec<Vec<f64>>> {
        self.engine.states(member).expect("states")
    }

    pub fn averages(&mut self, member: usize) -> Vec<Vec<f64>> {
        self.engine.averages(member).expect("averages")
    }
}

pub fn mapped(values: &[Vec<f64>], f: impl Fn(f64) -> f64) -> Vec<Vec<f64>> {
    values.iter().map(|tensor| tensor.iter().map(|&x| f(x)).collect()).collect()
}

pub fn near(values: &[Vec<f64>]) -> Vec<Vec<Near>> {
    values.iter().map(|tensor| tensor.iter().map(|&x| Near::exact(x)).collect()).collect()
}

/// Σ v², added up by a tree.
pub fn squares<'a>(values: impl IntoIterator<Item = &'a Near>) -> Near {
    let (mut value, mut most, mut count) = (0.0, 0.0, 0);
    for v in values {
        value += v.value * v.value;
        most += (v.value.abs() + v.error).powi(2);
        count += 1;
    }
    Near { value, error: (most - value).abs() + gamma(DEPTH) * most + 2.0 * f64::from(count) * TINY }
}

/// The gradients as clipping leaves them, where no norm lies on the bound.
pub fn clipped(clip: Option<Clip>, gradients: &[Vec<Near>], groups: &[usize]) -> Vec<Vec<Near>> {
    use thalweg::Number;
    let factor = |squared: Near, clip: Clip| {
        let norm = squared.sqrt() + Near::rounded(clip.epsilon());
        assert!((norm.value - clip.maximum()).abs() > norm.error, "a norm on the bound says nothing");
        if norm.value > clip.maximum() { Near::rounded(clip.maximum()) / norm } else { Near::exact(1.0) }
    };
    let times = |scale: Near, tensor: &[Near]| tensor.iter().map(|&g| scale * g).collect::<Vec<_>>();
    match clip {
        None => gradients.to_vec(),
        Some(Clip::Value(bound)) => {
            let cut = |g: &Near| Near { value: g.value.clamp(-bound, bound), error: g.error };
            gradients.iter().map(|tensor| tensor.iter().map(cut).collect()).collect()
        }
        Some(clip @ Clip::Norm { .. }) => {
            let moving = gradients.iter().zip(groups).filter(|(_, group)| **group != FROZEN);
            let scale = factor(squares(moving.flat_map(|(tensor, _)| tensor)), clip);
            gradients.iter().map(|tensor| times(scale, tensor)).collect()
        }
        Some(clip @ Clip::TensorNorm { .. }) => {
            gradients.iter().map(|tensor| times(factor(squares(tensor), clip), tensor)).collect()
        }
    }
}

/// Fails where a device is not within the bound of its precision.
#[track_caller]
pub fn within(device: &Device, what: &str, found: f64, near: Near) {
    let allowed = match device.precision() {
        Precision::F32 => near.error,
        Precision::F64 => F64 * near.error + 4.0 * f64::EPSILON * near.value.abs(),
    };
    let error = (found - near.value).abs();
    assert!(error <= allowed, "{what}: {found} is {error:e} from {}, allowed {allowed:e}", near.value);
}

#[track_caller]
pub fn all_within(device: &Device, what: &str, found: &[Vec<f64>], near: &[Vec<Near>]) {
    assert_eq!(found.len(), near.len(), "{what}");
    for (t, (found, near)) in found.iter().zip(near).enumerate() {
        assert_eq!(found.len(), near.len(), "{what}, tensor {t}");
        for (i, (&found, &near)) in found.iter().zip(near).enumerate() {
            within(device, &format!("{what}, tensor {t}, element {i}"), found, near);
        }
    }
}

/// The same numbers, said shortly where they are not.
#[track_caller]
pub fn same(what: &str, found: &[Vec<f64>], wanted: &[Vec<f64>]) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (t, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        assert_eq!(found.len(), wanted.len(), "{what}, tensor {t}");
        let differs = (0..found.len()).find(|&i| found[i].to_bits() != wanted[i].to_bits() && found[i] != wanted[i]);
        if let Some(i) = differs {
            panic!("{what}, tensor {t}, element {i}: {} is not {}", found[i], wanted[i]);
        }
    }
}

/// p − h₀g − h₁h₀p and the like: SGD in numbers with bounds.
pub fn descended(p: &[Vec<Near>], g: &[Vec<Near>], rate: f64) -> Vec<Vec<Near>> {
    let each = |(p, g): (&Vec<Near>, &Vec<Near>)| {
        p.iter().zip(g).map(|(&p, &g)| p - Near::rounded(rate) * g).collect::<Vec<_>>()
    };
    p.iter().zip(g).map(each).collect()
}
