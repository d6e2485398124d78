//! How the update launches see the flat buffers, the control buffer and the work buffer. The WGSL's side is
//! `shaders/optim/` and `shaders/lib/control.wgsl`; `tests/optimizers.rs` holds the two together.

use super::Storage;
use crate::kernel::{ALIGN, Word};

/// Words of the control buffer before the seeds: step, cursor, slot, offset of the step table, members, groups, offset of
/// the blocks, offset of the tensors' first blocks.
pub const CONTROL_HEADER: usize = 8;

/// Words of one rule's numbers in the step table.
pub const HYPER_WORDS: usize = 12;

/// Words of a member in the step table before its groups: [`ACTIVE`] and the place of this step's telemetry from bit 8 on,
/// the share of a minibatch in an accumulated gradient, the bound of clipping by value, and what the running average takes
/// of the new parameters.
pub const STEP_WORDS: usize = 4;

/// Bit of a member that is updated at this step. The next bit is always 0, and shaders count on it.
pub const ACTIVE: u32 = 1;

/// Tensors that a block can name.
pub const MAX_TENSORS: usize = 1 << 24;

/// Parameter groups, [`FROZEN`] apart.
pub const MAX_GROUPS: usize = 255;

/// The group whose tensors no step touches.
pub const FROZEN: usize = 255;

/// States of a rule that the update kernels bind.
pub const MAX_STATES: usize = 3;

/// What a block's words for non-finite numbers must hold before the first step: none seen.
pub const NO_FLAG: u32 = u32::MAX;

/// Elements of a block, at most. A workgroup updates one.
pub const BLOCK: usize = 4096;

/// Words of a block in the control buffer: first vec4, vec4s, tensor and group, first vec4 in the states.
pub const BLOCK_WORDS: usize = 4;

/// Words of a block in the work buffer: ‖w‖², ‖g‖², ‖Δw‖² and max |g| of the block, its non-finite elements, the first step
/// (completed ones count) with a non-finite gradient and with a non-finite parameter, and ‖u‖² of a trust ratio.
pub const WORK_WORDS: usize = 8;

/// Where the tables of the control buffer lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tables {
    /// Members of the population.
    pub members: usize,
    /// Parameter groups, [`FROZEN`] apart.
    pub groups: usize,
    /// Blocks of one member.
    pub blocks: usize,
    /// Tensors.
    pub tensors: usize,
}

impl Tables {
    /// Word of the first block.
    pub const fn blocks_at(&self) -> usize {
        CONTROL_HEADER + 2 * self.members
    }

    /// Word of the first tensor's first block; one word more than there are tensors.
    pub const fn tensors_at(&self) -> usize {
        self.blocks_at() + BLOCK_WORDS * self.blocks
    }

    /// Word of the step table: `[slot][member]`, each [`STEP_WORDS`] and then [`HYPER_WORDS`] a group.
    pub const fn steps_at(&self) -> usize {
        self.tensors_at() + self.tensors + 1
    }

    /// Words of a slot of the step table.
    pub const fn slot_words(&self) -> usize {
        self.members * (STEP_WORDS + HYPER_WORDS * self.groups)
    }

    /// Words of a control buffer for submissions of `slots` steps.
    pub const fn words(&self, slots: usize) -> usize {
        self.steps_at() + slots * self.slot_words()
    }

    /// Words of one member in the work buffer: the blocks', then a scale a tensor.
    pub const fn work_words(&self) -> usize {
        WORK_WORDS * self.blocks + self.tensors
    }

    /// The control buffer's beginning, up to the step table.
    pub fn head(&self, seeds: &[u64], blocks: &[Block]) -> Vec<u32> {
        let at = [self.steps_at(), self.members, self.groups, self.blocks_at(), self.tensors_at()];
        let mut words = vec![0, 0, 0];
        words.extend(at.map(|n| n as u32));
        words.extend(seeds.iter().flat_map(|seed| [*seed as u32, (seed >> 32) as u32]));
        words.extend(blocks.iter().flat_map(Block::words));
        let first = |tensor| blocks.iter().position(|b| b.tensor >= tensor).unwrap_or(blocks.len()) as u32;
        words.extend((0..=self.tensors).map(first));
        words
    }
}

/// Up to [`BLOCK`] elements of one tensor, which one workgroup updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// First element in the flat buffers of one member; a multiple of 64.
    pub first: usize,
    /// Elements; a multiple of 64: padding is updated too, and stays 0.
    pub len: usize,
    /// Its tensor, below [`MAX_TENSORS`].
    pub tensor: usize,
    /// Its parameter group, below [`MAX_GROUPS`], or [`FROZEN`].
    pub group: usize,
    /// First element in the states of one member; `None` for a tensor without them, whose gradient is the step itself:
    /// `p ← (1 − h₁)p − h₀g`.
    pub state: Option<usize>,
    /// Elements it takes of the states: 0 without them, else its own, rounded up so that the next begins where a binding may.
    pub state_len: usize,
}

impl Block {
    /// The blocks of tensors of these `(elements, group, has states)`, one after the other in the flat buffers, of at most
    /// `most` elements; their states in f32.
    pub fn of(tensors: impl IntoIterator<Item = (usize, usize, bool)>, most: usize) -> Vec<Self> {
        Self::held_as(tensors, most, Storage::F32)
    }

    /// The same with states in that number type. Of two bytes it takes twice as many to where a binding may begin, which is why
    /// a block of 64 takes 128 of them.
    ///
    /// ```
    /// use thalweg::optim::{BLOCK, Block, Storage};
    ///
    /// let tensors = [(70, 0, true), (1, 0, false), (5, 0, true)];
    /// let states = |storage| Block::held_as(tensors, BLOCK, storage).iter().map(|b| (b.state, b.state_len)).collect::<Vec<_>>();
    /// assert_eq!(states(Storage::F32), [(Some(0), 128), (None, 0), (Some(128), 64)]);
    /// assert_eq!(states(Storage::Bf16), [(Some(0), 128), (None, 0), (Some(128), 128)]);
    /// ```
    pub fn held_as(
        tensors: impl IntoIterator<Item = (usize, usize, bool)>,
        most: usize,
        storage: Storage,
    ) -> Vec<Self> {
        let (mut blocks, mut first, mut states) = (Vec::new(), 0, 0);
        let most = BLOCK.min(most / ALIGN * ALIGN).max(ALIGN);
        let apart = ALIGN * 4 / storage.bytes();
        for (tensor, (elements, group, has_states)) in tensors.into_iter().enumerate() {
            let end = first + crate::kernel::padded(elements);
            while first < end {
                let len = most.min(end - first);
                let state_len = if has_states { len.next_multiple_of(apart) } else { 0 };
                blocks.push(Self { first, len, tensor, group, state: has_states.then_some(states), state_len });
                first += len;
                states += state_len;
            }
        }
        blocks
    }

    fn words(&self) -> [u32; BLOCK_WORDS] {
        let segment = (self.group as u32) << 24 | self.tensor as u32;
        let state = self.state.map_or(u32::MAX, |first| (first / 4) as u32);
        [(self.first / 4) as u32, (self.len / 4) as u32, segment, state]
    }
}

/// What one update launch covers: its uniform block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First block.
    pub first_block: usize,
    /// Blocks.
    pub blocks: usize,
    /// First element of the first block: gradients, parameters and states are bound from there on.
    pub first: usize,
    /// Elements of one member that are bound.
    pub len: usize,
    /// Elements between members in the bound buffers; a multiple of 64.
    pub stride: usize,
    /// First element that is bound of the states.
    pub state_first: usize,
    /// Elements of one member that are bound of the states.
    pub state_len: usize,
    /// Elements between members in the states.
    pub state_stride: usize,
    /// Number of the first bound member in the population.
    pub first_member: usize,
    /// All the model's tables.
    pub tables: Tables,
}

impl Span {
    /// All of `blocks`, in launches that bind at most `most` elements of a member.
    pub fn cut(blocks: &[Block], tables: Tables, most: usize) -> Vec<Self> {
        let mut spans: Vec<Self> = Vec::new();
        let stride = blocks.last().map_or(0, |b| b.first + b.len);
        let state_stride = blocks.iter().map(|b| b.state_len).sum();
        let mut states = 0;
        for (n, block) in blocks.iter().enumerate() {
            let own = block.state_len;
            states += own;
            match spans.last_mut() {
                Some(span) if block.first + block.len - span.first <= most => {
                    span.blocks += 1;
                    span.len += block.len;
                    span.state_len += own;
                }
                _ => spans.push(Self {
                    first_block: n,
                    blocks: 1,
                    first: block.first,
                    len: block.len,
                    stride,
                    state_first: states - own,
                    state_len: own,
                    state_stride,
                    first_member: 0,
                    tables,
                }),
            }
        }
        spans
    }

    /// Binding 0, named as in the WGSL struct.
    ///
    /// # Panics
    ///
    /// If `first` or `stride` is not a multiple of [`ALIGN`]: one vec4 would then belong to two tensors.
    pub fn params(&self) -> Vec<(&'static str, Word)> {
        assert!(
            [self.first, self.stride, self.state_first, self.state_stride].iter().all(|n| n % ALIGN == 0),
            "{self:?} must be padded"
        );
        vec![
            ("first_block", self.first_block.into()),
            ("blocks", self.blocks.into()),
            ("first4", (self.first / 4).into()),
            ("stride4", (self.stride / 4).into()),
            ("state_first4", (self.state_first / 4).into()),
            ("state_stride4", (self.state_stride / 4).into()),
            ("first_member", self.first_member.into()),
            ("work_stride", self.tables.work_words().into()),
            ("scales_at", (WORK_WORDS * self.tables.blocks).into()),
            ("tensors", self.tables.tensors.into()),
            ("blocks_at", self.tables.blocks_at().into()),
            ("steps_at", self.tables.steps_at().into()),
            ("slot_words", self.tables.slot_words().into()),
            ("step_words", (STEP_WORDS + HYPER_WORDS * self.tables.groups).into()),
        ]
    }
}
