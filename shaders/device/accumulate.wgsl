// A minibatch's gradients into those of a larger one: z = share·x, or y + share·x. The share is the step's.
// Uses: lib/control.wgsl, lib/grid.wgsl

// Whether y has the sums of earlier minibatches.
override ADD: bool = true;

struct Params {
    len4: u32,
    stride4: u32,
    first_member: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> control: array<u32>;
@group(0) @binding(2) var<storage, read_write> gradients: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> sums: array<vec4<f32>>;

// Whether the result is the gradient to be used.
override LAST: bool = false;

@compute @workgroup_size(WORKGROUP)
fn accumulate(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    if i < params.len4 {
        let at = id.z * params.stride4 + i;
        let share = bitcast<f32>(step_word(params.first_member + id.z, 1u));
        var sum = share * gradients[at];
        if ADD {
            sum += sums[at];
        }
        if LAST {
            gradients[at] = sum;
        } else {
            sums[at] = sum;
        }
    }
}
