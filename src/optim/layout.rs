//! How the update launch sees the flat buffers and the control buffer. The WGSL's side is `shaders/optim/update*.wgsl`
//! and `shaders/lib/control.wgsl`; `tests/optimizers.rs` holds the two together.

use crate::kernel::{ALIGN, Word};

/// Words of the control buffer before the seeds: step, cursor, slot, offset of the hyper table, members, groups, and
/// two reserved ones.
pub const CONTROL_HEADER: usize = 8;

/// Words of one entry of the hyper table.
pub const HYPER_WORDS: usize = 12;

/// Tensors that a segment can name.
pub const MAX_TENSORS: usize = 1 << 24;

/// Parameter groups that a segment can name.
pub const MAX_GROUPS: usize = 1 << 8;

/// States of a rule that the update kernels bind.
pub const MAX_STATES: usize = 3;

/// What every flag must hold before the first step: no non-finite number seen.
pub const NO_FLAG: u32 = u32::MAX;

/// Word at which the hyper table starts when it follows the seeds of `members` members.
pub const fn hyper_offset(members: usize) -> usize {
    CONTROL_HEADER + 2 * members
}

/// Word of number `n` of the hyper table, from the table's start: `[slot][member][group][12]`.
pub const fn hyper_index(slot: usize, member: usize, group: usize, n: usize, members: usize, groups: usize) -> usize {
    ((slot * members + member) * groups + group) * HYPER_WORDS + n
}

/// Words of a control buffer with a hyper table of `slots` steps.
pub const fn control_words(slots: usize, members: usize, groups: usize) -> usize {
    hyper_offset(members) + slots * members * groups * HYPER_WORDS
}

/// The word that says to which tensor and which parameter group a run of 64 elements belongs; `None` if either number
/// does not fit.
///
/// # Examples
///
/// ```
/// assert_eq!(thalweg::optim::segment(5, 2), Some(0x0200_0005));
/// assert_eq!(thalweg::optim::segment(1 << 24, 0), None);
/// ```
pub const fn segment(tensor: usize, group: usize) -> Option<u32> {
    if tensor < MAX_TENSORS && group < MAX_GROUPS { Some((group as u32) << 24 | tensor as u32) } else { None }
}

/// What one update launch covers: its uniform block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First element, in the flat buffer of one member; a multiple of 64.
    pub first: usize,
    /// Elements of one member; a multiple of 64. Gradients, parameters and states are bound from `first` on.
    pub len: usize,
    /// Elements between members in the bound buffers; a multiple of 64.
    pub stride: usize,
    /// Members of the launch, its workgroups along z.
    pub members: usize,
    /// Parameter groups.
    pub groups: usize,
    /// Number of the first bound member in the population.
    pub first_member: usize,
}

impl Span {
    /// All `len` elements of `members` members.
    pub fn whole(len: usize, members: usize, groups: usize) -> Self {
        Self { first: 0, len, stride: len, members, groups, first_member: 0 }
    }

    /// Binding 0, named as in the WGSL struct.
    ///
    /// # Panics
    ///
    /// If `first`, `len` or `stride` is not a multiple of [`ALIGN`]: one vec4 would then belong to two tensors.
    pub fn params(&self) -> Vec<(&'static str, Word)> {
        assert!([self.first, self.len, self.stride].iter().all(|n| n % ALIGN == 0), "{self:?} must be padded");
        vec![
            ("len4", (self.len / 4).into()),
            ("first4", (self.first / 4).into()),
            ("stride4", (self.stride / 4).into()),
            ("members", self.members.into()),
            ("groups", self.groups.into()),
            ("first_member", self.first_member.into()),
        ]
    }

    /// Invocations of one member where each updates `per` vec4s (the kernel's override `PER`), `workgroup` of them in a
    /// group. Workgroups: [`fold`](crate::kernel::fold) them over x and y.
    pub fn invocations(&self, per: usize, workgroup: usize) -> usize {
        (self.len / 4).div_ceil(per * workgroup) * workgroup
    }
}
