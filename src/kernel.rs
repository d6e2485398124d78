//! A launch as plain data: which WGSL, with which numbers, over which operands, on which grid.
//!
//! Nothing here knows a graphics library. An op describes its launches against a [`Plan`]; the
//! device turns them into pipelines and bind groups once, when a program is built.
//!
//! Conventions of every kernel:
//! - binding 0 is the uniform block, a struct of 4-byte scalars named like [`Launch::params`];
//!   bindings 1… follow in the order of [`Launch::bindings`];
//! - `workgroup_id.z` counts the members of the population (times an op's own batch, if it has one),
//!   and each operand has a stride between members, 0 where all members share it;
//! - counts of workgroups above what one axis takes are folded into y ([`fold`]).

use std::borrow::Cow;

use crate::error::GraphError;
use crate::shape::Shape;

/// Concatenates a kernel with the parts it links, at compile time: the kernel first, so that line numbers in
/// messages stay its own. Names are paths below `shaders/` without the ending; parts are linked by function name.
///
/// From outside the crate use `include_str!` and [`concat!`], and [`part`](crate::kernel::part) for the library's parts.
macro_rules! wgsl {
    ($kernel:literal $(, $part:literal)* $(,)?) => {
        concat!(
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $kernel, ".wgsl")),
            $( "\n// ---- shaders/", $part, ".wgsl\n",
               include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $part, ".wgsl")), )*
        )
    };
}
pub(crate) use wgsl;

/// Every tensor in device memory starts at a multiple of this many elements (256 bytes, WebGPU's default alignment of
/// a storage binding), and strides between members are rounded up to it.
pub const ALIGN: usize = 64;

/// Rounds a count of elements up to [`ALIGN`].
pub fn padded(len: usize) -> usize {
    len.div_ceil(ALIGN) * ALIGN
}

/// One of the library's WGSL parts, to link into a kernel defined outside the crate: `"grid"` (`linear_index`), `"threefry"`,
/// `"control"` (step and seeds, from [`Binding::Control`]), `"erf"`, `"expm1"`, `"sigmoid"`, `"reduce"`, `"row_invocation"` and
/// `"row_workgroup"` (kernels over rows). `None` for another name. What a part calls and links is in its head: `shaders/lib/`.
pub fn part(name: &str) -> Option<&'static str> {
    Some(match name {
        "grid" => wgsl!("lib/grid"),
        "threefry" => wgsl!("lib/threefry"),
        "control" => wgsl!("lib/control"),
        "erf" => wgsl!("lib/erf"),
        "expm1" => wgsl!("lib/expm1"),
        "sigmoid" => wgsl!("lib/sigmoid"),
        "reduce" => wgsl!("lib/reduce"),
        "row_invocation" => wgsl!("lib/row_invocation"),
        "row_workgroup" => wgsl!("lib/row_workgroup"),
        _ => return None,
    })
}

/// A compute shader and the numbers its `override`s get.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    /// What messages and profiles call it.
    pub name: Cow<'static, str>,
    /// The whole WGSL source, parts included.
    pub source: Cow<'static, str>,
    /// The entry point.
    pub entry: &'static str,
    /// Values of `override` declarations; an unknown name is an error.
    pub constants: Vec<(&'static str, f64)>,
}

impl Kernel {
    /// A kernel of the library or a user, without constants.
    pub fn new(name: &'static str, source: &'static str, entry: &'static str) -> Self {
        Self { name: name.into(), source: source.into(), entry, constants: Vec::new() }
    }

    /// With `override name = value`.
    pub fn constant(mut self, name: &'static str, value: f64) -> Self {
        self.constants.push((name, value));
        self
    }
}

/// One field of a launch's uniform block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Word {
    /// `u32`
    U32(u32),
    /// `f32`
    F32(f32),
}

impl Word {
    /// The bits, as they lie in the uniform block.
    pub fn bits(self) -> u32 {
        match self {
            Self::U32(x) => x,
            Self::F32(x) => x.to_bits(),
        }
    }
}

impl From<u32> for Word {
    fn from(x: u32) -> Self {
        Self::U32(x)
    }
}
impl From<usize> for Word {
    fn from(x: usize) -> Self {
        Self::U32(u32::try_from(x).expect("counts of elements fit 32 bits: the graph refuses larger tensors"))
    }
}
impl From<bool> for Word {
    fn from(x: bool) -> Self {
        Self::U32(u32::from(x))
    }
}
impl From<f32> for Word {
    fn from(x: f32) -> Self {
        Self::F32(x)
    }
}

/// What a window looks into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// The op's n-th input.
    Input(usize),
    /// The op's output; of launches that compute several nodes the first one's.
    Output,
    /// The n-th of the further outputs of launches that compute several nodes, [`Plan::beside`].
    Beside(usize),
    /// The n-th of [`Launches::scratch`].
    Scratch(usize),
}

/// A part of an operand, in elements of one member. `offset` is a multiple of [`ALIGN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Which operand.
    pub operand: Operand,
    /// First element.
    pub offset: usize,
    /// Elements of one member that the launch touches.
    pub len: usize,
}

impl From<(Operand, usize)> for Window {
    fn from((operand, len): (Operand, usize)) -> Self {
        Self { operand, offset: 0, len }
    }
}

/// What stands at one binding, from 1 upwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// `var<storage, read>`
    Read(Window),
    /// `var<storage, read_write>`
    Write(Window),
    /// `var<storage, read> control: array<u32>`: step counter, cursor and the members' seeds (`shaders/lib/control.wgsl`).
    Control,
}

impl Binding {
    /// Reads a whole operand of `len` elements a member.
    pub fn read(operand: Operand, len: usize) -> Self {
        Self::Read((operand, len).into())
    }
    /// Writes a whole operand of `len` elements a member.
    pub fn write(operand: Operand, len: usize) -> Self {
        Self::Write((operand, len).into())
    }
}

/// One dispatch.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// The shader.
    pub kernel: Kernel,
    /// The uniform block at binding 0, in order, named as in the WGSL struct. At most 64 words.
    pub params: Vec<(&'static str, Word)>,
    /// Bindings 1, 2, ….
    pub bindings: Vec<Binding>,
    /// Workgroups; z is a multiple of the members.
    pub groups: [u32; 3],
    /// Floating-point operations of one member, for roof lines. 0 where only bytes matter.
    pub flops: u64,
}

/// What an op needs run, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Launches {
    /// Elements (of one member) of temporary tensors that live only between these launches.
    pub scratch: Vec<usize>,
    /// The dispatches.
    pub list: Vec<Launch>,
}

impl From<Launch> for Launches {
    fn from(launch: Launch) -> Self {
        Self { scratch: Vec::new(), list: vec![launch] }
    }
}
impl From<Vec<Launch>> for Launches {
    fn from(list: Vec<Launch>) -> Self {
        Self { scratch: Vec::new(), list }
    }
}

/// What an op is told about one operand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its shape, of one member.
    pub shape: Shape,
    /// Elements between members; 0 where they share it.
    pub stride: usize,
}

impl Place {
    /// Elements of one member.
    pub fn elements(&self) -> usize {
        self.shape.elements()
    }
}

/// The kind of kernel an adapter wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tiling {
    /// Tiles staged in workgroup memory: graphics cards.
    Workgroup,
    /// Registers alone: software adapters, where workgroup memory and barriers cost more than they save.
    Register,
}

/// What kernels may use on an adapter beside WebGPU's minimum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Abilities {
    /// Bytes of workgroup memory; 16 KiB by default.
    pub workgroup_memory: u32,
    /// Invocations of a workgroup; 256 by default.
    pub invocations: u32,
    /// Storage buffers that a kernel binds; 8 by default.
    pub storage_buffers: u32,
    /// The size that every subgroup has, where subgroup operations may be used and the size is fixed.
    pub subgroup: Option<u32>,
    /// Whether there are integers of 64 bits.
    pub wide: bool,
}

impl Default for Abilities {
    fn default() -> Self {
        Self { workgroup_memory: 16 << 10, invocations: 256, storage_buffers: 8, subgroup: None, wide: false }
    }
}

/// The ways in which an op can be launched at a place: all with the same value to within its bound, which of them is fast is the
/// adapter's matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variants {
    /// What a choice holds for: the op's places of one class share it, and launch the same kernels. Lengths are rounded; the members
    /// are not part of it, so that a member of a population is computed as it would be alone.
    pub class: String,
    /// Their names, for [`Plan::variant`]. Empty or one: there is nothing to choose.
    pub names: Vec<&'static str>,
}

/// What an op may count on when it describes its launches.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The inputs.
    pub inputs: Vec<Place>,
    /// The output.
    pub output: Place,
    /// The further outputs, where several nodes are computed at once ([`Fused`](crate::graph::Fused)); none for an op.
    pub beside: Vec<Place>,
    /// Members of the population, at least 1.
    pub members: u32,
    /// Most elements (of one member) that one binding takes; a multiple of [`ALIGN`].
    pub max_elements: usize,
    /// Most workgroups along one axis.
    pub max_groups: u32,
    /// Which product kernel suits the adapter.
    pub tiling: Tiling,
    /// What the adapter has beside WebGPU's minimum.
    pub abilities: Abilities,
    /// Which of [`Op::variants`](crate::graph::Op::variants) to launch; `None`, or a name that is not among them, for the one that
    /// suits [`tiling`](Self::tiling).
    pub variant: Option<&'static str>,
}

impl Plan {
    /// The same places at WebGPU's default limits.
    pub fn new(inputs: Vec<Place>, output: Place, members: u32) -> Self {
        Self {
            inputs,
            output,
            beside: Vec::new(),
            members,
            max_elements: 32 << 20,
            max_groups: 65_535,
            tiling: Tiling::Workgroup,
            abilities: Abilities::default(),
            variant: None,
        }
    }

    /// Workgroups for `count` invocations of `size` a group, folded over x and y; z is the members.
    pub fn linear(&self, count: usize, size: u32) -> [u32; 3] {
        self.groups(count.div_ceil(size as usize))
    }

    /// `count` workgroups folded over x and y; z is the members.
    pub fn groups(&self, count: usize) -> [u32; 3] {
        let [x, y] = fold(count, self.max_groups);
        [x, y, self.members]
    }

    /// Cuts `rows` rows into runs so that no operand, of `widths` elements a row, needs more than one binding holds. Yields
    /// `(first, count)`; first × width is a multiple of [`ALIGN`] for each width. One run in the ordinary case.
    ///
    /// # Errors
    ///
    /// [`GraphError::TooLarge`] if not even the smallest aligned run fits.
    pub fn runs(&self, op: &'static str, rows: usize, widths: &[usize]) -> Result<Vec<(usize, usize)>, GraphError> {
        let widest = widths.iter().copied().max().unwrap_or(1).max(1);
        if rows.saturating_mul(widest) <= self.max_elements {
            return Ok(vec![(0, rows)]);
        }
        let unit = widths.iter().map(|&w| aligned(w.max(1))).max().unwrap_or(1);
        let most = self.max_elements / widest / unit * unit;
        if most == 0 {
            return Err(GraphError::TooLarge { op, elements: unit * widest, limit: self.max_elements });
        }
        Ok((0..rows).step_by(most).map(|first| (first, most.min(rows - first))).collect())
    }

    /// # Errors
    ///
    /// [`GraphError::TooLarge`] if an operand of `op` needs more than one binding and the op cannot split it.
    pub fn whole(&self, op: &'static str) -> Result<(), GraphError> {
        let largest =
            self.inputs.iter().chain([&self.output]).chain(&self.beside).map(Place::elements).max().unwrap_or(0);
        if largest > self.max_elements {
            return Err(GraphError::TooLarge { op, elements: largest, limit: self.max_elements });
        }
        Ok(())
    }
}

/// The fewest steps of `stride` elements that end at a multiple of [`ALIGN`].
pub(crate) fn aligned(stride: usize) -> usize {
    fn gcd(a: usize, b: usize) -> usize {
        if b == 0 { a } else { gcd(b, a % b) }
    }
    ALIGN / gcd(ALIGN, stride)
}

/// `count` workgroups as `[x, y]` with no axis above `limit`; x·y may exceed `count`, kernels guard. Never `[0, _]`.
pub fn fold(count: usize, limit: u32) -> [u32; 2] {
    let count = count.max(1);
    let x = count.min(limit as usize);
    [x as u32, count.div_ceil(x) as u32]
}
