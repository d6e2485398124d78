//! Runs on row numbers: they reach the first layer as they are, and data that are none never reach a device.

use thalweg::data::{DataError, Dataset, NotAnIndex, Split, Targets, Values};
use thalweg::device::Device;
use thalweg::error::{DeviceError, Error};
use thalweg::nn::{Embedding, Flatten, Linear, Sequential};
use thalweg::rng::Stream;
use thalweg::train::{Recipe, Trainer};

use super::common::{go, optimizer, recipe, trainer};
use super::given;

const WORDS: usize = 12;

/// Sentences of four words; the class of three is that of the last word's number.
fn sentences(count: usize, salt: u32) -> Dataset {
    let words: Vec<u32> = (0..4 * count as u32).map(|i| Stream::new(3, 0, salt).word(i) % WORDS as u32).collect();
    let labels = words.chunks(4).map(|sentence| sentence[3] % 3).collect();
    let features = Values::F32(words.iter().map(|&word| word as f32).collect());
    Dataset::new(features, [4].into(), Targets::Classes { labels, classes: 3 }).expect("data")
}

fn data() -> Split {
    Split { train: sentences(202, 1), validation: Some(sentences(50, 2)), description: "sentences".into() }
}

fn model(count: usize) -> Sequential {
    Sequential::new().add(Embedding::new(count, 5)).add(Flatten).add(Linear::new(3))
}

pub fn words_are_learnt(device: &Device) {
    let quick = optimizer("name = 'adam'\nlearning_rate = 0.03");
    let recipe = Recipe { optimizer: quick.into(), epochs: 20, batch_size: 8, ..recipe() };
    let run = || go(&mut trainer(device, &model(WORDS), &data(), &recipe), None).expect("a run");
    let (a, b) = (run(), run());
    assert_eq!(a.last, b.last);
    assert_eq!(a.last.parameters[0].name, "0.weight");
    // Who knows the last word's class is never wrong; one number more or less is another class.
    let last = a.epochs.last().expect("an epoch");
    assert!(last.val_accuracy.is_some_and(|share| share >= 0.95), "{last:?}");
}

/// The other device's losses, step by step, within what their rounding makes of a few steps.
pub fn the_first_losses_are_those_in_f64(device: &Device) {
    let losses = |device: &Device| {
        // A plain rule: it makes a small error of a gradient no larger.
        let rule = optimizer("name = 'sgd'\nlearning_rate = 0.1").into();
        let recipe = Recipe { optimizer: rule, epochs: 1, batch_size: 8, shuffle: false, ..recipe() };
        let told = go(&mut trainer(device, &model(WORDS), &data(), &recipe), None).expect("a run");
        told.steps.iter().take(3).map(|step| step.loss).collect::<Vec<_>>()
    };
    let (found, expected) = (losses(device), losses(&Device::Cpu(thalweg::device::Precision::F64)));
    for (found, expected) in found.iter().zip(&expected) {
        // Each is near 1 and comes of some 100 roundings of 2⁻²⁴, 6e-6 at worst; a wrong row moves it by some tenths.
        assert!((found - expected).abs() <= 1e-5, "{found} is not {expected}");
    }
}

pub fn what_names_no_row_is_refused(device: &Device) {
    let refused = |count, data: &Split| match Trainer::new(device, &model(count), data, recipe()).err() {
        Some(Error::Data(DataError::NotAnIndex(found))) => found,
        other => panic!("{other:?}"),
    };
    let found = refused(WORDS - 1, &data());
    assert_eq!((found.found, found.count), ((WORDS - 1) as f64, WORDS - 1));
    // Validation data are looked at too.
    let mut half = data();
    half.validation = half.validation.map(|held| {
        let numbers = held.features().iter().enumerate().map(|(i, x)| if i == 9 { 0.5 } else { x }).collect();
        Dataset::new(Values::F64(numbers), held.shape().clone(), held.targets().clone()).expect("data")
    });
    assert_eq!(refused(WORDS, &half), NotAnIndex { row: 2, column: 1, found: 0.5, count: WORDS });
}

/// Past the trainer, an engine takes no row numbers where the graph has real numbers.
pub fn engines_refuse_the_other_kind(device: &Device) {
    let (tensors, step) = given::step();
    let rule = optimizer("name = 'sgd'\nlearning_rate = 0.1").into_rule();
    let setup = thalweg::device::Setup {
        buffers: Vec::new(),
        groups: vec![0; tensors.len()],
        tensors,
        rule,
        update: thalweg::device::Update::default(),
        seeds: vec![1],
    };
    let mut engine = given::engine(device, setup).expect("an engine");
    let words = vec![1; given::WIDTH];
    let data = engine.add_data(1, thalweg::device::Column::Index(&words), thalweg::device::Column::Index(&[0]));
    match engine.compile(step, data.expect("data")).err() {
        Some(DeviceError::Feed { name, .. }) => assert_eq!(name, "features"),
        other => panic!("{other:?}"),
    }
}
