//! Whole training steps with cross-entropy and Adam: of the network 64-128-128-10 on the digits with minibatches of 64; of
//! 784-1024-1024-10 on images with minibatches of 256; and of a convolutional one on images of 1×28×28, conv 3×3 32, relu,
//! max-pool 2, conv 3×3 64, relu, max-pool 2, linear 128, relu, linear 10, its convolutions with padding 1 and with none, with
//! minibatches of 64. As many steps a submission as the engine takes, up to 200 ms. On the adapter and on the CPU in f32; and
//! the time from opening the adapter to the first step.

mod support;
#[path = "support/training.rs"]
mod training;

use std::time::Instant;

use criterion::{Criterion, Throughput};
use training::{Task, Training, convolutional};

fn main() {
    let mut c = support::criterion();
    let gpu = support::gpu();
    for task in [
        Task::digits(),
        Task::wide(),
        Task::images("1×28×28, two convolutions of padding 1", || convolutional(1)),
        Task::images("1×28×28, two convolutions of padding 0", || convolutional(0)),
    ] {
        let mut rows = Vec::new();
        if let Some(gpu) = &gpu {
            bench(&mut c, &gpu.adapter().name, &task, &mut rows, |task| Training::on_gpu(task, gpu));
        }
        bench(&mut c, "cpu f32", &task, &mut rows, Training::on_cpu);
        if support::measuring() {
            if gpu.is_some() {
                let open = |task: &Task| Training::on_gpu(task, &support::open().expect("it was opened before"));
                rows.push(first_step("from opening the adapter to the first step done", &task, open));
            }
            rows.push(first_step("the same, cpu f32", &task, Training::on_cpu));
            let title = format!("{}, batch {}, Adam", task.title, task.batch);
            support::table(&title, &["what", "median ms", "least", "most"], &rows);
        }
    }
    c.final_summary();
}

fn bench(c: &mut Criterion, name: &str, task: &Task, rows: &mut Vec<Vec<String>>, make: impl Fn(&Task) -> Training) {
    let mut made: Option<Training> = None;
    let mut group = c.benchmark_group(format!("step of {}", task.title));
    group.throughput(Throughput::Elements(1));
    group.bench_function(name, |b| {
        let training = made.get_or_insert_with(|| make(task).learning());
        b.iter_custom(|steps| training.time(steps));
    });
    group.finish();
    if support::measuring() {
        let training = made.get_or_insert_with(|| make(task).learning());
        let most = training.most as u64;
        let mut times: Vec<f64> = (0..15).map(|_| 1e3 * training.time(most).as_secs_f64() / most as f64).collect();
        times.sort_by(f64::total_cmp);
        let [median, least, longest] = [times[7], times[0], times[14]].map(|ms| format!("{ms:.3}"));
        rows.push(vec![format!("a step, {name}, {most} a submission"), median, least, longest]);
    }
}

/// Milliseconds from nothing until the first step's loss is there.
fn first_step(what: &str, task: &Task, make: impl Fn(&Task) -> Training) -> Vec<String> {
    let start = Instant::now();
    let loss = make(task).run(1);
    let took = format!("{:.0}", 1e3 * start.elapsed().as_secs_f64());
    assert!(loss.is_finite());
    vec![what.into(), took, String::new(), String::new()]
}
