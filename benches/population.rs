//! A population of small models trained in one run, against as many runs of one: P = 1, 4, 16, 64 networks 64-32-10 on the digits,
//! minibatches of 64, cross-entropy and Adam, each with a seed and a learning rate of its own; 10 epochs of 1,438 rows,
//! from a trainer that is made to its last step. On the adapter and on the CPU in f32.
//!
//! Before anything is timed the losses of the population's members are compared with those of the runs of one: they have the
//! same bits.

mod support;

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use thalweg::data::{Source, Split};
use thalweg::device::{Device, Precision};
use thalweg::nn::{Flatten, Linear, Relu, Sequential};
use thalweg::train::{Event, Flow, Member, Recipe, Trainer};

const SIZES: [usize; 4] = [1, 4, 16, 64];
const EPOCHS: u32 = 10;

fn main() {
    let mut c = support::criterion();
    let data = Source::Digits.load(".".as_ref(), 0.2).expect("the digits are embedded");
    let data = Split { validation: None, ..data };
    let mut rows = Vec::new();
    if let Some(gpu) = support::gpu() {
        let name = gpu.adapter().name.clone();
        bench(&mut c, &name, &Device::Gpu(gpu), &data, &mut rows);
    }
    bench(&mut c, "cpu f32", &Device::Cpu(Precision::F32), &data, &mut rows);
    if support::measuring() {
        let head = ["device", "members", "one run s", "separate runs s", "one run is faster by"];
        support::table(&format!("64-32-10, batch 64, Adam, {EPOCHS} epochs"), &head, &rows);
    }
    c.final_summary();
}

fn recipe(population: usize) -> Recipe {
    let member = |m: usize| {
        let rate = 1e-3 * (1.0 + m as f64 / 16.0);
        Member { seed: Some(1 + m as u64), ..Member::default() }.with("learning_rate", rate)
    };
    Recipe { members: (0..population).map(member).collect(), epochs: EPOCHS, ..Recipe::default() }
}

/// Trains from nothing; the time and each member's last training loss.
fn train(device: &Device, data: &Split, recipe: Recipe) -> (Duration, Vec<f64>) {
    let model = Sequential::new().add(Flatten).add(Linear::new(32)).add(Relu).add(Linear::new(10));
    let mut losses = vec![f64::NAN; recipe.population()];
    let start = Instant::now();
    let mut trainer = Trainer::new(device, &model, data, recipe).expect("a small model");
    let told = trainer.run(&mut |event| {
        if let Event::Epoch(epoch) = event {
            losses[epoch.member.unwrap_or(0)] = epoch.train_loss;
        }
        Flow::Continue
    });
    told.expect("it does not diverge");
    (start.elapsed(), losses)
}

fn separately(device: &Device, data: &Split, recipe: &Recipe) -> (Duration, Vec<f64>) {
    let mut all = (Duration::ZERO, Vec::new());
    for m in 0..recipe.population() {
        let (took, loss) = train(device, data, recipe.alone(m));
        all.0 += took;
        all.1.extend(loss);
    }
    all
}

fn bench(c: &mut Criterion, name: &str, device: &Device, data: &Split, rows: &mut Vec<Vec<String>>) {
    let mut group = c.benchmark_group(format!("population on {name}"));
    group.sample_size(10);
    for size in SIZES {
        let recipe = recipe(size);
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("one run", size), |b| {
            b.iter_custom(|times| (0..times).map(|_| train(device, data, recipe.clone()).0).sum());
        });
        group.bench_function(BenchmarkId::new("separate runs", size), |b| {
            b.iter_custom(|times| (0..times).map(|_| separately(device, data, &recipe).0).sum());
        });
        if support::measuring() {
            let (together, apart) = (train(device, data, recipe.clone()), separately(device, data, &recipe));
            assert_eq!(together.1, apart.1, "{size} members on {name}");
            assert!(together.1.iter().all(|&loss| loss < 1.0), "they learn: {:?}", together.1);
            let mut times = [vec![together.0], vec![apart.0]];
            for _ in 0..2 {
                times[0].push(train(device, data, recipe.clone()).0);
                times[1].push(separately(device, data, &recipe).0);
            }
            let [one, many] = times.map(|mut of| {
                of.sort_unstable();
                of[1].as_secs_f64()
            });
            let cells = [format!("{one:.3}"), format!("{many:.3}"), format!("{:.1}", many / one)];
            rows.push([vec![name.to_owned(), size.to_string()], cells.to_vec()].concat());
        }
    }
    group.finish();
}
