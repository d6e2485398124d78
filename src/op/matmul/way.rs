//! The ways in which a product can be launched: which kernel, with which tile.

use super::product::{BATCH, K, M, N, Product};
use crate::kernel::{Plan, Tiling, Variants, fold};

/// A kernel with the size of its tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// `product_register.wgsl`: 8 × 4 an invocation.
    Register,
    /// `product_subgroup.wgsl`: so many rows × 16 columns by a subgroup of 8.
    Subgroup { rows: usize },
    /// `product_workgroup.wgsl`: 4·side × 4·side by side² invocations.
    Tile { side: usize },
    /// `product_double.wgsl`: 8·side × 8·side by side² invocations.
    Double { side: usize },
}

/// Under the names that a plan has.
const ALL: [(&str, Way); 7] = [
    ("register-8x4", Way::Register),
    ("subgroup-8x16", Way::Subgroup { rows: 8 }),
    ("subgroup-16x16", Way::Subgroup { rows: 16 }),
    ("tile-32", Way::Tile { side: 8 }),
    ("tile-64", Way::Tile { side: 16 }),
    ("tile-64-double", Way::Double { side: 8 }),
    ("tile-128-double", Way::Double { side: 16 }),
];

impl Way {
    /// Whether an adapter can do it, and may be glad to.
    fn suits(self, plan: &Plan) -> bool {
        match self {
            Self::Register => true,
            Self::Subgroup { .. } => plan.tiling == Tiling::Register && plan.abilities.subgroup == Some(8),
            Self::Tile { .. } | Self::Double { .. } => plan.tiling == Tiling::Workgroup,
        }
    }

    /// The plan's variant, if it is one of these.
    pub fn named(plan: &Plan) -> Option<Self> {
        let mut all = ALL.iter();
        all.find(|(name, way)| plan.variant == Some(name) && way.suits(plan)).map(|&(_, way)| way)
    }

    /// The plan's variant, or what suits the adapter and the size of a block.
    pub fn of(plan: &Plan, size: &[usize; 4]) -> Self {
        if let Some(way) = Self::named(plan) {
            return way;
        }
        let few = Self::Subgroup { rows: if size[M] > 8 { 16 } else { 8 } };
        match plan.tiling {
            Tiling::Register if few.suits(plan) => few,
            Tiling::Register => Self::Register,
            Tiling::Workgroup => {
                // A product of few large tiles leaves most of a card idle. Members do not count: each is computed as it would be alone.
                let z = size[BATCH];
                let sizes = [(Self::Double { side: 16 }, 256), (Self::Tile { side: 16 }, 64)];
                let enough = sizes.into_iter().find(|(way, least)| way.tiles(size) * z >= *least);
                enough.map_or(Self::Tile { side: 8 }, |(way, _)| way)
            }
        }
    }

    /// How many tiles cover a product: of an invocation of the register kernel, of a workgroup of the others.
    pub fn tiles(self, size: &[usize; 4]) -> usize {
        let cover = |rows: usize, columns: usize| size[M].div_ceil(rows) * size[N].div_ceil(columns);
        match self {
            Self::Register => cover(8, 4),
            Self::Subgroup { rows } => cover(rows, 16),
            Self::Tile { side } => cover(4 * side, 4 * side),
            Self::Double { side } => cover(8 * side, 8 * side),
        }
    }

    /// Which of a [`Finish`](super::product::Finish)'s sources it is.
    pub fn source(self) -> usize {
        match self {
            Self::Register => 0,
            Self::Tile { .. } => 1,
            Self::Subgroup { .. } => 2,
            Self::Double { .. } => 3,
        }
    }

    /// Its overrides for a product with these strides, which adds to what is there or does not.
    pub fn constants(self, strides: &[[usize; 4]; 3], accumulate: bool) -> Vec<(&'static str, f64)> {
        let flag = |on: bool| f64::from(u8::from(on));
        let [a, b, _] = strides;
        match self {
            Self::Register => vec![("WORKGROUP", LANES as f64)],
            Self::Subgroup { rows } => vec![("ROWS", rows as f64), ("ACCUMULATE", flag(accumulate))],
            Self::Tile { side } | Self::Double { side } => vec![
                ("SIDE", side as f64),
                ("A_ALONG_K", flag(a[K] == 1)),
                ("B_ALONG_K", flag(b[N] != 1 && b[K] == 1)),
            ],
        }
    }

    /// Workgroups over x and y, with so many invocations past those of the product.
    pub fn groups(self, size: &[usize; 4], past: usize, plan: &Plan) -> [u32; 2] {
        let tiles = self.tiles(size);
        let groups = match self {
            Self::Register => (tiles + past).div_ceil(LANES),
            Self::Subgroup { .. } => tiles + past.div_ceil(8),
            Self::Tile { side } | Self::Double { side } => tiles + past.div_ceil(side * side),
        };
        fold(groups, plan.max_groups)
    }
}

/// Invocations of a workgroup of the register kernel.
const LANES: usize = 8;

/// What a plan may choose from for a product.
pub(super) fn variants(product: &Product, plan: &Plan) -> Variants {
    let [a, b, _] = product.strides;
    let letter = |transposed: bool| if transposed { 't' } else { 'n' };
    let [batch, m, n, k] = product.size.map(usize::next_power_of_two);
    let layout = [letter(a[K] != 1), letter(b[N] != 1)].iter().collect::<String>();
    Variants {
        class: format!("product {layout} {batch}x{m}x{n}x{k}"),
        names: ALL.iter().filter(|(_, way)| way.suits(plan)).map(|&(name, _)| name).collect(),
    }
}
