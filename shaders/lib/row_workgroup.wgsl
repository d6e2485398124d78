// One workgroup a row: for long rows on graphics cards. Fixed trees: the same bits each time.
// The same functions as lib/row_invocation.wgsl, so that a kernel over rows is written once.
// Every invocation of the workgroup must call each fold: they hold barriers.
override WORKGROUP: u32 = 64u;
override LANES: u32 = WORKGROUP;
var<workgroup> values: array<f32, WORKGROUP>;
var<workgroup> places: array<u32, WORKGROUP>;

fn row_index(id: vec3<u32>, group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.x + group.y * groups.x;
}

fn lane_index(local: u32) -> u32 {
    return local;
}

fn fold_sum(lane: u32, value: f32) -> f32 {
    // A second call must not overwrite what a slow lane still reads.
    workgroupBarrier();
    values[lane] = value;
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            values[lane] += values[lane + half];
        }
    }
    workgroupBarrier();
    return values[0];
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
    workgroupBarrier();
    values[lane] = value;
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            let b = values[lane + half];
            values[lane] = select(values[lane], b, beats(b, values[lane]));
        }
    }
    workgroupBarrier();
    return values[0];
}

// Where the largest value stands, a NaN before all, the lowest place on ties.
fn fold_first(lane: u32, value: f32, place: u32) -> u32 {
    workgroupBarrier();
    values[lane] = value;
    places[lane] = place;
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            let a = values[lane];
            let b = values[lane + half];
            if beats(b, a) || (!beats(a, b) && places[lane + half] < places[lane]) {
                values[lane] = b;
                places[lane] = places[lane + half];
            }
        }
    }
    workgroupBarrier();
    return places[0];
}
