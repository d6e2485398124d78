// ROWS rows (1, 4, 8 or 16) × 16 columns of a product by a subgroup of 8 lanes, two columns a lane, eight steps at a time. A load
// is dear where an adapter does it lane by lane, a broadcast is cheap: the lanes share the eight factors of a row out between them.
// From the kernel's file: `factor(r, at)`, row r's factor for this lane's step; `put(r, at, sum)`, which stores row r.

override ROWS: u32 = 16u;

// What a lane multiplies: steps 0 to 3 and 4 to 7 of its first and of its second column.
struct Eight {
    first: vec4<f32>,
    first_on: vec4<f32>,
    second: vec4<f32>,
    second_on: vec4<f32>,
}

struct Sums {
    s0: vec2<f32>,
    s1: vec2<f32>,
    s2: vec2<f32>,
    s3: vec2<f32>,
    s4: vec2<f32>,
    s5: vec2<f32>,
    s6: vec2<f32>,
    s7: vec2<f32>,
    s8: vec2<f32>,
    s9: vec2<f32>,
    s10: vec2<f32>,
    s11: vec2<f32>,
    s12: vec2<f32>,
    s13: vec2<f32>,
    s14: vec2<f32>,
    s15: vec2<f32>,
}

fn eight(start: vec2<f32>, x: f32, w: Eight) -> vec2<f32> {
    var sum = start;
    sum += subgroupBroadcast(x, 0u) * vec2(w.first.x, w.second.x);
    sum += subgroupBroadcast(x, 1u) * vec2(w.first.y, w.second.y);
    sum += subgroupBroadcast(x, 2u) * vec2(w.first.z, w.second.z);
    sum += subgroupBroadcast(x, 3u) * vec2(w.first.w, w.second.w);
    sum += subgroupBroadcast(x, 4u) * vec2(w.first_on.x, w.second_on.x);
    sum += subgroupBroadcast(x, 5u) * vec2(w.first_on.y, w.second_on.y);
    sum += subgroupBroadcast(x, 6u) * vec2(w.first_on.z, w.second_on.z);
    sum += subgroupBroadcast(x, 7u) * vec2(w.first_on.w, w.second_on.w);
    return sum;
}

fn add_eight(sums: ptr<function, Sums>, at: vec4<u32>, w: Eight) {
    (*sums).s0 = eight((*sums).s0, factor(0u, at), w);
    if ROWS > 1u {
        (*sums).s1 = eight((*sums).s1, factor(1u, at), w);
        (*sums).s2 = eight((*sums).s2, factor(2u, at), w);
        (*sums).s3 = eight((*sums).s3, factor(3u, at), w);
    }
    if ROWS > 4u {
        (*sums).s4 = eight((*sums).s4, factor(4u, at), w);
        (*sums).s5 = eight((*sums).s5, factor(5u, at), w);
        (*sums).s6 = eight((*sums).s6, factor(6u, at), w);
        (*sums).s7 = eight((*sums).s7, factor(7u, at), w);
    }
    if ROWS == 16u {
        (*sums).s8 = eight((*sums).s8, factor(8u, at), w);
        (*sums).s9 = eight((*sums).s9, factor(9u, at), w);
        (*sums).s10 = eight((*sums).s10, factor(10u, at), w);
        (*sums).s11 = eight((*sums).s11, factor(11u, at), w);
        (*sums).s12 = eight((*sums).s12, factor(12u, at), w);
        (*sums).s13 = eight((*sums).s13, factor(13u, at), w);
        (*sums).s14 = eight((*sums).s14, factor(14u, at), w);
        (*sums).s15 = eight((*sums).s15, factor(15u, at), w);
    }
}

fn moved_up(s: Sums) -> Sums {
    return Sums(s.s1, s.s2, s.s3, s.s4, s.s5, s.s6, s.s7, s.s8, s.s9, s.s10, s.s11, s.s12, s.s13, s.s14, s.s15, s.s15);
}

// Stores the rows that are left: in a loop through which the sums move up, for a copy of the kernel's end for each of them would
// take long to compile.
fn put_all(all: Sums, left: u32, at: vec4<u32>) {
    var sums = all;
    let count = min(left, ROWS);
    for (var r = 0u; r < count; r++) {
        put(r, at, sums.s0);
        sums = moved_up(sums);
    }
}
