//! The landscapes: small, isolated difficulties, each with its minimum known.
//!
//! No minimum is at 0, where a decayed weight would find it without looking, and none is on the other side of 0 from its
//! start, where a rule whose step is a fraction of the weight cannot go.

/// Steps of one run.
pub const STEPS: usize = 1000;

/// Where [`Prototype::slope`] and the others change that change once.
const HALF: usize = STEPS / 2;

/// What the gradient that a rule is given has to do with the slope.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Noise {
    /// It is the slope.
    None,
    /// `g + σξ`, ξ normal.
    Additive(f64),
    /// `g e^(σξ)`, ξ normal.
    Multiplicative(f64),
    /// 0 with this probability, else `g`.
    Masked(f64),
    /// `g + γξ`, ξ of Cauchy's distribution, which has no mean.
    Cauchy(f64),
}

/// One landscape.
pub struct Prototype {
    pub name: &'static str,
    /// For the page: what it is, by a formula.
    pub formula: &'static str,
    pub start: &'static [f64],
    /// The radius of the neighbourhood of a minimum that counts as there.
    pub near: f64,
    /// The loss at a step, for the tests of the slope.
    pub value: fn(usize, &[f64]) -> f64,
    /// Its gradient.
    pub slope: fn(usize, &[f64], &mut [f64]),
    /// The distance from the nearest minimum.
    pub away: fn(usize, &[f64]) -> f64,
    pub noise: Noise,
}

/// A table of the page.
pub struct Group {
    pub title: &'static str,
    pub prototypes: Vec<Prototype>,
}

/// A bowl of curvature `$h` around `$m`, both of which may change with the step `$t`, from 2 (or `$start`).
macro_rules! bowl {
    ($name:literal, $formula:literal, |$t:ident| $h:expr, $m:expr, from $start:literal, near $near:literal, $noise:expr) => {
        Prototype {
            name: $name,
            formula: $formula,
            start: &[$start],
            near: $near,
            value: |$t, p| {
                let (_, d) = ($t, p[0] - $m);
                0.5 * $h * d * d
            },
            slope: |$t, p, g| (_, g[0]) = ($t, $h * (p[0] - $m)),
            away: |$t, p| ($t, (p[0] - $m).abs()).1,
            noise: $noise,
        }
    };
    ($name:literal, $formula:literal, |$t:ident| $h:expr, $m:expr) => {
        bowl!($name, $formula, |$t| $h, $m, from 2.0, near 0.1, Noise::None)
    };
}

/// All of them.
pub fn groups() -> Vec<Group> {
    vec![
        Group { title: "Bowls", prototypes: bowls() },
        Group { title: "Bends, walls, plains and saddles", prototypes: shapes() },
        Group { title: "Noise", prototypes: noisy() },
        Group { title: "Landscapes that change", prototypes: moving() },
    ]
}

/// Those of that name.
pub fn named(name: &str) -> Prototype {
    let found = groups().into_iter().flat_map(|group| group.prototypes).find(|prototype| prototype.name == name);
    found.unwrap_or_else(|| panic!("no landscape {name}"))
}

fn bowls() -> Vec<Prototype> {
    vec![
        bowl!("h = 0.01", "`½h(x − 1)²` from `x = 2`", |t| 1e-2, 1.0),
        bowl!("h = 0.1", "the same", |t| 0.1, 1.0),
        bowl!("h = 1", "the same", |t| 1.0, 1.0),
        bowl!("h = 10", "the same", |t| 10.0, 1.0),
        bowl!("h = 100", "the same", |t| 100.0, 1.0),
        Prototype {
            name: "valley",
            formula: "`½ Σ hᵢ yᵢ²` in 4 dimensions, `h = (0.1, 1, 10, 100)`, `y = R(x − 1)`, `R = I − ½·11ᵀ` (a reflection that \
                      mixes all axes), from `y = (1, −1, 1, −1)`: condition number 1000, no axis of its own",
            start: &[2.0, 0.0, 2.0, 0.0],
            near: 0.2,
            value: |_, p| reflected(p).iter().zip(CURVATURES).map(|(y, h)| 0.5 * h * y * y).sum(),
            slope: |_, p, g| {
                let mut y = reflected(p);
                y.iter_mut().zip(CURVATURES).for_each(|(y, h)| *y *= h);
                let half = 0.5 * y.iter().sum::<f64>();
                g.iter_mut().zip(y).for_each(|(g, y)| *g = y - half);
            },
            away: |_, p| p.iter().map(|x| (x - 1.0) * (x - 1.0)).sum::<f64>().sqrt(),
            noise: Noise::None,
        },
    ]
}

const CURVATURES: [f64; 4] = [0.1, 1.0, 10.0, 100.0];

fn reflected(p: &[f64]) -> [f64; 4] {
    let d = [p[0] - 1.0, p[1] - 1.0, p[2] - 1.0, p[3] - 1.0];
    let half = 0.5 * d.iter().sum::<f64>();
    d.map(|x| x - half)
}

fn shapes() -> Vec<Prototype> {
    vec![
        Prototype {
            name: "abs",
            formula: "`|x − 1|` from `x = 2.0371`",
            start: &[2.0371],
            near: 0.1,
            value: |_, p| (p[0] - 1.0).abs(),
            slope: |_, p, g| g[0] = side(p[0] - 1.0, -1.0, 1.0),
            away: |_, p| (p[0] - 1.0).abs(),
            noise: Noise::None,
        },
        Prototype {
            name: "cliff",
            formula: "`x − 1` right of 1 and `10(1 − x)` left of it, from `x = 2.0371`: ten times as steep beyond the minimum",
            start: &[2.0371],
            near: 0.1,
            value: |_, p| (p[0] - 1.0) * side(p[0] - 1.0, -10.0, 1.0),
            slope: |_, p, g| g[0] = side(p[0] - 1.0, -10.0, 1.0),
            away: |_, p| (p[0] - 1.0).abs(),
            noise: Noise::None,
        },
        Prototype {
            name: "drop",
            formula: "`½(x − 1)²` for `|x − 1| ≤ 3/2`; plains of slope 1/10 beyond, that on the right after a wall of slope 10 from \
                      `x = 5/2` to 3; from `x = 4.0371`",
            start: &[4.0371],
            near: 0.3,
            value: |_, p| match p[0] {
                x if x > 3.0 => 6.125 + 0.1 * (x - 3.0),
                x if x > 2.5 => 1.125 + 10.0 * (x - 2.5),
                x if x < -0.5 => 1.125 + 0.1 * (-0.5 - x),
                x => 0.5 * (x - 1.0) * (x - 1.0),
            },
            slope: |_, p, g| {
                g[0] = match p[0] {
                    x if x > 3.0 => 0.1,
                    x if x > 2.5 => 10.0,
                    x if x < -0.5 => -0.1,
                    x => x - 1.0,
                }
            },
            away: |_, p| (p[0] - 1.0).abs(),
            noise: Noise::None,
        },
        Prototype {
            name: "well",
            formula: "`1 − exp(−½(x − 1)²)` from `x = 4`: three widths away, where the slope is 1/30 and falls off",
            start: &[4.0],
            near: 0.3,
            value: |_, p| 1.0 - libm::exp(-0.5 * (p[0] - 1.0) * (p[0] - 1.0)),
            slope: |_, p, g| g[0] = (p[0] - 1.0) * libm::exp(-0.5 * (p[0] - 1.0) * (p[0] - 1.0)),
            away: |_, p| (p[0] - 1.0).abs(),
            noise: Noise::None,
        },
        Prototype {
            name: "saddle",
            formula: "`½a² − ½b² + ¼b⁴`, `a = x − 2`, `b = y − 2`, from `a = 1`, `b = 10⁻³`; minima at `b = ±1`",
            start: &[3.0, 2.001],
            near: 0.14,
            value: |_, p| {
                let (a, b) = (p[0] - 2.0, p[1] - 2.0);
                0.5 * (a * a - b * b) + 0.25 * b * b * b * b
            },
            slope: |_, p, g| {
                let (a, b) = (p[0] - 2.0, p[1] - 2.0);
                (g[0], g[1]) = (a, b * b * b - b);
            },
            away: |_, p| (p[0] - 2.0).hypot((p[1] - 2.0).abs() - 1.0),
            noise: Noise::None,
        },
        Prototype {
            name: "monkey",
            formula: "`a³ − 3ab² + ¼(a² + b²)²`, `a = x − 4`, `b = y − 4`, from `a = 1/5`, `b = 1/20`; minima 3 away at 60°, 180°, \
                      300°",
            start: &[4.2, 4.05],
            near: 0.3,
            value: |_, p| {
                let (a, b) = (p[0] - 4.0, p[1] - 4.0);
                a * a * a - 3.0 * a * b * b + 0.25 * (a * a + b * b) * (a * a + b * b)
            },
            slope: |_, p, g| {
                let (a, b) = (p[0] - 4.0, p[1] - 4.0);
                let square = a * a + b * b;
                (g[0], g[1]) = (3.0 * (a * a - b * b) + square * a, square * b - 6.0 * a * b);
            },
            away: |_, p| {
                let (a, b) = (p[0] - 4.0, p[1] - 4.0);
                let up = 1.5 * 3.0_f64.sqrt();
                (a + 3.0).hypot(b).min((a - 1.5).hypot(b.abs() - up))
            },
            noise: Noise::None,
        },
    ]
}

/// What a kink has on its two sides, and 0 on it.
fn side(x: f64, left: f64, right: f64) -> f64 {
    if x > 0.0 {
        right
    } else if x < 0.0 {
        left
    } else {
        0.0
    }
}

fn noisy() -> Vec<Prototype> {
    use Noise::{Additive, Cauchy, Masked, Multiplicative};
    vec![
        bowl!("σ = 0.1", "`½(x − 1)²` from `x = 2`, gradient `g + σξ`, ξ normal",
            |t| 1.0, 1.0, from 2.0, near 0.1, Additive(0.1)),
        bowl!("σ = 1", "the same; there within √0.05 σ", |t| 1.0, 1.0, from 2.0, near 0.223_606_797_749_979, Additive(1.0)),
        bowl!("σ = 10", "the landscape of σ = 1 in other units: from `x = 11`, there within √0.05 σ",
            |t| 1.0, 1.0, from 11.0, near 2.236_067_977_499_79, Additive(10.0)),
        bowl!("log-normal", "gradient `g e^ξ`", |t| 1.0, 1.0, from 2.0, near 0.1, Multiplicative(1.0)),
        bowl!("masked", "gradient 0 nine times of ten", |t| 1.0, 1.0, from 2.0, near 0.1, Masked(0.9)),
        bowl!("Cauchy", "gradient `g + ξ`, ξ of Cauchy's distribution; there within √0.05",
            |t| 1.0, 1.0, from 2.0, near 0.223_606_797_749_979, Cauchy(1.0)),
    ]
}

fn moving() -> Vec<Prototype> {
    vec![
        bowl!("jump", "`½(x − m)²` from `x = 3`, m jumps from 2 to 1 half-way",
            |t| 1.0, if t < HALF { 2.0 } else { 1.0 }, from 3.0, near 0.1, Noise::None),
        bowl!("drift", "`½(x − m)²` from `x = 3`, `m = 2 + sin(2πt/250)`",
            |t| 1.0, 2.0 + libm::sin(std::f64::consts::TAU * t as f64 / 250.0), from 3.0, near 0.1, Noise::None),
        bowl!(
            "stiffer",
            "`½h(x − 1)²` from `x = 2`, h rises from 0.01 to 100 half-way",
            |t| if t < HALF { 1e-2 } else { 100.0 },
            1.0
        ),
        bowl!("softer", "`½h(x − m)²` from `x = 3`, h falls from 10 to 0.1 half-way and m jumps from 2 to 1",
            |t| if t < HALF { 10.0 } else { 0.1 }, if t < HALF { 2.0 } else { 1.0 }, from 3.0, near 0.1, Noise::None),
    ]
}
