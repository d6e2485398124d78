//! The fused update's twin: what `shaders/optim/` does, tensor by tensor.

use super::Program;
use crate::device::engine::{Call, Part, Setup, Telemetry, Transform};
use crate::error::DeviceError;
use crate::graph::{Context, TwinIn};
use crate::kernel::padded;
use crate::op::cores;
use crate::optim::{BLOCK, Clip, DynRule, FROZEN, Hyper, MAX_STATES, Storage};
use crate::scalar::Scalar;

/// A scalar an engine trains in.
#[expect(private_bounds, reason = "f32 and f64 are the scalars there are")]
pub trait EngineScalar: TwinIn {
    #[doc(hidden)]
    fn update(rule: &dyn DynRule, hyper: &Hyper, g: &[Self], p: &mut [Self], s: &mut [&mut [Self]]);
}

impl EngineScalar for f32 {
    fn update(rule: &dyn DynRule, hyper: &Hyper, g: &[f32], p: &mut [f32], s: &mut [&mut [f32]]) {
        rule.update_f32(hyper, g, p, s);
    }
}

impl EngineScalar for f64 {
    fn update(rule: &dyn DynRule, hyper: &Hyper, g: &[f64], p: &mut [f64], s: &mut [&mut [f64]]) {
        rule.update_f64(hyper, g, p, s);
    }
}

/// What an engine holds of one member.
pub(super) struct Member<T> {
    pub seed: u64,
    pub parameters: Vec<Vec<T>>,
    pub buffers: Vec<Vec<T>>,
    /// `[state][tensor]`
    pub states: Vec<Vec<Vec<T>>>,
    /// The running average; empty where none is kept.
    pub averages: Vec<Vec<T>>,
    /// What the parts of a minibatch have added up to; empty where there are none.
    sums: Vec<Vec<T>>,
    /// What a transformation keeps.
    pub kept: Vec<Vec<T>>,
    /// For each tensor the step at which its gradient and its value first were non-finite.
    pub flags: Vec<(u32, u32)>,
}

impl<T: Scalar> Member<T> {
    pub(super) fn new(setup: &Setup, seed: u64) -> Self {
        let filled = |value: f64| -> Vec<Vec<T>> {
            setup.tensors.iter().map(|t| vec![T::of(value); t.shape.elements()]).collect()
        };
        let kept = |there: bool| if there { filled(0.0) } else { Vec::new() };
        let bare = |t: &usize| setup.update.bare.contains(t);
        let state = |s| {
            let mut state = filled(setup.update.storage.nearest(setup.rule.initial_state(s)));
            (0..state.len()).filter(bare).for_each(|t| state[t] = Vec::new());
            state
        };
        Self {
            seed,
            parameters: filled(0.0),
            buffers: setup.buffers.iter().map(|t| vec![T::zero(); t.shape.elements()]).collect(),
            states: (0..setup.rule.states().len()).map(state).collect(),
            averages: kept(setup.update.average),
            sums: kept(setup.update.accumulate),
            kept: setup
                .update
                .transform
                .iter()
                .flat_map(Transform::states)
                .map(|t| vec![T::zero(); t.shape.elements()])
                .collect(),
            flags: vec![(u32::MAX, u32::MAX); setup.tensors.len()],
        }
    }
}

/// What an update works in, kept from step to step.
pub(super) struct Scratch<T> {
    room: Vec<T>,
    /// As many zeros as a tensor without a gradient was ever long.
    zeros: Vec<T>,
    /// The transformation of the setup.
    turning: Option<Program<T>>,
}

impl<T: TwinIn> Scratch<T> {
    pub(super) fn new(setup: &Setup) -> Result<Self, DeviceError> {
        let program = |t: &Transform| Program::new(t.graph.clone(), &t.wanted());
        let turning = setup.update.transform.as_ref().map(program).transpose()?;
        Ok(Self { room: Vec::new(), zeros: Vec::new(), turning })
    }
}

/// The gradient of each tensor, `None` for 0.
pub(super) type Gradients<'a, T> = &'a dyn Fn(usize) -> Option<&'a [T]>;

/// One member's update at one step.
pub(super) struct At<'a> {
    pub setup: &'a Setup,
    pub call: &'a Call,
    pub member: usize,
    pub step: u32,
}

impl At<'_> {
    /// Takes the step by these gradients; returns its telemetry where it was asked for.
    pub(super) fn update<T: EngineScalar>(
        &self,
        member: &mut Member<T>,
        gradients: Gradients<'_, T>,
        scratch: &mut Scratch<T>,
    ) -> Option<Vec<Telemetry>> {
        let mut sums = std::mem::take(&mut member.sums);
        if self.call.part != Part::Whole {
            self.accumulate(&mut sums, gradients);
        }
        let telemetry = match self.call.part {
            Part::Whole => self.step(member, gradients, scratch),
            Part::Last => self.step(member, &|t| Some(sums[t].as_slice()), scratch),
            Part::First | Part::Next => None,
        };
        member.sums = sums;
        telemetry
    }

    fn accumulate<T: Scalar>(&self, sums: &mut [Vec<T>], gradients: Gradients<'_, T>) {
        let (share, first) = (T::of(self.call.share), self.call.part == Part::First);
        for (t, sum) in sums.iter_mut().enumerate() {
            match gradients(t) {
                Some(g) if first => sum.iter_mut().zip(g).for_each(|(s, &g)| *s = share * g),
                Some(g) => sum.iter_mut().zip(g).for_each(|(s, &g)| *s = share * g + *s),
                None if first => sum.fill(T::zero()),
                None => {}
            }
        }
    }

    fn step<T: EngineScalar>(
        &self,
        member: &mut Member<T>,
        gradients: Gradients<'_, T>,
        scratch: &mut Scratch<T>,
    ) -> Option<Vec<Telemetry>> {
        let Scratch { room, zeros, turning } = scratch;
        let count = self.setup.tensors.len();
        let moving = |t: &usize| self.setup.groups[*t] != FROZEN;
        let clip = self.setup.update.clip;
        let common = match clip {
            Some(clip @ Clip::Norm { .. }) => {
                clip.factor((0..count).filter(moving).map(|t| gradients(t).map_or(0.0, squares)).sum())
            }
            _ => 1.0,
        };
        let scale_of = |t: usize| match clip {
            Some(clip @ Clip::TensorNorm { .. }) => clip.factor(gradients(t).map_or(0.0, squares)),
            _ => common,
        };
        let turned = self.setup.update.transform.as_ref().zip(turning.as_mut());
        if let Some((transform, program)) = turned {
            self.turn(member, gradients, &scale_of, transform, program);
        }
        let turned = self.setup.update.transform.as_ref().zip(turning.as_ref());
        let direction = |t: usize| {
            let (transform, program) = turned?;
            let tensor = transform.tensors.iter().find(|turned| turned.tensor == t)?;
            Some(program.value(tensor.direction))
        };
        let groups = self.setup.group_count();
        let mut telemetry = self.call.telemetry.then(|| vec![Telemetry::default(); count]);
        let mut first = 0;
        for (t, tensor) in self.setup.tensors.iter().enumerate() {
            let elements = tensor.shape.elements();
            let at = first;
            first += padded(elements);
            if !moving(&t) {
                continue;
            }
            let gradient = gradients(t).unwrap_or_else(|| {
                zeros.resize(zeros.len().max(elements), T::zero());
                &zeros[..elements]
            });
            let hyper = &self.call.hyper[self.member * groups + self.setup.groups[t]];
            let bare = self.setup.update.bare.contains(&t);
            let own = Tensor { at: self, hyper, scale: scale_of(t), first: at, bare, direction: direction(t) };
            let told = own.step(member, t, gradient, room);
            if let Some(telemetry) = &mut telemetry {
                telemetry[t] = told;
            }
        }
        telemetry
    }

    /// Has the setup's transformation find the directions of the tensors that it takes.
    fn turn<T: EngineScalar>(
        &self,
        member: &mut Member<T>,
        gradients: Gradients<'_, T>,
        scale_of: &dyn Fn(usize) -> f64,
        transform: &Transform,
        program: &mut Program<T>,
    ) {
        let groups = self.setup.group_count();
        for turned in &transform.tensors {
            let hyper = &self.call.hyper[self.member * groups + turned.group];
            let scale = scale_of(turned.tensor);
            let own = Tensor { at: self, hyper, scale, first: 0, bare: true, direction: None };
            let to = program.real_mut(turned.gradient);
            match gradients(turned.tensor) {
                Some(gradient) => own.cut(gradient, to),
                None => to.fill(T::zero()),
            }
            program.real_mut(turned.parameter).copy_from_slice(&member.parameters[turned.tensor]);
            for (&id, &number) in turned.numbers.iter().zip(&hyper[2..]) {
                program.real_mut(id)[0] = T::of(number);
            }
        }
        for (kept, values) in transform.states.iter().zip(&member.kept) {
            program.real_mut(kept.now).copy_from_slice(values);
        }
        program.run(&Context { step: self.step, seed: member.seed });
        for (kept, values) in transform.states.iter().zip(&mut member.kept) {
            values.copy_from_slice(program.value(kept.next));
        }
    }
}

/// One tensor's part of a step.
struct Tensor<'a, T> {
    at: &'a At<'a>,
    hyper: &'a Hyper,
    scale: f64,
    /// First element in the padded flat buffers.
    first: usize,
    bare: bool,
    /// What its gradient has become.
    direction: Option<&'a [T]>,
}

/// A run of a tensor's elements, whole blocks but for the last, with what an update reads and writes of them.
struct Run<'a, T> {
    /// The first one's number.
    first: usize,
    gradient: &'a [T],
    direction: Option<&'a [T]>,
    parameter: &'a mut [T],
    /// As many as the rule has; the others, and those of a bare tensor, are empty.
    states: [&'a mut [T]; MAX_STATES],
}

/// What an update saw on its way: ‖w‖² and ‖Δw‖², where telemetry was asked for, and whether all was finite.
struct Seen {
    parameters: f64,
    update: f64,
    gradient_finite: bool,
    parameter_finite: bool,
}

impl<'a, T> Run<'a, T> {
    fn split_at(self, at: usize) -> (Self, Self) {
        let (gradient, gradient_high) = self.gradient.split_at(at);
        let (parameter, parameter_high) = self.parameter.split_at_mut(at);
        let direction = self.direction.map(|d| d.split_at(at));
        let mut states: [&mut [T]; MAX_STATES] = Default::default();
        let mut states_high: [&mut [T]; MAX_STATES] = Default::default();
        for (n, state) in self.states.into_iter().enumerate() {
            let at = at.min(state.len());
            (states[n], states_high[n]) = state.split_at_mut(at);
        }
        let high = Self {
            first: self.first + at,
            gradient: gradient_high,
            direction: direction.map(|d| d.1),
            parameter: parameter_high,
            states: states_high,
        };
        (Self { first: self.first, gradient, direction: direction.map(|d| d.0), parameter, states }, high)
    }
}

impl<T: EngineScalar> Tensor<'_, T> {
    fn step(&self, member: &mut Member<T>, t: usize, gradient: &[T], room: &mut Vec<T>) -> Telemetry {
        let At { setup, call, step, .. } = *self.at;
        let trust = setup.rule.trust_ratio() && !self.bare;
        let parameter = &mut member.parameters[t];
        let mut told = Telemetry::default();
        if call.telemetry {
            told.gradients = squares(gradient);
            told.largest_gradient = gradient.iter().fold(0.0, |most, g| larger(most, g.f64().abs()));
            told.non_finite = gradient.iter().filter(|g| !g.is_finite()).count() as u64;
        }
        let mut states: [&mut [T]; MAX_STATES] = Default::default();
        if !self.bare {
            for (to, state) in states.iter_mut().zip(&mut member.states) {
                *to = &mut state[t];
            }
        }
        if trust {
            room.clear();
            room.extend_from_slice(parameter);
        }
        let target = if trust { room.as_mut_slice() } else { parameter.as_mut_slice() };
        // Sums over a tensor are taken block by block, one after the other: the same bits on any number of cores.
        let cost = if call.telemetry { 0 } else { (2 + setup.rule.states().len()) * target.len() };
        let run = Run { first: 0, gradient, direction: self.direction, parameter: target, states };
        let seen = self.share(run, member.seed, cores::worth(cost));
        (told.parameters, told.update) = (seen.parameters, seen.update);
        if trust {
            let (rate, shrink) = (self.hyper[10], T::of(self.hyper[11]));
            let w: f64 = parameter.iter().map(|&p| (p - shrink * p).f64().powi(2)).sum();
            let u = squares(room);
            let ratio = match (w.is_finite() && u.is_finite(), w > 0.0 && u > 0.0) {
                // 0 would keep the tensor as it is and say nothing.
                (false, _) => f64::NAN,
                (true, true) => w.sqrt() / u.sqrt(),
                (true, false) => 1.0,
            };
            let rate = T::of(rate) * T::of(ratio);
            for (p, &u) in parameter.iter_mut().zip(&*room) {
                let next = *p - shrink * *p - rate * u;
                if call.telemetry {
                    told.parameters += p.f64().powi(2);
                    told.update += (next - *p).f64().powi(2);
                }
                *p = next;
            }
        }
        if let Some(average) = member.averages.get_mut(t) {
            let share = T::of(call.average);
            let next = |a: T, p: T| if share == T::one() { p } else { a + share * (p - a) };
            average.iter_mut().zip(&*parameter).for_each(|(a, &p)| *a = next(*a, p));
        }
        let flag = &mut member.flags[t];
        if !seen.gradient_finite {
            flag.0 = flag.0.min(step);
        }
        if !(if trust { finite(parameter) } else { seen.parameter_finite }) {
            flag.1 = flag.1.min(step);
        }
        for squared in [&mut told.parameters, &mut told.gradients, &mut told.update] {
            *squared = squared.sqrt();
        }
        told
    }

    /// Takes a run's blocks on so many cores.
    fn share(&self, run: Run<'_, T>, seed: u64, cores: usize) -> Seen {
        let blocks = run.parameter.len().div_ceil(BLOCK);
        if cores <= 1 || blocks <= 1 {
            return self.blocks(run, seed);
        }
        let (low, high) = run.split_at(blocks / 2 * BLOCK);
        let (low, high) =
            cores::join(|| self.share(low, seed, cores / 2), || self.share(high, seed, cores - cores / 2));
        Seen {
            parameters: low.parameters + high.parameters,
            update: low.update + high.update,
            gradient_finite: low.gradient_finite & high.gradient_finite,
            parameter_finite: low.parameter_finite & high.parameter_finite,
        }
    }

    /// Takes a run's blocks one after the other: what is in the cache is looked at in all ways before the next comes in.
    fn blocks(&self, run: Run<'_, T>, seed: u64) -> Seen {
        let At { setup, call, step, .. } = *self.at;
        let rule = setup.rule.as_ref();
        let told = call.telemetry && (self.bare || !rule.trust_ratio());
        let Run { first, gradient, direction, parameter, mut states } = run;
        let (mut room, mut before) = ([T::zero(); BLOCK], [T::zero(); BLOCK]);
        let mut seen = Seen { parameters: 0.0, update: 0.0, gradient_finite: true, parameter_finite: true };
        for at in (0..parameter.len()).step_by(BLOCK) {
            let range = at..parameter.len().min(at + BLOCK);
            let (own, len) = (&gradient[range.clone()], range.len());
            let p = &mut parameter[range.clone()];
            if told {
                seen.parameters += squares(p);
            }
            if told {
                before[..len].copy_from_slice(p);
            }
            let g = match direction {
                Some(direction) => &direction[range.clone()],
                None if setup.update.clip.is_none() => own,
                None => {
                    self.cut(own, &mut room[..len]);
                    &room[..len]
                }
            };
            if self.bare {
                let (h0, h1) = (T::of(self.hyper[0]), T::of(self.hyper[1]));
                p.iter_mut().zip(g).for_each(|(p, &g)| *p = *p - h1 * *p - h0 * g);
            } else {
                let mut blocks: [&mut [T]; MAX_STATES] = Default::default();
                let count = rule.states().len();
                for (to, state) in blocks.iter_mut().zip(&mut states[..count]) {
                    *to = &mut state[range.clone()];
                }
                T::update(rule, self.hyper, g, p, &mut blocks[..count]);
                self.hold(&mut blocks[..count], seed, step, first + at);
            }
            if told {
                seen.update += moved(&before[..len], p);
            }
            seen.gradient_finite &= finite(own);
            seen.parameter_finite &= finite(p);
        }
        seen
    }

    /// Writes the gradient as the rule sees it.
    fn cut(&self, gradient: &[T], to: &mut [T]) {
        let scale = T::of(self.scale);
        let pairs = to.iter_mut().zip(gradient);
        match self.at.setup.update.clip {
            None => to.copy_from_slice(gradient),
            Some(Clip::Value(bound)) => {
                let bound = T::of(bound);
                pairs.for_each(|(to, &g)| {
                    *to = match g {
                        g if g > bound => bound,
                        g if g < -bound => -bound,
                        g => g,
                    }
                });
            }
            Some(_) => pairs.for_each(|(to, &g)| *to = scale * g),
        }
    }

    fn hold(&self, states: &mut [&mut [T]], seed: u64, step: u32, first: usize) {
        let storage = self.at.setup.update.storage;
        if storage == Storage::F32 {
            return;
        }
        let seed = [seed as u32, (seed >> 32) as u32];
        for (s, state) in states.iter_mut().enumerate() {
            for (i, x) in state.iter_mut().enumerate() {
                *x = T::of(storage.hold(x.f64(), seed, step, s, self.first + first + i));
            }
        }
    }
}

fn squares<T: Scalar>(values: &[T]) -> f64 {
    values.iter().map(|v| v.f64() * v.f64()).sum()
}

fn moved<T: Scalar>(before: &[T], after: &[T]) -> f64 {
    before.iter().zip(after).map(|(&b, &a)| (a - b).f64().powi(2)).sum()
}

/// NaN where either is.
fn larger(a: f64, b: f64) -> f64 {
    if a >= b || a.is_nan() { a } else { b }
}

/// Without a branch in the loop, so that it becomes vector code.
fn finite<T: Scalar>(values: &[T]) -> bool {
    values.iter().fold(true, |all, v| all & v.is_finite())
}
