//! A run keeps the variants that it began with.

use std::path::Path;

use libtest_mimic::{Failed, Trial};
use thalweg::data::{Source, Split};
use thalweg::device::gpu::{Choices, Gpu, Origin, Owner, Tuning};
use thalweg::error::GraphError;
use thalweg::graph::{Arg, BoundArg, Context, Meta, Op, Tape};
use thalweg::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Variants};
use thalweg::nn::{Builder, Flatten, Layer, Linear, Sequential};
use thalweg::train::checkpoint;
use thalweg::{Device, Flow, NodeId, Recipe, Scalar, Trainer};

use super::support::trial;
use super::toys::open;

pub fn trials() -> Vec<Trial> {
    vec![
        trial("a run that goes on with its own variants has the bits of one that never stopped", same_bits),
        trial("a run that goes on with others says so", other_variants),
    ]
}

/// `y = 31/21 x`, by two neighbours of the factor: the same but for the last bits.
#[derive(Clone, Copy, Debug)]
struct Thirds;

/// The op's name and the class.
const CLASS: &str = "thirds any";

const SOURCE: [&str; 2] = [
    "@group(0) @binding(0) var<uniform> len: u32;
     @group(0) @binding(1) var<storage, read> x: array<f32>;
     @group(0) @binding(2) var<storage, read_write> y: array<f32>;
     @compute @workgroup_size(64)
     fn thirds(@builtin(global_invocation_id) id: vec3<u32>) {
         if id.x < len { y[id.x] = x[id.x] * 1.4761905; }
     }",
    "@group(0) @binding(0) var<uniform> len: u32;
     @group(0) @binding(1) var<storage, read> x: array<f32>;
     @group(0) @binding(2) var<storage, read_write> y: array<f32>;
     @compute @workgroup_size(64)
     fn thirds(@builtin(global_invocation_id) id: vec3<u32>) {
         if id.x < len { y[id.x] = x[id.x] * 1.4761903; }
     }",
];

impl Op for Thirds {
    fn name(&self) -> &'static str {
        "thirds"
    }
    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        Ok(inputs[0].clone())
    }
    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        let factor = T::of(31.0 / 21.0);
        for (y, &x) in y.iter_mut().zip(inputs[0].real()) {
            *y = x * factor;
        }
    }
    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let upstream = tape.upstream();
        Ok(vec![Some(tape.graph().apply(*self, &[upstream])?)])
    }
    fn variants(&self, _: &Plan) -> Variants {
        Variants { class: "any".into(), names: vec!["left", "right"] }
    }
    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let len = plan.output.elements();
        let source = SOURCE[usize::from(plan.variant == Some("right"))];
        Ok(Launch {
            kernel: Kernel::new("thirds", source, "thirds"),
            params: vec![("len", (len * plan.members as usize).into())],
            bindings: vec![Binding::read(Operand::Input(0), len), Binding::write(Operand::Output, len)],
            groups: plan.linear(len, 64),
            flops: 4 * len as u64,
        }
        .into())
    }
    /// Two ulps of the factor and a rounding.
    fn bound(&self, inputs: &[BoundArg<'_>], y: &[f64], error: &mut [f64]) {
        for ((e, &of), y) in error.iter_mut().zip(inputs[0].error).zip(y) {
            *e = 1.5 * of + 3.0 * f64::from(f32::EPSILON) * y.abs();
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Layered;

impl Layer for Layered {
    fn name(&self) -> &'static str {
        "thirds"
    }
    fn build(&self, b: &mut Builder<'_>, x: NodeId) -> Result<NodeId, GraphError> {
        b.graph().apply(Thirds, &[x])
    }
}

fn data() -> Result<Split, Failed> {
    Ok(Source::Digits.load(Path::new("."), 0.2)?)
}

fn trainer(gpu: &Gpu, epochs: u32) -> Result<Trainer, Failed> {
    let model = Sequential::new().add(Flatten).add(Linear::new(16)).add(Layered).add(Linear::new(10));
    let recipe = Recipe { epochs, ..Recipe::default() };
    Ok(Trainer::new(&Device::Gpu(gpu.clone()), &model, &data()?, recipe)?)
}

/// A file that says `right` in `folder`: what an earlier run may have found.
fn say_right(folder: &Path) -> Result<(), Failed> {
    let gpu = open(folder, super::toys::AMPLE)?;
    trainer(&gpu, 1)?;
    let path = folder.join("tuning.json");
    let mut file: serde_json::Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    file["adapters"][0]["classes"][CLASS]["variant"] = "right".into();
    Ok(std::fs::write(path, file.to_string())?)
}

fn run(gpu: &Gpu, epochs: u32, from: Option<&Path>, to: &Path) -> Result<(Vec<Vec<f64>>, bool), Failed> {
    let mut trainer = trainer(gpu, epochs)?;
    if let Some(folder) = from {
        trainer.resume(folder)?;
    }
    trainer.keep_in(to)?;
    trainer.run(&mut |_| Flow::Continue)?;
    Ok((trainer.parameters()?, trainer.retuned()))
}

fn same_bits() -> Result<(), Failed> {
    let (cache, none) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let (whole, parts) = (tempfile::tempdir()?, tempfile::tempdir()?);
    say_right(cache.path())?;
    let (expected, _) = run(&open(cache.path(), Tuning::Cached)?, 2, None, whole.path())?;
    let plain = run(&open(none.path(), Tuning::Cached)?, 2, None, &whole.path().join("plain"))?.0;
    assert!(expected != plain, "the variants must differ in their bits for this to say anything");
    run(&open(cache.path(), Tuning::Cached)?, 1, None, parts.path())?;
    // The file is gone by now; the run has its own.
    let gpu = open(none.path(), Tuning::Cached)?;
    let kernels = checkpoint::kernels(parts.path());
    assert_eq!(kernels.variants.get(CLASS).map(String::as_str), Some("right"));
    gpu.adopt(&kernels);
    let (found, retuned) = run(&gpu, 2, Some(parts.path()), parts.path())?;
    assert!(!retuned);
    assert_eq!(gpu.tuning().classes[0].origin, Origin::Run);
    assert!(found == expected);
    Ok(())
}

fn other_variants() -> Result<(), Failed> {
    let (cache, none, folder) = (tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?);
    say_right(cache.path())?;
    run(&open(cache.path(), Tuning::Cached)?, 1, None, folder.path())?;
    let (_, retuned) = run(&open(none.path(), Tuning::Cached)?, 2, Some(folder.path()), folder.path())?;
    assert!(retuned);
    // Those of another adapter, driver or version are not taken over, nor those of a file that does not say all of it.
    let changes: [fn(&mut Owner) -> &mut String; 4] =
        [|owner| &mut owner.adapter, |owner| &mut owner.backend, |owner| &mut owner.driver, |owner| &mut owner.thalweg];
    for field in changes {
        for other in ["another", ""] {
            let mut kernels = checkpoint::kernels(folder.path());
            *field(&mut kernels.owner) = other.into();
            kernels.variants.insert(CLASS.into(), "right".into());
            assert_eq!(adopted(none.path(), &kernels)?, "default", "{:?}", kernels.owner);
        }
    }
    let mut kernels = checkpoint::kernels(folder.path());
    kernels.variants.insert(CLASS.into(), "right".into());
    assert_eq!(adopted(none.path(), &kernels)?, "right");
    Ok(())
}

/// The variant with which a run is made after these were adopted.
fn adopted(cache: &Path, kernels: &Choices) -> Result<String, Failed> {
    let gpu = open(cache, Tuning::Cached)?;
    gpu.adopt(kernels);
    trainer(&gpu, 1)?;
    Ok(gpu.choices().variants[CLASS].clone())
}
