//! The networks of `examples/*.toml`, through the command: each trains, goes on, is judged and answers, and has its gradients proved.

#[path = "cli/command.rs"]
#[expect(dead_code, reason = "made for tests/cli.rs")]
mod command;
#[path = "zoo/gradients.rs"]
mod gradients;
#[path = "zoo/made.rs"]
mod made;
#[path = "zoo/memory.rs"]
mod memory;
#[path = "zoo/runs.rs"]
mod runs;
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};
use thalweg::Shape;
use thalweg::nn::{Mode, TargetKind, assemble};
use thalweg::train::config::RunConfig;

/// A network, and how much of what it is shown here.
pub struct Model {
    pub name: &'static str,
    pub data: Data,
    /// Of one example.
    pub input: [usize; 3],
    /// Learnt numbers.
    pub parameters: usize,
    /// Examples to train on in one epoch, at each step, and to be judged by.
    pub train: usize,
    pub batch: usize,
    pub held: usize,
    /// Of learning, where the file's own was made for far larger minibatches.
    pub rate: Option<&'static str>,
    /// Whether it is trained on an adapter here too.
    pub on_a_gpu: bool,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Data {
    /// MNIST's files; the images packed or not.
    Mnist {
        packed: bool,
    },
    Cifar,
    Digits,
}

const MODELS: [Model; 6] = [
    Model {
        name: "lenet",
        data: Data::Mnist { packed: false },
        input: [1, 28, 28],
        // 6·25 + 6, 16·6·25 + 16, 400·120 + 120, 120·84 + 84, 84·10 + 10
        parameters: 156 + 2_416 + 48_120 + 10_164 + 850,
        train: 300,
        batch: 10,
        held: 40,
        rate: None,
        on_a_gpu: true,
    },
    Model {
        name: "lenet-digits",
        data: Data::Digits,
        input: [1, 8, 8],
        parameters: 156 + 2_416 + (64 * 120 + 120) + 10_164 + 850,
        train: 1438,
        batch: 32,
        held: 359,
        rate: None,
        on_a_gpu: false,
    },
    Model {
        name: "digits-convnet",
        data: Data::Digits,
        input: [1, 8, 8],
        parameters: 9 * (32 + 32 * 32 + 32 * 64) + 2 * (32 + 32 + 64) + (64 * 4 * 10 + 10),
        train: 1438,
        batch: 32,
        held: 359,
        rate: None,
        on_a_gpu: false,
    },
    Model {
        name: "mlp-maxout",
        data: Data::Mnist { packed: true },
        input: [1, 28, 28],
        parameters: (784 * 1200 + 1200) + (240 * 1200 + 1200) + (240 * 10 + 10),
        train: 200,
        batch: 10,
        held: 40,
        rate: None,
        on_a_gpu: false,
    },
    Model {
        name: "cifar10-convnet",
        data: Data::Cifar,
        input: [3, 32, 32],
        // Six convolutions without bias, a weight and a bias for each map, 128 maps of 4x4 to ten scores.
        parameters: 9 * (3 * 32 + 32 * 32 + 32 * 64 + 64 * 64 + 64 * 128 + 128 * 128)
            + 2 * 2 * (32 + 64 + 128)
            + (2048 * 10 + 10),
        train: 60,
        batch: 10,
        held: 20,
        rate: None,
        on_a_gpu: true,
    },
    Model {
        name: "cifar10-resnet20",
        data: Data::Cifar,
        input: [3, 32, 32],
        // The paper's 0.27 M are 269,722 without the two projections and their norms, which its option A does not have.
        parameters: 269_722 + (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64),
        train: 40,
        batch: 8,
        held: 20,
        // 0.1 for 128
        rate: Some("0.01"),
        on_a_gpu: false,
    },
];

impl Model {
    pub fn file(&self) -> PathBuf {
        examples().join(format!("{}.toml", self.name))
    }

    /// The made data, as `data.source`.
    pub fn source(&self, folder: &Path) -> String {
        match self.data {
            Data::Digits => "digits".into(),
            Data::Mnist { packed } => {
                made::mnist(folder, self.train, self.held, packed);
                format!("idx:{}", folder.display())
            }
            Data::Cifar => {
                made::cifar(folder, self.train, self.held);
                format!("cifar10:{}", folder.display())
            }
        }
    }
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

fn none_is_left_out() -> Result<(), Failed> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(examples())? {
        let path = entry?.path();
        // A population is no one network: `cli/population.rs` runs it.
        if path.extension().is_some_and(|e| e == "toml") && !path.ends_with("digits-population.toml") {
            found.insert(path.file_stem().ok_or("a name")?.to_string_lossy().into_owned());
        }
    }
    assert_eq!(found, MODELS.iter().map(|model| model.name.to_owned()).collect());
    Ok(())
}

/// The counts that the files' heads, the papers and the layers give.
fn parameters(model: &Model) -> Result<(), Failed> {
    let config = RunConfig::load(&model.file(), &[])?;
    let input = Shape::from(model.input);
    let classes = TargetKind::Classes { classes: 10 };
    let a = assemble(&config.model()?, &input, classes, &config.objective(), 2, Mode::Train)?;
    let count: usize = a.parameters.iter().map(|p| p.shape.elements()).sum();
    assert_eq!(count, model.parameters);
    let digits: Vec<char> = count.to_string().chars().collect();
    let written: Vec<String> = digits.rchunks(3).rev().map(|part| part.iter().collect()).collect();
    let head = format!("{} parameters", written.join(","));
    let text = std::fs::read_to_string(model.file())?;
    assert!(text.contains(&head) || !text.contains(" parameters"), "{} does not say `{head}`", model.name);
    if let Some(folder) = config.data.source.path() {
        assert!(folder.parent().is_some_and(|data| data.ends_with("examples/../data")), "{}", folder.display());
    }
    Ok(())
}

fn main() {
    let mut trials = vec![Trial::test("none is left out", none_is_left_out)];
    for model in &MODELS {
        let name = model.name;
        trials.push(Trial::test(format!("{name} parameters"), || parameters(model)));
        trials.push(Trial::test(format!("{name} trains cpu"), || runs::one_epoch_and_another(model, "cpu")));
        if model.on_a_gpu {
            trials.push(support::trial(format!("{name} trains gpu"), || runs::one_epoch_and_another(model, "gpu")));
        }
        trials.push(Trial::test(format!("{name} memory cpu"), || memory::is_planned(model, "cpu")));
        trials.push(support::trial(format!("{name} memory gpu"), || memory::is_planned(model, "gpu")));
        trials.push(Trial::test(format!("{name} gradients cpu"), || gradients::are_right(model, "cpu")));
        trials.push(support::trial(format!("{name} gradients gpu"), || gradients::are_right(model, "gpu")));
    }
    support::main(trials);
}
