//! The fused update's twin: what `shaders/optim/` does, tensor by tensor.

use super::Program;
use crate::device::engine::{Call, Part, Setup, Telemetry, Transform};
use crate::error::DeviceError;
use crate::graph::{Context, TwinIn};
use crate::kernel::padded;
use crate::optim::{BLOCK, Clip, DynRule, FROZEN, Hyper, Storage};
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
#[derive(Clone)]
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

/// Room for a block, and for the directions of a tensor.
pub(super) struct Scratch<T> {
    gradient: Vec<T>,
    before: Vec<T>,
    direction: Vec<T>,
    /// The transformation of the setup.
    turning: Option<Program<T>>,
}

impl<T: TwinIn> Scratch<T> {
    pub(super) fn new(setup: &Setup) -> Result<Self, DeviceError> {
        let program = |t: &Transform| Program::new(t.graph.clone(), &t.wanted());
        let turning = setup.update.transform.as_ref().map(program).transpose()?;
        Ok(Self { gradient: Vec::new(), before: Vec::new(), direction: Vec::new(), turning })
    }
}

/// One member's update at one step.
pub(super) struct At<'a> {
    pub setup: &'a Setup,
    pub call: &'a Call,
    pub member: usize,
    pub step: u32,
}

impl At<'_> {
    /// Takes the step by these gradients, one a tensor and `None` for 0; returns its telemetry where it was asked for.
    pub(super) fn update<T: EngineScalar>(
        &self,
        member: &mut Member<T>,
        gradients: &[Option<&[T]>],
        scratch: &mut Scratch<T>,
    ) -> Option<Vec<Telemetry>> {
        let mut sums = std::mem::take(&mut member.sums);
        if self.call.part != Part::Whole {
            self.accumulate(&mut sums, gradients);
        }
        let telemetry = if !self.call.part.updates() {
            None
        } else if self.call.part == Part::Last {
            let gradients: Vec<Option<&[T]>> = sums.iter().map(|g| Some(g.as_slice())).collect();
            Some(self.step(member, &gradients, scratch))
        } else {
            Some(self.step(member, gradients, scratch))
        };
        member.sums = sums;
        telemetry.filter(|_| self.call.telemetry)
    }

    fn accumulate<T: Scalar>(&self, sums: &mut [Vec<T>], gradients: &[Option<&[T]>]) {
        let (share, first) = (T::of(self.call.share), self.call.part == Part::First);
        for (sum, gradient) in sums.iter_mut().zip(gradients) {
            match gradient {
                Some(g) if first => sum.iter_mut().zip(*g).for_each(|(s, &g)| *s = share * g),
                Some(g) => sum.iter_mut().zip(*g).for_each(|(s, &g)| *s = share * g + *s),
                None if first => sum.fill(T::zero()),
                None => {}
            }
        }
    }

    fn step<T: EngineScalar>(
        &self,
        member: &mut Member<T>,
        gradients: &[Option<&[T]>],
        scratch: &mut Scratch<T>,
    ) -> Vec<Telemetry> {
        let moving = |t: &usize| self.setup.groups[*t] != FROZEN;
        let clip = self.setup.update.clip;
        let common = match clip {
            Some(clip @ Clip::Norm { .. }) => {
                let all = (0..gradients.len()).filter(moving);
                clip.factor(all.map(|t| gradients[t].map_or(0.0, squares)).sum())
            }
            _ => 1.0,
        };
        let scale_of = |t: usize| match clip {
            Some(clip @ Clip::TensorNorm { .. }) => clip.factor(gradients[t].map_or(0.0, squares)),
            _ => common,
        };
        let turned = self.turned(member, gradients, &scale_of, scratch);
        let groups = self.setup.group_count();
        let mut telemetry = vec![Telemetry::default(); gradients.len()];
        let mut first = 0;
        for (t, tensor) in self.setup.tensors.iter().enumerate() {
            let elements = tensor.shape.elements();
            let at = first;
            first += padded(elements);
            if !moving(&t) {
                continue;
            }
            let nothing = if gradients[t].is_none() { vec![T::zero(); elements] } else { Vec::new() };
            let gradient = gradients[t].unwrap_or(&nothing);
            let hyper = &self.call.hyper[self.member * groups + self.setup.groups[t]];
            let direction = turned.iter().find(|(tensor, _)| *tensor == t).map(|(_, direction)| direction.as_slice());
            let bare = self.setup.update.bare.contains(&t);
            let own = Tensor { at: self, hyper, scale: scale_of(t), first: at, bare, direction };
            telemetry[t] = own.step(member, t, gradient, scratch);
        }
        telemetry
    }

    /// The directions of the tensors that the setup's transformation takes.
    fn turned<T: EngineScalar>(
        &self,
        member: &mut Member<T>,
        gradients: &[Option<&[T]>],
        scale_of: &dyn Fn(usize) -> f64,
        scratch: &mut Scratch<T>,
    ) -> Vec<(usize, Vec<T>)> {
        let (Some(transform), Some(program)) = (&self.setup.update.transform, &mut scratch.turning) else {
            return Vec::new();
        };
        let groups = self.setup.group_count();
        for turned in &transform.tensors {
            let hyper = &self.call.hyper[self.member * groups + turned.group];
            let scale = scale_of(turned.tensor);
            let own = Tensor { at: self, hyper, scale, first: 0, bare: true, direction: None };
            let to = program.real_mut(turned.gradient);
            match gradients[turned.tensor] {
                Some(gradient) => to.copy_from_slice(own.cut(gradient, &mut scratch.gradient)),
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
        transform.tensors.iter().map(|t| (t.tensor, program.value(t.direction).to_vec())).collect()
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

impl<T: EngineScalar> Tensor<'_, T> {
    fn step(&self, member: &mut Member<T>, t: usize, gradient: &[T], scratch: &mut Scratch<T>) -> Telemetry {
        let At { setup, call, step, .. } = *self.at;
        let rule = setup.rule.as_ref();
        let trust = rule.trust_ratio() && !self.bare;
        let parameter = &mut member.parameters[t];
        let mut told = Telemetry::default();
        if call.telemetry {
            told.gradients = squares(gradient);
            told.largest_gradient = gradient.iter().fold(0.0, |most, g| larger(most, g.f64().abs()));
            told.non_finite = gradient.iter().filter(|g| !g.is_finite()).count() as u64;
        }
        let mut states: Vec<&mut [T]> = member.states.iter_mut().map(|s| s[t].as_mut_slice()).collect();
        if trust {
            scratch.direction.resize(parameter.len(), T::zero());
            scratch.direction.copy_from_slice(parameter);
        }
        for first in (0..parameter.len()).step_by(BLOCK) {
            let range = first..parameter.len().min(first + BLOCK);
            let g = match self.direction {
                Some(direction) => &direction[range.clone()],
                None => self.cut(&gradient[range.clone()], &mut scratch.gradient),
            };
            if call.telemetry && !trust {
                scratch.before.clear();
                scratch.before.extend_from_slice(&parameter[range.clone()]);
            }
            let p = if trust { &mut scratch.direction[range.clone()] } else { &mut parameter[range.clone()] };
            if self.bare {
                let (h0, h1) = (T::of(self.hyper[0]), T::of(self.hyper[1]));
                p.iter_mut().zip(g).for_each(|(p, &g)| *p = *p - h1 * *p - h0 * g);
            } else {
                let mut own: Vec<&mut [T]> = states.iter_mut().map(|s| &mut s[range.clone()]).collect();
                T::update(rule, self.hyper, g, p, &mut own);
                self.hold(&mut own, member.seed, step, first);
            }
            if call.telemetry && !trust {
                told.parameters += squares(&scratch.before);
                told.update += moved(&scratch.before, p);
            }
        }
        if trust {
            let (rate, shrink) = (self.hyper[10], T::of(self.hyper[11]));
            let w: f64 = parameter.iter().map(|&p| (p - shrink * p).f64().powi(2)).sum();
            let u = squares(&scratch.direction);
            let ratio = match (w.is_finite() && u.is_finite(), w > 0.0 && u > 0.0) {
                // 0 would keep the tensor as it is and say nothing.
                (false, _) => f64::NAN,
                (true, true) => w.sqrt() / u.sqrt(),
                (true, false) => 1.0,
            };
            let rate = T::of(rate) * T::of(ratio);
            for (p, &u) in parameter.iter_mut().zip(&scratch.direction) {
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
        if !finite(gradient) {
            flag.0 = flag.0.min(step);
        }
        if !finite(parameter) {
            flag.1 = flag.1.min(step);
        }
        for squared in [&mut told.parameters, &mut told.gradients, &mut told.update] {
            *squared = squared.sqrt();
        }
        told
    }

    /// The gradient as the rule sees it.
    fn cut<'g>(&self, gradient: &'g [T], room: &'g mut Vec<T>) -> &'g [T] {
        let bound = match self.at.setup.update.clip {
            None => return gradient,
            Some(Clip::Value(bound)) => Some(T::of(bound)),
            Some(_) => None,
        };
        let scale = T::of(self.scale);
        room.clear();
        room.extend(gradient.iter().map(|&g| match bound {
            None => scale * g,
            Some(bound) if g > bound => bound,
            Some(bound) if g < -bound => -bound,
            Some(_) => g,
        }));
        room
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
