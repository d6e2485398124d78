// One level of a tree of sums: invocation i adds up to `chunk` of the terms of output i mod outputs, run i div outputs.
// Axes are numbered from the innermost: the kept ones find the output's first term, the summed ones the next terms.
// f64 twin: src/op/sum_to.rs.  Uses: lib/grid.wgsl

struct Params {
    len: u32,
    outputs: u32,
    terms: u32,
    chunk: u32,
    x_stride: u32,
    y_stride: u32,
    kept0: u32,
    kept_step0: u32,
    kept1: u32,
    kept_step1: u32,
    kept2: u32,
    kept_step2: u32,
    summed0: u32,
    summed_step0: u32,
    summed1: u32,
    summed_step1: u32,
    summed2: u32,
    summed_step2: u32,
}

override KEPT: u32 = 1u;
override SUMMED: u32 = 1u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

fn output_at(i: u32) -> u32 {
    if KEPT == 1u { return i * params.kept_step0; }
    let at = i % params.kept0 * params.kept_step0;
    let rest = i / params.kept0;
    if KEPT == 2u { return at + rest * params.kept_step1; }
    return at + rest % params.kept1 * params.kept_step1 + rest / params.kept1 * params.kept_step2;
}

fn term_at(i: u32) -> u32 {
    if SUMMED == 1u { return i * params.summed_step0; }
    let at = i % params.summed0 * params.summed_step0;
    let rest = i / params.summed0;
    if SUMMED == 2u { return at + rest * params.summed_step1; }
    return at + rest % params.summed1 * params.summed_step1 + rest / params.summed1 * params.summed_step2;
}

@compute @workgroup_size(WORKGROUP)
fn sum_to(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    if i < params.len {
        let base = id.z * params.x_stride + output_at(i % params.outputs);
        let first = i / params.outputs * params.chunk;
        let end = min(first + params.chunk, params.terms);
        var sum = 0.0;
        for (var k = first; k < end; k++) {
            sum += x[base + term_at(k)];
        }
        y[id.z * params.y_stride + i] = sum;
    }
}
