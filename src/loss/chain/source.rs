//! The text that a chain adds to its kernels: which weights a stage multiplies by, and every width as a number.

use std::fmt::Write as _;

use super::layout::{Layout, TILE};
use crate::kernel::Word;

fn constants(text: &mut String, list: &[(&str, usize)]) {
    for (name, value) in list {
        let _ = writeln!(text, "const {name}: u32 = {value}u;");
    }
}

/// `name` as a function that takes a number and, for each of its values, does something else.
fn switch(text: &mut String, head: &str, cases: &[String], otherwise: &str) {
    let _ = writeln!(text, "\n{head} {{\n    switch number {{");
    for (n, case) in cases.iter().enumerate() {
        let _ = writeln!(text, "        case {n}u: {{ {case} }}");
    }
    let _ = writeln!(text, "        default: {{ {otherwise} }}\n    }}\n}}");
}

/// A uniform block with these fields.
fn params(text: &mut String, fields: &[(&str, Word)]) {
    text.push_str("\nstruct Params {\n");
    for (name, word) in fields {
        let ty = if let Word::F32(_) = word { "f32" } else { "u32" };
        let _ = writeln!(text, "    {name}: {ty},");
    }
    text.push_str("}\n\n@group(0) @binding(0) var<uniform> params: Params;\n");
}

fn storage(text: &mut String, binding: usize, access: &str, name: &str, of: &str) {
    let _ = writeln!(text, "@group(0) @binding({binding}) var<storage, {access}> {name}: array<{of}>;");
}

/// What `rows` links beside the files in `shaders/loss/chain/`.
pub(super) fn rows(layout: &Layout, fields: &[(&str, Word)]) -> String {
    let mut text = String::from("\n// ---- written by src/loss/chain/source.rs\n");
    let count = layout.layers.len();
    constants(
        &mut text,
        &[
            ("WIDTH", layout.layers[0].inputs),
            ("CLASSES", layout.layers[count - 1].outputs),
            ("SCORES", layout.values[count]),
            ("SLOPES", layout.slopes[count - 1]),
            ("LOSSES", layout.losses),
            ("HITS", layout.hits),
        ],
    );
    let _ = writeln!(text, "const RIGHT: bool = {};", layout.accuracy);
    params(&mut text, fields);
    storage(&mut text, 1, "read", "x", "f32");
    storage(&mut text, 3, "read", "dy", "f32");
    storage(&mut text, 4, "read_write", "values", "f32");
    for l in 0..count {
        storage(&mut text, 5 + 2 * l, "read", &format!("w{l}"), "f32");
        storage(&mut text, 6 + 2 * l, "read", &format!("b{l}"), "f32");
    }
    text.push_str("\nstruct Member {\n    index: u32,\n    values: u32,\n}\n");
    text.push_str(
        "\nfn member_of(index: u32) -> Member {\n    return Member(index, index * params.values_stride);\n}\n",
    );
    let stages = stages(layout);
    let texts: Vec<String> = stages.iter().map(|(_, stage)| format!("return {stage};")).collect();
    switch(&mut text, "fn stage_of(number: u32) -> Stage", &texts, &texts[0]);
    let weight = |(l, _): &(usize, String)| format!("return w{l}[member.index * params.w{l}_stride + i];");
    let weights: Vec<String> = stages.iter().map(weight).collect();
    switch(&mut text, "fn weight(number: u32, i: u32, member: Member) -> f32", &weights, "return 0.0;");
    let bias = |l| format!("return b{l}[member.index * params.b{l}_stride + column];");
    let biases: Vec<String> = (0..count).map(bias).collect();
    switch(&mut text, "fn bias(number: u32, column: u32, member: Member) -> f32", &biases, "return 0.0;");
    for (name, range) in [("there", 0..count), ("back", count..stages.len())] {
        let _ = writeln!(text, "\nfn {name}(lane: u32, first: u32, member: Member) {{");
        for n in range {
            let _ = writeln!(text, "    stage({n}u, lane, first, member);");
        }
        text.push_str("}\n");
    }
    text
}

/// The products of a chain in order, each with the layer whose weights it multiplies by.
fn stages(layout: &Layout) -> Vec<(usize, String)> {
    let (values, slopes) = (&layout.values, &layout.slopes);
    let there = layout.layers.iter().enumerate().map(|(l, w)| {
        (l, format!("Stage({0}u, {1}u, {2}u, 1u, {0}u, 0u, false, {3})", w.inputs, w.outputs, values[l + 1], w.bent))
    });
    let back = (1..layout.layers.len()).rev().map(|l| {
        let (w, below) = (layout.layers[l], layout.layers[l - 1]);
        let places = format!("{}u, {}u, 1u, {}u", slopes[l - 1], w.inputs, values[l]);
        (l, format!("Stage({}u, {}u, {places}, true, {})", w.outputs, w.inputs, below.bent))
    });
    there.chain(back).collect()
}

/// What `sums` links beside the files in `shaders/loss/chain/`, and its workgroups.
pub(super) fn sums(layout: &Layout, fields: &[(&str, Word)]) -> (String, usize) {
    let mut text = String::from("\n// ---- written by src/loss/chain/source.rs\n");
    let (mut parts, mut columns) = (String::new(), String::new());
    let (mut tiles, mut column) = (0, 0);
    for (l, w) in layout.layers.iter().enumerate() {
        let (slopes, factors) = (layout.slopes[l], layout.values[l]);
        let across = w.inputs.div_ceil(TILE);
        let from = tiles;
        tiles += w.outputs.div_ceil(TILE) * across;
        let place = format!("(tile - {from}u) / {across}u * {TILE}u, (tile - {from}u) % {across}u * {TILE}u");
        let lengths = format!("{}u, {}u, {slopes}u, {factors}u", w.outputs, w.inputs);
        let _ = writeln!(parts, "    if tile < {tiles}u {{\n        return Part({l}u, {place}, {lengths});\n    }}");
        let from = column;
        column += w.outputs;
        let _ = writeln!(
            columns,
            "    if index < {column}u {{\n        return Column({l}u, {slopes}u, {}u, index - {from}u);\n    }}",
            w.outputs
        );
    }
    let groups = tiles + column.div_ceil(LANES) + 1;
    constants(
        &mut text,
        &[
            ("LANES", LANES),
            ("TILES", tiles),
            ("GROUPS", groups),
            ("COLUMNS", column),
            ("LOSSES", layout.losses),
            ("HITS", layout.hits),
        ],
    );
    let _ = writeln!(text, "const RIGHT: bool = {};", layout.accuracy);
    params(&mut text, fields);
    storage(&mut text, 1, "read", "values", "f32");
    storage(&mut text, 2, "read_write", "y", "f32");
    storage(&mut text, 3, "read_write", "right", "f32");
    for l in 0..layout.layers.len() {
        storage(&mut text, 4 + 2 * l, "read_write", &format!("dw{l}"), "f32");
        storage(&mut text, 5 + 2 * l, "read_write", &format!("db{l}"), "f32");
    }
    text.push_str(PART);
    let _ = writeln!(text, "\nfn part_of(tile: u32) -> Part {{\n{parts}    return Part();\n}}");
    let _ = writeln!(text, "\nfn column_of(index: u32) -> Column {{\n{columns}    return Column();\n}}");
    let list = |each: &dyn Fn(usize) -> String| (0..layout.layers.len()).map(each).collect::<Vec<_>>();
    for (name, array) in [("put_weight", "dw"), ("put_bias", "db")] {
        let put = |l: usize| format!("{array}{l}[member * params.{array}{l}_stride + i] = value;");
        let head = format!("fn {name}(number: u32, i: u32, member: u32, value: f32)");
        switch(&mut text, &head, &list(&put), "");
    }
    (text, groups)
}

/// Invocations of a workgroup of `sums`.
const LANES: usize = 64;

/// A tile of a weight's gradient.
const PART: &str = "
struct Part {
    layer: u32,
    // Its first element.
    row: u32,
    column: u32,
    // Rows and columns of the whole gradient: the layer's outputs and inputs.
    rows: u32,
    columns: u32,
    // Columns of `values` before the gradients before the activation, and before the layer's inputs.
    slopes: u32,
    factors: u32,
}
";
