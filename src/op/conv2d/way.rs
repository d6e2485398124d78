//! The ways in which a convolution or one of its gradients can be launched.

use super::Geometry;
use crate::kernel::{Kernel, Plan, Tiling, Variants};

/// A kernel with the size of its tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Everything in registers: 4 or 8 channels × 4 places an invocation.
    Register,
    /// So many channels × 16 places by a subgroup of 8.
    Subgroup { rows: usize },
}

/// Under the names that a plan has.
const ALL: [(&str, Way); 3] = [
    ("register", Way::Register),
    ("subgroup-8x16", Way::Subgroup { rows: 8 }),
    ("subgroup-16x16", Way::Subgroup { rows: 16 }),
];

impl Way {
    /// Whether an adapter can do it, and may be glad to.
    fn suits(self, plan: &Plan) -> bool {
        match self {
            Self::Register => true,
            Self::Subgroup { .. } => plan.tiling == Tiling::Register && plan.abilities.subgroup == Some(8),
        }
    }

    /// The plan's variant, or what suits the adapter and a number of `channels`.
    pub fn of(plan: &Plan, channels: usize) -> Self {
        let named = ALL.iter().find(|(name, way)| plan.variant == Some(name) && way.suits(plan));
        let few = Self::Subgroup { rows: if channels > 8 { 16 } else { 8 } };
        let natural = if few.suits(plan) { few } else { Self::Register };
        named.map_or(natural, |&(_, way)| way)
    }

    /// Channels that a tile has of so many.
    pub fn rows(self, channels: usize) -> usize {
        match self {
            Self::Subgroup { rows } => rows,
            Self::Register if channels > 4 => 8,
            Self::Register => 4,
        }
    }

    /// The kernel of `sources`, by registers or by subgroups; `constant` is what the first calls the channels of its tile.
    pub fn kernel(self, name: &'static str, sources: [&'static str; 2], constant: &'static str, channels: usize) -> Kernel {
        let rows = self.rows(channels) as f64;
        match self {
            Self::Register => Kernel::new(name, sources[0], name).constant(constant, rows),
            Self::Subgroup { .. } => Kernel::new(name, sources[1], name).constant("ROWS", rows),
        }
    }

    /// What a kernel over the `area` places of each image calls `tiles`: invocations for a block of channels, or places.
    pub fn tiles(self, items: usize, area: usize) -> usize {
        match self {
            Self::Register => items * area.div_ceil(4),
            Self::Subgroup { .. } => items * area,
        }
    }

    /// Workgroups for so many `tiles` of each of so many `blocks` of channels.
    pub fn groups(self, plan: &Plan, tiles: usize, blocks: usize) -> [u32; 3] {
        let lanes = if self == Self::Register { 64 } else { 16 };
        plan.groups(tiles.div_ceil(lanes) * blocks)
    }
}

/// What a plan may choose from for `kind` of a convolution.
pub(super) fn variants(kind: &str, geometry: &Geometry, plan: &Plan) -> Variants {
    let Geometry { items, groups, inner, outer, size: [h, w], window, .. } = *geometry;
    let [items, groups, inner, outer, h, w] = [items, groups, inner, outer, h, w].map(usize::next_power_of_two);
    let ([kh, kw], [sh, sw]) = (window.kernel, window.stride);
    Variants {
        class: format!("{kind} {items}x{inner}x{h}x{w} by {outer}x{kh}x{kw} s{sh}x{sw} g{groups}"),
        names: ALL.iter().filter(|(_, way)| way.suits(plan)).map(|&(name, _)| name).collect(),
    }
}
