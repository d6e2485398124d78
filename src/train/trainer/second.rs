//! Training by a second-order optimizer: an epoch is one of its steps, which passes over all rows as often as it likes.

mod curvature;
mod kept;
mod space;

use std::time::Instant;

use super::running::Sums;
use super::{End, Trainer};
use crate::data::{Dataset, order};
use crate::device::{Device, Precision, VectorId};
use crate::error::{Error, GraphError, Result, TrainError};
use crate::nn::Model;
use crate::optim::second::{Ended, Memory, Report, SecondOrder, Space};
use crate::train::event::{Event, Flow, StepEvent};
use crate::train::recipe::Recipe;
use crate::train::update::UpdateOptions;
use curvature::{Curvature, Problem};
use space::Field;

/// What a trainer keeps of its second-order optimizer.
pub(super) struct Second {
    kind: Kind,
    /// What the last step did.
    pub report: Option<Report>,
}

enum Kind {
    /// L-BFGS: its memory, and where its parameters are while the device's go along a line.
    Lbfgs { memory: Memory<VectorId>, x: Option<VectorId> },
    /// Newton's method: what computes Hessians.
    Newton(Box<Curvature>),
}

/// Refuses what a second-order optimizer cannot train, before anything is put on a device.
pub(super) fn admit(device: &Device, recipe: &Recipe) -> Result<()> {
    let refuse = |what: &str, instead| {
        let optimizer = recipe.optimizer.name();
        Err(TrainError::Unsuited { optimizer, what: what.into(), instead }.into())
    };
    match (recipe.optimizer.second_order(), device) {
        (None, _) => Ok(()),
        (Some(_), _) if recipe.population() > 1 => {
            refuse("a population: its members would each search along a line of their own", "train one model a run")
        }
        (Some(SecondOrder::Newton(_)), _) if !recipe.members.is_empty() => {
            refuse("a member with settings of its own", "write them into the run, or use the optimizer `lbfgs`")
        }
        (Some(_), _) if !recipe.groups.is_empty() => {
            refuse("groups of parameters: it sees all of them as one vector, as PyTorch's does", "leave the groups out")
        }
        (Some(_), _) if recipe.update != UpdateOptions::default() => refuse(
            "with clipping, accumulation, a running average, half states or telemetry: those belong to rules of one element",
            "leave them out",
        ),
        (Some(_), _) if recipe.drop_last => {
            refuse("with `drop_last`: each of its steps takes all rows", "leave `train.drop_last` out")
        }
        (Some(SecondOrder::Newton(_)), Device::Gpu(_)) => {
            refuse("on a GPU, which has no f64", "use `--device cpu --precision f64`, or the optimizer `lbfgs`")
        }
        (Some(SecondOrder::Newton(_)), Device::Cpu(Precision::F32)) => {
            refuse("in f32", "use `--precision f64`, or the optimizer `lbfgs`")
        }
        (Some(_), _) => Ok(()),
    }
}

impl Second {
    /// What the recipe's optimizer needs; `None` for a rule.
    pub(super) fn new(model: &dyn Model, recipe: &Recipe, data: &Dataset) -> Result<Option<Self>> {
        let kind = match recipe.optimizer.second_order() {
            None => return Ok(None),
            Some(SecondOrder::Lbfgs(_)) => Kind::Lbfgs { memory: Memory::default(), x: None },
            Some(SecondOrder::Newton(newton)) => {
                let made = Curvature::new(&newton, model, recipe, data).map_err(|error| match error {
                    Error::Graph(GraphError::NotDifferentiable { op, .. }) => TrainError::Unsuited {
                        optimizer: "newton",
                        what: format!("a model whose gradient goes through `{op}`, which has no derivative itself"),
                        instead: "use `lbfgs`, which needs no second derivatives",
                    }
                    .into(),
                    other => other,
                });
                Kind::Newton(Box::new(made?))
            }
        };
        Ok(Some(Self { kind, report: None }))
    }
}

impl Trainer {
    /// [`run`](Self::run) with a second-order optimizer.
    pub(super) fn run_second(&mut self, watch: &mut dyn FnMut(&Event) -> Flow) -> Result<End> {
        let rows = order(self.recipe.seed, 0, self.train.rows, false);
        self.engine.set_order(self.train.id, &rows)?;
        while self.position.epoch < self.recipe.epochs {
            let began = Instant::now();
            let before = self.engine.parameters(0)?;
            let stepped = self.step_second();
            if stepped.is_err() {
                // Not where a trial left them. What failed is the error to tell.
                let _ = self.engine.set_parameters(0, &before);
            }
            let (event, report) = stepped?;
            let flow = watch(&Event::Step(event));
            let passed = report.evaluations as f64 * self.train.used() as f64;
            let last = self.end_epoch(began.elapsed().as_secs_f64(), passed, watch)?;
            if [flow, last].contains(&Flow::Stop) && self.position.epoch < self.recipe.epochs {
                return Ok(End::Stopped);
            }
        }
        Ok(End::Done)
    }

    /// One step of the optimizer. The parameters are then where it ended.
    fn step_second(&mut self) -> Result<(StepEvent, Report)> {
        let at = self.moment(0, self.position.step);
        let (learning_rate, _) = self.rules.hyper(&self.recipe, self.precision, 0, &at, self.position.before)?;
        let Some(Second { kind, .. }) = self.second.as_mut() else {
            unreachable!("only a second-order optimizer comes here")
        };
        let mut field = Field {
            engine: self.engine.as_mut(),
            set: &self.train,
            groups: 1,
            // Random ops see other numbers in each step, and in each of its minibatches.
            step: (self.position.step as u32).wrapping_mul(self.train.steps() as u32),
            epsilon: if self.precision == Precision::F32 { f64::from(f32::EPSILON) } else { f64::EPSILON },
            first: None,
        };
        let report = match (kind, self.recipe.optimizer.second_order()) {
            (Kind::Lbfgs { memory, x }, Some(SecondOrder::Lbfgs(lbfgs))) => {
                let x = match x {
                    Some(x) => x,
                    none => none.insert(field.vector()?),
                };
                field.copy(&VectorId::Parameters, x)?;
                let report = lbfgs.step(&mut field, x, memory, learning_rate)?;
                field.copy(x, &mut VectorId::Parameters)?;
                report
            }
            (Kind::Newton(curvature), Some(SecondOrder::Newton(newton))) => {
                let mut x = field.engine.parameters(0)?.concat();
                let mut problem = Problem { curvature: curvature.as_mut(), field: &mut field };
                let report = newton.step(&mut problem, &mut x, learning_rate)?;
                let values = problem.curvature.split(&x);
                field.engine.set_parameters(0, &values)?;
                report
            }
            _ => unreachable!("what the trainer keeps is made for its optimizer"),
        };
        let sums = field.first.unwrap_or_default();
        self.took_second(&report, sums, learning_rate)
    }

    /// A step is done, or could not begin.
    fn took_second(&mut self, report: &Report, sums: Sums, learning_rate: f64) -> Result<(StepEvent, Report)> {
        if report.ended == Ended::NonFinite {
            let first = self.engine.first_non_finite(0)?.map(|f| super::trouble::describe(&f));
            let (step, loss, checkpoint) = (self.position.step + 1, report.loss, self.kept(0));
            return Err(match first {
                Some(first) if loss.is_finite() => TrainError::NonFiniteTensor { first, checkpoint },
                first => TrainError::NonFiniteLoss { step, loss, first, checkpoint },
            }
            .into());
        }
        // Trials may have gone where something is infinite: the engine is to forget that it saw it.
        let values = self.engine.parameters(0)?;
        self.engine.set_parameters(0, &values)?;
        self.position.step += 1;
        // PyTorch's counters count passes in training, of which a step makes several.
        let passes = (report.evaluations * self.train.steps()) as i64;
        self.members[0].counted.iter_mut().for_each(|n| *n = n.saturating_add(passes - 1));
        self.members[0].sums = sums;
        if let Some(second) = &mut self.second {
            second.report = Some(*report);
        }
        let event = StepEvent {
            member: None,
            step: self.position.step,
            epoch: f64::from(self.position.epoch) + 1.0,
            loss: report.began,
            data_loss: sums.data_loss / sums.rows,
            learning_rate,
            accuracy: sums.mean(sums.accuracy),
            rows: self.train.used(),
        };
        Ok((event, *report))
    }
}
