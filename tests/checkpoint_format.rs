//! Files of weights and runs: bit for bit, all or nothing, and readable by others.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use thalweg::Shape;
use thalweg::data::Values;
use thalweg::device::gpu::{Choices, Owner};
use thalweg::train::checkpoint::{
    AVERAGE, Checkpoint, CheckpointError, Counter, HISTORY, MODEL, Misshaped, Mistyped, OPTIMIZER, Tensor,
    append_history, kernels, model_step, read_weights, rewind_history, write_atomic,
};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/data").join(name)
}

fn named(name: &str, shape: &[usize]) -> (String, Shape) {
    (name.to_owned(), Shape::from(shape))
}

fn tensor(name: &str, shape: &[usize], data: Values) -> Tensor {
    Tensor { name: name.to_owned(), shape: Shape::from(shape), data }
}

fn bits(values: &Values) -> Vec<u64> {
    match values {
        Values::F32(v) => v.iter().map(|x| u64::from(x.to_bits())).collect(),
        Values::F64(v) => v.iter().map(|x| x.to_bits()).collect(),
    }
}

fn bits_of(tensors: &[Tensor]) -> Vec<(String, Shape, Vec<u64>)> {
    tensors.iter().map(|t| (t.name.clone(), t.shape.clone(), bits(&t.data))).collect()
}

/// Names out of alphabetical order, a scalar, an empty tensor, and values that a careless copy changes.
fn checkpoint(double: bool, step: u64) -> Checkpoint {
    let odd = [0.1, -0.0, f64::NAN, f64::NEG_INFINITY, 1e-40, f64::from(f32::MAX)];
    let values = |n: usize, k: f64| {
        let numbers = (0..n).map(|i| odd[i % 6] * k);
        if double { Values::F64(numbers.collect()) } else { Values::F32(numbers.map(|x| x as f32).collect()) }
    };
    let all = |k: f64| {
        vec![
            tensor("2.weight", &[2, 3], values(6, k)),
            tensor("0.bias", &[], values(1, k)),
            tensor("10.weight", &[0, 4], values(0, k)),
        ]
    };
    Checkpoint {
        parameters: all(1.0),
        buffers: vec![tensor("3.running_var", &[2], values(2, 0.9)), tensor("1.running_mean", &[3], values(3, 1.1))],
        counters: vec![Counter { name: "3.num_batches_tracked".into(), value: i64::MAX as u64 }],
        states: vec![("exp_avg_sq".into(), all(0.3)), ("exp_avg".into(), all(-0.7))],
        averages: all(0.4),
        kept: vec![tensor("2.weight.row_var", &[2], values(2, 0.6))],
        step,
        epoch: 4,
        step_in_epoch: 11,
        seed: u64::MAX - 1,
        optimizer: "adam".into(),
        convention: "pytorch".into(),
        precision: if double { "f64" } else { "f32" }.into(),
        device: "an adapter".into(),
        kernels: Choices {
            owner: Owner {
                adapter: "an adapter".into(),
                backend: "vulkan".into(),
                driver: "a driver 1.2".into(),
                thalweg: "0.1".into(),
            },
            variants: BTreeMap::from([("matmul nn 1x64".into(), "tile-32".into())]),
        },
        scalars: BTreeMap::from([("best_val_loss".into(), 0.1 + 0.2), ("worst".into(), f64::INFINITY)]),
    }
}

#[test]
fn a_checkpoint_comes_back_bit_for_bit() {
    for double in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let before = checkpoint(double, 1 << 60);
        before.save(folder.path()).unwrap();
        let after = Checkpoint::load(folder.path()).unwrap();
        assert_eq!(bits_of(&after.parameters), bits_of(&before.parameters));
        assert_eq!(bits_of(&after.buffers), bits_of(&before.buffers));
        assert_eq!(after.states.len(), before.states.len());
        for (a, b) in after.states.iter().zip(&before.states) {
            assert_eq!((&a.0, bits_of(&a.1)), (&b.0, bits_of(&b.1)));
        }
        assert_eq!(bits_of(&after.averages), bits_of(&before.averages));
        assert_eq!(bits_of(&after.kept), bits_of(&before.kept));
        let rest = |c: &Checkpoint| Checkpoint {
            parameters: vec![],
            buffers: vec![],
            states: vec![],
            averages: vec![],
            kept: vec![],
            ..c.clone()
        };
        assert_eq!(rest(&after), rest(&before));
        assert_eq!(kernels(folder.path()), before.kernels);
        assert_eq!(model_step(folder.path()).unwrap(), Some(1 << 60));

        // The model's file has the counter besides, which `read_weights` does not know.
        let floats: Vec<&Tensor> = before.parameters.iter().chain(&before.buffers).collect();
        let expected: Vec<_> = floats.iter().map(|t| (t.name.clone(), t.shape.clone())).collect();
        let refused = read_weights(&folder.path().join(MODEL), &expected).unwrap_err();
        let CheckpointError::Mismatch { extra, .. } = refused else { panic!("{refused:?}") };
        assert_eq!(extra, [named("3.num_batches_tracked", &[])]);
        Checkpoint { counters: vec![], ..before.clone() }.save(folder.path()).unwrap();
        let weights = read_weights(&folder.path().join(MODEL), &expected).unwrap();
        for (read, t) in weights.iter().zip(&floats) {
            assert_eq!((bits(read), matches!(read, Values::F64(_))), (bits(&t.data), double));
        }
        before.save(folder.path()).unwrap();
        // The same checkpoint has the same bytes.
        let files = || [MODEL, OPTIMIZER, AVERAGE].map(|name| fs::read(folder.path().join(name)).unwrap());
        let first = files();
        after.save(folder.path()).unwrap();
        assert_eq!(first, files());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "no temporary file is left");
    }
}

#[test]
fn files_that_python_wrote() {
    let expected = [named("0.weight", &[2, 3]), named("0.bias", &[2])];
    let read = |name: &str| read_weights(&golden(name), &expected).unwrap();
    let wide = read("f64.safetensors");
    assert_eq!(bits(&wide[0]), [0.1, -2.0, 3.5, 1e-3, 65504.0, -0.0].map(f64::to_bits));
    assert_eq!(bits(&wide[1]), [1.0 / 3.0, f64::INFINITY].map(f64::to_bits));
    let single = read("f32.safetensors");
    assert_eq!(bits(&single[0]), [0.1f32, -2.0, 3.5, 1e-3, 65504.0, -0.0].map(|x| u64::from(x.to_bits())));
    // numpy prints float(np.float16(x)) so; all are exact in f32.
    let half = read("f16.safetensors");
    assert_eq!(half[0].to_f64(), [0.0999755859375, -2.0, 3.5, 0.0010004043579101562, 65504.0, -0.0]);
    assert_eq!(half[1].to_f64(), [0.333251953125, f64::INFINITY]);
    assert!(matches!(half[0], Values::F32(_)) && half[0].get(5).is_sign_negative());
    let brain = read_weights(&golden("bf16.safetensors"), &[named("0.weight", &[2, 2])]).unwrap();
    assert_eq!(bits(&brain[0]), [0x3F80_0000, 0xC020_0000, 0x4049_0000, 0x0001_0000]);
}

#[test]
fn every_difference_is_listed_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut saved = checkpoint(false, 1);
    saved.states.clear();
    saved.buffers.clear();
    saved.counters.clear();
    saved.save(folder.path()).unwrap();
    let path = folder.path().join(MODEL);
    let expected = [named("2.weight", &[3, 2]), named("0.bias", &[1]), named("a", &[5]), named("b", &[])];
    let error = read_weights(&path, &expected).unwrap_err();
    let text = error.to_string();
    let CheckpointError::Mismatch { missing, extra, misshaped, wrong_dtype, .. } = error else { panic!("{error:?}") };
    assert_eq!(missing, expected[2..]);
    assert_eq!(extra, [named("10.weight", &[0, 4])]);
    let wrong = |name: &str, expected: &[usize], found: &[usize]| Misshaped {
        name: name.to_owned(),
        expected: Shape::from(expected),
        found: Shape::from(found),
    };
    assert_eq!(misshaped, [wrong("2.weight", &[3, 2], &[2, 3]), wrong("0.bias", &[1], &[])]);
    assert!(wrong_dtype.is_empty());
    for part in ["`a` [5]", "`b` []", "`10.weight` [0, 4]", "`2.weight` is [2, 3], the model has [3, 2]", MODEL] {
        assert!(text.contains(part), "{part}: {text}");
    }

    let expected = [named("0.weight", &[2, 3]), named("0.bias", &[2]), named("1.num_batches_tracked", &[])];
    let error = read_weights(&golden("batch_norm.safetensors"), &expected).unwrap_err();
    let CheckpointError::Mismatch { wrong_dtype, .. } = error else { panic!("{error:?}") };
    let (name, found) = ("1.num_batches_tracked".into(), "I64".into());
    assert_eq!(wrong_dtype, [Mistyped { name, expected: "floats", found }]);

    let error = saved.check_tensors(folder.path(), &expected).unwrap_err();
    assert!(
        matches!(error, CheckpointError::Mismatch { missing, extra, .. } if missing.len() == 2 && extra.len() == 2)
    );
}

#[test]
fn settings_that_differ_are_named() {
    let c = checkpoint(false, 1);
    let here = Path::new("run");
    let seed = c.seed;
    assert!(c.check_settings(here, seed, "adam", "pytorch", "f32").is_ok());
    for (error, setting) in [
        (c.check_settings(here, 7, "adam", "pytorch", "f32"), "seed"),
        (c.check_settings(here, seed, "sgd", "pytorch", "f32"), "optimizer"),
        (c.check_settings(here, seed, "adam", "cs231n", "f32"), "convention"),
        (c.check_settings(here, seed, "adam", "pytorch", "f64"), "precision"),
    ] {
        assert!(matches!(error, Err(CheckpointError::Differs { setting: found, .. }) if found == setting));
    }
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    checkpoint(false, 9).save(folder.path()).unwrap();
    let path = folder.path().join(OPTIMIZER);
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let error = Checkpoint::load(folder.path()).expect_err("a part of a file was taken for a whole");
        assert!(matches!(error, CheckpointError::Corrupt { .. }), "cut to {length}: {error:?}");
    }
    fs::write(&path, [whole.as_slice(), b"x"].concat()).unwrap();
    assert!(matches!(Checkpoint::load(folder.path()), Err(CheckpointError::Corrupt { .. })));
}

#[test]
fn a_header_with_one_wrong_byte_does_not_panic() {
    let folder = tempfile::tempdir().unwrap();
    checkpoint(true, 9).save(folder.path()).unwrap();
    let path = folder.path().join(OPTIMIZER);
    let whole = fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for at in 0..header {
        for flip in [0x01, 0x04, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            fs::write(&path, bytes).unwrap();
            // Another digit in the step cannot be seen; that nothing panics is the point.
            let _ = Checkpoint::load(folder.path());
        }
    }
    for text in ["{}", "[]", r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]}}"#] {
        let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(text.as_bytes());
        fs::write(&path, bytes).unwrap();
        assert!(Checkpoint::load(folder.path()).is_err(), "{text}");
    }
}

#[test]
fn a_file_that_is_no_run_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let error = Checkpoint::load(folder.path()).unwrap_err();
    assert!(matches!(&error, CheckpointError::Unreadable { path, .. } if path.ends_with(OPTIMIZER)), "{error:?}");
    fs::copy(golden("f32.safetensors"), folder.path().join(OPTIMIZER)).unwrap();
    assert!(matches!(Checkpoint::load(folder.path()), Err(CheckpointError::NoState { .. })));
    fs::copy(golden("f32.safetensors"), folder.path().join(MODEL)).unwrap();
    assert_eq!(model_step(folder.path()).unwrap(), None);
    checkpoint(false, 3).save(folder.path()).unwrap();
    fs::copy(folder.path().join(MODEL), folder.path().join(OPTIMIZER)).unwrap();
    assert!(matches!(Checkpoint::load(folder.path()), Err(CheckpointError::NoState { .. })));
}

#[test]
fn a_checkpoint_that_contradicts_itself_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    checkpoint(false, 1).save(folder.path()).unwrap();
    let mut short = checkpoint(false, 2);
    short.parameters[0].data = Values::F32(vec![0.0; 5]);
    assert!(matches!(short.save(folder.path()), Err(CheckpointError::WrongLength { found: 5, .. })));
    let mut lacking = checkpoint(false, 2);
    lacking.states[0].1.pop();
    assert!(
        matches!(lacking.save(folder.path()), Err(CheckpointError::Mismatch { missing, .. }) if missing.len() == 1)
    );
    // State `b.c` of `a` and state `c` of `a.b` would be one tensor of the file.
    let one = |name: &str| tensor(name, &[1], Values::F32(vec![1.0]));
    let clash = Checkpoint {
        parameters: vec![one("a"), one("a.b")],
        states: vec![("b.c".into(), vec![one("a"), one("a.b")]), ("c".into(), vec![one("a"), one("a.b")])],
        ..Checkpoint::default()
    };
    assert!(matches!(clash.save(folder.path()), Err(CheckpointError::DuplicateName { name }) if name == "state.a.b.c"));
    assert_eq!(Checkpoint::load(folder.path()).unwrap().step, 1);
}

#[test]
fn a_crash_between_the_two_files_is_no_torn_pair() {
    let folder = tempfile::tempdir().unwrap();
    checkpoint(false, 5).save(folder.path()).unwrap();
    let old = fs::read(folder.path().join(MODEL)).unwrap();
    checkpoint(true, 6).save(folder.path()).unwrap();
    // As a crash leaves it: the first file renamed, the second not, and a stray half of it.
    fs::write(folder.path().join(MODEL), old).unwrap();
    fs::write(folder.path().join(".thalweg-Xy12"), b"half a fi").unwrap();
    let after = Checkpoint::load(folder.path()).unwrap();
    assert_eq!((after.step, bits_of(&after.parameters)), (6, bits_of(&checkpoint(true, 6).parameters)));
    assert_eq!(model_step(folder.path()).unwrap(), Some(5));
}

#[test]
fn what_cannot_be_written_is_named_and_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let unwritable = |path: &Path| {
        let error = write_atomic(path, b"new").unwrap_err();
        assert!(matches!(&error, CheckpointError::Unwritable { path: named, .. } if named == path), "{error:?}");
        assert!(error.to_string().contains("os error"), "{error}");
    };
    unwritable(&folder.path().join("missing/a"));
    fs::write(folder.path().join("file"), b"old").unwrap();
    unwritable(&folder.path().join("file/a"));
    fs::create_dir_all(folder.path().join("taken/in")).unwrap();
    unwritable(&folder.path().join("taken"));
    assert!(checkpoint(false, 1).save(&folder.path().join("file")).is_err());
    assert!(append_history(&folder.path().join("missing"), &json!({})).is_err());
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"old");

    let mut locked = fs::metadata(folder.path()).unwrap().permissions();
    let open = locked.clone();
    locked.set_readonly(true);
    fs::set_permissions(folder.path(), locked).unwrap();
    // Root may write everywhere; there is then nothing to see.
    let root = fs::write(folder.path().join("probe"), b"").is_ok();
    if !root {
        unwritable(&folder.path().join("file"));
    }
    fs::set_permissions(folder.path(), open).unwrap();
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"old");
    let strays = fs::read_dir(folder.path()).unwrap().filter_map(Result::ok);
    assert!(strays.map(|entry| entry.file_name()).all(|name| !name.to_string_lossy().starts_with(".thalweg-")));
}

/// A limit on the size of files, as the shell sets it, stops a write in its middle like a full disk does.
#[cfg(unix)]
#[test]
fn a_write_that_stops_halfway_leaves_the_previous_file() {
    const FOLDER: &str = "THALWEG_TEST_SMALL_FILES";
    let bytes = vec![7u8; 1 << 20];
    if let Some(folder) = std::env::var_os(FOLDER) {
        let error = write_atomic(&Path::new(&folder).join("file"), &bytes).expect_err("the limit was not felt");
        assert!(matches!(error, CheckpointError::Unwritable { .. }), "{error:?}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), b"old").unwrap();
    let run = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_write_that_stops_halfway_leaves_the_previous_file"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
    assert!(String::from_utf8_lossy(&run.stdout).contains("1 passed"));
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the half file is removed");
    write_atomic(&folder.path().join("file"), &bytes).unwrap();
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), bytes);
}

#[test]
fn history_goes_back_to_the_step_resumed_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(HISTORY);
    assert!(rewind_history(folder.path(), 0, 0).unwrap().is_empty());
    assert!(!path.exists());
    let lines = [
        json!({"event": "start", "parameters": 10}),
        json!({"event": "step", "step": 1, "epoch": 0.5, "loss": 2.5}),
        json!({"event": "step", "step": 2, "epoch": 1.0, "loss": 2.25}),
        json!({"event": "epoch", "epoch": 1, "train_loss": 2.375}),
        json!({"event": "step", "step": 3, "epoch": 1.5, "loss": 2.0}),
        json!({"event": "step", "step": 4, "epoch": 2.0, "loss": 1.75}),
        json!({"event": "epoch", "epoch": 2, "train_loss": 1.875}),
    ];
    for line in &lines {
        append_history(folder.path(), line).unwrap();
    }
    let whole = fs::read_to_string(&path).unwrap();
    assert_eq!(rewind_history(folder.path(), 2, 4).unwrap(), lines);
    assert_eq!(fs::read_to_string(&path).unwrap(), whole);
    assert_eq!(rewind_history(folder.path(), 1, 3).unwrap(), lines[..5]);
    fs::write(&path, fs::read_to_string(&path).unwrap() + "{\"event\": \"st").unwrap();
    assert_eq!(rewind_history(folder.path(), 1, 3).unwrap(), lines[..5]);
    append_history(folder.path(), &lines[5]).unwrap();
    assert_eq!(rewind_history(folder.path(), 2, 4).unwrap(), lines[..6]);
    fs::write(&path, "{}\nnot json\n{}\n").unwrap();
    assert!(matches!(rewind_history(folder.path(), 2, 4), Err(CheckpointError::BadHistory { line: 2, .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), "{}\nnot json\n{}\n");
}
