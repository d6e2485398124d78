//! What is timed.

use clap::ValueEnum;

use crate::support;

/// Minibatches of a data set: each side goes through them in this order, again and again.
pub const BATCHES: usize = 64;
/// Steps of Adam are this large on all sides; the other numbers are β₁ = 0.9, β₂ = 0.999, ε = 1e-8.
pub const RATE: f64 = 1e-3;
/// Classes of every data set.
pub const CLASSES: usize = 10;
/// Parameters of the update that is timed alone.
pub const PARAMETERS: usize = 1 << 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    /// A step of 64-128-128-10, minibatches of 64.
    Small,
    /// A step of 784-1024-1024-10, minibatches of 256.
    Large,
    /// A step of two convolutions and two linear layers on 1×28×28, minibatches of 64.
    Cnn,
    /// Adam's update of 2²⁴ parameters.
    Adam,
    /// A product 1024×1024 by 1024×1024.
    Square,
    /// A product 256×1024 by 1024×1024.
    Flat,
}

impl Workload {
    /// As the command line has it, and the script.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().into())
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::Small => "step of 64-128-128-10, batch 64",
            Self::Large => "step of 784-1024-1024-10, batch 256",
            Self::Cnn => "step of the CNN on 1×28×28, batch 64",
            Self::Adam => "Adam's update of 2²⁴ parameters",
            Self::Square => "product 1024×1024×1024",
            Self::Flat => "product 256×1024×1024",
        }
    }

    /// The training that it is a step of.
    pub fn task(self) -> Option<Task> {
        match self {
            Self::Small => Some(Task::new(vec![64], 64, Network::Linear([128, 128]))),
            Self::Large => Some(Task::new(vec![784], 256, Network::Linear([1024, 1024]))),
            Self::Cnn => Some(Task::new(vec![1, 28, 28], 64, Network::Convolutional)),
            Self::Adam | Self::Square | Self::Flat => None,
        }
    }

    /// Rows, inner length and columns of the product that it is.
    pub fn product(self) -> Option<[usize; 3]> {
        match self {
            Self::Square => Some([1024; 3]),
            Self::Flat => Some([256, 1024, 1024]),
            _ => None,
        }
    }

    /// How fast that many seconds are, where that can be said in a unit.
    pub fn rate(self, seconds: f64) -> Option<String> {
        match (self, self.product()) {
            (_, Some(sides)) => Some(format!("{:.0} GFLOP/s", 2e-9 * sides.iter().product::<usize>() as f64 / seconds)),
            // The gradient read, the parameter and two states read and written.
            (Self::Adam, _) => Some(format!("{:.1} GB/s", 28e-9 * PARAMETERS as f64 / seconds)),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Two hidden layers of these widths, with relu, and one of ten.
    Linear([usize; 2]),
    /// conv 3×3 32 padding 1, relu, max-pool 2, conv 3×3 64 padding 1, relu, max-pool 2, linear 128, relu, linear 10.
    Convolutional,
}

/// A network and examples for it: noise of its own for each class, with half as much on it for each example.
pub struct Task {
    /// Of one example.
    pub shape: Vec<usize>,
    pub batch: usize,
    pub network: Network,
    /// `[BATCHES · batch, ..shape]`.
    pub features: Vec<f32>,
    pub labels: Vec<u32>,
}

impl Task {
    fn new(shape: Vec<usize>, batch: usize, network: Network) -> Self {
        let (width, rows) = (shape.iter().product::<usize>(), BATCHES * batch);
        let class = support::noise(CLASSES * width, 3);
        let mut features = support::noise(rows * width, 4);
        for (i, own) in features.iter_mut().enumerate() {
            *own = class[i / width % CLASSES * width + i % width] + 0.5 * *own;
        }
        let labels = (0..rows as u32).map(|row| row % CLASSES as u32).collect();
        Self { shape, batch, network, features, labels }
    }

    /// Values of one example.
    pub fn width(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The operands of a product, `[rows, inner]` and `[inner, columns]`. The second keeps lengths about as they are, so that what
/// comes out can go in again.
pub fn operands([rows, inner, columns]: [usize; 3]) -> (Vec<f32>, Vec<f32>) {
    let scale = (3.0 / inner as f32).sqrt();
    (support::noise(rows * inner, 5), support::noise(inner * columns, 6).iter().map(|x| scale * x).collect())
}

/// How far some elements of a product are from what f64 makes of them, as a multiple of what f32 can account for: a sum of K
/// products is off by at most (K + 1)ε Σ|x||w|.
pub fn product_error(sides: [usize; 3], found: &[f32]) -> f64 {
    let [rows, inner, columns] = sides;
    let (x, w) = operands(sides);
    let error = |i: usize| {
        let terms = (0..inner).map(|k| f64::from(x[i / columns * inner + k]) * f64::from(w[k * columns + i % columns]));
        let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), t| (sum + t, size + t.abs()));
        let error = (f64::from(found[i]) - sum).abs() / ((inner + 1) as f64 * f64::from(f32::EPSILON) * size);
        if error.is_nan() { f64::INFINITY } else { error }
    };
    (0..rows * columns).step_by(4099).map(error).fold(0.0, f64::max)
}

/// Holds parameters that began at 0 to `steps` updates by a gradient that stays what it is: m̂ = g and v̂ = g² at every step, so each
/// takes η g/(|g| + ε). Whoever computes 1 − β₂ᵗ in f32 has it to four roundings of 1 in 1e-3 and better.
pub fn hold_update(whose: &str, steps: usize, gradient: &[f32], found: &[f32]) -> crate::Fallible<()> {
    let all = steps as f64 * RATE;
    let bound = all * 4.0 * f64::from(f32::EPSILON) / 1e-3;
    for (i, (&g, &p)) in gradient.iter().zip(found).enumerate().step_by(4099) {
        let g = f64::from(g);
        let wanted = -all * g / (g.abs() + 1e-8);
        if !((f64::from(p) - wanted).abs() <= bound) {
            return Err(format!("{whose}: after {steps} updates parameter {i} is {p}, not {wanted} ±{bound:e}").into());
        }
    }
    Ok(())
}
