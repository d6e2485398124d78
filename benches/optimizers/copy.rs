//! As many streams as an update has, and next to no arithmetic: what an update kernel is measured against. The gradient is
//! read, the parameter and each state are read and written, states of two bytes as such. xor, so that values stay values.

use std::fmt::Write;

use thalweg::device::Column;
use thalweg::device::gpu::{Gpu, Prepared};
use thalweg::kernel::{Binding, Kernel, Launch, Launches, Operand, Tiling, fold};
use thalweg::optim::{Lanes, Storage};

use crate::support;
use crate::update::{Case, MAX_GROUPS};

/// The copy of a case, proved to do what it says.
pub fn prepare(gpu: &Gpu, case: &Case<'_>) -> Prepared {
    let (states, half) = (case.rule.states().len(), case.storage != Storage::F32);
    let elements = case.elements();
    let (x, other) = (support::noise(elements, 1), support::noise(elements, 2));
    let length = |n: usize| if n > 0 && half { elements / 2 } else { elements };
    let mut inputs = vec![Column::F32(&x)];
    inputs.extend((0..=states).map(|s| Column::F32(&other[..length(s)])));
    let mut bindings = vec![Binding::read(Operand::Input(0), elements)];
    bindings.extend((0..=states).map(|s| Binding::write(Operand::Input(1 + s), length(s))));
    // A card takes a vec4 an invocation; llvmpipe is twice as fast where a vector of 8 takes 1024 of them one after the other.
    let (workgroup, each) = if gpu.tiling() == Tiling::Register { (8, 1024) } else { (64, 64) };
    // As the update loads: integers of 64 bits are half as many.
    let wide = Lanes::of(gpu.tiling(), &gpu.abilities()) == Lanes::Subgroup;
    let [gx, gy] = fold((elements / 4).div_ceil(each), MAX_GROUPS);
    let launch = Launch {
        kernel: Kernel { source: source(states, half, wide).into(), ..Kernel::new("copy", "", "streams") }
            .constant("WORKGROUP", f64::from(workgroup))
            .constant("EACH", each as f64),
        params: vec![("len4", (elements / 4).into())],
        bindings,
        groups: [gx, gy, 1],
        flops: 0,
    };
    let mut launches: Launches = launch.into();
    if case.rule.trust_ratio() {
        // The second half reads directions and parameters, and writes parameters.
        let mut second = launches.list[0].clone();
        second.kernel = Kernel { source: source(0, false, wide).into(), ..second.kernel };
        second.bindings.truncate(2);
        launches.list.push(second);
    }
    let twice = case.rule.trust_ratio();
    let prepared = gpu.prepare(launches, &inputs, 0).expect("the copy compiles");
    prepared.run(1).expect("the copy runs");
    for stream in 0..=states {
        let found = prepared.read(Operand::Input(1 + stream)).expect("the device works");
        let length = length(stream);
        let wanted = |i: usize| {
            if twice && stream == 0 {
                other[i].to_bits()
            } else {
                mixed(&x, i, stream > 0 && half) ^ other[i].to_bits()
            }
        };
        let same = (0..length).all(|i| found[i] == wanted(i));
        assert!(same && found.len() == length, "stream {stream} of the copy is not what it should be");
    }
    prepared
}

/// What a stream's word i is mixed with: of four gradients a state of two bytes takes the first two.
fn mixed(x: &[f32], i: usize, half: bool) -> u32 {
    if half { x[i / 2 * 4 + i % 2].to_bits() } else { x[i].to_bits() }
}

fn source(states: usize, half: bool, wide: bool) -> String {
    let (four, two) = if wide { ("vec2<u64>", "u64") } else { ("vec4<u32>", "vec2<u32>") };
    let mut text = format!(
        "override WORKGROUP: u32;\noverride EACH: u32;\n\
         @group(0) @binding(0) var<uniform> len4: u32;\n\
         @group(0) @binding(1) var<storage, read> x: array<{four}>;\n\
         @group(0) @binding(2) var<storage, read_write> p: array<{four}>;\n",
    );
    let (of, part) = match (half, wide) {
        (false, _) => (four, "now"),
        (true, false) => (two, "now.xy"),
        (true, true) => (two, "now.x"),
    };
    for s in 0..states {
        let _ = writeln!(text, "@group(0) @binding({}) var<storage, read_write> s{s}: array<{of}>;", 3 + s);
    }
    text.push_str(
        "@compute @workgroup_size(WORKGROUP)\n\
         fn streams(\n    @builtin(local_invocation_index) lane: u32,\n    @builtin(workgroup_id) id: vec3<u32>,\n\
         \x20   @builtin(num_workgroups) groups: vec3<u32>,\n) {\n\
         \x20   let start = (id.x + id.y * groups.x) * EACH;\n    let end = min(len4, start + EACH);\n\
         \x20   for (var i = start + lane; i < end; i += WORKGROUP) {\n\
         \x20       let now = x[i];\n        p[i] ^= now;\n",
    );
    for s in 0..states {
        let _ = writeln!(text, "        s{s}[i] ^= {part};");
    }
    text.push_str("    }\n}\n");
    text
}
