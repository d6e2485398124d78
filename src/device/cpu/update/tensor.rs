//! One tensor's part of an update: its blocks, on as many cores as it is worth.

use super::{At, EngineScalar, Member, squares};
use crate::device::engine::Telemetry;
use crate::op::cores;
use crate::optim::{BLOCK, Clip, Hyper, MAX_STATES, Storage};
use crate::scalar::Scalar;

/// One tensor's part of a step.
pub(super) struct Tensor<'a, T> {
    pub at: &'a At<'a>,
    pub hyper: &'a Hyper,
    pub scale: f64,
    /// First element in the padded flat buffers.
    pub first: usize,
    pub bare: bool,
    /// What its gradient has become.
    pub direction: Option<&'a [T]>,
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
    pub fn step(&self, member: &mut Member<T>, t: usize, gradient: &[T], room: &mut Vec<T>) -> Telemetry {
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
    pub fn cut(&self, gradient: &[T], to: &mut [T]) {
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
