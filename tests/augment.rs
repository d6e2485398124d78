//! Random shifts and mirror images: against PyTorch's crops, how often each occurs, that an image moves as a whole, and that a
//! draw can be made again. `golden/augment/generate.py` made the numbers, draws included.

use serde_json::Value;
use thalweg::Shape;
use thalweg::data::{Dataset, Standardisation, Targets, Values};
use thalweg::device::{Feeds, cpu};
use thalweg::error::GraphError;
use thalweg::graph::{Context, Graph};

const CX: Context = Context { step: 5, seed: 0x1234_5678_9abc_def0 };

/// Pixel (i, j) of channel c of every image is 1 + c·H·W + i·W + j: it says where it stood.
fn marked([n, c, h, w]: [usize; 4]) -> Vec<f64> {
    (0..n * c * h * w).map(|i| (1 + i % (c * h * w)) as f64).collect()
}

fn augmented(shape: [usize; 4], padding: usize, flip: f64, fill: &[f64], cx: &Context) -> Vec<f64> {
    let mut g = Graph::new();
    let x = g.input("x", shape).expect("an input");
    let y = g.augment(x, padding, flip, fill).expect("an augmentation");
    let feeds = Feeds::from([(x, marked(shape).into())]);
    cpu::evaluate(&g, &feeds, &[y], cx).expect("a value").remove(0)
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Move {
    down: isize,
    right: isize,
    flip: bool,
}

/// What was done to an image of marked pixels around which 0 came in, read off two neighbours that stayed.
fn read([c, h, w]: [usize; 3], image: &[f64]) -> Move {
    let moves: Vec<Move> = image
        .chunks(h * w)
        .enumerate()
        .map(|(channel, plane)| {
            let place = |v: f64| (v != 0.0).then(|| v as usize - 1 - channel * h * w);
            let row =
                plane.chunks(w).position(|row| row.iter().filter(|&&v| v != 0.0).count() > 1).expect("two pixels");
            let seen: Vec<(usize, usize)> =
                (0..w).filter_map(|j| place(plane[row * w + j]).map(|from| (j, from))).collect();
            let flip = seen[1].1 < seen[0].1;
            let (j, from) = seen[0];
            let turned = if flip { w - 1 - j } else { j };
            Move { down: (from / w) as isize - row as isize, right: (from % w) as isize - turned as isize, flip }
        })
        .collect();
    assert_eq!(moves.len(), c);
    assert!(moves.iter().all(|m| *m == moves[0]), "the channels of an image differ: {moves:?}");
    moves[0]
}

fn moves(shape: [usize; 4], padding: usize, flip: f64, cx: &Context) -> Vec<Move> {
    let [_, c, h, w] = shape;
    augmented(shape, padding, flip, &[], cx).chunks(c * h * w).map(|image| read([c, h, w], image)).collect()
}

/// All numbers are multiples of 1/64 and none is rounded: equal, not near.
#[test]
fn crops_flips_and_gradients_are_those_of_pytorch() -> Result<(), Box<dyn std::error::Error>> {
    let golden: Value = serde_json::from_str(include_str!("golden/augment/cases.json"))?;
    let numbers = |list: &Value| -> Vec<f64> {
        list.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
    };
    let cases = golden["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 4);
    for (i, case) in cases.iter().enumerate() {
        let shape: Vec<usize> = numbers(&case["x"]["shape"]).iter().map(|&n| n as usize).collect();
        let (padding, flip) = (case["padding"].as_u64().expect("a count"), case["flip"].as_f64().expect("a share"));
        let mut g = Graph::new();
        let (x, weights) = (g.input("x", shape.clone())?, g.input("weights", shape)?);
        let y = g.augment(x, padding as usize, flip, &numbers(&case["fill"]))?;
        let gradient = g.gradients(y, weights, &[x])?[0].expect("a gradient");
        let fed = |part: &str| numbers(&case[part]["values"]);
        let feeds = Feeds::from([(x, fed("x").into()), (weights, fed("weights").into())]);
        let seed = case["seed"].as_str().expect("a seed").parse()?;
        let cx = Context { step: case["step"].as_u64().expect("a step") as u32, seed };
        let found = cpu::evaluate(&g, &feeds, &[y, gradient], &cx)?;
        assert_eq!(found[0], fed("y"), "case {i}");
        assert_eq!(found[1], fed("gradient"), "case {i}");
    }
    Ok(())
}

/// The whole image is what the move says, pixel by pixel, black and all.
#[test]
fn an_image_is_what_its_move_says() {
    let (shape, fill) = ([40, 3, 5, 6], [-1.0, -2.0, -3.0]);
    let [_, c, h, w] = shape;
    let moves = moves(shape, 3, 0.5, &CX);
    let found = augmented(shape, 3, 0.5, &fill, &CX);
    let mut outside = 0;
    for (n, m) in moves.iter().enumerate() {
        for (channel, &black) in fill.iter().enumerate() {
            for i in 0..h {
                for j in 0..w {
                    let turned = if m.flip { w - 1 - j } else { j };
                    let (from, at) = (i as isize + m.down, turned as isize + m.right);
                    let inside = (0..h as isize).contains(&from) && (0..w as isize).contains(&at);
                    let value = (1 + channel * h * w) as f64 + (from * w as isize + at) as f64;
                    let wanted = if inside { value } else { black };
                    outside += usize::from(!inside);
                    assert_eq!(found[((n * c + channel) * h + i) * w + j], wanted, "image {n}, {m:?}");
                }
            }
        }
    }
    assert!(outside > 0 && outside < found.len());
}

/// χ² = Σ (n_k − n/K)² / (n/K) over K = 25 shifts stays below the 99.9 % point of its distribution at 24 degrees of freedom, 51.18
/// (tables of χ²): one right generator in a thousand would fail, for each of three seeds and two steps.
#[test]
fn every_shift_is_as_frequent_as_the_next() {
    let (shape, padding) = ([20_000, 1, 5, 5], 2);
    for seed in [1, 2, 3] {
        for step in [0, 1] {
            let mut counts = [0u32; 25];
            for m in moves(shape, padding, 0.5, &Context { step, seed }) {
                counts[((m.down + 2) * 5 + m.right + 2) as usize] += 1;
            }
            let expected = 20_000.0 / 25.0;
            let chi2: f64 = counts.iter().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum();
            assert!(chi2 <= 51.18, "seed {seed}, step {step}: χ² = {chi2}, {counts:?}");
        }
    }
}

/// Within four standard deviations of a binomial; and never or always at 0 and 1.
#[test]
fn mirror_images_are_as_frequent_as_asked() {
    let n = 50_000;
    for q in [0.0, 0.1, 0.5, 0.9, 1.0] {
        let count = moves([n, 1, 1, 2], 0, q, &CX).iter().filter(|m| m.flip).count() as f64;
        let slack = 4.0 * (n as f64 * q * (1.0 - q)).sqrt();
        assert!((count - n as f64 * q).abs() <= slack, "q = {q}: {count} of {n}");
    }
}

/// The flip says nothing of the shift: χ² of the 2 × 9 table, 8 degrees of freedom, 99.9 % point 26.12.
#[test]
fn flips_and_shifts_are_independent() {
    let mut table = [[0.0f64; 9]; 2];
    for m in moves([30_000, 1, 3, 3], 1, 0.5, &CX) {
        table[usize::from(m.flip)][((m.down + 1) * 3 + m.right + 1) as usize] += 1.0;
    }
    let columns: Vec<f64> = (0..9).map(|k| table[0][k] + table[1][k]).collect();
    let of_row = |row: &[f64; 9]| {
        let share = row.iter().sum::<f64>() / 30_000.0;
        row.iter().zip(&columns).map(|(n, column)| (n - share * column).powi(2) / (share * column)).sum::<f64>()
    };
    let chi2: f64 = table.iter().map(of_row).sum();
    assert!(chi2 <= 26.12, "χ² = {chi2}: {table:?}");
}

#[test]
fn a_draw_can_be_made_again_and_no_other_is_it() {
    let shape = [100, 2, 6, 6];
    let of = |cx: &Context| augmented(shape, 2, 0.5, &[], cx);
    let first = of(&CX);
    assert_eq!(first, of(&CX));
    assert_ne!(first, of(&Context { step: 6, ..CX }));
    assert_ne!(first, of(&Context { seed: CX.seed ^ 1 << 40, ..CX }));
    // A short minibatch sees its rows as a full one would.
    assert_eq!(first[..30 * 72], augmented([30, 2, 6, 6], 2, 0.5, &[], &CX));
    // Two nodes of one graph draw apart.
    let mut g = Graph::new();
    let x = g.input("x", shape).expect("an input");
    let nodes = [0, 1].map(|_| g.augment(x, 2, 0.5, &[]).expect("an augmentation"));
    let found = cpu::evaluate(&g, &Feeds::from([(x, marked(shape).into())]), &nodes, &CX).expect("values");
    assert!(found[0] == first && found[1] != first);
}

#[test]
fn black_is_what_standardisation_made_of_it() {
    let targets = Targets::Classes { labels: vec![0, 1], classes: 2 };
    let numbers = vec![0.0, 4.0, 8.0, 4.0, 2.0, 0.0, 6.0, 8.0];
    let set = Dataset::new(Values::F64(numbers), Shape::from([2, 1, 2]), targets).expect("data");
    let fitted = Standardisation::fit(&set).expect("numbers");
    let black = set.features().iter().position(|x| x == 0.0).expect("a black pixel");
    let after = fitted.apply(set).expect("data");
    assert_eq!(fitted.of_zero()[black / 2 % 2], after.features().get(black));
}

#[test]
fn what_cannot_be_done_is_refused() {
    let refused = |shape: &[usize], padding, flip, fill: &[f64]| {
        let mut g = Graph::new();
        let x = g.input("x", Shape::from(shape)).expect("an input");
        g.augment(x, padding, flip, fill).expect_err("must be refused")
    };
    assert!(matches!(refused(&[2, 64], 1, 0.5, &[]), GraphError::Shape { operand: "x", .. }));
    // A padding of the image's height would leave some images all black.
    for padding in [5, 6, 40_000] {
        assert!(matches!(refused(&[2, 1, 5, 9], padding, 0.5, &[]), GraphError::Range { field: "padding", .. }));
    }
    for flip in [-0.1, 1.1, f64::NAN] {
        assert!(matches!(refused(&[2, 1, 5, 5], 1, flip, &[]), GraphError::Range { field: "flip", .. }));
    }
    for (channels, fill) in [(3, &[1.0, 2.0][..]), (1, &[1.0, 2.0]), (5, &[1.0; 5]), (1, &[f64::NAN]), (1, &[1e300])] {
        assert!(matches!(refused(&[2, channels, 5, 5], 1, 0.5, fill), GraphError::Range { field: "fill", .. }));
    }
    let mut g = Graph::new();
    let rows = g.index_input("rows", [2, 1, 4, 4]).expect("an input");
    assert!(matches!(g.augment(rows, 1, 0.5, &[]), Err(GraphError::Dtype { .. })));
}
