//! Rules for whole tensors on a GPU of small bindings.

use thalweg::Shape;
use thalweg::device::gpu::{Gpu, Options};
use thalweg::device::{Device, Update};
use thalweg::optim::Clip;

use super::fused::same;
use super::whole::{Rig, rules};

/// Members in bindings of their own, and few workgroups an axis.
pub fn windows_and_folds_change_no_bit(gpu: &Gpu) {
    let split = Options { max_elements: Some(7680), checked: true, ..Options::default() };
    let folded = Options { max_groups: Some(4), ..Options::default() };
    let shapes: Vec<Shape> = vec![[64, 64].into(), [16, 16, 4, 2].into(), [300].into(), [96, 33].into()];
    for optimizer in rules() {
        let run = |gpu: &Gpu| {
            let clip = Some(Clip::TensorNorm { maximum: 0.5, epsilon: 1e-6 });
            let (update, groups) = (Update { clip, ..Update::default() }, [0, 1, 0, 1]);
            let device = Device::Gpu(gpu.clone());
            let mut rig = Rig::new(&device, &optimizer, (shapes.clone(), &groups), &[], update, 3);
            rig.begin(1);
            for step in 1..=3_u32 {
                let gradients: Vec<_> = (0..3).map(|m| rig.noise(10 * step as usize + m)).collect();
                rig.give(|m| gradients[m].clone());
                let call = rig.call(step.into());
                rig.go(step - 1, &[call]);
            }
            (0..3).map(|m| rig.all(m)).collect::<Vec<_>>()
        };
        let whole = run(gpu);
        for options in [split, folded] {
            let other = run(&crate::support::open(options).expect("an adapter"));
            for m in 0..3 {
                same(&format!("{} {options:?}, member {m}", optimizer.to_table()), &other[m], &whole[m]);
            }
        }
    }
}
