// States as f16, rounded to the nearest even. WebGPU's own packing needs no f16 of the adapter.
// f64 twin: src/optim/storage.rs

fn widened(x: vec2<u32>) -> vec4<f32> {
    return vec4(unpack2x16float(x.x), unpack2x16float(x.y));
}

// Above 65504, f16's largest number, a driver may give anything: such a state is held at it.
fn narrowed(x: vec4<f32>, member: u32, element4: u32, state: u32) -> vec2<u32> {
    let most = vec4(65504.0);
    let high = select(x, most, x > most);
    let held = select(high, -most, high < -most);
    return vec2(pack2x16float(held.xy), pack2x16float(held.zw));
}
