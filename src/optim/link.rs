//! The update kernels of a rule.

use std::fmt::Write;

use super::{DynRule, MAX_STATES, Storage};
use crate::kernel::wgsl;

/// How many bindings the update kernel has before the states.
const BEFORE: usize = 5;

/// The whole WGSL of the fused update by `rule`, its states held as `storage`, with or without a running average of the
/// parameters; its entry point is `update`. `None` if the rule has more than 3 states.
///
/// # Examples
///
/// ```
/// use thalweg::optim::{Adam, Storage, link};
///
/// let source = link(&Adam::default(), Storage::F32, false).expect("two states");
/// assert!(source.contains("fn update(") && source.contains("@binding(6) var<storage, read_write> state_b"));
/// ```
pub fn link(rule: &dyn DynRule, storage: Storage, average: bool) -> Option<String> {
    let states = rule.states().len();
    if states > MAX_STATES {
        return None;
    }
    let mut source =
        String::from(wgsl!("optim/update", "optim/element", "optim/block", "optim/totals", "lib/control", "lib/grid"));
    if states > 0 && storage != Storage::F32 {
        source.push_str(match storage {
            Storage::Bf16 => wgsl!("optim/bf16", "lib/threefry"),
            _ => wgsl!("optim/f16"),
        });
    }
    source.push_str(&states_of(states, storage));
    // With a trust ratio the parameters, and so their average, are written by the second half.
    source.push_str(&averaged((average && !rule.trust_ratio()).then_some(BEFORE + states)));
    let _ = write!(source, "\n// ---- rule\n{}", rule.source());
    Some(source)
}

/// The second half of a step with a trust ratio; its entry point is `apply`.
pub fn link_apply(average: bool) -> String {
    let source = wgsl!("optim/apply", "optim/block", "optim/totals", "lib/control", "lib/grid");
    format!("{source}{}", averaged(average.then_some(BEFORE)))
}

/// The kernels over tensors: `clip_all`, `clip_each`, `trust` and `telemetry`.
pub fn link_tensors() -> &'static str {
    wgsl!("optim/tensors", "optim/totals", "lib/control", "lib/grid")
}

fn states_of(count: usize, storage: Storage) -> String {
    let mut text = String::from("\n// ---- states\n");
    let names = &["a", "b", "c"][..count];
    let of = if storage == Storage::F32 { "vec4<f32>" } else { "vec2<u32>" };
    for (n, name) in names.iter().enumerate() {
        let at = BEFORE + n;
        let _ = writeln!(text, "@group(0) @binding({at}) var<storage, read_write> state_{name}: array<{of}>;");
    }
    let load = |n: usize| match (names.get(n), storage) {
        (None, _) => "vec4<f32>()".into(),
        (Some(name), Storage::F32) => format!("state_{name}[at]"),
        (Some(name), _) => format!("widened(state_{name}[at])"),
    };
    let _ = writeln!(text, "fn load_state(at: u32) -> State {{");
    let _ = writeln!(text, "    return State({}, {}, {});\n}}", load(0), load(1), load(2));
    let _ = writeln!(text, "fn store_state(at: u32, s: State, salt: vec3<u32>, element4: u32) {{");
    for (n, name) in names.iter().enumerate() {
        let value = match storage {
            Storage::F32 => format!("s.{name}"),
            _ => format!("narrowed(s.{name}, salt, element4, {n}u)"),
        };
        let _ = writeln!(text, "    state_{name}[at] = {value};");
    }
    text.push_str("}\n");
    if count == 0 || storage != Storage::Bf16 {
        // Nothing is rounded at random.
        text.push_str("fn salt_of(member: u32) -> vec3<u32> {\n    return vec3<u32>();\n}\n");
    }
    text
}

fn averaged(binding: Option<usize>) -> String {
    let head = "\n// ---- running average\n";
    let signature = "fn keep_average(at: u32, p: vec4<f32>, share: f32)";
    match binding {
        None => format!("{head}{signature} {{}}\n"),
        Some(at) => format!(
            "{head}@group(0) @binding({at}) var<storage, read_write> average: array<vec4<f32>>;\n\
             {signature} {{\n    let a = average[at];\n    average[at] = select(a + share * (p - a), p, share == 1.0);\n}}\n"
        ),
    }
}
