//! The exact Hessian of the loss over all training rows: Hessian-vector products, by differentiating `⟨∇f, v⟩` on the graph.

use super::space::Field;
use crate::data::{Dataset, Targets};
use crate::device::VectorId;
use crate::device::cpu::{self, Program};
use crate::error::{Error, Result};
use crate::graph::{Accumulate, Context, NodeId};
use crate::nn::{Mode, Model};
use crate::optim::second::{Curved, Newton};
use crate::train::recipe::Recipe;
use crate::train::set::build;

/// Products of the Hessian with a vector, minibatch by minibatch, in f64 on the CPU.
pub(in crate::train::trainer) struct Curvature {
    lengths: Vec<usize>,
    rows: usize,
    seed: u64,
    features: Column,
    targets: Column,
    batches: Vec<Products>,
}

enum Column {
    Real(Vec<f64>),
    Index(Vec<u32>),
}

/// The products of one size of minibatch.
struct Products {
    rows: usize,
    program: Program<f64>,
    features: NodeId,
    targets: NodeId,
    parameters: Vec<NodeId>,
    directions: Vec<NodeId>,
    products: Vec<Option<NodeId>>,
}

impl Curvature {
    pub(super) fn new(newton: &Newton, model: &dyn Model, recipe: &Recipe, data: &Dataset) -> Result<Self> {
        let whole = build(model, recipe, data, recipe.batch_size, Mode::Evaluate)?;
        let lengths: Vec<usize> = whole.parameters.iter().map(|p| p.shape.elements()).collect();
        let n = lengths.iter().fold(0, |n: usize, &len| n.saturating_add(len));
        newton.admit(n)?;
        cpu::admit("the Hessian and its factor", n.saturating_mul(n), 16)?;
        let (rows, batch) = (data.rows(), recipe.batch_size);
        let mut batches = vec![Products::new(model, recipe, data, batch)?];
        if !rows.is_multiple_of(batch) {
            batches.push(Products::new(model, recipe, data, rows % batch)?);
        }
        let features = match model.index_count() {
            Some(count) => Column::Index(data.indices(count)?),
            None => Column::Real(data.features().to_f64()),
        };
        let targets = match data.targets() {
            Targets::Classes { labels, .. } => Column::Index(labels.clone()),
            Targets::Values { values, .. } => Column::Real(values.to_f64()),
        };
        Ok(Self { lengths, rows, seed: recipe.seed, features, targets, batches })
    }

    /// A flat vector, tensor by tensor.
    pub(super) fn split(&self, x: &[f64]) -> Vec<Vec<f64>> {
        let mut rest = x;
        let part = |&len: &usize| {
            let (own, more) = rest.split_at(len);
            rest = more;
            own.to_vec()
        };
        self.lengths.iter().map(part).collect()
    }

    /// The Hessian at `x`, row by row; random ops see `step` and those after it.
    fn hessian(&mut self, x: &[f64], step: u32, hessian: &mut [f64]) {
        let (values, n) = (self.split(x), x.len());
        hessian.fill(0.0);
        let full = self.batches[0].rows;
        for (k, first) in (0..self.rows).step_by(full).enumerate() {
            let count = full.min(self.rows - first);
            let batch = &mut self.batches[usize::from(count < full)];
            let share = count as f64 / self.rows as f64;
            for (column, id) in [(&self.features, batch.features), (&self.targets, batch.targets)] {
                match column {
                    Column::Real(all) => take(batch.program.real_mut(id), all, first, count, self.rows),
                    Column::Index(all) => take(batch.program.index_mut(id), all, first, count, self.rows),
                }
            }
            for (value, &id) in values.iter().zip(&batch.parameters) {
                batch.program.real_mut(id).copy_from_slice(value);
            }
            let context = Context { step: step.wrapping_add(k as u32), seed: self.seed };
            let mut place = 0;
            for (tensor, &len) in self.lengths.iter().enumerate() {
                for i in 0..len {
                    batch.program.real_mut(batch.directions[tensor])[i] = 1.0;
                    batch.program.run(&context);
                    batch.program.real_mut(batch.directions[tensor])[i] = 0.0;
                    let mut row = hessian[place * n..(place + 1) * n].iter_mut();
                    for (product, &len) in batch.products.iter().zip(&self.lengths) {
                        let own = row.by_ref().take(len);
                        if let Some(id) = product {
                            own.zip(batch.program.value(*id)).for_each(|(h, x)| *h += share * x);
                        } else {
                            own.for_each(drop);
                        }
                    }
                    place += 1;
                }
            }
        }
    }
}

fn take<V: Copy>(batch: &mut [V], all: &[V], first: usize, count: usize, rows: usize) {
    let width = all.len() / rows.max(1);
    batch.copy_from_slice(&all[first * width..(first + count) * width]);
}

impl Products {
    fn new(model: &dyn Model, recipe: &Recipe, data: &Dataset, rows: usize) -> Result<Self> {
        let built = build(model, recipe, data, rows, Mode::Train)?;
        let (mut g, gradients) = (built.graph, built.gradients);
        let parameters: Vec<NodeId> = built.parameters.iter().map(|p| p.node).collect();
        let (mut directions, mut inner) = (Vec::with_capacity(parameters.len()), None);
        for (spec, gradient) in built.parameters.iter().zip(gradients) {
            let direction = g.input(&format!("direction of {}", spec.name), spec.shape.clone())?;
            directions.push(direction);
            let Some(gradient) = gradient else { continue };
            let product = g.mul(gradient, direction)?;
            let sum = g.sum_all(product)?;
            inner = Some(match inner {
                None => sum,
                Some(before) => g.apply(Accumulate, &[before, sum])?,
            });
        }
        let products = match inner {
            Some(inner) => g.gradients(inner, built.loss_scale, &parameters)?,
            None => vec![None; parameters.len()],
        };
        let wanted: Vec<NodeId> = products.iter().flatten().copied().collect();
        let program = Program::new(g, &wanted)?;
        let (features, targets) = (built.features, built.targets);
        Ok(Self { rows, program, features, targets, parameters, directions, products })
    }
}

/// The training loss for Newton's method: values and gradients by the engine, Hessians by the graph.
pub(super) struct Problem<'a, 'b> {
    pub curvature: &'a mut Curvature,
    pub field: &'a mut Field<'b>,
}

impl Curved for Problem<'_, '_> {
    type Error = Error;

    fn evaluate(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        self.field.engine.set_parameters(0, &self.curvature.split(x))?;
        let (sums, loss) = self.field.pass()?;
        self.field.first.get_or_insert(sums);
        gradient.copy_from_slice(&self.field.engine.vectors().vector_values(VectorId::State(0))?.concat());
        Ok(loss)
    }

    fn hessian(&mut self, x: &[f64], hessian: &mut [f64]) -> Result<()> {
        self.curvature.hessian(x, self.field.step, hessian);
        Ok(())
    }
}
