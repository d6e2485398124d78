//! A network of two layers learns exclusive or, which one layer cannot: data made by hand, trained, checked.
//!
//! `cargo run --example xor`

use thalweg::data::{Dataset, Split, Targets, Values};
use thalweg::device::Precision;
use thalweg::nn::{Linear, Tanh};
use thalweg::optim::Adam;
use thalweg::{Device, Event, Flow, Recipe, Result, Sequential, Shape, Trainer};

pub fn main() -> Result<()> {
    let features = Values::F64(vec![0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
    let xor = Dataset::new(features, Shape::from([2]), Targets::Classes { labels: vec![0, 1, 1, 0], classes: 2 })?;
    let data = Split { train: xor, validation: None, description: "exclusive or".into() };
    let model = Sequential::new().add(Linear::new(8)).add(Tanh).add(Linear::new(2));
    let recipe = Recipe {
        optimizer: Adam { learning_rate: 0.05, ..Adam::default() }.into(),
        epochs: 200,
        batch_size: 4,
        ..Recipe::default()
    };

    let mut trainer = Trainer::new(&Device::Cpu(Precision::F64), &model, &data, recipe)?;
    let (mut first, mut last) = (f64::NAN, None);
    trainer.run(&mut |event| {
        match event {
            Event::Step(step) if step.step == 1 => first = step.loss,
            Event::Epoch(epoch) => last = Some(*epoch),
            _ => {}
        }
        Flow::Continue
    })?;

    let last = last.expect("200 epochs were run");
    println!("loss {first:.3} before, {:.5} after {} steps", last.train_loss, last.steps);
    assert_eq!(last.train_accuracy, Some(1.0), "all four rows are told apart");
    assert!(last.train_loss < 0.05, "and with confidence: a coin would pay ln 2 = 0.693");
    Ok(())
}
