//! An update rule from outside the crate, Lion (the library has one too), trains a network on the CPU and, where there is one, on a GPU.
//!
//! Chen et al., *Symbolic Discovery of Optimization Algorithms*, 2023, arXiv:2302.06675, Algorithm 2.
//!
//! `cargo run --example custom_optimizer`

use std::sync::Arc;

use thalweg::data::Source;
use thalweg::device::Precision;
use thalweg::device::gpu::{Gpu, Options, adapters};
use thalweg::error::OptimError;
use thalweg::nn::{Flatten, Linear, Relu};
use thalweg::optim::{Convention, Hyper, Rule, hyper};
use thalweg::{Device, Event, Flow, Number, Recipe, Result, Sequential, Trainer};

const RATE: f64 = 1e-3;

/// The sign of an interpolated momentum: every weight moves by η at each step, whatever its gradient's size.
///
/// ```text
/// u = sign(β₁ m + (1 − β₁) g)
/// p −= η (u + λ p)
/// m = β₂ m + (1 − β₂) g
/// ```
#[derive(Clone, Debug)]
struct Lion {
    /// η, at least 0; default 1e-4, as in the paper: three to ten times less than Adam's.
    learning_rate: f64,
    /// β₁ in `[0, 1)`; default 0.9.
    beta1: f64,
    /// β₂ in `[0, 1)`; default 0.99.
    beta2: f64,
    /// λ, at least 0, taken from the parameter; default 0.
    weight_decay: f64,
}

impl Default for Lion {
    fn default() -> Self {
        Self { learning_rate: 1e-4, beta1: 0.9, beta2: 0.99, weight_decay: 0.0 }
    }
}

/// What a GPU runs: the same equation on four elements at once. WGSL's `sign(0)` is 0.
const WGSL: &str = "
    fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated {
        let u = sign(h[1] * s.a + h[2] * g);
        let m = h[3] * s.a + h[4] * g;
        return Updated(p - h[0] * (u + h[5] * p), State(m, s.b, s.c));
    }";

impl Rule for Lion {
    fn name(&self) -> &'static str {
        "lion"
    }

    fn convention(&self) -> Convention {
        Convention::PyTorch
    }

    fn states(&self) -> &'static [&'static str] {
        &["exp_avg"]
    }

    fn validate(&self) -> Result<(), OptimError> {
        let fields = [
            ("learning_rate", self.learning_rate, f64::INFINITY, "in [0, ∞)"),
            ("beta1", self.beta1, 1.0, "in [0, 1)"),
            ("beta2", self.beta2, 1.0, "in [0, 1)"),
            ("weight_decay", self.weight_decay, f64::INFINITY, "in [0, ∞)"),
        ];
        for (field, found, below, range) in fields {
            if !(0.0 <= found && found < below) {
                return Err(OptimError::Range { owner: "lion".into(), field, range, found });
            }
        }
        Ok(())
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn hyper(&self, _: u64, rate: f64) -> Hyper {
        hyper([rate, self.beta1, 1.0 - self.beta1, self.beta2, 1.0 - self.beta2, self.weight_decay])
    }

    fn update<T: Number>(&self, h: &[T; 12], g: T, p: T, [m, x, y]: [T; 3]) -> (T, [T; 3]) {
        let &[rate, beta1, rest1, beta2, rest2, decay, ..] = h;
        let u = beta1 * m + rest1 * g;
        (p - rate * (u.sign() + decay * p), [beta2 * m + rest2 * g, x, y])
    }

    fn source(&self) -> &'static str {
        WGSL
    }
}

fn trainer(device: &Device, epochs: u32, batch_size: usize) -> Result<Trainer> {
    let data = Source::Digits.load(".".as_ref(), 0.2)?;
    let model = Sequential::new().add(Flatten).add(Linear::new(32)).add(Relu).add(Linear::new(10));
    let lion = Lion { learning_rate: RATE, ..Lion::default() };
    Trainer::new(device, &model, &data, Recipe { optimizer: Arc::new(lion), epochs, batch_size, ..Recipe::default() })
}

/// Ten epochs bring the loss down.
fn learns(name: &str, device: &Device) -> Result<()> {
    let mut losses = Vec::new();
    trainer(device, 10, 64)?.run(&mut |event| {
        if let Event::Epoch(epoch) = event {
            losses.push(epoch.train_loss);
        }
        Flow::Continue
    })?;
    println!("{name}: loss {:.3} in epoch 1, {:.3} in epoch 10", losses[0], losses[9]);
    assert!(losses[9] < 0.5 * losses[0]);
    Ok(())
}

/// The first step, over all rows, moves every weight by η, or not at all where its gradient is 0.
fn moves_by_the_rate(name: &str, device: &Device) -> Result<()> {
    let mut trainer = trainer(device, 1, 1438)?;
    let before = trainer.parameters()?;
    trainer.run(&mut |_| Flow::Continue)?;
    let after = trainer.parameters()?;
    let mut moved = 0;
    for (p, q) in before.iter().flatten().zip(after.iter().flatten()) {
        let far = (q - p).abs();
        // η is rounded once, and so is the difference, which is below 1.
        let off = far.min((far - RATE).abs());
        assert!(off <= f64::from(f32::EPSILON), "a weight moved by {far}, not by 0 or {RATE}");
        moved += usize::from(far > 0.5 * RATE);
    }
    println!("{name}: {moved} weights moved by ±{RATE}");
    assert!(moved > 0);
    Ok(())
}

pub fn main() -> Result<()> {
    let wrong = Recipe { optimizer: Arc::new(Lion { beta1: 1.5, ..Lion::default() }), ..Recipe::default() };
    println!("refused: {}", wrong.optimizer.validate().expect_err("β₁ is outside its range"));

    let mut devices = vec![("cpu".to_owned(), Device::Cpu(Precision::F32))];
    if let Some(adapter) = adapters().first() {
        devices.push((adapter.name.clone(), Device::Gpu(Gpu::best(Options::default())?)));
    }
    for (name, device) in &devices {
        moves_by_the_rate(name, device)?;
        learns(name, device)?;
    }
    Ok(())
}
