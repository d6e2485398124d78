//! The model over examples of one shape, on a device, with the programs compiled for it.

use std::path::Path;

use crate::data::{Dataset, Targets, Values};
use crate::device::{Column, Compiled, Device, Forward};
use crate::error::{CheckpointError, Misshaped, Result, TrainError};
use crate::graph::{Graph, NodeId};
use crate::nn::{Builder, Mode, Model, Objective, TargetKind, assemble};
use crate::shape::Shape;
use crate::train::weights::{Names, Weights};

/// Programs held at once: a full and a short minibatch, with targets and without.
const PROGRAMS: usize = 4;

/// A model that knows the shape of its examples.
pub(super) struct Bound {
    pub input: Shape,
    /// Of one example.
    pub output: Shape,
    names: Names,
    /// Whether examples are row numbers.
    indices: bool,
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
    names: Names,
}

fn build(model: &dyn Model, input: &Shape, rows: usize) -> Result<Built> {
    let mut graph = Graph::new();
    let features = crate::nn::examples(&mut graph, model, Shape::from([&[rows], input.axes()].concat()))?;
    let mut builder = Builder::new(&mut graph, Mode::Evaluate);
    let output = model.build(&mut builder, features)?;
    let (parameters, buffers, counters) = builder.into_parts();
    let names = Names { parameters: parameters.into_iter().map(|p| (p.name, p.shape)).collect(), buffers, counters };
    Ok(Built { graph, features, output, names })
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
        let weights = Weights::read_named(file, &built.names, device.precision()).map_err(|error| match error {
            CheckpointError::Mismatch { missing, extra, misshaped, wrong_dtype, .. }
                if free && missing.is_empty() && extra.is_empty() && wrong_dtype.is_empty() =>
            {
                misfit(&input, misshaped).into()
            }
            other => crate::Error::from(other),
        })?;
        let learnt = built.names.parameters.iter().map(|(name, _)| name).zip(&weights.parameters);
        let kept = built.names.buffers.iter().map(|b| &b.name).zip(&weights.buffers);
        let named: Vec<_> = learnt.chain(kept).map(|(name, v)| (name.as_str(), Column::F64(v))).collect();
        let forward = Forward::new(device, &named)?;
        let (output, indices) = (of_one(&built), model.index_count().is_some());
        Ok(Self { output, input, names: built.names, indices, forward, programs: Vec::new() })
    }

    /// Takes examples of another shape from now on, if the weights suit it.
    pub fn rebind(&mut self, model: &dyn Model, input: Shape) -> Result<()> {
        let built = build(model, &input, 1)?;
        let (here, held) = (built.names.tensors(), self.names.tensors());
        let pairs = here.iter().zip(&held).filter(|((_, here), (_, held))| here != held);
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
        let compiled = match self.forward.compile(graph, &wanted) {
            Ok(compiled) => compiled,
            Err(error) => {
                // Room for what may be asked for instead.
                self.forget();
                return Err(error.into());
            }
        };
        self.programs.push(Program { rows, targets: targets.cloned(), compiled, features, answers });
        Ok(self.programs.len() - 1)
    }

    fn run(&mut self, place: usize, data: &Dataset, first: usize) -> Result<Vec<Vec<f64>>> {
        let program = &self.programs[place];
        let rows = |values, width| column(values, first * width, program.rows * width);
        let width = data.shape().elements();
        let whole: Vec<u32>;
        let features = match self.indices {
            false => rows(data.features(), width),
            true => {
                let number = |i| data.features().get(i) as u32;
                whole = (first * width..(first + program.rows) * width).map(number).collect();
                Column::Index(&whole)
            }
        };
        let mut inputs = vec![(program.features, features)];
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
