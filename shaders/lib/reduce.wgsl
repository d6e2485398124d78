// Tree reduction over one workgroup, in a fixed order: the same bits each time.
// `combine` comes from the kernel's own file; naga refuses ptr<workgroup> arguments, so the scratch lives here.
override WORKGROUP: u32 = 64u;
var<workgroup> scratch: array<f32, WORKGROUP>;

// Every invocation of the workgroup must call this: it holds barriers.
fn reduce(lane: u32, value: f32) -> f32 {
    // A second call must not overwrite what a slow lane still reads.
    workgroupBarrier();
    scratch[lane] = value;
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            scratch[lane] = combine(scratch[lane], scratch[lane + half]);
        }
    }
    workgroupBarrier();
    return scratch[0];
}
