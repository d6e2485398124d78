//! What is to be chosen between: the nodes of a graph whose ops offer several variants.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::device::gpu::Gpu;
use crate::error::GraphError;
use crate::graph::{Dtype, DynOp, Graph, Kind, Meta};
use crate::kernel::{Launches, Place, Plan, Variants};

/// Lengths up to this are an op's own (a window's side, a few classes): they are not shortened.
const SHORT: usize = 8;
/// What reading or writing an element counts for, in floating-point operations.
const ELEMENT: u64 = 16;

/// A place where an op can be launched in several ways.
pub(super) struct Offer {
    pub class: String,
    pub names: Vec<&'static str>,
    pub op: Arc<dyn DynOp>,
    /// The operands as the graph has them.
    pub inputs: Vec<Meta>,
    /// Floating-point operations of one run and what its bytes count for.
    pub cost: u64,
}

/// What a choice holds for, of all ops.
pub(super) fn class(op: &dyn DynOp, offered: &Variants) -> String {
    if offered.class.starts_with(op.name()) {
        offered.class.clone()
    } else {
        format!("{} {}", op.name(), offered.class)
    }
}

/// One offer for each class among the live nodes: the dearest.
pub(super) fn collect(gpu: &Gpu, graph: &Graph, live: &[bool]) -> Vec<Offer> {
    let mut found: BTreeMap<String, Offer> = BTreeMap::new();
    for (node, _) in graph.nodes().iter().zip(live).filter(|(_, live)| **live) {
        let Kind::Op { op, inputs } = &node.kind else { continue };
        if op.is_view() {
            continue;
        }
        let inputs: Vec<Meta> = inputs.iter().map(|&id| graph.node(id).meta.clone()).collect();
        let Some(offer) = Offer::new(gpu, op, inputs) else { continue };
        match found.get(&offer.class) {
            Some(known) if known.cost >= offer.cost => {}
            _ => drop(found.insert(offer.class.clone(), offer)),
        }
    }
    found.into_values().collect()
}

impl Offer {
    fn new(gpu: &Gpu, op: &Arc<dyn DynOp>, inputs: Vec<Meta>) -> Option<Self> {
        let plan = plan(gpu, op.as_ref(), &inputs, None).ok()?;
        let offered = op.variants(&plan);
        if offered.names.len() < 2 {
            return None;
        }
        let cost = cost(&op.launches(&plan).ok()?, &plan);
        Some(Self { class: class(op.as_ref(), &offered), names: offered.names, op: op.clone(), inputs, cost })
    }

    /// The op at a place with these operands, alone.
    pub(super) fn plan(&self, gpu: &Gpu, inputs: &[Meta], variant: Option<&'static str>) -> Result<Plan, GraphError> {
        plan(gpu, self.op.as_ref(), inputs, variant)
    }

    /// Why no operands can be made up for it.
    pub(super) fn unfit(&self) -> Option<&'static str> {
        let real = |meta: &Meta| meta.dtype == Dtype::Real;
        let reals = self.inputs.iter().all(real) && self.op.output(&self.inputs).is_ok_and(|y| real(&y));
        (!reals).then_some("it takes or gives indices, and which ones it may be given is not known")
    }

    /// The operands, or as much of them as costs at most `limit`: lengths are halved to odd ones, or to even ones where a variant is
    /// offered for no others, the longest first and equal ones together, as far as the op takes that and still offers every
    /// variant. `None` where it does not go far enough.
    pub(super) fn within(&self, gpu: &Gpu, limit: u64) -> Option<Vec<Meta>> {
        let (mut inputs, mut cost, mut fixed) = (self.inputs.clone(), self.cost, Vec::new());
        while cost > limit {
            let longest = lengths(&inputs).into_iter().rev().find(|length| !fixed.contains(length))?;
            let shorter = halves(longest).into_iter().find_map(|half| {
                let shorter = replaced(&inputs, &|length| if length == longest { half } else { length });
                Some((self.suits(gpu, &shorter).filter(|less| *less < cost)?, shorter))
            });
            match shorter {
                Some((less, shorter)) => (inputs, cost) = (shorter, less),
                None => fixed.push(longest),
            }
        }
        Some(inputs)
    }

    /// The cost with these operands.
    pub(super) fn cost_of(&self, gpu: &Gpu, inputs: &[Meta]) -> Option<u64> {
        let plan = self.plan(gpu, inputs, None).ok()?;
        Some(cost(&self.op.launches(&plan).ok()?, &plan))
    }

    /// Bytes of the operands.
    pub(super) fn bytes(&self) -> u64 {
        self.inputs.iter().map(|meta| 4 * meta.shape.elements() as u64).sum()
    }

    /// Operands a little shorter, with odd lengths: where tiles do not fit. `None` where the op takes none.
    pub(super) fn ragged(&self, gpu: &Gpu, inputs: &[Meta]) -> Option<Vec<Meta>> {
        let odd = |length: usize| length - 1 - length % 2;
        let takes = |inputs: &[Meta]| {
            let plan = self.plan(gpu, inputs, None).ok()?;
            self.op.launches(&plan).ok()
        };
        let all = lengths(inputs);
        let together = replaced(inputs, &|length| if all.contains(&length) { odd(length) } else { length });
        if !all.is_empty() && takes(&together).is_some() {
            return Some(together);
        }
        let (mut found, mut changed) = (inputs.to_vec(), false);
        for length in all {
            let other = replaced(&found, &|l| if l == length { odd(length) } else { l });
            if takes(&other).is_some() {
                (found, changed) = (other, true);
            }
        }
        changed.then_some(found)
    }

    /// Whether a variant is offered for these operands as well.
    pub(super) fn offers(&self, gpu: &Gpu, inputs: &[Meta], name: &'static str) -> bool {
        self.plan(gpu, inputs, None).is_ok_and(|plan| self.op.variants(&plan).names.contains(&name))
    }

    /// What it costs with these operands, if the op takes them and offers every variant there.
    fn suits(&self, gpu: &Gpu, inputs: &[Meta]) -> Option<u64> {
        let plan = self.plan(gpu, inputs, None).ok()?;
        let offered = self.op.variants(&plan).names;
        let all = self.names.iter().all(|name| offered.contains(name));
        let launches = self.op.launches(&plan).ok().filter(|_| all)?;
        Some(cost(&launches, &plan))
    }

    /// A hash of the kernels to choose among: a choice between others does not hold for these.
    pub(super) fn kernels(&self, gpu: &Gpu) -> String {
        let mut hash = Fnv::default();
        for name in &self.names {
            hash.add(name.as_bytes());
            let launches =
                self.plan(gpu, &self.inputs, Some(name)).and_then(|plan| self.op.launches(&plan)).unwrap_or_default();
            for kernel in launches.list.iter().map(|launch| &launch.kernel) {
                hash.add(kernel.entry.as_bytes());
                hash.add(kernel.source.as_bytes());
                for (name, value) in &kernel.constants {
                    hash.add(name.as_bytes());
                    hash.add(&value.to_le_bytes());
                }
            }
        }
        format!("{:016x}", hash.0)
    }
}

fn plan(gpu: &Gpu, op: &dyn DynOp, inputs: &[Meta], variant: Option<&'static str>) -> Result<Plan, GraphError> {
    let place = |meta: &Meta| Place { shape: meta.shape.clone(), stride: 0 };
    let output = op.output(inputs)?;
    Ok(Plan { variant, ..gpu.unchosen(inputs.iter().map(place).collect(), place(&output), 1) })
}

fn cost(launches: &Launches, plan: &Plan) -> u64 {
    let elements = plan.inputs.iter().chain([&plan.output]).map(|place| place.elements() as u64).sum::<u64>();
    launches.list.iter().map(|launch| launch.flops).sum::<u64>().saturating_add(ELEMENT * elements)
}

/// The lengths that may be shortened, each once, the shortest first.
fn lengths(inputs: &[Meta]) -> Vec<usize> {
    let mut all: Vec<usize> =
        inputs.iter().flat_map(|meta| meta.shape.iter().copied()).filter(|&l| l > SHORT).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// About half a length: odd, and twice an odd number, where tiles do not fit either.
fn halves(length: usize) -> [usize; 2] {
    [(length / 2) | 1, 2 * ((length / 4) | 1)]
}

fn replaced(inputs: &[Meta], length: &dyn Fn(usize) -> usize) -> Vec<Meta> {
    let other = |meta: &Meta| {
        let axes: Vec<usize> = meta.shape.iter().map(|&l| length(l)).collect();
        Meta { shape: axes.into(), dtype: meta.dtype }
    };
    inputs.iter().map(other).collect()
}

/// FNV-1a of 64 bits: the same on every machine and for every compiler.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn byte(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }

    fn add(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.byte(byte));
        // No text has this one: neighbours stay apart.
        self.byte(0xff);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published value of FNV-1a (64 bits) for `foobar`.
    #[test]
    fn the_hash_is_fnv_1a() {
        let mut hash = Fnv::default();
        b"foobar".iter().for_each(|&byte| hash.byte(byte));
        assert_eq!(hash.0, 0x8594_4171_f739_67e8);
        let of = |parts: [&[u8]; 2]| {
            let mut hash = Fnv::default();
            parts.iter().for_each(|part| hash.add(part));
            hash.0
        };
        assert_ne!(of([b"ab", b"c"]), of([b"a", b"bc"]));
    }

    #[test]
    fn halves_fit_no_tile() {
        assert_eq!([9, 100, 784, 1024].map(halves), [[5, 6], [51, 50], [393, 394], [513, 514]]);
    }

    #[test]
    fn short_lengths_stay() {
        let inputs = [Meta::real([64, 8, 3]), Meta::real([100, 64])];
        assert_eq!(lengths(&inputs), [64, 100]);
        let other = replaced(&inputs, &|l| if l == 64 { 33 } else { l });
        assert_eq!(other, [Meta::real([33, 8, 3]), Meta::real([100, 33])]);
    }
}
