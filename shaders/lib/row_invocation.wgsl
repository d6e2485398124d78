// One invocation a row: for short rows, many rows, and adapters on which barriers are dear.
// The same functions as lib/row_workgroup.wgsl, so that a kernel over rows is written once.
override WORKGROUP: u32 = 64u;
const LANES: u32 = 1u;

fn row_index(id: vec3<u32>, group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return id.x + id.y * groups.x * WORKGROUP;
}

fn lane_index(local: u32) -> u32 {
    return 0u;
}

fn fold_sum(lane: u32, value: f32) -> f32 {
    return value;
}

// By bits: a driver may assume that there is no NaN, fold `x != x` away and let max() drop it.
fn is_nan(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

// Whether `b` takes the place of `a` as the largest so far: it is greater, or the first NaN.
fn beats(b: f32, a: f32) -> bool {
    return !is_nan(a) && (is_nan(b) || b > a);
}

fn fold_max(lane: u32, value: f32) -> f32 {
    return value;
}

// Where the largest value stands, a NaN before all, the lowest place on ties.
fn fold_first(lane: u32, value: f32, place: u32) -> u32 {
    return place;
}
