// As many streams as an update with 0, 1, 2 or 3 states has, and next to no arithmetic: x is read, p and each state are
// read and written. What an update kernel is measured against. xor, so that values stay values and twice is nothing.
// One invocation for four words.

@group(0) @binding(0) var<uniform> len4: u32;
@group(0) @binding(1) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> p: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> a: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read_write> b: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read_write> c: array<vec4<u32>>;

fn place(id: vec3<u32>, groups: vec3<u32>) -> u32 {
    return id.x + id.y * groups.x * 64u;
}

@compute @workgroup_size(64)
fn streams0(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = place(id, groups);
    if i < len4 {
        p[i] ^= x[i];
    }
}

@compute @workgroup_size(64)
fn streams1(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = place(id, groups);
    if i < len4 {
        let now = x[i];
        p[i] ^= now;
        a[i] ^= now;
    }
}

@compute @workgroup_size(64)
fn streams2(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = place(id, groups);
    if i < len4 {
        let now = x[i];
        p[i] ^= now;
        a[i] ^= now;
        b[i] ^= now;
    }
}

@compute @workgroup_size(64)
fn streams3(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = place(id, groups);
    if i < len4 {
        let now = x[i];
        p[i] ^= now;
        a[i] ^= now;
        b[i] ^= now;
        c[i] ^= now;
    }
}
