// C = op(A) op(B) (+ C) where C has at most four rows or at most four columns, as a matrix times a vector has. For cards: a
// workgroup of 256 has POSITIONS along C's long axis, and the lanes of a position share K out among them. The operand that has the
// long axis is read once. A fixed tree adds the lanes' sums up: the same bits each time.
// `params`, `begin`, `finish` and `past` come from the kernel's file.  Uses: lib/operands.wgsl, lib/product_edge.wgsl
//
// Neighbouring lanes are neighbours in the large operand's memory: along K (ALONG_K) or along the long axis.

override POSITIONS: u32 = 4u;
override SLICES: u32 = 256u / POSITIONS;
// Whether C has few columns, and A the long axis; B has it otherwise, and C has few rows.
override NARROW: bool = false;
override ALONG_K: bool = true;
// Whether the few are one.
override SINGLE: bool = false;

var<workgroup> partial: array<vec4<f32>, 256>;

fn large(i: u32) -> f32 {
    if NARROW {
        return a[i];
    }
    return b[i];
}

fn small(i: u32) -> f32 {
    if NARROW {
        return b[i];
    }
    return a[i];
}

// The factors of the few at one step. Past the last one they are its again.
fn factors(at: vec4<u32>, k: u32) -> vec4<f32> {
    if SINGLE {
        return vec4(small(at.x + k), 0.0, 0.0, 0.0);
    }
    return vec4(small(at.x + k), small(at.y + k), small(at.z + k), small(at.w + k));
}

@compute @workgroup_size(256)
fn product(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let length = select(params.n, params.m, NARROW);
    let few = select(params.m, params.n, NARROW);
    let tile = group.x + group.y * groups.x;
    let slice = select(lane / POSITIONS, lane % SLICES, ALONG_K);
    let place = select(lane % POSITIONS, lane / SLICES, ALONG_K);
    let position = tile * POSITIONS + place;
    let member = group.z / params.batch;
    let item = group.z % params.batch;
    let a_base = member * params.a_member + item * params.a_batch;
    let b_base = member * params.b_member + item * params.b_batch;
    // Steps along K and along the axes of C, in the large operand and in the small one.
    let by = select(params.b_row, params.a_column, NARROW);
    let small_by = select(params.a_column, params.b_row, NARROW);
    let from_large = select(b_base + position * params.b_column, a_base + position * params.a_row, NARROW);
    let apart = select(params.a_row, params.b_column, NARROW);
    let at = select(a_base, b_base, NARROW) + min(vec4(0u, 1u, 2u, 3u), vec4(max(few, 1u) - 1u)) * apart;
    var sum = vec4(0.0);
    if position < length {
        var k = slice;
        for (; k + 3u * SLICES < params.k; k += 4u * SLICES) {
            // Four loads on their way at once.
            let first = from_large + k * by;
            let on = SLICES * by;
            let x = vec4(large(first), large(first + on), large(first + 2u * on), large(first + 3u * on));
            let near = k * small_by;
            let next = SLICES * small_by;
            sum += x.x * factors(at, near);
            sum += x.y * factors(at, near + next);
            sum += x.z * factors(at, near + 2u * next);
            sum += x.w * factors(at, near + 3u * next);
        }
        for (; k < params.k; k += SLICES) {
            sum += large(from_large + k * by) * factors(at, k * small_by);
        }
    }
    partial[lane] = sum;
    let step = select(POSITIONS, 1u, ALONG_K);
    for (var half = SLICES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if slice < half {
            partial[lane] += partial[lane + half * step];
        }
    }
    workgroupBarrier();
    // Each of the first lanes of a position stores one of the few.
    if slice < few && position < length {
        let total = partial[select(place, place * SLICES, ALONG_K)][slice];
        let base = member * params.c_member + item * params.c_batch;
        begin(member);
        store(select(slice, position, NARROW), select(position, slice, NARROW), member, base, total);
    }
    let tiles = (length + POSITIONS - 1u) / POSITIONS;
    if tile >= tiles {
        past((tile - tiles) * 256u + lane, member);
    }
}
