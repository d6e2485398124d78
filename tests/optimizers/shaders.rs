//! The linked kernels through naga: valid, translated for every backend, and laid out as the Rust side says.

use std::collections::BTreeMap;

use naga::back::{glsl, hlsl, msl, pipeline_constants::process_overrides, spv};
use naga::proc::BoundsCheckPolicies;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use thalweg::optim::{
    BLOCK, Block, CONTROL_HEADER, FROZEN, HYPER_WORDS, Lanes, SECOND, STEP_WORDS, Span, Storage, Tables, link,
    link_apply, link_tensors,
};

use crate::every_form;

/// What a source is for: its states, whether they are half as wide, whether it keeps an average.
type Form = (usize, bool, bool);

/// Each distinct source of the fused update.
fn sources() -> BTreeMap<String, Form> {
    let mut all = BTreeMap::new();
    let second = SECOND.iter().map(|entry| (entry.defaults)(entry.usual()));
    for optimizer in every_form().into_iter().chain(second) {
        let rule = optimizer.rule();
        for &storage in Storage::ALL {
            for average in [false, true] {
                let kept = average && !rule.trust_ratio();
                let form = (rule.states().len(), storage != Storage::F32, kept);
                for &lanes in Lanes::ALL {
                    all.insert(link(rule, storage, average, lanes).unwrap(), form);
                }
            }
        }
    }
    all
}

fn parse(source: &str) -> naga::Module {
    naga::front::wgsl::parse_str(source).unwrap_or_else(|e| panic!("{}", e.emit_to_string(source)))
}

#[test]
fn every_kernel_validates_and_translates() {
    let second = Lanes::ALL.iter().flat_map(|&lanes| {
        let apply = [false, true].map(|average| (link_apply(average, lanes), "apply"));
        let tensors = ["clip_all", "clip_each", "trust", "telemetry"].map(|entry| (link_tensors(lanes), entry));
        apply.into_iter().chain(tensors)
    });
    for (source, entry) in sources().into_keys().map(|source| (source, "update")).chain(second) {
        let module = parse(&source);
        // Where lanes are a subgroup the device has them and wide integers; the others need no more than WebGPU.
        let subgroup = source.contains("subgroupBroadcast(");
        let special = Capabilities::SUBGROUP | Capabilities::SHADER_INT64;
        let more = if subgroup { special } else { Capabilities::empty() };
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::SHADER_FLOAT16_IN_FLOAT32 | more);
        validator.subgroup_stages(naga::valid::ShaderStages::COMPUTE);
        validator.subgroup_operations(naga::valid::SubgroupOperationSet::all());
        let info = validator.validate(&module).unwrap_or_else(|e| panic!("{}", e.emit_to_string(&source)));
        for workgroup in [1.0, 64.0, 256.0] {
            let constants = [("WORKGROUP".to_owned(), workgroup)].into_iter().collect();
            let stage = Some((naga::ShaderStage::Compute, entry));
            let (module, info) = process_overrides(&module, &info, stage, &constants).unwrap();
            assert_eq!(module.entry_points[0].workgroup_size, [workgroup as u32, 1, 1]);
            spv::write_vec(&module, &info, &spv::Options::default(), None).unwrap();
            let pipeline = msl::PipelineOptions::default();
            let options = msl::Options { fake_missing_bindings: true, ..msl::Options::default() };
            msl::write_string(&module, &info, &options, &pipeline).unwrap();
            let (mut out, options) = (String::new(), hlsl::Options::default());
            let pipeline = hlsl::PipelineOptions::default();
            hlsl::Writer::new(&mut out, &options, &pipeline).write(&module, &info, None).unwrap();
            if subgroup {
                // GLSL has no such integers without an extension, and is no language of ours.
                continue;
            }
            let pipeline = glsl::PipelineOptions {
                shader_stage: naga::ShaderStage::Compute,
                entry_point: entry.into(),
                multiview: None,
            };
            let options = glsl::Options { version: glsl::Version::Desktop(430), ..glsl::Options::default() };
            let mut out = String::new();
            glsl::Writer::new(&mut out, &module, &info, &options, &pipeline, BoundsCheckPolicies::default())
                .unwrap()
                .write()
                .unwrap();
        }
    }
}

#[test]
fn bindings_and_parameters_are_where_the_host_puts_them() {
    for (source, (states, half, average)) in sources() {
        let module = parse(&source);
        let mut bound = BTreeMap::new();
        for (_, variable) in module.global_variables.iter() {
            if let Some(at) = &variable.binding {
                assert_eq!(at.group, 0);
                bound.insert(at.binding, (variable.name.clone().unwrap(), variable.space, variable.ty));
            }
        }
        let names: Vec<&str> = bound.values().map(|(name, ..)| name.as_str()).collect();
        let mut expected = vec!["params", "control", "gradients", "parameters", "work"];
        expected.extend(&["state_a", "state_b", "state_c"][..states]);
        expected.extend(average.then_some("average"));
        assert_eq!(names, expected);
        assert_eq!(bound.keys().copied().collect::<Vec<_>>(), (0..expected.len() as u32).collect::<Vec<_>>());
        assert!(expected.len() - 1 <= 8, "storage buffers of a stage at WebGPU's default limits");
        let write = naga::StorageAccess::LOAD | naga::StorageAccess::STORE;
        for (name, space, ty) in bound.values() {
            match space {
                naga::AddressSpace::Uniform => assert_eq!(name, "params"),
                naga::AddressSpace::Storage { access } => {
                    assert_eq!(access.contains(write), name != "control", "{name}")
                }
                other => panic!("{name} in {other:?}"),
            }
            if name.starts_with("state_") {
                let naga::TypeInner::Array { stride, .. } = module.types[*ty].inner else { panic!("{name}") };
                assert_eq!(stride, if half { 8 } else { 16 });
            }
        }

        let (_, params) = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some("Params")).unwrap();
        let naga::TypeInner::Struct { members, .. } = &params.inner else { panic!() };
        let blocks = Block::of([(5000, 0, true), (64, 1, false), (1, 0, true)], BLOCK);
        let tables = Tables { members: 3, groups: 2, blocks: blocks.len(), tensors: 3 };
        let spans = Span::cut(&blocks, tables, 4500);
        let words = spans[1].params();
        assert_eq!(members.len(), words.len());
        for (i, (member, (name, _))) in members.iter().zip(&words).enumerate() {
            assert_eq!((member.name.as_deref(), member.offset), (Some(*name), 4 * i as u32));
        }
        let bits: Vec<u32> = words.iter().map(|(_, word)| word.bits()).collect();
        // Blocks of 4096, 960 (5056 padded), 64 and 64 elements; the third has no states.
        assert_eq!(bits, [1, 3, 1024, 1296, 1024, 1280, 0, 35, 32, 3, 14, 34, 84, 28]);
        assert_eq!((spans.len(), spans[1].len, spans[1].state_len), (2, 1088, 1024));
    }
}

/// Blocks lie end to end, none in two tensors, each state with its block.
#[test]
fn blocks_cover_every_tensor_once() {
    let sizes = [0, 1, 64, 4096, 4097, 10_000, 63];
    let tensors = sizes.iter().enumerate().map(|(t, &n)| (n, if t == 2 { FROZEN } else { t % 2 }, t != 5));
    let blocks = Block::of(tensors, 1000);
    let (mut next, mut states) = (0, 0);
    for block in &blocks {
        assert_eq!((block.first, block.first % 64, block.len % 64), (next, 0, 0));
        assert!(0 < block.len && block.len <= 960, "{block:?}");
        next += block.len;
        match block.state {
            Some(first) => {
                assert_eq!(states, first);
                states += block.len;
            }
            None => assert_eq!(block.tensor, 5),
        }
    }
    for (t, &n) in sizes.iter().enumerate() {
        let own: usize = blocks.iter().filter(|b| b.tensor == t).map(|b| b.len).sum();
        assert_eq!(own, n.div_ceil(64) * 64);
    }
}

/// The tables of the control buffer follow each other without holes: `lib/control.wgsl` counts as this does.
#[test]
fn the_control_buffer_is_dense() {
    let blocks = Block::of([(5000, 0, true), (0, 1, true), (70, FROZEN, false)], BLOCK);
    let tables = Tables { members: 4, groups: 2, blocks: blocks.len(), tensors: 3 };
    let head = tables.head(&[1, 2 << 32, 3, 4], &blocks);
    assert_eq!(head.len(), tables.steps_at());
    assert_eq!(&head[..8], [0, 0, 0, 32, 4, 2, 16, 28]);
    assert_eq!(&head[CONTROL_HEADER..16], [1, 0, 0, 2, 3, 0, 4, 0]);
    let frozen = 255 << 24 | 2;
    assert_eq!(&head[16..28], [0, 1024, 0, 0, 1024, 240, 0, 1024, 1264, 32, frozen, u32::MAX]);
    // Tensor 1 is empty: its first block is the next tensor's.
    assert_eq!(&head[28..], [0, 2, 2, 3]);
    assert_eq!(tables.slot_words(), 4 * (STEP_WORDS + 2 * HYPER_WORDS));
    assert_eq!(tables.words(3), 32 + 3 * tables.slot_words());
    assert_eq!(tables.work_words(), 3 * 8 + 3);
}
