//! Trains a network on 1,438 handwritten digits, judges it by the 359 held out, and keeps the weights for PyTorch.
//!
//! `cargo run --release --example digits [auto|gpu|cpu|NAME]`

use std::path::Path;

use thalweg::data::Source;
use thalweg::device::Precision;
use thalweg::nn::{Dropout, Flatten, Linear, Relu};
use thalweg::optim::Adam;
use thalweg::schedule::Step;
use thalweg::{Device, Event, Flow, Recipe, Result, Sequential, Trainer};

pub fn main() -> Result<()> {
    let wanted = std::env::args().nth(1).unwrap_or_else(|| "auto".into());
    train(&wanted, &std::env::temp_dir().join("thalweg-digits")).map(drop)
}

/// Trains on the device of that name and keeps the run in `folder`; gives the share of the held-out digits read right.
pub fn train(device: &str, folder: &Path) -> Result<f64> {
    let (device, why) = Device::select(device, Precision::F32)?;
    println!("device: {why}");
    let data = Source::Digits.load(".".as_ref(), 0.2)?;
    println!("data:   {}", data.description);

    let model = Sequential::new()
        .add(Flatten)
        .add(Linear::new(128))
        .add(Relu)
        .add(Dropout { p: 0.3 })
        .add(Linear::new(128))
        .add(Relu)
        .add(Dropout { p: 0.3 })
        .add(Linear::new(10));
    let recipe = Recipe {
        optimizer: Adam { learning_rate: 3e-3, ..Adam::default() }.into(),
        schedule: Step { every: 20, factor: 0.1 }.into(),
        epochs: 30,
        ..Recipe::default()
    };
    let mut trainer = Trainer::new(&device, &model, &data, recipe)?;
    trainer.keep_in(folder)?;
    let mut accuracy = 0.0;
    trainer.run(&mut |event| {
        if let Event::Epoch(e) = event {
            accuracy = e.val_accuracy.unwrap_or(0.0);
            if e.epoch % 5 == 0 {
                println!(
                    "epoch {:3}: loss {:.4}, {:.2} % of the held-out digits",
                    e.epoch,
                    e.train_loss,
                    100.0 * accuracy
                );
            }
        }
        Flow::Continue
    })?;

    // PyTorch reads it: `model.load_state_dict(safetensors.torch.load_file(...))`, names and layouts are its own.
    println!("weights: {}", folder.join(thalweg::train::checkpoint::MODEL).display());
    Ok(accuracy)
}
