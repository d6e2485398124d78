//! Tall products on a card: K is cut into parts, which are the items of a batch, and the parts are added up.
//!
//! A weight's gradient `dzᵀ x` sums over all examples and places into a C of few tiles: a workgroup a tile leaves most of a
//! card idle, and each walks all of K. With parts there are as many times more workgroups, each with that much less to walk.

use super::product::{Block, Finish, K, M, N, Product, span};
use super::way::Way;
use crate::kernel::{ALIGN, Launches, Operand, Plan, Tiling, padded};
use crate::op::reduce::sum_parts;

/// Under the names that a plan has: how many parts. They divide [`ALIGN`], so that a K without its remainder of that is cut
/// evenly and the remainder begins where a window may.
const ALL: [(&str, usize); 2] = [("split-K-8", 8), ("split-K-32", 32)];

/// Where K counts as tall.
const TALL: usize = 2048;

/// Fewer workgroups than this leave most of a card idle.
const FEW: usize = 64;

/// The names that a plan may choose from. What is rounded in a product's class is rounded here, so that a class has all or none.
pub(super) fn names(product: &Product, plan: &Plan) -> impl Iterator<Item = &'static str> {
    ALL.into_iter().filter(|&(_, parts)| suits(product, plan, parts)).map(|(name, _)| name)
}

/// Into how many parts a plan has K cut; `None` for a product in one piece. By itself it is cut where K is at least [`TALL`] and
/// the kernel that gives most workgroups has fewer than [`FEW`]. The members do not count, as long as the grid
/// holds the parts of all: one is computed as it would be alone.
pub(super) fn parts(product: &Product, plan: &Plan) -> Option<usize> {
    let named = ALL.iter().find(|(name, _)| plan.variant == Some(name));
    let parts = match named {
        Some(&(_, parts)) => parts,
        None if Way::named(product, plan).is_some() || product.size[K] < TALL => return None,
        None => match Way::smallest(product).tiles(product) {
            0..8 => 32,
            8..FEW => 8,
            _ => return None,
        },
    };
    suits(product, plan, parts).then_some(parts)
}

/// Whether an adapter can do it, and may be glad to.
fn suits(product: &Product, plan: &Plan, parts: usize) -> bool {
    let [batch, m, n, k] = product.size;
    let rounded = Product { size: product.size.map(usize::next_power_of_two), strides: product.strides };
    let largest = (0..2).map(|x| span(&product.strides[x], &product.size)).fold(parts * m * n, usize::max);
    let worth = batch == 1 && m * n > 0 && k > TALL / 2 && Way::Tile { side: 8 }.tiles(&rounded) <= 4 * FEW;
    let fits = largest <= plan.max_elements && parts * plan.members as usize <= plan.max_groups as usize;
    plan.tiling == Tiling::Workgroup && worth && fits
}

/// The launches of a product with nothing after it: the parts into scratch, what K has above a multiple of [`ALIGN`] onto the
/// first of them, and their sum, always in the same order.
pub(super) fn launches(product: &Product, finish: &Finish<'_>, parts: usize) -> Launches {
    let [_, m, n, k] = product.size;
    let whole = k / ALIGN * ALIGN;
    let chunk = whole / parts;
    let [a, b, c] = product.strides;
    let items = |s: [usize; 4]| [chunk * s[K], s[M], s[N], s[K]];
    let cut = Product { size: [parts, m, n, chunk], strides: [items(a), items(b), [m * n, c[M], c[N], 0]] };
    let target = (Operand::Scratch(0), padded(parts * m * n));
    let mut list = vec![cut.launch(finish, Block { start: [0; 4], size: cut.size }, target)];
    if whole < k {
        let rest = Block { start: [0, 0, 0, whole], size: [1, m, n, k - whole] };
        list.push(product.launch(finish, rest, target));
    }
    let mut all = Launches { scratch: vec![parts * m * n], list };
    sum_parts(finish.plan, 0, parts, m * n, &mut all);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Arg, Context, Meta, Op};
    use crate::kernel::{Binding, Launch, Place, Window};
    use crate::op::matmul::Matmul;
    use crate::shape::Shape;

    fn plan(op: &Matmul, a: [usize; 2], b: [usize; 2]) -> Plan {
        let c = op.output(&[Meta::real(a), Meta::real(b)]).unwrap().shape;
        let place = |s: Shape| Place { stride: padded(s.elements()), shape: s };
        Plan::new(vec![place(a.into()), place(b.into())], place(c), 1)
    }

    /// The parts of `[k, m]ᵀ [k, n]`.
    fn parts_of(m: usize, n: usize, k: usize, change: impl Fn(Plan) -> Plan) -> Option<usize> {
        let op = Matmul { transpose_a: true, ..Matmul::default() };
        let plan = change(plan(&op, [k, m], [k, n]));
        parts(&op.product(&plan.inputs[0].shape, &plan.inputs[1].shape), &plan)
    }

    fn field(launch: &Launch, name: &str) -> usize {
        launch.params.iter().find(|p| p.0 == name).unwrap().1.bits() as usize
    }

    /// `c = a b (+ c)` as the kernels have it, from what the launch says.
    fn multiply(launch: &Launch, a: &[f64], b: &[f64], c: &mut [f64]) {
        let get = |name| field(launch, name);
        for (item, i, j) in (0..get("batch"))
            .flat_map(|item| (0..get("m")).flat_map(move |i| (0..get("n")).map(move |j| (item, i, j))))
        {
            let at = item * get("c_batch") + i * get("c_row") + j;
            let (x, w) = (item * get("a_batch") + i * get("a_row"), item * get("b_batch") + j * get("b_column"));
            let product = |l: usize| a[x + l * get("a_column")] * b[w + l * get("b_row")];
            let before = if get("accumulate") == 1 { c[at] } else { 0.0 };
            c[at] = (0..get("k")).map(product).fold(before, |sum, x| sum + x);
        }
    }

    /// The launches, run by the definition, give the product: K with a remainder and without, in all layouts.
    #[test]
    fn the_parts_add_up_to_the_product() {
        let (m, n) = (5, 7);
        let integers = |len: usize| (0..len).map(|i| ((i * 7919) % 13) as f64 - 6.0).collect::<Vec<_>>();
        for (k, variant, runs) in [
            (2048, None, 2),
            (2049, None, 3),
            (4100, Some("split-K-8"), 3),
            (1025, Some("split-K-32"), 3),
            (1088, Some("split-K-8"), 2),
        ] {
            for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
                let op = Matmul { transpose_a: ta, transpose_b: tb, sum_batch: false };
                let (a, b) = (if ta { [k, m] } else { [m, k] }, if tb { [n, k] } else { [k, n] });
                let (x, w) = (integers(m * k), integers(k * n));
                let mut expected = vec![f64::NAN; m * n];
                op.twin(&[Arg::Real(&a.into(), &x), Arg::Real(&b.into(), &w)], &mut expected, &Context::default());

                let all = op.launches(&Plan { variant, ..plan(&op, a, b) }).unwrap();
                assert_eq!((all.list.len(), all.scratch.len()), (runs, 1), "{k} {variant:?}");
                let mut scratch = vec![f64::NAN; all.scratch[0]];
                let (sum, products) = all.list.split_last().unwrap();
                for launch in products {
                    let [Binding::Read(wa), Binding::Read(wb), Binding::Write(wc)] = launch.bindings[..] else { panic!() };
                    assert_eq!([wa, wb, wc].map(|w| w.offset % ALIGN), [0; 3]);
                    assert_eq!(wc.operand, Operand::Scratch(0));
                    assert_eq!(launch.groups[2] as usize, field(launch, "batch"));
                    assert_eq!(field(launch, "c_member"), padded(scratch.len()));
                    let of = |w: Window| w.offset..w.offset + w.len;
                    multiply(launch, &x[of(wa)], &w[of(wb)], &mut scratch[of(wc)]);
                }
                assert_eq!(sum.bindings[0], Binding::read(Operand::Scratch(0), scratch.len()));
                assert_eq!(sum.bindings[1], Binding::write(Operand::Output, m * n));
                assert_eq!([field(sum, "rows"), field(sum, "inner"), field(sum, "parts")], [m * n, m * n, 1]);
                let parts = field(sum, "len");
                assert_eq!(parts * m * n, scratch.len());
                let found: Vec<f64> = (0..m * n).map(|i| (0..parts).map(|p| scratch[p * m * n + i]).sum()).collect();
                assert_eq!(found, expected, "{k} {variant:?} {ta} {tb}");
            }
        }
    }

    #[test]
    fn tall_products_of_few_tiles_are_cut() {
        let itself = |plan| plan;
        assert_eq!(parts_of(32, 224, 2048, itself), Some(32));
        assert_eq!(parts_of(32, 256, 2048, itself), Some(8));
        assert_eq!(parts_of(224, 288, 2048, itself), Some(8));
        assert_eq!(parts_of(256, 256, 1 << 17, itself), None, "64 tiles");
        assert_eq!(parts_of(32, 32, 2047, itself), None, "too short");
        // The bits of a member do not depend on how many there are.
        assert_eq!(parts_of(32, 32, 4096, |plan| Plan { members: 1000, ..plan }), Some(32));
        assert_eq!(parts_of(32, 32, 4096, |plan| Plan { tiling: Tiling::Register, ..plan }), None);
        // A binding that the whole product needs cut.
        assert_eq!(parts_of(32, 32, 4096, |plan| Plan { max_elements: 32 * 4095, ..plan }), None);
    }

    #[test]
    fn a_name_decides() {
        let named = |variant| move |plan| Plan { variant: Some(variant), ..plan };
        assert_eq!(parts_of(32, 32, 4096, named("split-K-8")), Some(8));
        assert_eq!(parts_of(256, 256, 4096, named("split-K-32")), Some(32));
        assert_eq!(parts_of(32, 32, 4096, named("tile-32")), None);
        assert_eq!(parts_of(32, 32, 4096, named("no such way")), Some(32));
        assert_eq!(parts_of(32, 32, 1024, named("split-K-8")), None, "not offered");
        // A class has the names or has not.
        let offered = |m, n, k| {
            let op = Matmul { transpose_a: true, ..Matmul::default() };
            let variants = Op::variants(&op, &plan(&op, [k, m], [k, n]));
            (variants.class, variants.names.contains(&"split-K-8"))
        };
        assert_eq!(offered(300, 512, 1025), offered(512, 300, 2048));
        assert!(offered(512, 512, 2048).1);
        assert_eq!([offered(513, 512, 2048).1, offered(512, 512, 1024).1], [false; 2]);
    }
}
