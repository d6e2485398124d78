//! Trains neural networks on any Vulkan, Metal or DX12 GPU through hand-written WGSL kernels, with gradients proved in f64.
//!
//! ```text
//! model (nn, TOML) ──► Graph ──autodiff──► Graph + gradients ──► program on a device
//!                      plain data, no device                     ├─ gpu: a fixed list of WGSL launches
//!                                                                └─ cpu: the same ops' twins, f32 or f64
//! ```
//!
//! - **A model is a graph**, built once with known shapes. Its gradient is more nodes of the same graph, so what trains is made
//!   of the same ops as what predicts.
//! - **Every kernel has a twin** on the CPU, written once for f32 and f64. The twin's derivative is proved in f64 against centred
//!   differences; the kernel is proved against the twin.
//! - **Tolerances are bounds.** Each op says how far f32 arithmetic may carry its result, from the accuracies that WGSL
//!   guarantees, and the check holds the GPU to it, through a whole network.
//! - **A step never talks to the host.** Data, minibatches, update and losses stay on the device; many steps go into one
//!   submission, and the same seed gives the same bits.
//!
//! # Train a network
//!
//! The device is a value: [`Device::Cpu`] here, which needs nothing of the machine.
//!
//! ```
//! use thalweg::data::Source;
//! use thalweg::device::Precision;
//! use thalweg::nn::{Flatten, Linear, Relu};
//! use thalweg::{Device, Event, Flow, Recipe, Sequential, Trainer};
//!
//! let data = Source::Digits.load(".".as_ref(), 0.2)?; // 1,438 embedded images to train on, 359 held out
//! let model = Sequential::new().add(Flatten).add(Linear::new(32)).add(Relu).add(Linear::new(10));
//! let recipe = Recipe { epochs: 10, ..Recipe::default() }; // cross-entropy, Adam at 1e-3, minibatches of 64
//! let mut trainer = Trainer::new(&Device::Cpu(Precision::F32), &model, &data, recipe)?;
//!
//! let (mut first_loss, mut accuracy) = (0.0, 0.0);
//! trainer.run(&mut |event| {
//!     match event {
//!         Event::Step(step) if step.step == 1 => first_loss = step.loss,
//!         Event::Epoch(epoch) => accuracy = epoch.val_accuracy.unwrap_or(0.0),
//!         _ => {}
//!     }
//!     Flow::Continue
//! })?;
//! assert!((first_loss - 10f64.ln()).abs() < 0.3); // who knows nothing of ten classes pays ln 10 = 2.303
//! assert!(accuracy > 0.8);
//! # Ok::<(), thalweg::Error>(())
//! ```
//!
//! # Build a graph, take its gradient
//!
//! Not every model is a chain. `y = x + tanh(w x)`, and the gradient of `Σ y` with respect to both:
//!
//! ```
//! use thalweg::Graph;
//! use thalweg::device::{Feeds, cpu};
//! use thalweg::graph::Context;
//!
//! let mut g = Graph::new();
//! let x = g.input("x", [1, 1])?;
//! let w = g.parameter("w", [1, 1])?;
//! let h = g.matmul_nt(x, w)?;
//! let h = g.tanh(h)?;
//! let y = g.add(x, h)?; // x goes around the layer, too
//! let loss = g.sum_all(y)?;
//! let one = g.setting("upstream", 1.0)?;
//! let gradients = g.gradients(loss, one, &[x, w])?;
//!
//! let feeds = Feeds::from([(x, vec![0.5].into()), (w, vec![2.0].into())]);
//! let wanted = [loss, gradients[0].unwrap(), gradients[1].unwrap()];
//! let found = cpu::evaluate(&g, &feeds, &wanted, &Context::default())?;
//! let (tanh, slope) = (1f64.tanh(), 1.0 - 1f64.tanh().powi(2));
//! assert_eq!(found[0], [0.5 + tanh]);
//! assert!((found[1][0] - (1.0 + slope * 2.0)).abs() < 1e-15); // both paths: 1 + tanh′(1) w
//! assert!((found[2][0] - slope * 0.5).abs() < 1e-15); // tanh′(1) x
//! # Ok::<(), thalweg::Error>(())
//! ```
//!
//! A closure over [`nn::Builder`] makes such a graph a model that [`Trainer`] takes; [`nn::assemble`] shows one.
//!
//! # On a GPU, if there is one
//!
//! [`Device::select`] opens an adapter by name; `"auto"` takes the best card and falls back to the CPU, saying so. Any adapter,
//! software ones included, can be held to the twin:
//!
//! ```
//! use thalweg::Shape;
//! use thalweg::check::{GradientCheck, gradients};
//! use thalweg::data::Source;
//! use thalweg::device::gpu::{Gpu, Options, adapters};
//! use thalweg::nn::{Flatten, Linear, Objective, Sequential, Tanh};
//!
//! let gpu = if adapters().is_empty() { None } else { Some(Gpu::best(Options::default())?) };
//! let digits = Source::Digits.load(".".as_ref(), 0.2)?.train;
//! let model = Sequential::new().add(Flatten).add(Linear::new(8)).add(Tanh).add(Linear::new(10));
//! let objective = Objective { l2: 1e-3, ..Objective::default() };
//! let check = GradientCheck { dimensions: 5, ..GradientCheck::default() };
//! let report = gradients(&model, &Shape::from([1, 8, 8]), &objective, &digits, &check, gpu.as_ref())?;
//! assert!(report.passed(), "{report}"); // every tensor in f64; with a GPU, every element of every gradient there
//! # Ok::<(), thalweg::Error>(())
//! ```
//!
//! # Where to look next
//!
//! | room | what is in it |
//! |---|---|
//! | [`nn`] | layers, models, initial values |
//! | [`train`] | the trainer, checkpoints, what a trained model answers, the TOML form of a run |
//! | [`data`] | the digits, CSV, NPZ, MNIST, CIFAR and image files, data of one's own, standardisation |
//! | [`optim`], [`schedule`] | update rules with whose arithmetic they follow; the learning rate's course |
//! | [`loss`], [`op`] | what a graph is made of, one formula a file |
//! | [`check`] | is the gradient the gradient, is the kernel the twin |
//! | [`graph`], [`kernel`] | graphs, autodiff, launches as plain data: for ops of one's own |
//! | [`device`] | the CPU and the GPU |
//! | [`error`] | everything that may be refused, and why |
//!
//! `examples/custom_op.rs` adds an op with its own WGSL from outside the crate and `examples/custom_optimizer.rs` an update rule;
//! the checks above work on them.
#![warn(missing_docs)]
#![deny(unsafe_code)]

pub mod check;
pub mod data;
pub mod device;
pub mod error;
pub mod graph;
pub mod kernel;
pub mod loss;
pub mod nn;
pub mod op;
pub mod optim;
pub mod rng;
pub mod scalar;
pub mod schedule;
pub mod shape;
pub mod train;

pub use device::Device;
pub use error::{Error, Result};
pub use graph::{Graph, NodeId};
pub use nn::Sequential;
pub use scalar::{Number, Scalar};
pub use shape::Shape;
pub use train::{Event, Flow, Recipe, Trainer};

/// The README's Rust runs as a doc-test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
