//! The fused update's twin: what `shaders/optim/` does, tensor by tensor.

mod tensor;

use tensor::Tensor;

use super::Program;
use crate::device::engine::{Call, Part, Setup, Telemetry, Transform};
use crate::error::DeviceError;
use crate::graph::{Context, TwinIn};
use crate::kernel::padded;
use crate::optim::{Clip, DynRule, FROZEN, Hyper};
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

fn squares<T: Scalar>(values: &[T]) -> f64 {
    values.iter().map(|v| v.f64() * v.f64()).sum()
}
