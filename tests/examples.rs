//! Every example runs, and finds what it says.

use std::collections::BTreeSet;

#[path = "../examples/custom_op.rs"]
mod custom_op;
#[path = "../examples/custom_optimizer.rs"]
mod custom_optimizer;
#[path = "../examples/digits.rs"]
#[expect(dead_code, reason = "its main reads the command line, which is the test runner's here")]
mod digits;
#[path = "../examples/xor.rs"]
mod xor;

#[test]
fn custom_op_is_right_and_trains() -> thalweg::Result<()> {
    custom_op::main()
}

#[test]
fn custom_optimizer_follows_its_rule_and_trains() -> thalweg::Result<()> {
    custom_optimizer::main()
}

#[test]
fn digits_are_read() -> thalweg::Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let accuracy = digits::train("cpu", folder.path())?;
    assert!(folder.path().join("model.safetensors").is_file());
    assert!(accuracy >= 0.95, "{accuracy}");
    Ok(())
}

#[test]
fn xor_is_learnt() -> thalweg::Result<()> {
    xor::main()
}

#[test]
fn no_example_is_left_out() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let names: BTreeSet<String> = std::fs::read_dir(folder)
        .expect("the examples")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    let run = ["custom_op", "custom_optimizer", "digits", "xor"].map(str::to_owned);
    assert_eq!(names, BTreeSet::from(run));
}
