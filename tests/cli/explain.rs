//! `thalweg train --explain` and `thalweg bench`: what they print, and that they leave nothing behind.

use crate::command::{folder, good, refused, thalweg};

/// Each launch by its phase with a floor above 0, totals that are the sums, and no folder.
#[test]
fn a_program_is_explained_and_not_run() {
    let folder = folder();
    let said = good(folder.path(), &["train", "tiny.toml", "--explain", "--device", "cpu", "--json"]);
    let launches = said.all("launch");
    let phases: Vec<&str> = launches.iter().map(|l| l["phase"].as_str().expect("a phase")).collect();
    assert!(["minibatch", "forward", "backward", "update"].iter().all(|phase| phases.contains(phase)), "{phases:?}");
    let sum = |key: &str| launches.iter().map(|l| l[key].as_f64().expect("a number")).sum::<f64>();
    assert!(launches.iter().all(|l| l["floor_seconds"].as_f64().is_some_and(|t| t > 0.0) && l["seconds"].is_null()));
    let step = &said.all("step")[0];
    assert_eq!(step["launches"].as_u64(), Some(launches.len() as u64));
    assert_eq!((step["bytes"].as_f64(), step["flops"].as_f64()), (Some(sum("bytes")), Some(sum("flops"))));
    assert!((step["floor_seconds"].as_f64().expect("a number") / sum("floor_seconds") - 1.0).abs() < 1e-12);
    assert!(said.all("memory")[0]["parameters_bytes"].as_u64().is_some_and(|bytes| bytes > 0));
    assert!(!folder.path().join("runs").exists(), "nothing was trained");
}

/// With `--profile` each launch has a time and, where the clock saw one, a share; the table fits in 120 columns.
#[test]
fn a_program_is_profiled() {
    let folder = folder();
    let arguments = ["train", "tiny.toml", "--explain", "--profile", "--device", "cpu"];
    let said = good(folder.path(), &[&arguments[..], &["--json"]].concat());
    for launch in said.all("launch") {
        assert!(launch["seconds"].as_f64().is_some_and(|t| t >= 0.0), "{launch}");
        assert!(launch["share"].is_null() || launch["share"].as_f64().is_some_and(|share| share > 0.0), "{launch}");
    }
    let step = &said.all("step")[0];
    assert!(step["share"].as_f64().is_some_and(|share| share > 0.0), "{step}");
    assert_eq!(step["clock"], "wall clock");
    let table = good(folder.path(), &arguments).out;
    // The description of data and device is as long as it is.
    let wide = table
        .lines()
        .skip_while(|line| !line.starts_with("launch"))
        .find(|line| line.chars().count() > 120 && !line.starts_with("memory") && !line.starts_with("times"));
    assert_eq!(wide, None);
    for word in ["forward", "backward", "update", "share", "memory: ", "GFLOP/s"] {
        assert!(table.contains(word), "`{word}` is missing: {table}");
    }
    assert!(!folder.path().join("runs").exists(), "nothing was trained");
}

#[test]
fn a_profile_needs_an_explanation() {
    let folder = folder();
    let said = thalweg(folder.path(), &["train", "tiny.toml", "--profile"]);
    assert!(said.code == Some(2) && said.err.contains("--explain"), "{}", said.err);
}

/// Every kernel of two families: rates that fit their times, a share, and no result out of its bound.
#[test]
fn kernels_are_timed() {
    let folder = folder();
    let arguments = ["bench", "updates", "elements", "--device", "cpu", "--seconds", "6", "--json"];
    let said = good(folder.path(), &arguments);
    let roof = &said.all("roof")[0];
    assert!(["bytes_per_second", "flops_per_second"].iter().all(|key| roof[key].as_f64().is_some_and(|r| r > 1e6)));
    let kernels = said.all("kernel");
    assert!(!kernels.is_empty());
    for kernel in &kernels {
        assert!(kernel["wrong"].is_null(), "{kernel}");
        let number = |key: &str| kernel[key].as_f64().unwrap_or_else(|| panic!("{key}: {kernel}"));
        assert!(number("seconds") > 0.0 && number("share") > 0.0, "{kernel}");
        let moved = number("bytes_per_second") * number("seconds") / number("bytes");
        assert!((moved - 1.0).abs() < 1e-9, "{kernel}");
        assert!(["updates", "elements"].iter().any(|family| kernel["family"] == *family), "{kernel}");
    }
    let done = &said.all("done")[0];
    let left_out = done["left_out"].as_array().expect("names").len();
    assert_eq!(said.all("start")[0]["kernels"].as_u64(), Some((kernels.len() + left_out) as u64));
    assert_eq!(done["kernels"].as_u64(), Some(kernels.len() as u64));
}

/// What there is no time for is said, and the table fits in 120 columns.
#[test]
fn kernels_that_are_left_out_are_named() {
    let folder = folder();
    let said = good(folder.path(), &["bench", "reductions", "--device", "cpu", "--seconds", "0.001"]);
    assert!(said.out.contains("left out") && said.out.contains("--seconds"), "{}", said.out);
    let table = said.out.lines().filter(|line| !line.contains("left out") && !line.starts_with("copy"));
    assert_eq!(table.filter(|line| line.chars().count() > 120).collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn what_is_no_device_family_or_time_is_refused() {
    let folder = folder();
    refused(folder.path(), &["bench", "--device", "no such card"], &["no such card", "Found", "cpu", "auto"]);
    refused(folder.path(), &["bench", "everything"], &["everything", "products", "updates"]);
    for seconds in ["0", "-1", "nan", "soon"] {
        refused(folder.path(), &["bench", &format!("--seconds={seconds}")], &["seconds", "above 0"]);
    }
}
