//! Runs whose images are changed at random: reproducible, resumed exactly, judged on images as they are.

use thalweg::device::Device;
use thalweg::error::{CheckpointError, Error, GraphError};
use thalweg::nn::{Augment, Dropout, Flatten, Linear, Sequential, Tanh};
use thalweg::train::{End, Recipe, Trainer};

use super::common::{data, go, history, recipe, rows, trainer};
use thalweg::data::Split;

/// 22 images of two channels of 3 × 3, and 5 to judge by.
fn images() -> Split {
    Split { train: rows(22, 18, 3), validation: Some(rows(5, 18, 4)), ..data() }
}

fn model() -> Sequential {
    Sequential::new().add(Flatten).add(Linear::new(9)).add(Tanh).add(Dropout { p: 0.3 }).add(Linear::new(3))
}

fn changing(augment: Augment) -> Recipe {
    Recipe { input: Some([2, 3, 3].into()), augment, ..recipe() }
}

fn both() -> Augment {
    Augment { crop_padding: 1, horizontal_flip: true, fill: vec![0.5, -0.25] }
}

pub fn images_change_the_same_way_again(device: &Device) {
    let run = |augment, seed| {
        go(&mut trainer(device, &model(), &images(), &Recipe { seed, ..changing(augment) }), None).expect("a run")
    };
    let (a, b) = (run(both(), 7), run(both(), 7));
    assert_eq!(a.last, b.last);
    assert_eq!((a.steps, a.epochs), (b.steps, b.epochs));
    for other in [
        Augment::default(),
        Augment { horizontal_flip: false, ..both() },
        Augment { crop_padding: 0, ..both() },
        Augment { fill: Vec::new(), ..both() },
    ] {
        assert_ne!(a.last.parameters, run(other.clone(), 7).last.parameters, "{other:?}");
    }
    // Mirror images need no fill.
    let mirrored = |fill| run(Augment { crop_padding: 0, horizontal_flip: true, fill }, 7).last.parameters;
    assert_eq!(mirrored(vec![0.0; 18]), mirrored(Vec::new()));
    // Nothing changed is nothing put there: not even the dropout's draws move.
    let plain = Recipe { input: Some([2, 3, 3].into()), ..recipe() };
    let plain = go(&mut trainer(device, &model(), &images(), &plain), None).expect("a run");
    assert_eq!(run(Augment { fill: vec![3.0], ..Augment::default() }, 7).last.parameters, plain.last.parameters);
}

pub fn images_change_on_after_a_stop(device: &Device) {
    let (model, images, recipe) = (model(), images(), changing(both()));
    for at in [1, 8] {
        let folders = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
        let kept = |folder: &tempfile::TempDir| {
            let mut run = trainer(device, &model, &images, &recipe);
            run.keep_in(folder.path()).expect("a folder");
            run
        };
        let whole = go(&mut kept(&folders[0]), None).expect("a run");
        let first = go(&mut kept(&folders[1]), Some(at)).expect("a run");
        assert!(first.end == End::Stopped && first.steps.len() < whole.steps.len());
        let mut rest = kept(&folders[1]);
        rest.resume(folders[1].path()).expect("a checkpoint");
        let rest = go(&mut rest, None).expect("a run");
        assert_eq!(rest.last, whole.last, "stopped after {at} steps");
        assert_eq!([first.steps, rest.steps].concat(), whole.steps);
        assert_eq!(history(folders[1].path()), history(folders[0].path()));
    }
    // Other changes are another run.
    let folder = tempfile::tempdir().expect("a folder");
    let mut first = trainer(device, &model, &images, &recipe);
    first.keep_in(folder.path()).expect("a folder");
    go(&mut first, Some(2)).expect("a run");
    for (augment, name) in [
        (Augment { crop_padding: 2, ..both() }, "crop_padding"),
        (Augment { horizontal_flip: false, ..both() }, "horizontal_flip"),
    ] {
        match trainer(device, &model, &images, &changing(augment)).resume(folder.path()).err() {
            Some(Error::Checkpoint(CheckpointError::Differs { setting, .. })) => assert_eq!(setting, name),
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// The same weights judge the same images with and without changes, while the first minibatch is seen otherwise.
pub fn validation_images_stay(device: &Device) {
    let begun = |augment| {
        let mut run = trainer(device, &model(), &images(), &changing(augment));
        let judged = run.evaluate().expect("a device").expect("validation data");
        let first = go(&mut run, Some(1)).expect("a run").steps[0];
        (judged, first.loss)
    };
    let (changed, plain) = (begun(both()), begun(Augment::default()));
    assert_eq!(changed.0, plain.0);
    assert_ne!(changed.1, plain.1);
}

pub fn what_is_no_image_is_refused(device: &Device) {
    let refused = |recipe: Recipe| match Trainer::new(device, &model(), &images(), recipe).err() {
        Some(Error::Graph(error)) => error,
        other => panic!("{other:?}"),
    };
    let rows = refused(Recipe { input: None, ..changing(both()) });
    assert!(matches!(&rows, GraphError::Shape { op: "augment", .. }), "{rows}");
    assert!(rows.to_string().contains("`model.input`"), "{rows}");
    for (augment, field) in [
        (Augment { crop_padding: 3, ..both() }, "padding"),
        (Augment { fill: vec![0.0; 3], ..both() }, "fill"),
        (Augment { fill: vec![f64::NAN], ..both() }, "fill"),
    ] {
        match refused(changing(augment)) {
            GraphError::Range { op: "augment", field: found, .. } => assert_eq!(found, field),
            other => panic!("{field}: {other}"),
        }
    }
}
