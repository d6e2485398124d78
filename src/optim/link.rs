//! The update kernels of a rule.

use std::fmt::Write;

use super::{DynRule, MAX_STATES, Storage};
use crate::kernel::{Abilities, Tiling, wgsl};

/// How many bindings the update kernel has before the states.
const BEFORE: usize = 5;

/// The workgroup that takes a block, and how its lanes tell each other what they have. The sums are the same bits in each of
/// one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lanes {
    /// 256 lanes and workgroup memory: a card wants as many as there are, for a tensor's blocks are few.
    Many,
    /// 8 lanes and workgroup memory. A software adapter pays for what each of its vectors does before the first element: one
    /// vector takes the block from end to end.
    Eight,
    /// 8 lanes that are one subgroup, without memory and barriers, which cost a software adapter more than the sums do; and
    /// integers of 64 bits, by which it loads and stores two numbers for the price of one.
    Subgroup,
}

impl Lanes {
    /// All there are.
    pub const ALL: &'static [Self] = &[Self::Many, Self::Eight, Self::Subgroup];

    /// Those that suit an adapter.
    pub fn of(tiling: Tiling, abilities: &Abilities) -> Self {
        match (tiling, abilities.subgroup) {
            (Tiling::Workgroup, _) => Self::Many,
            (Tiling::Register, Some(8)) if abilities.wide => Self::Subgroup,
            (Tiling::Register, _) => Self::Eight,
        }
    }

    /// How many there are over a block: the kernels' `WORKGROUP`.
    pub const fn count(self) -> usize {
        if matches!(self, Self::Many) { 256 } else { 8 }
    }

    fn source(self) -> &'static str {
        match self {
            Self::Subgroup => wgsl!("optim/lanes_subgroup", "optim/loads_wide"),
            _ => wgsl!("optim/lanes", "optim/loads"),
        }
    }
}

/// The whole WGSL of the fused update by `rule`, its states held as `storage`, with or without a running average of the
/// parameters, for such workgroups; its entry point is `update`. `None` if the rule has more than 3 states.
///
/// # Examples
///
/// ```
/// use thalweg::optim::{Adam, Lanes, Storage, link};
///
/// let source = link(&Adam::default(), Storage::F32, false, Lanes::Many).expect("two states");
/// assert!(source.contains("fn update(") && source.contains("@binding(6) var<storage, read_write> state_b"));
/// ```
pub fn link(rule: &dyn DynRule, storage: Storage, average: bool, lanes: Lanes) -> Option<String> {
    let states = rule.states().len();
    if states > MAX_STATES {
        return None;
    }
    let mut source =
        String::from(wgsl!("optim/update", "optim/element", "optim/block", "optim/totals", "lib/control", "lib/grid"));
    source.push_str(lanes.source());
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
pub fn link_apply(average: bool, lanes: Lanes) -> String {
    let source = wgsl!("optim/apply", "optim/block", "optim/totals", "lib/control", "lib/grid");
    format!("{source}{}{}", lanes.source(), averaged(average.then_some(BEFORE)))
}

/// The kernels over tensors: `clip_all`, `clip_each`, `trust` and `telemetry`. Their workgroups have 64 lanes at most.
pub fn link_tensors(lanes: Lanes) -> String {
    format!("{}{}", wgsl!("optim/tensors", "optim/totals", "lib/control", "lib/grid"), lanes.source())
}

/// The kernels over gradients alone: `norms` and `clipped`.
pub(crate) fn link_gradients(entry: &'static str, lanes: Lanes) -> String {
    let source = match entry {
        "norms" => wgsl!("optim/norms", "optim/block", "optim/totals", "lib/control", "lib/grid"),
        _ => wgsl!("optim/clipped", "optim/element", "optim/block", "optim/totals", "lib/control", "lib/grid"),
    };
    format!("{source}{}", lanes.source())
}

fn states_of(count: usize, storage: Storage) -> String {
    let mut text = String::from("\n// ---- states\n");
    let names = &["a", "b", "c"][..count];
    let of = if storage == Storage::F32 { "Reals" } else { "Halves" };
    for (n, name) in names.iter().enumerate() {
        let at = BEFORE + n;
        let _ = writeln!(text, "@group(0) @binding({at}) var<storage, read_write> state_{name}: array<{of}>;");
    }
    let load = |n: usize| match (names.get(n), storage) {
        (None, _) => "vec4<f32>()".into(),
        (Some(name), Storage::F32) => format!("reals(state_{name}[at])"),
        (Some(name), _) => format!("widened(halves(state_{name}[at]))"),
    };
    let _ = writeln!(text, "fn load_state(at: u32) -> State {{");
    let _ = writeln!(text, "    return State({}, {}, {});\n}}", load(0), load(1), load(2));
    let _ = writeln!(text, "fn store_state(at: u32, s: State, salts: array<vec2<u32>, 3>, element4: u32) {{");
    for (n, name) in names.iter().enumerate() {
        let value = match storage {
            Storage::F32 => format!("held(s.{name})"),
            _ => format!("paired(narrowed(s.{name}, salts[{n}], element4))"),
        };
        let _ = writeln!(text, "    state_{name}[at] = {value};");
    }
    text.push_str("}\n");
    if count == 0 || storage != Storage::Bf16 {
        // Nothing is rounded at random.
        let signature = "fn salts_of(member: u32, lane: u32) -> array<vec2<u32>, 3>";
        let _ = writeln!(text, "{signature} {{\n    return array<vec2<u32>, 3>();\n}}");
    }
    text
}

fn averaged(binding: Option<usize>) -> String {
    let head = "\n// ---- running average\n";
    let signature = "fn keep_average(at: u32, p: vec4<f32>, share: f32)";
    match binding {
        None => format!("{head}{signature} {{}}\n"),
        Some(at) => format!(
            "{head}@group(0) @binding({at}) var<storage, read_write> average: array<Reals>;\n\
             {signature} {{\n    let a = reals(average[at]);\n    \
             average[at] = held(select(a + share * (p - a), p, share == 1.0));\n}}\n"
        ),
    }
}
