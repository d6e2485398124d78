// Row i of the minibatch is row order[cursor + i] of the data set, word by word, so it serves numbers and classes.
// A data set larger than one binding lies in several buffers: this launch copies the rows that are in its own.
// One invocation a word. Twin: device/cpu/engine.rs.  Uses: lib/grid.wgsl, lib/control.wgsl

struct Params {
    // The words of the minibatch that are bound, counted from its beginning.
    first: u32,
    len: u32,
    width: u32,
    first_row: u32,
    row_count: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> control: array<u32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read_write> batch: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn minibatch(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    if i >= params.len {
        return;
    }
    let at = params.first + i;
    let row = order[control_cursor() + at / params.width] - params.first_row;
    if row < params.row_count {
        batch[i] = table[row * params.width + at % params.width];
    }
}
