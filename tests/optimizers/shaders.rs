//! The linked kernels through naga: valid, translated for every backend, and laid out as the Rust side says.

use std::collections::BTreeMap;

use naga::back::{glsl, hlsl, msl, pipeline_constants::process_overrides, spv};
use naga::proc::BoundsCheckPolicies;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use thalweg::optim::{
    CONTROL_HEADER, HYPER_WORDS, Optimizer, Span, control_words, hyper_index, hyper_offset, link, segment,
};

use crate::every_form;

/// Each distinct source, with the number of states it is for.
fn sources() -> BTreeMap<String, usize> {
    let linked = |optimizer: &Optimizer| (link(optimizer.rule()).unwrap(), optimizer.rule().states().len());
    every_form().iter().map(linked).collect()
}

fn parse(source: &str) -> naga::Module {
    naga::front::wgsl::parse_str(source).unwrap_or_else(|e| panic!("{}", e.emit_to_string(source)))
}

#[test]
fn every_kernel_validates_and_translates() {
    assert_eq!(sources().len(), 16, "15 rules, of which NAdam, RAdam and Muon share one, and 3 more forms of RMSprop");
    for source in sources().into_keys() {
        let module = parse(&source);
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::default());
        let info = validator.validate(&module).unwrap_or_else(|e| panic!("{}", e.emit_to_string(&source)));
        for workgroup in [1.0, 64.0, 256.0] {
            let constants = [("WORKGROUP".to_owned(), workgroup)].into_iter().collect();
            let stage = Some((naga::ShaderStage::Compute, "update"));
            let (module, info) = process_overrides(&module, &info, stage, &constants).unwrap();
            assert_eq!(module.entry_points[0].workgroup_size, [workgroup as u32, 1, 1]);
            spv::write_vec(&module, &info, &spv::Options::default(), None).unwrap();
            let pipeline = msl::PipelineOptions::default();
            let options = msl::Options { fake_missing_bindings: true, ..msl::Options::default() };
            msl::write_string(&module, &info, &options, &pipeline).unwrap();
            let (mut out, options) = (String::new(), hlsl::Options::default());
            let pipeline = hlsl::PipelineOptions::default();
            hlsl::Writer::new(&mut out, &options, &pipeline).write(&module, &info, None).unwrap();
            let pipeline = glsl::PipelineOptions {
                shader_stage: naga::ShaderStage::Compute,
                entry_point: "update".into(),
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
    for (source, states) in sources() {
        let module = parse(&source);
        let mut bound = BTreeMap::new();
        for (_, variable) in module.global_variables.iter() {
            if let Some(at) = variable.binding {
                assert_eq!(at.group, 0);
                bound.insert(at.binding, (variable.name.clone().unwrap(), variable.space));
            }
        }
        let names: Vec<&str> = bound.values().map(|(name, _)| name.as_str()).collect();
        let mut expected = vec!["params", "control", "segments", "gradients", "parameters"];
        expected.extend(&["state_a", "state_b", "state_c"][..states]);
        expected.push("flags");
        assert_eq!(names, expected);
        assert_eq!(bound.keys().copied().collect::<Vec<_>>(), (0..expected.len() as u32).collect::<Vec<_>>());
        assert!(expected.len() - 1 <= 8, "storage buffers of a stage at WebGPU's default limits");
        let write = naga::StorageAccess::LOAD | naga::StorageAccess::STORE;
        for (name, space) in bound.values() {
            match space {
                naga::AddressSpace::Uniform => assert_eq!(name, "params"),
                naga::AddressSpace::Storage { access } => {
                    let read_only = ["control", "segments", "gradients"].contains(&name.as_str());
                    assert_eq!(access.contains(write), !read_only, "{name}");
                }
                other => panic!("{name} in {other:?}"),
            }
        }

        let (_, params) = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some("Params")).unwrap();
        let naga::TypeInner::Struct { members, .. } = &params.inner else { panic!() };
        let span = Span { first: 128, len: 64, stride: 192, members: 3, groups: 2, first_member: 1 };
        let words = span.params();
        assert_eq!(members.len(), words.len());
        for (i, (member, (name, _))) in members.iter().zip(&words).enumerate() {
            assert_eq!((member.name.as_deref(), member.offset), (Some(*name), 4 * i as u32));
        }
        let bits: Vec<u32> = words.iter().map(|(_, word)| word.bits()).collect();
        assert_eq!(bits, [16, 32, 48, 3, 2, 1]);
        assert_eq!(span.invocations(1, 64), 64);
    }
}

/// `[slot][member][group][8]` after 8 words and 2 a member, without holes or overlaps.
#[test]
fn the_control_buffer_is_dense() {
    let (slots, members, groups) = (3, 4, 2);
    let mut next = hyper_offset(members);
    assert_eq!(next, CONTROL_HEADER + 8);
    for slot in 0..slots {
        for member in 0..members {
            for group in 0..groups {
                for n in 0..HYPER_WORDS {
                    assert_eq!(hyper_offset(members) + hyper_index(slot, member, group, n, members, groups), next);
                    next += 1;
                }
            }
        }
    }
    assert_eq!(control_words(slots, members, groups), next);
    assert_eq!(segment(0x00ff_ffff, 255), Some(u32::MAX));
    assert_eq!((segment(0, 256), segment(1 << 24, 0)), (None, None));
}
