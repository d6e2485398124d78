//! Nodes that one kernel computes together: that they are, that nothing else changes, and that the values are the twins'.

mod support;

#[path = "fusion/affine.rs"]
mod affine;
#[path = "fusion/chain.rs"]
mod chain;
#[path = "fusion/convolution.rs"]
mod convolution;
#[path = "fusion/dropout.rs"]
mod dropout;
#[path = "fusion/loss.rs"]
mod loss;
#[path = "fusion/order.rs"]
mod order;
#[path = "fusion/training.rs"]
mod training;

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use libtest_mimic::{Failed, Trial};
use thalweg::Graph;
use thalweg::check::{bounds, fill};
use thalweg::device::gpu::{Evaluation, Gpu, Options, evaluate};
use thalweg::device::{Feed, Feeds};
use thalweg::graph::{Context, Kind, NodeId};
use thalweg::kernel::Tiling;
use thalweg::op::{CaseInput, Fill};
use thalweg::rng::Stream;

fn main() {
    let mut trials = Vec::new();
    trials.extend(affine::trials());
    trials.extend(chain::trials());
    trials.extend(convolution::trials());
    trials.extend(dropout::trials());
    trials.extend(loss::trials());
    trials.extend(order::trials());
    trials.extend(training::trials());
    support::main(trials);
}

static GPUS: LazyLock<HashMap<(Tiling, bool), Gpu>> = LazyLock::new(|| {
    let open = |(tiling, checked)| {
        let options = Options { checked, tiling: Some(tiling), ..Options::default() };
        ((tiling, checked), support::open(options).expect("the adapter opened before"))
    };
    [(Tiling::Register, true), (Tiling::Workgroup, false)].into_iter().map(open).collect()
});

/// The adapter under each tiling, once checked and once not.
fn everywhere(name: &str, run: impl Fn(&Gpu) -> Result<(), Failed> + Clone + Send + 'static) -> Vec<Trial> {
    let each = |(tiling, checked)| {
        let (run, word) = (run.clone(), if checked { "checked" } else { "unchecked" });
        support::trial(format!("{name}, {tiling:?} {word}"), move || run(&GPUS[&(tiling, checked)]))
    };
    [(Tiling::Register, true), (Tiling::Workgroup, false)].into_iter().map(each).collect()
}

/// The same for each way to launch a product that the adapter has.
fn each_way(name: &str, run: impl Fn(&Gpu) -> Result<(), Failed> + Clone + Send + 'static) -> Vec<Trial> {
    let ways = [
        (Tiling::Register, true, "register-8x4"),
        (Tiling::Register, true, "subgroup-1x16"),
        (Tiling::Register, true, "subgroup-4x16"),
        (Tiling::Register, false, "subgroup-8x16"),
        (Tiling::Register, true, "subgroup-16x16-wide"),
        (Tiling::Workgroup, false, "tile-64"),
        (Tiling::Workgroup, true, "tile-64-double"),
        (Tiling::Workgroup, false, "tile-128-double"),
        (Tiling::Workgroup, true, "vector"),
    ];
    each_of(name, &ways, run)
}

/// The adapter under each tiling and as it launches these variants, checked or not.
fn each_of(
    name: &str,
    ways: &[(Tiling, bool, &'static str)],
    run: impl Fn(&Gpu) -> Result<(), Failed> + Clone + Send + 'static,
) -> Vec<Trial> {
    let each = |&(tiling, checked, variant): &(Tiling, bool, &'static str)| {
        let run = run.clone();
        support::variant(format!("{name}, {variant}"), variant, move || {
            static OPEN: LazyLock<Mutex<HashMap<&'static str, Gpu>>> = LazyLock::new(Mutex::default);
            let options = Options { checked, tiling: Some(tiling), variant: Some(variant), ..Options::default() };
            let new = || support::open(options).expect("the adapter opened before");
            let gpu = OPEN.lock().unwrap_or_else(PoisonError::into_inner).entry(variant).or_insert_with(new).clone();
            run(&gpu)
        })
    };
    everywhere(name, run.clone()).into_iter().chain(ways.iter().map(each)).collect()
}

/// What a source is fed: numbers, or indices below this many.
type Fills<'a> = &'a dyn Fn(NodeId) -> Fill;

/// Holds `wanted`, as the GPU computes them with whatever it fuses, to the twins for each member of a population.
fn hold(gpu: &Gpu, g: &Graph, wanted: &[NodeId], fills: Fills<'_>, members: usize) -> Result<(), Failed> {
    let (per, live) = (g.per_member(), g.live(wanted));
    let contexts: Vec<Context> = (0..members).map(|m| Context { step: 3, seed: 0xace + m as u64 }).collect();
    let (mut together, mut twins): (Feeds, Vec<_>) = (HashMap::new(), Vec::new());
    for (m, cx) in contexts.iter().enumerate() {
        let mut own: Feeds = HashMap::new();
        for (i, node) in g.nodes().iter().enumerate().filter(|(i, n)| live[*i] && !matches!(n.kind, Kind::Op { .. })) {
            let id = wanted_id(g, i);
            let input = CaseInput { shape: node.meta.shape.clone(), fill: fills(id), differentiable: false };
            let feed = fill(&input, Stream::new(23 + if per[i] { m as u64 } else { 0 }, 0, i as u32));
            match (together.get_mut(&id), feed.clone()) {
                (None, feed) => drop(together.insert(id, feed)),
                (Some(Feed::Real(all)), Feed::Real(more)) if per[i] => all.extend(more),
                (Some(Feed::Index(all)), Feed::Index(more)) if per[i] => all.extend(more),
                _ => {}
            }
            own.insert(id, feed);
        }
        twins.push(bounds(g, &own, wanted, cx)?);
    }
    let found = evaluate(gpu, g, &together, wanted, &Evaluation { members: contexts, sentinels: true })?;
    for (w, &id) in wanted.iter().enumerate() {
        let len = g.shape(id).elements();
        let copies = if per[id.index()] { members } else { 1 };
        if found[w].len() != len * copies {
            return Err(format!("result {w} has {} elements, not {}", found[w].len(), len * copies).into());
        }
        for (m, twin) in twins.iter().enumerate().take(copies) {
            for i in 0..len {
                let (got, value, error) = (found[w][m * len + i], twin[w].value[i], twin[w].error[i]);
                let tolerance = error + f64::from(f32::MIN_POSITIVE);
                if !(tolerance.is_finite() && (got - value).abs() <= tolerance) {
                    let what = format!("result {w} of member {m} at {i}: {got:e}, twin {value:e}, bound {error:e}");
                    return Err(format!("{what}\n{g}").into());
                }
            }
        }
    }
    Ok(())
}

/// Settings have their value, all else is random.
fn usual(g: &Graph, id: NodeId) -> Fill {
    match g.node(id).kind {
        Kind::Setting { value, .. } => Fill::Constant(value),
        _ => Fill::Uniform(-1.0, 1.0),
    }
}

/// As [`hold`] with the [`usual`] values, of one member and of three.
fn held(gpu: &Gpu, g: &Graph, wanted: &[NodeId]) -> Result<(), Failed> {
    [1, 3].into_iter().try_for_each(|members| hold(gpu, g, wanted, &|id| usual(g, id), members))
}

/// The node of that number.
fn wanted_id(g: &Graph, i: usize) -> NodeId {
    let sources = g.inputs().chain(g.parameters()).chain(g.settings()).chain(g.buffers());
    sources.map(|(_, id)| id).find(|id| id.index() == i).expect("a source has a name")
}

/// The names of the launches that compute `wanted`.
fn names(gpu: &Gpu, g: &Graph, wanted: &[NodeId]) -> Result<Vec<String>, Failed> {
    Ok(gpu.launches(g, wanted, 1)?.into_iter().map(|launch| launch.kernel.name.into_owned()).collect())
}

/// Fails unless the launches are these, in any order.
fn expect(found: &[String], expected: &[&str]) -> Result<(), Failed> {
    let (mut found, mut expected) = (found.to_vec(), expected.to_vec());
    found.sort();
    expected.sort_unstable();
    if found == expected { Ok(()) } else { Err(format!("launches {found:?}, not {expected:?}").into()) }
}
