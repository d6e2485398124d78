//! Weights that stay on a device, and graphs that are run over them without learning anything.

use super::cpu::CpuForward;
use super::gpu::GpuForward;
use super::{Column, Device, Precision};
use crate::error::DeviceError;
use crate::graph::{Dtype, Graph, Kind, NodeId};

/// What is computed forward on a device: the weights are put there once, each graph is compiled once, and a run takes
/// nothing but the inputs and gives back what was wanted.
///
/// A graph finds its weights by name; several graphs (minibatches of several sizes) share them.
pub(crate) enum Forward {
    F32(CpuForward<f32>),
    F64(CpuForward<f64>),
    Gpu(GpuForward),
}

/// A compiled graph of a [`Forward`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compiled(pub(super) usize);

impl Forward {
    /// Puts named tensors on the device, each rounded once to its floats.
    pub(crate) fn new(device: &Device, weights: &[(&str, Column<'_>)]) -> Result<Self, DeviceError> {
        Ok(match device {
            Device::Cpu(Precision::F32) => Self::F32(CpuForward::new(weights)?),
            Device::Cpu(Precision::F64) => Self::F64(CpuForward::new(weights)?),
            Device::Gpu(gpu) => Self::Gpu(GpuForward::new(gpu, weights)?),
        })
    }

    /// Compiles `graph` up to `wanted`.
    pub(crate) fn compile(&mut self, graph: Graph, wanted: &[NodeId]) -> Result<Compiled, DeviceError> {
        match self {
            Self::F32(cpu) => cpu.compile(graph, wanted),
            Self::F64(cpu) => cpu.compile(graph, wanted),
            Self::Gpu(gpu) => gpu.compile(graph, wanted),
        }
        .map(Compiled)
    }

    /// Runs a compiled graph over `inputs`; the values of what was wanted, in its order, exactly as the device has them.
    pub(crate) fn run(
        &mut self,
        program: Compiled,
        inputs: &[(NodeId, Column<'_>)],
    ) -> Result<Vec<Vec<f64>>, DeviceError> {
        match self {
            Self::F32(cpu) => cpu.run(program.0, inputs),
            Self::F64(cpu) => cpu.run(program.0, inputs),
            Self::Gpu(gpu) => gpu.run(program.0, inputs),
        }
    }

    /// Drops every compiled graph; the weights stay.
    pub(crate) fn forget(&mut self) {
        match self {
            Self::F32(cpu) => cpu.forget(),
            Self::F64(cpu) => cpu.forget(),
            Self::Gpu(gpu) => gpu.forget(),
        }
    }
}

/// The place among `held` (name, elements) of the weight that a source of `graph` is; an error where it is not there or
/// has another size.
pub(super) fn weight<'a>(
    graph: &Graph,
    id: NodeId,
    held: impl Iterator<Item = (&'a str, usize)>,
) -> Result<Option<usize>, DeviceError> {
    let node = graph.node(id);
    let name = match &node.kind {
        Kind::Parameter { name } | Kind::Buffer { name } => name,
        Kind::Input { .. } | Kind::Setting { .. } | Kind::Op { .. } => return Ok(None),
    };
    let needed = node.meta.shape.elements();
    match held.enumerate().find(|(_, (held, _))| held == name) {
        Some((place, (_, found))) if found == needed => Ok(Some(place)),
        Some((_, (_, found))) => Err(mismatch(graph, id, name, format!("{found} numbers"))),
        None => Err(DeviceError::NotFed { kind: "parameter", name: name.clone(), shape: node.meta.shape.to_string() }),
    }
}

/// The column of `inputs` that an input of `graph` is given, checked against its shape and type.
pub(super) fn given<'a>(graph: &Graph, id: NodeId, inputs: &[(NodeId, Column<'a>)]) -> Result<Column<'a>, DeviceError> {
    let node = graph.node(id);
    let name = graph.inputs().find(|(_, input)| *input == id).map_or("", |(name, _)| name);
    let Some(&(_, column)) = inputs.iter().find(|(input, _)| *input == id) else {
        return Err(DeviceError::NotFed { kind: "input", name: name.into(), shape: node.meta.shape.to_string() });
    };
    let index = matches!(column, Column::Index(_));
    if column.len() != node.meta.shape.elements() || index != (node.meta.dtype == Dtype::Index) {
        let dtype = if index { Dtype::Index } else { Dtype::Real };
        return Err(mismatch(graph, id, name, format!("{} {}", column.len(), dtype.describe())));
    }
    Ok(column)
}

fn mismatch(graph: &Graph, id: NodeId, name: &str, found: String) -> DeviceError {
    let meta = &graph.node(id).meta;
    let expected = format!("{} {} (shape {})", meta.shape.elements(), meta.dtype.describe(), meta.shape);
    DeviceError::Feed { name: name.into(), expected, found }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::gpu::{Gpu, Options};

    /// `x wᵀ` for two sizes of minibatch over one weight, run twice each: by hand.
    fn products(device: &Device) -> Result<(), DeviceError> {
        let mut forward = Forward::new(device, &[("other", Column::F32(&[9.0])), ("w", Column::F64(&[1.0, 2.0]))])?;
        for rows in [2usize, 1] {
            let mut g = Graph::new();
            let x = g.input("x", [rows, 2])?;
            let w = g.parameter("w", [1, 2])?;
            let y = g.matmul_nt(x, w)?;
            let program = forward.compile(g, &[y, w])?;
            for first in [3.0f32, 5.0] {
                let values = [first, 0.5, 1.0, -1.0];
                let found = forward.run(program, &[(x, Column::F32(&values[..2 * rows]))])?;
                assert_eq!(found[0], [f64::from(first) + 1.0, -1.0][..rows]);
                assert_eq!(found[1], [1.0, 2.0]);
            }
            let absent = forward.run(program, &[]);
            assert!(matches!(absent, Err(DeviceError::NotFed { kind: "input", .. })), "{absent:?}");
            let short = forward.run(program, &[(x, Column::F32(&[1.0]))]);
            assert!(matches!(short, Err(DeviceError::Feed { .. })), "{short:?}");
            let index = forward.run(program, &[(x, Column::Index(&[0, 1, 2, 3][..2 * rows]))]);
            assert!(matches!(index, Err(DeviceError::Feed { .. })), "{index:?}");
        }
        let mut g = Graph::new();
        let (x, w) = (g.input("x", [1, 3])?, g.parameter("w", [1, 3])?);
        let y = g.matmul_nt(x, w)?;
        let wrong = forward.compile(g, &[y]);
        assert!(matches!(wrong, Err(DeviceError::Feed { .. })), "{wrong:?}");
        let mut g = Graph::new();
        let v = g.parameter("v", [1])?;
        let unknown = forward.compile(g, &[v]);
        assert!(matches!(unknown, Err(DeviceError::NotFed { kind: "parameter", .. })), "{unknown:?}");
        forward.forget();
        Ok(())
    }

    #[test]
    fn weights_stay_and_inputs_change() {
        for precision in [Precision::F32, Precision::F64] {
            products(&Device::Cpu(precision)).unwrap();
        }
        // Where an adapter is demanded, tests/predict.rs fails without one.
        if let Ok(gpu) = Gpu::best(Options::default()) {
            let before = gpu.allocated();
            products(&Device::Gpu(gpu.clone())).unwrap();
            assert_eq!(gpu.allocated(), before);
        }
    }
}
