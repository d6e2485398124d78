//! The model over examples of one shape, on a device, with the programs compiled for it.

use std::path::Path;

use crate::data::{Dataset, Targets, Values};
use crate::device::{Column, Compiled, Device, Forward};
use crate::error::{CheckpointError, Misshaped, Result, TrainError};
use crate::graph::{Graph, NodeId};
use crate::nn::{Builder, Mode, Model, Objective, TargetKind, assemble};
use crate::shape::Shape;
use crate::train::checkpoint::read_weights;

/// Programs held at once: a full and a short minibatch, with targets and without.
const PROGRAMS: usize = 4;

/// A model that knows the shape of its examples.
pub(super) struct Bound {
    pub input: Shape,
    /// Of one example.
    pub output: Shape,
    tensors: Vec<(String, Shape)>,
    forward: Forward,
    programs: Vec<Program>,
}

struct Program {
    rows: usize,
    targets: Option<TargetKind>,
    compiled: Compiled,
    features: NodeId,
    answers: Option<NodeId>,
}

/// The model alone over a minibatch.
struct Built {
    graph: Graph,
    features: NodeId,
    output: NodeId,
    tensors: Vec<(String, Shape)>,
}

fn build(model: &dyn Model, input: &Shape, rows: usize) -> Result<Built> {
    let mut graph = Graph::new();
    let features = graph.input("x", Shape::from([&[rows], input.axes()].concat()))?;
    let mut builder = Builder::new(&mut graph, Mode::Evaluate);
    let output = model.build(&mut builder, features)?;
    let tensors = builder.into_parameters().into_iter().map(|p| (p.name, p.shape)).collect();
    Ok(Built { graph, features, output, tensors })
}

/// The output's shape without the batch axis, which it must have kept.
fn of_one(built: &Built) -> Shape {
    Shape::from(built.graph.shape(built.output).get(1..).unwrap_or_default())
}

impl Bound {
    /// Puts the weights of a file on the device. `free` says that `input` is the data's shape and none that the run
    /// names: then weights of other shapes are the data's fault.
    pub fn load(file: &Path, model: &dyn Model, input: Shape, free: bool, device: &Device) -> Result<Self> {
        let built = build(model, &input, 1)?;
        let weights = read_weights(file, &built.tensors).map_err(|error| match error {
            CheckpointError::Mismatch { missing, extra, misshaped, wrong_dtype, .. }
                if free && missing.is_empty() && extra.is_empty() && wrong_dtype.is_empty() =>
            {
                misfit(&input, misshaped).into()
            }
            other => crate::Error::from(other),
        })?;
        let named: Vec<_> =
            built.tensors.iter().zip(&weights).map(|((name, _), v)| (name.as_str(), column(v, 0, v.len()))).collect();
        let forward = Forward::new(device, &named)?;
        Ok(Self { output: of_one(&built), input, tensors: built.tensors, forward, programs: Vec::new() })
    }

    /// Takes examples of another shape from now on, if the weights suit it.
    pub fn rebind(&mut self, model: &dyn Model, input: Shape) -> Result<()> {
        let built = build(model, &input, 1)?;
        let pairs = built.tensors.iter().zip(&self.tensors).filter(|((_, here), (_, held))| here != held);
        let differ = pairs.map(|((name, expected), (_, found))| Misshaped {
            name: name.clone(),
            expected: expected.clone(),
            found: found.clone(),
        });
        let differ: Vec<_> = differ.collect();
        if !differ.is_empty() {
            return Err(misfit(&input, differ).into());
        }
        self.forget();
        (self.output, self.input) = (of_one(&built), input);
        Ok(())
    }

    /// The scores of some rows.
    pub fn answer(&mut self, model: &dyn Model, data: &Dataset, first: usize, rows: usize) -> Result<Vec<Vec<f64>>> {
        let place = self.place(rows, None, |input| {
            let built = build(model, input, rows)?;
            Ok((built.graph, built.features, None, vec![built.output]))
        })?;
        self.run(place, data, first)
    }

    /// The scores of some rows, the loss over them and, of classes, the accuracy.
    pub fn judge(
        &mut self,
        (model, objective): (&dyn Model, &Objective),
        kind: &TargetKind,
        data: &Dataset,
        (first, rows): (usize, usize),
    ) -> Result<Vec<Vec<f64>>> {
        let place = self.place(rows, Some(kind), |input| {
            let a = assemble(model, input, kind.clone(), objective, rows, Mode::Evaluate)?;
            let wanted = [Some(a.output), Some(a.data_loss), a.accuracy];
            Ok((a.graph, a.features, Some(a.targets), wanted.into_iter().flatten().collect()))
        })?;
        self.run(place, data, first)
    }

    /// The place of a program, compiled if there is none yet.
    fn place(
        &mut self,
        rows: usize,
        targets: Option<&TargetKind>,
        build: impl FnOnce(&Shape) -> Result<(Graph, NodeId, Option<NodeId>, Vec<NodeId>)>,
    ) -> Result<usize> {
        let fits = |p: &Program| p.rows == rows && p.targets.as_ref() == targets;
        if let Some(place) = self.programs.iter().position(fits) {
            return Ok(place);
        }
        if self.programs.len() >= PROGRAMS {
            self.forget();
        }
        let (graph, features, answers, wanted) = build(&self.input)?;
        let compiled = self.forward.compile(graph, &wanted)?;
        self.programs.push(Program { rows, targets: targets.cloned(), compiled, features, answers });
        Ok(self.programs.len() - 1)
    }

    fn run(&mut self, place: usize, data: &Dataset, first: usize) -> Result<Vec<Vec<f64>>> {
        let program = &self.programs[place];
        let rows = |values, width| column(values, first * width, program.rows * width);
        let mut inputs = vec![(program.features, rows(data.features(), data.shape().elements()))];
        if let Some(answers) = program.answers {
            let targets = match data.targets() {
                Targets::Classes { labels, .. } => Column::Index(&labels[first..first + program.rows]),
                Targets::Values { values, shape } => rows(values, shape.elements()),
            };
            inputs.push((answers, targets));
        }
        Ok(self.forward.run(program.compiled, &inputs)?)
    }

    fn forget(&mut self) {
        self.forward.forget();
        self.programs.clear();
    }
}

fn misfit(input: &Shape, tensors: Vec<Misshaped>) -> TrainError {
    TrainError::Misfit { data: input.clone(), tensors }
}

fn column(values: &Values, first: usize, len: usize) -> Column<'_> {
    match values {
        Values::F32(v) => Column::F32(&v[first..first + len]),
        Values::F64(v) => Column::F64(&v[first..first + len]),
    }
}
