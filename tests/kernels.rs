//! Every kernel against its twin: each case of the registries, forward and backward, checked and unchecked pipelines,
//! both tilings, population 1 and 3, with sentinel words behind every tensor.

mod support;

#[path = "support/nan.rs"]
mod nan;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use libtest_mimic::{Failed, Trial};
use thalweg::Graph;
use thalweg::check::{Bounded, bounds, fill};
use thalweg::device::gpu::{Evaluation, Gpu, Options, evaluate};
use thalweg::device::{Feed, Feeds};
use thalweg::graph::{Context, Meta, NodeId};
use thalweg::kernel::{Abilities, Place, Plan, Tiling, padded};
use thalweg::op::affine::Affine;
use thalweg::op::unary::Activation;
use thalweg::op::{Case, CaseInput, Fill};
use thalweg::rng::Stream;

static GPUS: LazyLock<HashMap<(bool, Tiling), Gpu>> = LazyLock::new(|| {
    let all =
        [(false, Tiling::Register), (false, Tiling::Workgroup), (true, Tiling::Register), (true, Tiling::Workgroup)];
    let open = |(checked, tiling)| {
        let options = Options { checked, tiling: Some(tiling), ..Options::default() };
        ((checked, tiling), support::open(options).expect("the adapter opened before"))
    };
    all.into_iter().map(open).collect()
});

/// Adapters that launch every node by itself: a loss comes with its gradient in one kernel otherwise,
/// and a weight's gradient with the bias's.
static APART: LazyLock<HashMap<Tiling, Gpu>> = LazyLock::new(|| {
    let open = |tiling| {
        let options = Options { apart: true, tiling: Some(tiling), ..Options::default() };
        (tiling, support::open(options).expect("the adapter opened before"))
    };
    [Tiling::Register, Tiling::Workgroup].into_iter().map(open).collect()
});
/// One that takes the variant of this name wherever it is offered.
fn forced(checked: bool, tiling: Tiling, variant: &'static str) -> Gpu {
    type Open = HashMap<(bool, Tiling, &'static str), Gpu>;
    static OPEN: LazyLock<Mutex<Open>> = LazyLock::new(Mutex::default);
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let options = Options { checked, tiling: Some(tiling), variant: Some(variant), ..Options::default() };
    let new = || support::open(options).expect("the adapter opened before");
    open.entry((checked, tiling, variant)).or_insert_with(new).clone()
}

/// The variants that a case's op has under a tiling, whatever the adapter.
fn variants(case: &Case, tiling: Tiling) -> Vec<&'static str> {
    let metas: Vec<Meta> = case.inputs.iter().map(CaseInput::meta).collect();
    let Ok(output) = case.op.output(&metas) else { panic!("{}: the shape rule refuses a case", case.label) };
    let place = |meta: &Meta| Place { stride: padded(meta.shape.elements()), shape: meta.shape.clone() };
    let plan = Plan::new(metas.iter().map(place).collect(), place(&output), 1);
    let abilities = Abilities { subgroup: Some(8), wide: true, ..Abilities::default() };
    case.op.variants(&Plan { tiling, abilities, ..plan }).names
}

/// Bindings so small that batches of the benched cases are cut.
static SMALL: LazyLock<Gpu> = LazyLock::new(|| {
    let options = Options { checked: true, max_elements: Some(81_920), ..Options::default() };
    support::open(options).expect("the adapter opened before")
});

fn main() {
    let mut trials: Vec<Trial> = Vec::new();
    for entry in thalweg::op::ALL.iter().chain(thalweg::loss::ALL) {
        let cases = (entry.cases)();
        assert!(!cases.is_empty(), "{} has no cases", entry.name);
        for case in cases {
            let case = Arc::new(case);
            let cut = entry.name.ends_with("2d") || ["augment", "dropout"].contains(&entry.name);
            if cut && case.bench {
                let (case, name) = (case.clone(), format!("{}::{} small bindings", case.op.name(), case.label));
                trials.push(support::trial(name, move || check(&case, &SMALL, 1)));
            }
            if entry.name == "affine" || thalweg::loss::ALL.iter().any(|loss| loss.name == entry.name) {
                for (tiling, members) in [(Tiling::Register, 3), (Tiling::Workgroup, 1)] {
                    let (case, name) =
                        (case.clone(), format!("{}::{} {tiling:?} apart x{members}", case.op.name(), case.label));
                    trials.push(support::trial(name, move || check(&case, &APART[&tiling], members)));
                }
            }
            // These have a kernel or a cut for each tiling; the others are the same under both.
            let tiled = ["affine", "avg_pool2d", "conv2d", "matmul", "max_pool2d"].contains(&entry.name);
            for (checked, tiling, members, always) in [
                (true, Tiling::Register, 1, true),
                (false, Tiling::Workgroup, 3, true),
                (true, Tiling::Workgroup, 1, tiled),
                (false, Tiling::Register, 3, tiled),
            ] {
                if always {
                    let case = case.clone();
                    let mode = if checked { "checked" } else { "unchecked" };
                    let name = format!("{}::{} {tiling:?} {mode} x{members}", case.op.name(), case.label);
                    trials.push(support::trial(name, move || check(&case, &GPUS[&(checked, tiling)], members)));
                }
            }
        }
    }
    for entry in thalweg::op::ALL {
        for case in (entry.cases)().into_iter().map(Arc::new) {
            for tiling in [Tiling::Register, Tiling::Workgroup] {
                for variant in variants(&case, tiling) {
                    // One activation says of a product's store what all do, and each is another kernel to compile.
                    let affine = case.op.as_any().downcast_ref::<Affine>();
                    if affine.is_some_and(|a| ![Activation::Identity, Activation::Relu].contains(&a.activation)) {
                        continue;
                    }
                    // Large tiles of large cases take a software adapter minutes, and say no more than the ragged ones.
                    if case.bench && tiling == Tiling::Workgroup {
                        continue;
                    }
                    for (checked, members) in [(true, 1), (false, 3)] {
                        let case = case.clone();
                        let mode = if checked { "checked" } else { "unchecked" };
                        let name = format!("{}::{} {variant} {mode} x{members}", case.op.name(), case.label);
                        let run = move || check(&case, &forced(checked, tiling, variant), members);
                        trials.push(support::variant(name, variant, run));
                    }
                }
            }
        }
    }
    for tiling in [Tiling::Register, Tiling::Workgroup] {
        for checked in [true, false] {
            let name = format!("NaN shows, {tiling:?} {}", if checked { "checked" } else { "unchecked" });
            trials.push(support::trial(name, move || nan_shows(&GPUS[&(checked, tiling)])));
        }
    }
    support::main(trials);
}

fn nan_shows(gpu: &Gpu) -> Result<(), Failed> {
    let how = Evaluation { members: vec![Context::default()], sentinels: true };
    let mut hidden = Vec::new();
    for case in nan::all()? {
        let found = evaluate(gpu, &case.graph, &case.feeds, &case.wanted, &how)?;
        hidden.extend(case.hidden(&found));
    }
    if hidden.is_empty() { Ok(()) } else { Err(hidden.join("\n").into()) }
}

/// A bound as large as the values would pass a kernel that writes zeros.
fn says_something(case: &Case, w: usize, twin: &Bounded) -> Result<(), Failed> {
    let largest = twin.value.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    let widest = twin.error.iter().fold(0.0, |m: f64, &e| if e.is_nan() { f64::INFINITY } else { m.max(e) });
    if case.coarse.is_some() || largest == 0.0 || widest <= 1e-2 * largest {
        return Ok(());
    }
    Err(format!("result {w}: a bound of {widest:e} says little of values up to {largest:e}").into())
}

fn check(case: &Case, gpu: &Gpu, members: usize) -> Result<(), Failed> {
    let mut g = Graph::new();
    let mut inputs = Vec::new();
    for (i, input) in case.inputs.iter().enumerate() {
        let meta = input.meta();
        let name = format!("input {i}");
        // In a population the first of several operands is shared, the others are each member's own.
        let shared = members == 1 || (i == 0 && case.inputs.len() > 1);
        inputs.push(match (shared, meta.dtype) {
            (false, _) => g.member_input(&name, meta)?,
            (true, thalweg::graph::Dtype::Real) => g.input(&name, meta.shape)?,
            (true, thalweg::graph::Dtype::Index) => g.index_input(&name, meta.shape)?,
        });
    }
    let y = g.apply_dyn(case.op.clone(), &inputs)?;
    let mut wanted = vec![y];
    let wrt: Vec<NodeId> =
        inputs.iter().zip(&case.inputs).filter(|(_, c)| c.differentiable).map(|(&id, _)| id).collect();
    let upstream = g.input("upstream", g.shape(y).clone())?;
    if !wrt.is_empty() {
        wanted.extend(g.gradients(y, upstream, &wrt)?.into_iter().flatten());
    }

    // One member after the other on the CPU, all at once on the GPU.
    let contexts: Vec<Context> = (0..members).map(|m| Context { step: 5, seed: 0x1234_5678_9abc + m as u64 }).collect();
    let mut together: Feeds = HashMap::new();
    let mut twins = Vec::new();
    for (m, cx) in contexts.iter().enumerate() {
        let mut own: Feeds = HashMap::new();
        for (i, (&id, input)) in inputs.iter().zip(&case.inputs).enumerate() {
            let varies = g.per_member()[id.index()];
            let feed = fill(input, Stream::new(17 + if varies { m as u64 } else { 0 }, 0, i as u32));
            own.insert(id, feed.clone());
            match together.entry(id) {
                std::collections::hash_map::Entry::Vacant(slot) => {
                    slot.insert(feed);
                }
                std::collections::hash_map::Entry::Occupied(mut slot) if varies => match (slot.get_mut(), feed) {
                    (Feed::Real(all), Feed::Real(more)) => all.extend(more),
                    (Feed::Index(all), Feed::Index(more)) => all.extend(more),
                    _ => unreachable!("one operand has one type"),
                },
                std::collections::hash_map::Entry::Occupied(_) => {}
            }
        }
        // Of either sign, yet not adding up to nothing: a derivative that sums them would be all rounding.
        let weights = CaseInput { shape: g.shape(y).clone(), fill: Fill::Uniform(-0.5, 1.5), differentiable: false };
        let weights = fill(&weights, Stream::new(99, 0, 0));
        own.insert(upstream, weights.clone());
        together.insert(upstream, weights);
        twins.push(bounds(&g, &own, &wanted, cx)?);
    }
    for (w, twin) in twins.iter().flat_map(|twins| twins.iter().enumerate()) {
        says_something(case, w, twin)?;
    }
    let how = Evaluation { members: contexts, sentinels: true };
    let found = evaluate(gpu, &g, &together, &wanted, &how)?;
    let per = g.per_member();
    for (w, &id) in wanted.iter().enumerate() {
        let len = g.shape(id).elements();
        let copies = if per[id.index()] { members } else { 1 };
        if found[w].len() != len * copies {
            return Err(format!("result {w} has {} elements, expected {}", found[w].len(), len * copies).into());
        }
        for (m, twin) in twins.iter().enumerate().take(copies) {
            let twin = &twin[w];
            let wrong: Vec<String> = (0..len)
                .filter_map(|i| {
                    let (got, expected, bound) = (found[w][m * len + i], twin.value[i], twin.error[i]);
                    // Values below the smallest normal f32 may be flushed to zero.
                    let tolerance = bound + f64::from(f32::MIN_POSITIVE);
                    let close = (tolerance.is_finite() && (got - expected).abs() <= tolerance)
                        || (got == expected && got.is_infinite());
                    (!close).then(|| format!("  [{i}] got {got:e}, twin {expected:e}, bound {bound:e}"))
                })
                .collect();
            if !wrong.is_empty() {
                let what = if w == 0 { "value".into() } else { format!("gradient {}", w - 1) };
                let worst = wrong.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
                return Err(format!("{what} of member {m}: {} of {len} wrong\n{worst}\n{g}", wrong.len()).into());
            }
        }
    }
    Ok(())
}
