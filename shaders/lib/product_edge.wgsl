// Elements of a product's operands, 0 past the edge, and where its results go.
// `params` and `finish` come from the kernel's file.  Uses: lib/operands.wgsl

fn load_a(base: u32, row: u32, k: u32) -> f32 {
    if row < params.m && k < params.k {
        return a[base + row * params.a_row + k * params.a_column];
    }
    return 0.0;
}

fn load_b(base: u32, k: u32, column: u32) -> f32 {
    if k < params.k && column < params.n {
        return b[base + k * params.b_row + column * params.b_column];
    }
    return 0.0;
}

fn store(row: u32, column: u32, member: u32, base: u32, sum: f32) {
    if row < params.m && column < params.n {
        let i = base + row * params.c_row + column;
        if params.accumulate != 0u {
            c[i] = finish(c[i] + sum, column, member, i);
        } else {
            c[i] = finish(sum, column, member, i);
        }
    }
}
