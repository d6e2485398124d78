//! A step on the cpu device allocates nothing but what it hands out: for each step the list of its members' records, for each
//! submission the list of its steps. Beside it the product of matrices takes one buffer of packed panels a product, aligned as
//! nothing else is, and gives it back: counted apart.

#![allow(unsafe_code, reason = "only a global allocator sees every allocation, and Rust marks those unsafe")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use thalweg::device::cpu::CpuEngine;
use thalweg::device::{Call, Column, Engine, Setup, Update};
use thalweg::nn::{
    Conv2d, Flatten, Linear, MaxPool2d, Mode, Objective, Relu, Sequential, TargetKind, assemble, initial_parameters,
};
use thalweg::optim::{Adam, Clip, DynRule};

/// Allocations so far: ordinary ones, and those of panels.
static COUNTS: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];

/// No allocation but the panels' is aligned to more.
const ORDINARY: usize = 16;

struct Counting;

fn count(layout: Layout) {
    COUNTS[usize::from(layout.align() > ORDINARY)].fetch_add(1, Relaxed);
}

// SAFETY: everything is the system's allocator's, which keeps the contract; counting touches two atomics alone.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout);
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout);
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(layout);
        unsafe { System.realloc(at, layout, size) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Steps of a submission.
const STEPS: usize = 10;

/// Ordinary allocations and panels of a submission, the fewest of several after the first few.
fn allocations(model: &Sequential, shape: &[usize], batch: usize, clip: Option<Clip>) -> [usize; 2] {
    let classes = TargetKind::Classes { classes: 10 };
    let a = assemble(model, &shape.into(), classes, &Objective::default(), batch, Mode::Train).unwrap();
    let (tensors, buffers) = (a.tensors(), a.kept());
    let groups = vec![0; tensors.len()];
    let rule = Adam::default();
    let update = Update { clip, ..Update::default() };
    let setup = Setup { tensors, buffers, groups, rule: Arc::new(rule), update, seeds: vec![1] };
    let mut engine = CpuEngine::<f32>::new(setup).unwrap();
    let width: usize = shape.iter().product();
    let features: Vec<f32> = (0..STEPS * batch * width).map(|i| (i * 7919 % 1000) as f32 / 1000.0).collect();
    let labels: Vec<u32> = (0..STEPS * batch).map(|i| i as u32 % 10).collect();
    let data = engine.add_data(STEPS * batch, Column::F32(&features), Column::Index(&labels)).unwrap();
    let initial = initial_parameters(&a.parameters, 1);
    let program = engine.compile(a.into_step(), data).unwrap();
    engine.set_parameters(0, &initial).unwrap();
    let calls: Vec<Call> = (0..STEPS).map(|k| Call::new(program, vec![rule.hyper(k as u64 + 1, 1e-3)])).collect();
    let counts = || [0, 1].map(|n: usize| COUNTS[n].load(Relaxed));
    let mut fewest = [usize::MAX; 2];
    for round in 0..8 {
        let before = counts();
        engine.submit((round * STEPS) as u32, 0, &calls).unwrap();
        let records = engine.collect().unwrap();
        let after = counts();
        assert!(records.iter().all(|record| record[0][0].is_finite()));
        if round >= 2 {
            // Which core does what is chance, and one that has done nothing so far makes itself room.
            fewest = [0, 1].map(|n: usize| fewest[n].min(after[n] - before[n]));
        }
    }
    fewest
}

#[test]
fn a_step_allocates_what_it_hands_out_and_the_products_panels() {
    let cores = rayon::current_num_threads();
    let mlp = Sequential::new().add(Linear::new(128)).add(Relu).add(Linear::new(96)).add(Relu).add(Linear::new(10));
    let conv = |out| Conv2d { padding: [1; 2], ..Conv2d::new(out, [3, 3]) };
    let cnn = Sequential::new()
        .add(conv(8))
        .add(Relu)
        .add(MaxPool2d::new([2, 2]))
        .add(conv(16))
        .add(Relu)
        .add(MaxPool2d::new([2, 2]))
        .add(Flatten)
        .add(Linear::new(32))
        .add(Relu)
        .add(Linear::new(10));
    let handed_out = STEPS + 1;
    for (batch, clip) in [(8, None), (96, Some(Clip::Norm { maximum: 1.0, epsilon: 1e-6 }))] {
        // Forward 3, weights' gradients 3, layers' gradients 2; each may be cut for each core.
        let [ordinary, panels] = allocations(&mlp, &[64], batch, clip);
        assert_eq!(ordinary, handed_out, "the perceptron with minibatches of {batch}");
        assert!(panels <= STEPS * 8 * cores, "{panels} panels in {STEPS} steps of 8 products on {cores} cores");
        // Of each image: forward 2, weights' gradients 2, one layer's gradient. And 5 of the linear layers.
        let [ordinary, panels] = allocations(&cnn, &[1, 12, 12], batch, clip);
        assert_eq!(ordinary, handed_out, "the convolutional network with minibatches of {batch}");
        assert!(panels <= STEPS * (5 * batch + 6 * cores), "{panels} panels in {STEPS} steps on {cores} cores");
    }
}
