//! The ways in which a product can be launched: which kernel, with which tile.

use super::product::{BATCH, K, M, N, Product};
use crate::kernel::{Plan, Tiling, Variants, fold};
use crate::op::pass::Loads;

/// A kernel with the size of its tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// `product_register.wgsl`: 8 × 4 an invocation, 1 × 4 or 4 × 4 where there are not more rows.
    Register,
    /// `product_subgroup.wgsl`: so many rows × 16 columns by a subgroup of 8; 16 rows × so many columns where those are few.
    Subgroup { rows: usize },
    /// `product_wide.wgsl`: 16 × 16 by a subgroup of 8, which loads two numbers at once.
    Wide,
    /// `product_workgroup.wgsl`: 4·side × 4·side by side² invocations.
    Tile { side: usize },
    /// `product_double.wgsl`: 8·side × 8·side by side² invocations.
    Double { side: usize },
    /// `product_vector.wgsl`: all of up to 4 rows or columns, and of the other axis as many as [`positions`] has it.
    Vector,
}

/// Under the names that a plan has.
const ALL: [(&str, Way); 11] = [
    ("register-8x4", Way::Register),
    ("subgroup-1x16", Way::Subgroup { rows: 1 }),
    ("subgroup-4x16", Way::Subgroup { rows: 4 }),
    ("subgroup-8x16", Way::Subgroup { rows: 8 }),
    ("subgroup-16x16", Way::Subgroup { rows: 16 }),
    ("subgroup-16x16-wide", Way::Wide),
    ("tile-32", Way::Tile { side: 8 }),
    ("tile-64", Way::Tile { side: 16 }),
    ("tile-64-double", Way::Double { side: 8 }),
    ("tile-128-double", Way::Double { side: 16 }),
    ("vector", Way::Vector),
];

/// The most rows, or columns, that [`Way::Vector`] takes.
const FEW: usize = 4;

impl Way {
    /// Whether an adapter can do it, and may be glad to. Places of one class agree: what is asked of a length here, its next power
    /// of two answers alike, but for parity, which the class has.
    fn suits(self, product: &Product, plan: &Plan) -> bool {
        let few = fewest(product);
        let rows = match self {
            Self::Subgroup { rows: 1 } => few <= 1,
            Self::Subgroup { rows: 4 } => (2..=4).contains(&few),
            Self::Vector => few <= FEW,
            Self::Wide => few > 8 && even(product),
            _ => true,
        };
        let there = match self {
            Self::Register => true,
            Self::Subgroup { .. } => plan.tiling == Tiling::Register && plan.abilities.subgroup == Some(8),
            Self::Wide => plan.tiling == Tiling::Register && plan.abilities.subgroup == Some(8) && plan.abilities.wide,
            Self::Tile { .. } | Self::Double { .. } | Self::Vector => plan.tiling == Tiling::Workgroup,
        };
        rows && there
    }

    /// The plan's variant, if it is one of these.
    pub fn named(product: &Product, plan: &Plan) -> Option<Self> {
        let mut all = ALL.iter();
        all.find(|(name, way)| plan.variant == Some(name) && way.suits(product, plan)).map(|&(_, way)| way)
    }

    /// The plan's variant, or what suits the adapter and the size of a product.
    pub fn of(product: &Product, plan: &Plan) -> Self {
        if let Some(way) = Self::named(product, plan) {
            return way;
        }
        let rows = match fewest(product) {
            0..=1 => 1,
            2..=4 => 4,
            5..=8 => 8,
            _ => 16,
        };
        match plan.tiling {
            Tiling::Register if Self::Wide.suits(product, plan) => Self::Wide,
            Tiling::Register if Self::Subgroup { rows }.suits(product, plan) => Self::Subgroup { rows },
            Tiling::Register => Self::Register,
            Tiling::Workgroup if Self::Vector.suits(product, plan) => Self::Vector,
            Tiling::Workgroup => {
                // A product of few large tiles leaves most of a card idle. Members do not count: each is computed as it would be alone.
                let z = product.size[BATCH];
                let sizes = [(Self::Double { side: 16 }, 256), (Self::Tile { side: 16 }, 64)];
                let enough = sizes.into_iter().find(|(way, least)| way.tiles(product) * z >= *least);
                enough.map_or(Self::smallest(product), |(way, _)| way)
            }
        }
    }

    /// What gives most workgroups on a card.
    pub fn smallest(product: &Product) -> Self {
        if fewest(product) <= FEW { Self::Vector } else { Self::Tile { side: 8 } }
    }

    /// Whether rows and columns change places: C is narrow, where the kernel is meant for one that is flat.
    fn narrow(self, product: &Product) -> bool {
        let few = match self {
            Self::Subgroup { rows: 16 } | Self::Wide => return false,
            Self::Subgroup { rows } => rows,
            _ => FEW,
        };
        product.size[N] <= few && product.size[M] > few
    }

    /// How many tiles cover a product: of an invocation of the register kernel, of a workgroup of the others.
    pub fn tiles(self, product: &Product) -> usize {
        let size = &product.size;
        let cover = |rows: usize, columns: usize| size[M].div_ceil(rows) * size[N].div_ceil(columns);
        match self {
            Self::Register => cover(rows(product), 4),
            Self::Subgroup { rows } if self.narrow(product) => cover(16, rows),
            Self::Subgroup { rows } => cover(rows, 16),
            Self::Wide => cover(16, 16),
            Self::Tile { side } => cover(4 * side, 4 * side),
            Self::Double { side } => cover(8 * side, 8 * side),
            Self::Vector => {
                let long = if self.narrow(product) { M } else { N };
                size[long].div_ceil(positions(product, long).0)
            }
        }
    }

    /// Which of the [`Sources`](super::product::Sources) it is.
    pub fn source(self) -> usize {
        match self {
            Self::Register => 0,
            Self::Tile { .. } => 1,
            Self::Subgroup { .. } => 2,
            Self::Double { .. } => 3,
            Self::Vector => 4,
            Self::Wide => 5,
        }
    }

    /// Its overrides for a product, which adds to what is there or does not.
    pub fn constants(self, product: &Product, accumulate: bool) -> Vec<(&'static str, f64)> {
        let flag = |on: bool| f64::from(u8::from(on));
        let [a, b, _] = &product.strides;
        let (a_along_k, b_along_k) =
            (("A_ALONG_K", flag(a[K] == 1)), ("B_ALONG_K", flag(b[N] != 1 && b[K] == 1)));
        let narrow = self.narrow(product);
        match self {
            Self::Register => vec![
                ("WORKGROUP", LANES as f64),
                ("ROWS", rows(product) as f64),
                ("SINGLE", flag(product.size[N] <= 1)),
            ],
            Self::Subgroup { rows } => {
                vec![("ROWS", rows as f64), ("ACCUMULATE", flag(accumulate)), ("NARROW", flag(narrow))]
            }
            Self::Wide => vec![("ACCUMULATE", flag(accumulate)), a_along_k, b_along_k],
            Self::Tile { side } | Self::Double { side } => vec![("SIDE", side as f64), a_along_k, b_along_k],
            Self::Vector => {
                let (long, few) = if narrow { (M, N) } else { (N, M) };
                let (positions, along_k) = positions(product, long);
                vec![
                    ("POSITIONS", positions as f64),
                    ("NARROW", flag(narrow)),
                    ("ALONG_K", flag(along_k)),
                    ("SINGLE", flag(product.size[few] <= 1)),
                ]
            }
        }
    }

    /// Workgroups over x and y, with so many invocations past those of the product.
    pub fn groups(self, product: &Product, past: usize, plan: &Plan) -> [u32; 2] {
        let tiles = self.tiles(product);
        let groups = match self {
            Self::Register => (tiles + past).div_ceil(LANES),
            Self::Subgroup { .. } => tiles + past.div_ceil(8),
            Self::Wide => tiles + past.div_ceil(16),
            Self::Tile { side } | Self::Double { side } => tiles + past.div_ceil(side * side),
            Self::Vector => tiles + past.div_ceil(CREW),
        };
        fold(groups, plan.max_groups)
    }
}

/// How a product's kernel reads what lies as C does.
pub(super) fn loads(product: &Product, plan: &Plan) -> Loads {
    if Way::of(product, plan) == Way::Wide { Loads::Pairs } else { Loads::Singles }
}

/// Invocations of a workgroup of the register kernel, and of the vector kernel.
const LANES: usize = 8;
const CREW: usize = 256;

/// How many rows or columns C has, whichever is less.
fn fewest(product: &Product) -> usize {
    product.size[M].min(product.size[N])
}

/// Whether two neighbours of each operand and in a row of C are one word of 64 bits wherever the first is at an even place: the axis
/// they lie along has an even length, steps along the others are even.
fn even(product: &Product) -> bool {
    let paired = |x: usize, across: usize| {
        let strides = &product.strides[x];
        let along = if strides[K] == 1 && strides[across] != 1 { K } else { across };
        let two = |length: usize| length.is_multiple_of(2);
        strides[along] == 1 && two(product.size[along]) && (0..4).all(|d| d == along || two(strides[d]))
    };
    product.size[K] > 0 && paired(0, M) && paired(1, N) && paired(2, N)
}

/// How many rows an invocation of the register kernel has.
fn rows(product: &Product) -> usize {
    match product.size[M] {
        0..=1 => 1,
        2..=4 => 4,
        _ => 8,
    }
}

/// How many places of the long axis a workgroup of the vector kernel has, and whether its lanes follow K: they do where the operand
/// with that axis lies along K. 64 lanes a place then, 16 otherwise, so that a row of lanes reads 64 bytes or more; fewer where K
/// has not as many steps.
fn positions(product: &Product, long: usize) -> (usize, bool) {
    let strides = &product.strides[if long == M { 0 } else { 1 }];
    let along_k = strides[K] == 1 && strides[long] != 1;
    let slices = product.size[K].next_power_of_two().clamp(4, if along_k { 64 } else { 16 });
    (CREW / slices, along_k)
}

/// What a plan may choose from for a product.
pub(super) fn variants(product: &Product, plan: &Plan) -> Variants {
    let [a, b, _] = product.strides;
    let letter = |transposed: bool| if transposed { 't' } else { 'n' };
    let [batch, m, n, k] = product.size.map(usize::next_power_of_two);
    let layout = [letter(a[K] != 1), letter(b[N] != 1)].iter().collect::<String>();
    let wide = if Way::Wide.suits(product, plan) { " even" } else { "" };
    Variants {
        class: format!("product {layout} {batch}x{m}x{n}x{k}{wide}"),
        names: ALL.iter().filter(|(_, way)| way.suits(product, plan)).map(|&(name, _)| name).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Abilities, Place};

    fn plan(tiling: Tiling) -> Plan {
        let nothing = Place { shape: [0].into(), stride: 0 };
        let abilities = Abilities { subgroup: Some(8), wide: true, ..Abilities::default() };
        Plan { tiling, abilities, ..Plan::new(Vec::new(), nothing, 1) }
    }

    fn product(m: usize, n: usize, k: usize, transposed: [bool; 2]) -> Product {
        Product::new([1, m, n, k], transposed, [false; 2])
    }

    const LAYOUTS: [[bool; 2]; 4] = [[false, false], [false, true], [true, false], [true, true]];

    #[test]
    fn few_rows_or_columns_have_kernels_of_their_own() {
        let of = |m, n, tiling| Way::of(&product(m, n, 100, [false, true]), &plan(tiling));
        for (few, rows) in [(1, 1), (2, 4), (4, 4), (5, 8), (8, 8), (10, 16)] {
            let lanes = if rows == 16 { Way::Wide } else { Way::Subgroup { rows } };
            assert_eq!(of(few, 1000, Tiling::Register), lanes, "{few}");
            assert_eq!(of(1000, few, Tiling::Register), lanes, "{few}");
            let vector = few <= 4;
            assert_eq!(of(few, 1000, Tiling::Workgroup) == Way::Vector, vector, "{few}");
            assert_eq!(of(1000, few, Tiling::Workgroup) == Way::Vector, vector, "{few}");
        }
        // Nine rows of even length, and nine columns.
        let nine = [of(9, 1000, Tiling::Register), of(1000, 9, Tiling::Register)];
        assert_eq!(nine, [Way::Wide, Way::Subgroup { rows: 16 }]);
        let bare = Plan { abilities: Abilities::default(), ..plan(Tiling::Register) };
        assert_eq!(Way::of(&product(1, 1000, 100, [false; 2]), &bare), Way::Register);
        // A name that is not offered at a place is none.
        let named = Plan { variant: Some("vector"), ..plan(Tiling::Workgroup) };
        assert_eq!(Way::of(&product(5, 5, 5, [false; 2]), &named), Way::Tile { side: 8 });
    }

    /// Only where no pair straddles an end or begins at an odd place.
    #[test]
    fn two_numbers_are_one_load_where_they_pair_up() {
        let of = |m, n, k, layout| Way::of(&product(m, n, k, layout), &plan(Tiling::Register));
        let alone = Way::Subgroup { rows: 16 };
        // The axes along which A, B and C lie are even; others may be odd.
        for (layout, [m, n, k]) in
            LAYOUTS.into_iter().zip([[9, 10, 12], [9, 10, 12], [10, 12, 9], [10, 12, 12]])
        {
            assert_eq!(of(m, n, k, layout), Way::Wide, "{layout:?} {m}×{n}×{k}");
        }
        for (layout, [m, n, k]) in
            [(0, [9, 10, 11]), (0, [9, 11, 12]), (1, [10, 10, 11]), (2, [9, 10, 10]), (2, [10, 9, 10]), (3, [9, 10, 10]), (3, [10, 10, 9]), (1, [9, 11, 12]), (3, [10, 11, 12])]
        {
            assert_eq!(of(m, n, k, LAYOUTS[layout]), alone, "{:?} {m}×{n}×{k}", LAYOUTS[layout]);
        }
        for k in [0, 1] {
            assert_eq!(of(10, 10, k, [false, true]), alone, "{k}");
        }
        assert_eq!(of(8, 100, 100, [false, true]), Way::Subgroup { rows: 8 });
        let items = |k| Way::of(&Product::new([3, 10, 10, k], [false; 2], [false; 2]), &plan(Tiling::Register));
        assert_eq!([items(12), items(11)], [Way::Wide, alone]);
        let bare = Abilities { subgroup: Some(8), ..Abilities::default() };
        let plan = Plan { abilities: bare, ..plan(Tiling::Register) };
        assert_eq!(Way::of(&product(10, 10, 10, [false, true]), &plan), alone);
    }

    /// Each place of C in just one tile: of the kernels' own account of what a tile covers.
    #[test]
    fn tiles_cover_a_product() {
        let count = |m, n, k, layout, way: Way| way.tiles(&product(m, n, k, layout));
        assert_eq!([1, 4, 5].map(|m| count(m, 33, 9, [false; 2], Way::Register)), [9; 3]);
        assert_eq!(count(9, 1, 9, [false; 2], Way::Register), 2);
        assert_eq!(count(1, 33, 9, [false; 2], Way::Subgroup { rows: 1 }), 3);
        assert_eq!(count(33, 1, 9, [false; 2], Way::Subgroup { rows: 1 }), 3);
        assert_eq!(count(33, 3, 9, [false; 2], Way::Subgroup { rows: 4 }), 3);
        assert_eq!(count(33, 7, 9, [false; 2], Way::Subgroup { rows: 8 }), 3);
        assert_eq!(count(7, 7, 9, [false; 2], Way::Subgroup { rows: 8 }), 1);
        assert_eq!(count(33, 7, 9, [false; 2], Way::Subgroup { rows: 16 }), 3);
        assert_eq!(count(33, 17, 9, [false; 2], Way::Wide), 6);
        // B along K: 64 lanes a column. Along the columns: 16. Short K: as many as it has steps.
        assert_eq!(count(1, 33, 1000, [false, true], Way::Vector), 9);
        assert_eq!(count(4, 33, 1000, [false, false], Way::Vector), 3);
        assert_eq!(count(33, 4, 1000, [false, false], Way::Vector), 9);
        assert_eq!(count(33, 4, 1000, [true, false], Way::Vector), 3);
        assert_eq!(count(1, 33, 0, [false, true], Way::Vector), 1);
        assert_eq!(count(1, 33, 9, [false, true], Way::Vector), 3);
    }

    /// All places of a class have the same variants, and each of them the same kernel.
    #[test]
    fn a_class_has_the_same_kernels() {
        let mut known = std::collections::BTreeMap::new();
        let lengths = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32];
        for tiling in [Tiling::Register, Tiling::Workgroup] {
            for (layout, m, n, k) in LAYOUTS.into_iter().flat_map(|layout| {
                lengths.into_iter().flat_map(move |m| lengths.map(|n| (m, n))).flat_map(move |(m, n)| {
                    [1, 2, 3, 4, 60, 64, 65, 128].map(|k| (layout, m, n, k))
                })
            }) {
                let (product, plan) = (product(m, n, k, layout), plan(tiling));
                let offered = variants(&product, &plan);
                let kernels: Vec<_> = (offered.names.iter())
                    .map(|name| {
                        let way = Way::named(&product, &Plan { variant: Some(name), ..plan.clone() });
                        let way = way.expect("what is offered is there");
                        (way, format!("{:?}", way.constants(&product, false)))
                    })
                    .collect();
                let found = (offered.names, kernels);
                let before = known.entry((format!("{tiling:?}"), offered.class)).or_insert_with(|| found.clone());
                assert_eq!(*before, found, "{layout:?} {m}×{n}×{k}");
            }
        }
    }
}
