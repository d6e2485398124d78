// One step of a rule with one state, for every tensor of the model in one pass: 20 bytes a parameter.
// An invocation updates PER vec4s; workgroups are folded over x and y, z is the member.
// Uses: optim/update.wgsl, the rule's file, lib/control.wgsl, lib/grid.wgsl. Twin: `Rule::update`, src/optim/dynamic.rs

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> control: array<u32>;
@group(0) @binding(2) var<storage, read> segments: array<u32>;
@group(0) @binding(3) var<storage, read> gradients: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> parameters: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> state_a: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> flags: array<atomic<u32>>;

@compute @workgroup_size(WORKGROUP)
fn update(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    var h: array<f32, 12>;
    var known = NO_GROUP;
    let first = first_of(linear_index(id, groups));
    for (var n = 0u; n < PER; n++) {
        let i = first + n * WORKGROUP;
        if i < params.len4 {
            let segment = segment_of(i);
            if segment >> 24u != known {
                known = segment >> 24u;
                h = hyper_of(known, id.z);
            }
            let at = id.z * params.stride4 + i;
            let g = gradients[at];
            let next = rule(h, g, parameters[at], State(state_a[at], vec4<f32>(), vec4<f32>()));
            parameters[at] = next.p;
            state_a[at] = next.s.a;
            report(segment, g, next.p);
        }
    }
}
