// Eight taps of a patch, or eight places, at once: digits that count on, and what is seen by two columns of a lane.
// `seen(at, to)` comes from the kernel's file: the value where the place `at` and the tap `to` meet.  Uses: lib/eight.wgsl

// n as (high, middle, low) with `radix` = (radix of the middle, radix of the low).
fn digits(n: u32, radix: vec2<u32>) -> vec3<u32> {
    let rest = n / radix.y;
    let high = rest / radix.x;
    return vec3(high, rest - high * radix.x, n - rest * radix.y);
}

// The sum of two such numbers, without a division.
fn advance(place: vec3<u32>, step: vec3<u32>, radix: vec2<u32>) -> vec3<u32> {
    var sum = place + step;
    let low = u32(sum.z >= radix.y);
    sum += vec3(0u, low, 0u - low * radix.y);
    let middle = u32(sum.y >= radix.x);
    return sum + vec3(middle, 0u - middle * radix.x, 0u);
}

fn first_seen(at: vec3<u32>, to: vec3<u32>) -> vec4<f32> {
    return vec4(
        seen(at, subgroupBroadcast(to, 0u)),
        seen(at, subgroupBroadcast(to, 1u)),
        seen(at, subgroupBroadcast(to, 2u)),
        seen(at, subgroupBroadcast(to, 3u)),
    );
}

fn last_seen(at: vec3<u32>, to: vec3<u32>) -> vec4<f32> {
    return vec4(
        seen(at, subgroupBroadcast(to, 4u)),
        seen(at, subgroupBroadcast(to, 5u)),
        seen(at, subgroupBroadcast(to, 6u)),
        seen(at, subgroupBroadcast(to, 7u)),
    );
}

// `to` is the tap of this lane, `at` and `on` are its two columns.
fn eight_seen(at: vec3<u32>, on: vec3<u32>, to: vec3<u32>) -> Eight {
    return Eight(first_seen(at, to), last_seen(at, to), first_seen(on, to), last_seen(on, to));
}
