//! Arguments and run files at fault.

use crate::command::{TINY, adapters, folder, refused, refused_late, thalweg, write};

/// Runs `tiny.toml` on the cpu with one change.
fn refuse_set(set: &str, culprits: &[&str]) {
    let folder = folder();
    refused(folder.path(), &["train", "tiny.toml", "--device", "cpu", "--set", set], culprits);
    refused(folder.path(), &["gradcheck", "tiny.toml", "--device", "cpu", "--set", set], culprits);
    assert!(!folder.path().join("runs").exists(), "{set} left a run");
}

#[test]
fn run_files() {
    let folder = folder();
    let cases: [(&[u8], &[&str]); 7] = [
        (b"[train]\nepoch = 3", &["`train.epoch`", "did you mean `epochs`?"]),
        (b"[trian]\nepochs = 3", &["`trian`", "did you mean `train`?"]),
        (b"[model]\nlayers = [{ type = 'lineer', out = 3 }]", &["model.layers[0]", "lineer", "linear"]),
        (b"[model]\nlayers = [{ type = 'linear', outs = 3 }]", &["model.layers[0].outs", "did you mean `out`?"]),
        (b"[train]\nepochs = [", &["run.toml:2:11", "not valid TOML"]),
        (b"[train]\nepochs = 'many'", &["`train.epochs`"]),
        (b"\xff\xfe[train]", &["run.toml", "UTF-8"]),
    ];
    for (text, culprits) in cases {
        write(&folder, "run.toml", text);
        refused(folder.path(), &["train", "run.toml"], culprits);
        refused(folder.path(), &["gradcheck", "run.toml"], culprits);
    }
    refused(folder.path(), &["train", "absent.toml"], &["absent.toml"]);
    refused(folder.path(), &["train", "."], &["cannot read the run file `.`"]);
}

#[test]
fn values_out_of_range() {
    for rate in ["0", "-0.1", "nan", "inf"] {
        let found = if rate == "nan" { "NaN" } else { rate };
        refuse_set(&format!("optimizer.learning_rate={rate}"), &["`optimizer.learning_rate`", "positive", found]);
    }
    refuse_set("optimizer.epsilon=0", &["`optimizer.epsilon`", "0"]);
    refuse_set("model.l2=-1", &["`model.l2`", "-1"]);
    refuse_set("model.loss=\"hinged\"", &["hinged", "`hinge`"]);
    refuse_set("train.epochs=0", &["`train.epochs`"]);
    refuse_set("train.batch_size=0", &["`train.batch_size`"]);
    refuse_set("train.seed=-1", &["`train.seed`"]);
    refuse_set("data.validation=1", &["`data.validation`"]);
    refuse_set("model.layers[2].p=1.5", &["model.layers[2].p", "1.5"]);
    refuse_set("model.layers[9].out=1", &["layers", "9"]);
    refuse_set("epochs", &["`--set epochs`", "key=value"]);
}

#[test]
fn a_batch_larger_than_the_data() {
    let folder = folder();
    let arguments = ["train", "tiny.toml", "--device", "cpu", "--set", "train.batch_size=17"];
    refused(folder.path(), &arguments, &["17", "16", "batch_size"]);
}

#[test]
fn shapes_that_do_not_fit() {
    let folder = folder();
    let train = |set: &str, culprits: &[&str]| {
        refused(folder.path(), &["train", "tiny.toml", "--device", "cpu", "--set", set], culprits);
        refused_late(folder.path(), &["gradcheck", "tiny.toml", "--device", "cpu", "--set", set], culprits);
    };
    // Seven units do not fall into groups of two.
    train("model.layers=[{type='linear',out=7},{type='maxout',pieces=2}]", &["layer 1 (maxout)", "7]", "[.., 2·C]"]);
    train("model.input=[4]", &["`model.input` is [4]", "[3]"]);
    train("model.input=[9223372036854775807, 4]", &["`model.input`", "[3]"]);
}

#[test]
fn losses_the_data_do_not_answer() {
    let folder = folder();
    for loss in ["mse", "bce_with_logits", "huber"] {
        let set = format!("model.loss=\"{loss}\"");
        refused(folder.path(), &["train", "tiny.toml", "--device", "cpu", "--set", &set], &[loss, "classes"]);
    }
}

#[test]
fn devices_that_are_not_there() {
    let folder = folder();
    let found = adapters(folder.path());
    let mut culprits = vec!["`Voodoo 2`", "--device", "cpu"];
    culprits[1] = "auto";
    culprits.extend(found.iter().map(String::as_str));
    for subcommand in ["train", "gradcheck"] {
        refused(folder.path(), &[subcommand, "tiny.toml", "--device", "Voodoo 2"], &culprits);
        // The empty text is in every name.
        refused(folder.path(), &[subcommand, "tiny.toml", "--device", ""], &culprits[1..]);
    }
    let double = ["train", "tiny.toml", "--device", "gpu", "--precision", "f64"];
    match found.first() {
        Some(name) => refused(folder.path(), &double, &["f64", "--device cpu", name]),
        None => refused(folder.path(), &double, &["no Vulkan, Metal or DX12 adapter", "--device cpu"]),
    };
}

#[test]
fn more_memory_than_there_is() {
    let folder = folder();
    let one = |out: &str| format!("model.layers=[{{type='linear',out={out}}},{{type='linear',out=2}}]");
    // Each tensor alone can be addressed; all of them are 168 GB in f32, and no machine has the copies that training wants.
    let many = format!(
        "model.layers=[{}{{type='linear',out=2}}]",
        "{type='linear',out=700000000},{type='linear',out=3},".repeat(10)
    );
    let mut runs = vec![
        ("cpu", one("200000000000"), vec!["layer 0", "[200000000000, 3]"]),
        ("cpu", one("9223372036854775807"), vec!["layer 0", "[9223372036854775807, 3]"]),
        ("cpu", many.clone(), vec!["out of memory", "bytes are needed"]),
    ];
    if !adapters(folder.path()).is_empty() {
        runs.push(("gpu", many, vec!["memory", "bytes", "needed"]));
        runs.push(("gpu", one("200000000000"), vec!["layer 0"]));
    }
    for (device, layers, culprits) in runs {
        let began = std::time::Instant::now();
        let set = ["--device", device, "--set", &layers, "--set", "train.batch_size=2"];
        refused(folder.path(), &[&["train", "tiny.toml"], &set[..]].concat(), &culprits);
        assert!(began.elapsed().as_secs() < 20, "{device} took {:?} to refuse", began.elapsed());
    }
}

#[test]
fn arguments() {
    let folder = folder();
    refused(folder.path(), &["train", "--log-steps"], &["--json"]);
    refused(folder.path(), &["train", "--resume", "a", "--init", "b"], &["--resume", "--init"]);
    refused(folder.path(), &["train", "--epoch", "1"], &["--epoch", "--epochs"]);
    refused(folder.path(), &["train", "--memory", "lots"], &["--memory", "lots", "`512MiB`"]);
    refused(folder.path(), &["trian"], &["trian", "train"]);
    refused(folder.path(), &["gradcheck", "--ops", "tiny.toml"], &["--ops"]);
    for (option, culprit) in
        [("--step=0", "`step`"), ("--step=nan", "`step`"), ("--rows=0", "`rows`"), ("--scale=0", "`scale`")]
    {
        refused_late(folder.path(), &["gradcheck", "tiny.toml", "--device", "cpu", option], &[culprit]);
    }
    refused_late(folder.path(), &["gradcheck", "tiny.toml", "--device", "cpu", "--dimensions=0"], &["`dimensions`"]);
}

#[test]
fn help_and_version() {
    let folder = folder();
    let help = |arguments: &[&str], options: &[&str]| {
        let said = thalweg(folder.path(), arguments);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
        for option in options {
            assert!(said.out.contains(option), "{arguments:?} says nothing of {option}:\n{}", said.out);
        }
    };
    help(&["--help"], &["train", "gradcheck", "adapters"]);
    help(&["--version"], &[env!("CARGO_PKG_VERSION")]);
    let train =
        ["--device", "--precision", "--set", "--epochs", "--init", "--resume", "--out", "--json", "--log-steps"];
    help(&["train", "--help"], &train);
    let gradcheck = ["--ops", "--device", "--json", "--set", "--rows", "--step", "--dimensions", "--burn-in", "--seed"];
    help(&["gradcheck", "--help"], &gradcheck);
    help(&["gradcheck", "--help"], &["--scale", "--no-sweep", "--init"]);
    help(&["adapters", "--help"], &["--json"]);
}

#[test]
fn a_loss_that_is_no_number() {
    let folder = folder();
    write(&folder, "wild.toml", TINY.replace("adam", "sgd").replace("0.01", "1e30").replace("tanh", "relu"));
    let run = ["train", "wild.toml", "--device", "cpu", "--out", "wild", "--json", "--log-steps", "--epochs", "9"];
    let said = refused_late(folder.path(), &run, &["the loss of step ", "Lower the learning rate"]);
    let events = said.events();
    assert_eq!(events[0].0, "start");
    assert!(events.iter().all(|(event, _)| event != "done"), "{}", said.out);
}
