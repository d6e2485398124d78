//! `thalweg gradcheck` and `thalweg adapters`.

use crate::command::{Said, adapters, fixture, folder, good, refused_late, thalweg};

/// Its last word.
fn verdict(said: &Said) -> bool {
    let (event, done) = said.events().pop().expect("something was said");
    assert_eq!(event, "done");
    done["passed"].as_bool().expect("a verdict")
}

#[test]
fn a_run_is_checked_at_both_points() {
    let folder = folder();
    let said = good(folder.path(), &["gradcheck", "tiny.toml", "--device", "cpu", "--json", "--set", "model.l2=0.1"]);
    assert!(verdict(&said));
    for point in ["initial", "burned_in"] {
        let found = said.all("gradient");
        let mut at: Vec<String> =
            found.iter().filter(|g| g["point"] == point).map(|g| format!("{} {}", g["part"], g["tensor"])).collect();
        at.dedup();
        for part in ["data", "sum"] {
            for tensor in ["0.weight", "0.bias", "3.weight", "3.bias"] {
                assert!(at.contains(&format!("\"{part}\" \"{tensor}\"")), "{point}: {at:?}");
            }
        }
        assert!(at.contains(&"\"penalty\" \"0.weight\"".to_owned()), "{at:?}");
    }
    let [sweep, _] = &said.all("sweep")[..] else { panic!("a sweep at each point: {}", said.out) };
    assert!(sweep["points"].as_array().is_some_and(|p| p.len() == 10));
    let start = &said.all("start")[0];
    assert!(start["kernels"].as_str().is_some_and(|k| k.contains("--device cpu")), "{start}");
    assert!(said.all("kernel").is_empty());
}

#[test]
fn options_are_obeyed() {
    let folder = folder();
    let some = [
        "gradcheck",
        "tiny.toml",
        "--device",
        "cpu",
        "--json",
        "--dimensions",
        "2",
        "--burn-in",
        "0",
        "--rows",
        "5",
        "--no-sweep",
    ];
    let said = good(folder.path(), &some);
    assert!(said.all("gradient").iter().all(|g| g["checked"] == 2 && g["point"] == "initial"), "{}", said.out);
    assert!(said.all("sweep").is_empty());
    assert_eq!(said.all("done")[0]["rows"], 5);
    let values = |seed| good(folder.path(), &[&some[..], &["--seed", seed]].concat()).all("gradient");
    assert_eq!(values("3"), values("3"));
    assert_ne!(values("3"), values("4"));
    assert_eq!(values("1"), said.all("gradient"), "without --seed it is the run's");
}

#[test]
fn the_default_run_on_the_best_adapter() {
    let folder = folder();
    let said = good(folder.path(), &["gradcheck", "--json", "--no-sweep"]);
    assert!(verdict(&said));
    let kernels = said.all("kernel");
    assert_eq!(kernels.is_empty(), adapters(folder.path()).is_empty());
    assert!(kernels.iter().all(|k| k["passed"] == true));
    let table = good(folder.path(), &["gradcheck", "--no-sweep", "--device", "cpu"]);
    for text in [
        "derivatives: on the cpu in f64",
        "not checked, as `--device cpu` asks",
        "7.weight",
        "analytic",
        "gradients are right",
    ] {
        assert!(table.out.contains(text), "{}", table.out);
    }
}

#[test]
fn every_op() {
    let folder = folder();
    let said = good(folder.path(), &["gradcheck", "--ops", "--json"]);
    assert!(verdict(&said));
    let ops = said.all("op");
    for op in ["matmul", "affine", "gelu", "dropout", "hinge", "huber"] {
        assert!(ops.iter().any(|o| o["op"] == op && o["passed"] == true), "{op} was not checked");
    }
    let derivatives = ops.iter().filter(|o| !o["derivative"].is_null()).count();
    assert!(2 * derivatives > ops.len() / 2, "{derivatives} of {} cases have a derivative checked", ops.len());
}

/// A step as wide as the curve: the differences are far from the derivative, and the check must say so.
#[test]
fn a_check_that_fails_has_exit_code_1() {
    let folder = folder();
    let linear = "model.layers=[{type='linear',out=4},{type='tanh'},{type='linear',out=2}]";
    let run = ["gradcheck", "tiny.toml", "--device", "cpu", "--step", "0.5", "--set", linear];
    let said = thalweg(folder.path(), &run);
    assert_eq!((said.code, said.err.as_str()), (Some(1), ""), "{}", said.out);
    assert!(said.out.contains("NOT PROVED"), "{}", said.out);
    let said = thalweg(folder.path(), &[&run[..], &["--json"]].concat());
    assert_eq!(said.code, Some(1));
    assert!(!verdict(&said));
}

#[test]
fn nothing_to_check_is_no_success() {
    let folder = folder();
    let set = "model.layers=[{type='tanh'}]";
    refused_late(
        folder.path(),
        &["gradcheck", "tiny.toml", "--device", "cpu", "--set", set],
        &["`parameters of the model` must be at least 1"],
    );
}

#[test]
fn trained_weights() {
    let folder = folder();
    let (cpu, init) = (["--device", "cpu"], ["--init", "run/model.safetensors"]);
    good(folder.path(), &[&["train", "tiny.toml", "--out", "run"], &cpu[..]].concat());
    let check = ["gradcheck", "tiny.toml", "--json", "--no-sweep", "--burn-in", "0"];
    let fresh = good(folder.path(), &[&check, &cpu[..]].concat());
    let trained = good(folder.path(), &[&check, &cpu[..], &init].concat());
    assert_ne!(fresh.all("gradient"), trained.all("gradient"));
}

#[test]
fn losses_over_numbers() {
    let folder = folder();
    let data = fixture("regression.npz");
    for loss in ["mse", "huber"] {
        let loss = format!("model.loss=\"{loss}\"");
        let model = "model.layers=[{type='linear',out=4},{type='gelu'},{type='linear',out=1}]";
        let run = ["gradcheck", "tiny.toml", "--json", "--no-sweep", "--set", &data, "--set", &loss, "--set", model];
        assert!(verdict(&good(folder.path(), &run)));
    }
}

#[test]
fn adapters_are_listed() {
    let folder = folder();
    let said = good(folder.path(), &["adapters", "--json"]);
    for adapter in said.all("adapter") {
        for key in ["name", "backend", "driver", "kind", "max_binding_bytes", "features"] {
            assert!(!adapter[key].is_null(), "{adapter} lacks {key}");
        }
    }
    let auto = &said.all("auto")[0]["takes"];
    let text = good(folder.path(), &["adapters"]).out;
    assert!(text.contains("--device auto") && text.contains(auto.as_str().expect("a name")), "{text}");
}
