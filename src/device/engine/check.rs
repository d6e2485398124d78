//! What engines refuse before anything runs: kernels look at no bounds.

use std::collections::HashSet;

use super::{Call, DataId, Part, Setup, StepGraph, Tensor};
use crate::error::{DeviceError, GraphError};
use crate::graph::{Dtype, Graph, Kind, NodeId};
use crate::optim::{FROZEN, MAX_GROUPS, MAX_STATES, MAX_TENSORS};

fn refuse<T>(name: &str, expected: String, found: String) -> Result<T, DeviceError> {
    Err(DeviceError::Feed { name: name.into(), expected, found })
}

/// What an engine is made for must hold together: a group for each tensor, a member, and a rule that kernels can bind.
pub(in crate::device) fn check_setup(setup: &Setup) -> Result<(), DeviceError> {
    let Setup { tensors, buffers, groups, rule, update, seeds } = setup;
    if tensors.len() > MAX_TENSORS {
        return refuse("tensors", format!("at most {MAX_TENSORS}"), tensors.len().to_string());
    }
    let mut names = HashSet::with_capacity(tensors.len());
    let all = tensors.iter().chain(buffers);
    if let Some(twice) = all.into_iter().find(|t| !names.insert(t.name.as_str())) {
        return refuse("tensors", "names that differ".into(), format!("`{}` twice", twice.name));
    }
    if groups.len() != tensors.len() {
        return refuse("parameter groups", format!("{}, one for each tensor", tensors.len()), groups.len().to_string());
    }
    if let Some(group) = groups.iter().find(|&&group| group >= MAX_GROUPS && group != FROZEN) {
        return refuse("parameter groups", format!("numbers below {MAX_GROUPS}"), group.to_string());
    }
    if seeds.is_empty() {
        return refuse("seeds", "at least 1, one for each member".into(), "0".into());
    }
    let states = rule.states();
    if states.len() > MAX_STATES {
        let expected = format!("at most {MAX_STATES} states of the rule `{}`", rule.name());
        return refuse("rule", expected, format!("{} ({})", states.len(), states.join(", ")));
    }
    if let Some(clip) = update.clip.filter(|clip| clip.validate().is_err()) {
        return refuse("clip", "a bound that is positive in f32".into(), format!("{clip:?}"));
    }
    if let Some(tensor) = update.bare.iter().find(|&&tensor| tensor >= tensors.len()) {
        return refuse("tensors without states", format!("numbers below {}", tensors.len()), tensor.to_string());
    }
    Ok(())
}

/// A data set must be one of the engine's `count`.
pub(in crate::device) fn check_data(data: DataId, count: usize) -> Result<(), DeviceError> {
    if data.0 < count {
        return Ok(());
    }
    let known = if count == 0 { "none was added".into() } else { format!("a number below {count}") };
    refuse("data set", format!("one that this engine was given ({known})"), data.0.to_string())
}

/// The graph's parameters, and its buffers, must be the engine's, name by name: programs share one flat buffer.
fn same_tensors<'a>(
    graph: &Graph,
    operand: &'static str,
    named: impl Iterator<Item = (&'a str, NodeId)>,
    tensors: &[Tensor],
) -> Result<(), GraphError> {
    for (name, id) in named {
        match tensors.iter().find(|t| t.name == name) {
            Some(t) if t.shape == *graph.shape(id) => {}
            Some(t) => {
                return Err(GraphError::Shape {
                    op: "compile",
                    operand,
                    expected: format!("{} for `{name}`", t.shape),
                    found: graph.shape(id).clone(),
                });
            }
            None => {
                return Err(GraphError::UnknownParameter {
                    name: name.into(),
                    known: tensors.iter().map(|t| t.name.clone()).collect(),
                });
            }
        }
    }
    Ok(())
}

/// An order must name rows that exist: a kernel does not look.
pub(in crate::device) fn check_order(order: &[u32], rows: usize) -> Result<(), DeviceError> {
    let fits = order.len() == rows && order.iter().all(|&row| (row as usize) < rows);
    if fits {
        Ok(())
    } else {
        let found = format!("{} rows, the largest {:?}", order.len(), order.iter().max());
        Err(DeviceError::Feed { name: "order".into(), expected: format!("{rows} rows below {rows}"), found })
    }
}

/// A data set's columns must hold `rows` times what the graph takes a row.
pub(in crate::device) fn check_columns(
    step: &StepGraph,
    rows: usize,
    features: (usize, Dtype),
    targets: (usize, Dtype),
) -> Result<(), DeviceError> {
    for (name, id, (len, dtype)) in [("features", step.features, features), ("targets", step.targets, targets)] {
        let shape = step.graph.shape(id);
        let width = shape.iter().skip(1).product::<usize>();
        let batch = shape.first().copied().unwrap_or(0);
        if width * rows != len || batch > rows || batch == 0 {
            let expected = format!("{rows} rows of {width} for a batch of shape {shape}");
            return Err(DeviceError::Feed { name: name.into(), expected, found: format!("{len} values") });
        }
        let wanted = step.graph.node(id).meta.dtype;
        if wanted != dtype {
            return refuse(name, wanted.describe().into(), dtype.describe().into());
        }
    }
    Ok(())
}

pub(in crate::device) fn check_values(what: &str, tensors: &[Tensor], values: &[Vec<f64>]) -> Result<(), DeviceError> {
    if tensors.len() != values.len() {
        let (expected, found) = (format!("{} tensors", tensors.len()), format!("{}", values.len()));
        return Err(DeviceError::Feed { name: what.into(), expected, found });
    }
    for (tensor, values) in tensors.iter().zip(values) {
        if tensor.shape.elements() != values.len() {
            let (expected, found) =
                (format!("{} values (shape {})", tensor.shape.elements(), tensor.shape), values.len());
            return Err(DeviceError::Feed { name: tensor.name.clone(), expected, found: found.to_string() });
        }
    }
    Ok(())
}

/// States must be those of the rule, tensor by tensor.
pub(in crate::device) fn check_states(setup: &Setup, values: &[Vec<Vec<f64>>]) -> Result<(), DeviceError> {
    let names = setup.rule.states();
    if names.len() != values.len() {
        let expected = format!("{} states ({})", names.len(), names.join(", "));
        return Err(DeviceError::Feed { name: "states".into(), expected, found: values.len().to_string() });
    }
    let held = |t: usize| !setup.update.bare.contains(&t);
    let count = |t: usize| if held(t) { setup.tensors[t].shape.elements() } else { 0 };
    for state in values {
        if state.len() != setup.tensors.len() {
            return refuse("states", format!("{} tensors", setup.tensors.len()), state.len().to_string());
        }
        for (t, values) in state.iter().enumerate() {
            if values.len() != count(t) {
                let tensor = &setup.tensors[t];
                return refuse(
                    &tensor.name,
                    format!("{} values (shape {})", count(t), tensor.shape),
                    values.len().to_string(),
                );
            }
        }
    }
    Ok(())
}

/// An engine without running averages has nothing to set or swap.
pub(in crate::device) fn check_average(setup: &Setup) -> Result<(), DeviceError> {
    if setup.update.average {
        return Ok(());
    }
    refuse("averages", "an engine made with `Update::average`".into(), "one without".into())
}

pub(in crate::device) fn check_member(setup: &Setup, member: usize) -> Result<(), DeviceError> {
    if member < setup.seeds.len() {
        return Ok(());
    }
    let expected = format!("a number below {}", setup.seeds.len());
    Err(DeviceError::Feed { name: "member".into(), expected, found: member.to_string() })
}

/// A setting's value must be one on the device.
pub(in crate::device) fn check_setting(
    setup: &Setup,
    name: &str,
    member: usize,
    value: f64,
    holds: bool,
) -> Result<(), DeviceError> {
    check_member(setup, member)?;
    if holds {
        return Ok(());
    }
    refuse("settings", format!("a finite number of the device for `{name}`"), value.to_string())
}

/// What a submission must know of a program.
#[derive(Clone, Copy)]
pub(in crate::device) struct Extent {
    /// Rows of its minibatch.
    pub batch: usize,
    /// Rows of its data set.
    pub rows: usize,
    /// Whether it updates parameters.
    pub trains: bool,
}

/// Kernels look at no bounds: rows and numbers of the update must be there before anything is submitted.
pub(in crate::device) fn check_calls(
    setup: &Setup,
    capacity: usize,
    cursor: u32,
    calls: &[Call],
    finite: impl Fn(f64) -> bool,
    extent: impl Fn(usize) -> Option<Extent>,
) -> Result<(), DeviceError> {
    let refuse = |name: &str, expected: String, found: usize| {
        Err(DeviceError::Feed { name: name.into(), expected, found: found.to_string() })
    };
    if calls.is_empty() || calls.len() > capacity {
        return refuse("submission", format!("1 to {capacity} steps"), calls.len());
    }
    let mut end = cursor as usize;
    for call in calls {
        let Some(Extent { batch, rows, trains }) = extent(call.program.0) else {
            return refuse("program", "one that this engine compiled".into(), call.program.0);
        };
        end += batch;
        if end > rows {
            return refuse("minibatch", format!("rows below {rows}"), end - 1);
        }
        if call.part != Part::Whole && !setup.update.accumulate {
            let found = format!("{:?}", call.part);
            return Err(DeviceError::Feed {
                name: "part of a minibatch".into(),
                expected: "a whole one: the engine was not made to accumulate".into(),
                found,
            });
        }
        if call.telemetry && !setup.update.telemetry {
            let expected = "none: the engine was made without".into();
            return Err(DeviceError::Feed { name: "telemetry".into(), expected, found: "some".into() });
        }
        let members = setup.seeds.len();
        if !call.active.is_empty() && call.active.len() != members {
            return refuse("active members", format!("{members}, or none for all"), call.active.len());
        }
        if let Some(found) = [call.share, call.average].into_iter().find(|&x| !finite(x)) {
            let expected = "shares that are finite on the device".into();
            return Err(DeviceError::Feed { name: "step".into(), expected, found: found.to_string() });
        }
        let wanted = if call.part.updates() { members * setup.group_count() } else { 0 };
        if trains && call.hyper.len() != wanted {
            return refuse("hyper-parameters", format!("{wanted}, one for each member and group"), call.hyper.len());
        }
        // Rounded to the device's floats they must not become infinite: what follows would be blamed on a gradient.
        if let Some(numbers) = call.hyper.iter().take(wanted).find(|numbers| !numbers.iter().all(|&x| finite(x))) {
            let (expected, found) = ("numbers that are finite on the device".into(), format!("{numbers:?}"));
            return Err(DeviceError::Feed { name: "hyper-parameters".into(), expected, found });
        }
    }
    Ok(())
}

/// A step's own demands on its graph: features and targets are its only inputs, a loss is recorded, and there is a place for
/// every gradient.
pub(in crate::device) fn check_step(
    step: &StepGraph,
    Setup { tensors, buffers, .. }: &Setup,
) -> Result<(), DeviceError> {
    let nodes = step.graph.nodes().len();
    let nodes_named = step.record.iter().chain(&step.gradients).chain(&step.updates).flatten();
    let named = [step.features, step.targets].into_iter().chain(nodes_named.copied());
    if let Some(id) = named.into_iter().find(|id| id.0 >= nodes) {
        return Err(GraphError::ForeignNode { node: id.0, nodes }.into());
    }
    for (name, id) in [("features", step.features), ("targets", step.targets)] {
        if !matches!(step.graph.node(id).kind, Kind::Input { .. }) {
            return refuse(name, "an input of the graph".into(), format!("node {}, which is none", id.0));
        }
    }
    if let Some((name, id)) = step.graph.inputs().find(|&(_, id)| id != step.features && id != step.targets) {
        let shape = step.graph.shape(id).to_string();
        return Err(DeviceError::NotFed { kind: "input", name: name.into(), shape });
    }
    if step.record[0].is_none() {
        return refuse("record", "a loss in the first place".into(), "none".into());
    }
    for id in step.record.iter().flatten() {
        if step.graph.shape(*id).elements() != 1 {
            return refuse("record", "scalars".into(), format!("a node of shape {}", step.graph.shape(*id)));
        }
    }
    let count = step.gradients.len();
    if count != 0 && count != tensors.len() {
        return refuse("gradients", format!("{} or none", tensors.len()), count.to_string());
    }
    for (tensor, gradient) in tensors.iter().zip(&step.gradients) {
        if let Some(found) = gradient.map(|id| step.graph.shape(id)).filter(|found| **found != tensor.shape) {
            return refuse("gradients", format!("shape {} for `{}`", tensor.shape, tensor.name), found.to_string());
        }
    }
    let updates = step.updates.len();
    if updates != 0 && updates != buffers.len() {
        return refuse("updates", format!("{} or none", buffers.len()), updates.to_string());
    }
    for (tensor, next) in buffers.iter().zip(&step.updates) {
        if let Some(found) = next.map(|id| step.graph.shape(id)).filter(|found| **found != tensor.shape) {
            return refuse("updates", format!("shape {} for `{}`", tensor.shape, tensor.name), found.to_string());
        }
    }
    same_tensors(&step.graph, "parameter", step.graph.parameters(), tensors)?;
    same_tensors(&step.graph, "buffer", step.graph.buffers(), buffers).map_err(Into::into)
}
