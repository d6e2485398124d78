// Row i of the minibatch is row order[cursor + i] of the data set, features and targets at once, word by word, so it serves numbers
// and classes. For data sets each column of which one binding shows; device/minibatch.wgsl for the others.
// One invocation up to four words of a row, `across` of a row apart: they share its place in the order.
// Twin: device/cpu/engine.rs.  Uses: lib/grid.wgsl, lib/control.wgsl

struct Params {
    rows: u32,
    width: u32,
    across: u32,
    target_width: u32,
    target_across: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> control: array<u32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read> targets: array<u32>;
@group(0) @binding(5) var<storage, read_write> batch: array<u32>;
@group(0) @binding(6) var<storage, read_write> batch_targets: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn minibatch(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    let own = params.rows * params.across;
    if i < own {
        let at = i / params.across;
        let row = order[control_cursor() + at];
        for (var word = i % params.across; word < params.width; word += params.across) {
            batch[at * params.width + word] = table[row * params.width + word];
        }
    } else if i - own < params.rows * params.target_across {
        let at = (i - own) / params.target_across;
        let row = order[control_cursor() + at];
        for (var word = (i - own) % params.target_across; word < params.target_width; word += params.target_across) {
            batch_targets[at * params.target_width + word] = targets[row * params.target_width + word];
        }
    }
}
