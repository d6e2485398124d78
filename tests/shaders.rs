//! Every launch of every op, without an adapter: its WGSL validates and translates, and agrees with the launch that the
//! host describes: entry, overrides, uniform fields, bindings, limits.

#[path = "shaders/networks.rs"]
mod networks;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use naga::back::{PipelineConstants, pipeline_constants::process_overrides};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, Scalar, ShaderStage, StorageAccess, TypeInner};
use thalweg::Graph;
use thalweg::graph::{Meta, NodeId};
use thalweg::kernel::{Abilities, Binding, Launch, Place, Plan, Tiling, Word, padded};
use thalweg::op::{Case, CaseInput};

/// All launches of the registries, with where they come from.
fn launches() -> Vec<(String, Launch)> {
    let mut all: Vec<(String, Launch)> =
        thalweg::device::gpu::step_launches().into_iter().map(|launch| ("step".into(), launch)).collect();
    for entry in thalweg::op::ALL.iter().chain(thalweg::loss::ALL) {
        for case in (entry.cases)() {
            for members in [1, 3] {
                for tiling in [Tiling::Register, Tiling::Workgroup] {
                    let abilities = Abilities { subgroup: Some(8), wide: true, ..Abilities::default() };
                    let plan = Plan { tiling, abilities, ..plan(&case, members) };
                    let name = format!("{}::{} {tiling:?} x{members}", case.op.name(), case.label);
                    let offered = case.op.variants(&plan).names.into_iter().map(Some);
                    for variant in offered.chain([None]) {
                        let plan = Plan { variant, ..plan.clone() };
                        let name = format!("{name} {}", variant.unwrap_or("by itself"));
                        let launches = case.op.launches(&plan).unwrap_or_else(|e| panic!("{name}: {e}"));
                        all.extend(launches.list.into_iter().map(|launch| (name.clone(), launch)));
                    }
                }
            }
        }
    }
    for entry in thalweg::op::ALL.iter().chain(thalweg::loss::ALL) {
        for case in (entry.cases)() {
            for tiling in [Tiling::Register, Tiling::Workgroup] {
                for variant in [None].into_iter().chain(PRODUCTS.map(Some)) {
                    let way = variant.unwrap_or("by itself");
                    let name = format!("{}::{} with its gradient, {tiling:?} {way}", case.op.name(), case.label);
                    let launches = joint(&case, tiling, variant)
                        .into_iter()
                        .filter(|launch| variant.is_none() || launch.kernel.name.starts_with("matmul with"));
                    all.extend(launches.map(|launch| (name.clone(), launch)));
                }
            }
        }
    }
    all.extend(networks::chains());
    for tiling in [Tiling::Register, Tiling::Workgroup] {
        for variant in [None].into_iter().chain(PRODUCTS.map(Some)).chain([Some("register")]) {
            let way = variant.unwrap_or("by itself");
            let launches = networks::launches(tiling, variant);
            all.extend(launches.into_iter().map(|(name, launch)| (format!("{name}, {tiling:?} {way}"), launch)));
        }
    }
    all
}

/// The ways to launch a product that groups take over.
const PRODUCTS: [&str; 11] = [
    "register-8x4",
    "subgroup-1x16",
    "subgroup-4x16",
    "subgroup-8x16",
    "subgroup-16x16",
    "subgroup-16x16-wide",
    "tile-32",
    "tile-64",
    "tile-64-double",
    "tile-128-double",
    "vector",
];

/// The launches of an op and its derivative, where some are computed together.
fn joint(case: &Case, tiling: Tiling, variant: Option<&'static str>) -> Vec<Launch> {
    let mut g = Graph::new();
    let inputs: Vec<NodeId> = (0..)
        .zip(&case.inputs)
        .map(|(i, input)| g.member_input(&format!("input {i}"), input.meta()).expect("names differ"))
        .collect();
    let y = g.apply_dyn(case.op.clone(), &inputs).unwrap_or_else(|e| panic!("{}: {e}", case.label));
    let wrt: Vec<NodeId> = inputs.iter().zip(&case.inputs).filter(|(_, c)| c.differentiable).map(|(&i, _)| i).collect();
    if wrt.is_empty() {
        return Vec::new();
    }
    // A product behind it, so that its derivative begins with one.
    let y = match g.shape(y)[..] {
        [_, n] => {
            let v = g.member_input("v", Meta::real([n, 3])).expect("names differ");
            g.matmul(y, v).unwrap_or_else(|e| panic!("{}: {e}", case.label))
        }
        _ => y,
    };
    let upstream = g.member_input("upstream", Meta::real(g.shape(y).clone())).expect("names differ");
    let gradients = g.gradients(y, upstream, &wrt).unwrap_or_else(|e| panic!("{}: {e}", case.label));
    let wanted: Vec<NodeId> = gradients.into_iter().flatten().chain([y]).collect();
    let abilities = Abilities { subgroup: Some(8), wide: true, ..Abilities::default() };
    let plan = Plan { tiling, abilities, variant, ..plan(case, 1) };
    thalweg::device::launches(&g, &wanted, &plan, 3).unwrap_or_else(|e| panic!("{}: {e}", case.label))
}

fn plan(case: &Case, members: u32) -> Plan {
    let metas: Vec<Meta> = case.inputs.iter().map(CaseInput::meta).collect();
    let output = case.op.output(&metas).unwrap_or_else(|e| panic!("{}: {e}", case.label));
    let place = |meta: &Meta| Place { stride: padded(meta.shape.elements()), shape: meta.shape.clone() };
    Plan::new(metas.iter().map(place).collect(), place(&output), members)
}

/// Parses and validates each source once, and checks each launch against it.
#[test]
fn launches_agree_with_their_shaders() {
    let mut modules: BTreeMap<String, (Module, ModuleInfo)> = BTreeMap::new();
    let mut seen = HashSet::new();
    for (name, launch) in launches() {
        let source = launch.kernel.source.to_string();
        let (module, info) = modules.entry(source.clone()).or_insert_with(|| validated(&name, &source));
        limits(&name, &launch);
        agrees(&name, module, &launch);
        let constants: Vec<(&str, u64)> = launch.kernel.constants.iter().map(|(n, v)| (*n, v.to_bits())).collect();
        if seen.insert(format!("{} {constants:?} {source}", launch.kernel.entry)) {
            translates(&name, module, info, &launch);
        }
    }
    assert!(!modules.is_empty());
}

fn validated(name: &str, source: &str) -> (Module, ModuleInfo) {
    let module = naga::front::wgsl::parse_str(source)
        .unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string_with_path(source, "kernel.wgsl")));
    // Kernels that use subgroups or wide integers are launched where a device has them; all others need nothing.
    let mut needs = Capabilities::empty();
    needs.set(Capabilities::SUBGROUP, source.contains("subgroupBroadcast("));
    needs.set(Capabilities::SHADER_INT64, source.contains("u64"));
    let info = Validator::new(ValidationFlags::all(), needs)
        .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
        .subgroup_operations(naga::valid::SubgroupOperationSet::all())
        .validate(&module)
        .unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(source)));
    (module, info)
}

/// WebGPU's default limits, at which the library must run.
fn limits(name: &str, launch: &Launch) {
    assert!(launch.params.len() <= 64, "{name}: {} uniform words", launch.params.len());
    assert!(launch.bindings.len() <= 8, "{name}: {} storage bindings", launch.bindings.len());
    assert!(launch.groups.iter().all(|&n| n <= 65_535), "{name}: {:?} workgroups", launch.groups);
}

fn agrees(name: &str, module: &Module, launch: &Launch) {
    let entries: Vec<&str> = module.entry_points.iter().map(|e| e.name.as_str()).collect();
    assert!(entries.contains(&launch.kernel.entry), "{name}: entry `{}` is not in {entries:?}", launch.kernel.entry);
    let overrides: BTreeSet<&str> = module.overrides.iter().filter_map(|(_, o)| o.name.as_deref()).collect();
    for (constant, _) in &launch.kernel.constants {
        assert!(overrides.contains(constant), "{name}: override `{constant}` is not in {overrides:?}");
    }

    let mut storage = BTreeMap::new();
    let mut uniform = None;
    for (_, variable) in module.global_variables.iter() {
        let Some(binding) = variable.binding else { continue };
        assert_eq!(binding.group, 0, "{name}: binding group");
        match variable.space {
            AddressSpace::Uniform => uniform = Some((binding.binding, variable.ty)),
            AddressSpace::Storage { access } => {
                let written = access.contains(StorageAccess::STORE);
                assert!(
                    storage.insert(binding.binding, written).is_none(),
                    "{name}: binding {} twice",
                    binding.binding
                );
            }
            other => panic!("{name}: binding {} in {other:?}", binding.binding),
        }
    }
    let expected: BTreeMap<u32, bool> =
        (1..).zip(&launch.bindings).map(|(n, b)| (n, matches!(b, Binding::Write(_)))).collect();
    assert_eq!(storage, expected, "{name}: storage bindings (true: written)");

    let Some((at, ty)) = uniform else {
        assert!(launch.params.is_empty(), "{name}: params without a uniform block");
        return;
    };
    assert_eq!(at, 0, "{name}: the uniform block's binding");
    let TypeInner::Struct { members, span } = &module.types[ty].inner else { panic!("{name}: uniform is no struct") };
    let found: Vec<(String, u32, Option<Scalar>)> = members
        .iter()
        .map(|m| {
            let scalar = if let TypeInner::Scalar(s) = module.types[m.ty].inner { Some(s) } else { None };
            (m.name.clone().unwrap_or_default(), m.offset, scalar)
        })
        .collect();
    let wanted: Vec<(String, u32, Option<Scalar>)> = (0..)
        .step_by(4)
        .zip(&launch.params)
        .map(|(offset, (field, word))| {
            let scalar = if let Word::U32(_) = word { Scalar::U32 } else { Scalar::F32 };
            ((*field).to_owned(), offset, Some(scalar))
        })
        .collect();
    assert_eq!(found, wanted, "{name}: uniform fields");
    assert_eq!(*span as usize, 4 * launch.params.len(), "{name}: uniform size");
}

/// Fixes the overrides, checks what the limits bound, and writes every language a backend takes.
fn translates(name: &str, module: &Module, info: &ModuleInfo, launch: &Launch) {
    let entry = launch.kernel.entry;
    let mut constants = PipelineConstants::default();
    constants.extend(launch.kernel.constants.iter().map(|(n, v)| ((*n).to_owned(), *v)));
    let (module, info) = process_overrides(module, info, Some((ShaderStage::Compute, entry)), &constants)
        .unwrap_or_else(|e| panic!("{name}: {e}"));
    let point = module.entry_points.iter().find(|e| e.name == entry).expect("process_overrides keeps the entry");
    let lanes: u32 = point.workgroup_size.iter().product();
    assert!((1..=256).contains(&lanes), "{name}: {lanes} invocations");
    let gctx = module.to_ctx();
    let shared: u32 = module
        .global_variables
        .iter()
        .filter(|(_, v)| v.space == AddressSpace::WorkGroup)
        .map(|(_, v)| module.types[v.ty].inner.size(gctx))
        .sum();
    assert!(shared <= 16_384, "{name}: {shared} bytes of workgroup memory");

    naga::back::spv::write_vec(&module, &info, &naga::back::spv::Options::default(), None)
        .unwrap_or_else(|e| panic!("{name}: SPIR-V: {e}"));
    let msl = naga::back::msl::Options { fake_missing_bindings: true, ..Default::default() };
    naga::back::msl::write_string(&module, &info, &msl, &naga::back::msl::PipelineOptions::default())
        .unwrap_or_else(|e| panic!("{name}: MSL: {e}"));
    let mut text = String::new();
    let hlsl = naga::back::hlsl::Options { fake_missing_bindings: true, ..Default::default() };
    naga::back::hlsl::Writer::new(&mut text, &hlsl, &naga::back::hlsl::PipelineOptions::default())
        .write(&module, &info, None)
        .unwrap_or_else(|e| panic!("{name}: HLSL: {e}"));
    if launch.kernel.source.contains("u64") {
        // GLSL has no such integers without an extension, and is no language of ours.
        return;
    }
    let glsl = naga::back::glsl::Options {
        version: naga::back::glsl::Version::Embedded { version: 310, is_webgl: false },
        ..Default::default()
    };
    let options = naga::back::glsl::PipelineOptions {
        shader_stage: ShaderStage::Compute,
        entry_point: entry.to_owned(),
        multiview: None,
    };
    let mut text = String::new();
    naga::back::glsl::Writer::new(
        &mut text,
        &module,
        &info,
        &glsl,
        &options,
        naga::proc::BoundsCheckPolicies::default(),
    )
    .and_then(|mut writer| writer.write())
    .unwrap_or_else(|e| panic!("{name}: GLSL: {e}"));
}

/// No shader of an op or a loss lies about unused: each file is part of some launch.
#[test]
fn every_shader_is_used() {
    let sources: HashSet<String> = launches().into_iter().map(|(_, launch)| launch.kernel.source.to_string()).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    for room in ["op", "graph", "loss"] {
        let mut folders = vec![root.join(room)];
        while let Some(folder) = folders.pop() {
            let entries = std::fs::read_dir(folder).expect("a room of shaders");
            let mut paths: Vec<_> = entries.map(|file| file.expect("a directory entry").path()).collect();
            folders.extend(paths.extract_if(.., |path| path.is_dir()));
            for path in paths {
                let text = std::fs::read_to_string(&path).expect("a shader is text");
                assert!(sources.iter().any(|s| s.contains(&text)), "no launch uses {}", path.display());
            }
        }
    }
}
