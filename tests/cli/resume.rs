//! Stopping and going on.

use crate::command::{Said, folder, good, read};

fn same_run(folder: &tempfile::TempDir, one: &str, two: &str) {
    for file in ["model.safetensors", "optimizer.safetensors"] {
        assert!(read(folder, &format!("{one}/{file}")) == read(folder, &format!("{two}/{file}")), "{file} differs");
    }
}

#[test]
fn more_epochs() {
    let folder = folder();
    let train = |arguments: &[&str]| -> Said {
        good(folder.path(), &[&["train", "--device", "cpu", "--json", "--log-steps"], arguments].concat())
    };
    let whole = train(&["tiny.toml", "--out", "whole", "--epochs", "5"]);
    let first = train(&["tiny.toml", "--out", "parts", "--epochs", "2"]);
    let second = train(&["--resume", "parts", "--epochs", "5"]);
    let steps = [first.all("step"), second.all("step")].concat();
    assert_eq!(steps, whole.all("step"));
    let epochs: Vec<_> = second.all("epoch").iter().map(|e| e["epoch"].as_u64()).collect();
    assert_eq!(epochs, [Some(3), Some(4), Some(5)]);
    same_run(&folder, "whole", "parts");
    assert_eq!(read(&folder, "parts/run.toml"), read(&folder, "whole/run.toml"));
    assert_eq!(String::from_utf8_lossy(&read(&folder, "parts/history.jsonl")).lines().count(), 5);

    let done = train(&["--resume", "parts"]);
    assert!(done.all("step").is_empty() && done.all("done")[0]["step"] == 30, "{}", done.out);
    same_run(&folder, "whole", "parts");
}

#[cfg(unix)]
#[test]
fn an_interrupt() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};

    let folder = folder();
    let run = ["train", "tiny.toml", "--device", "cpu", "--json", "--log-steps", "--out", "run", "--epochs", "4000000"];
    let mut child = crate::command::command(folder.path(), &run)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command is built");
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    let mut said = String::new();
    while !said.contains("\"step\":40,") {
        assert!(out.read_line(&mut said).expect("a line") > 0, "{said}");
    }
    let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(signal.success());
    out.read_to_string(&mut said).expect("the rest");
    let mut output = child.wait_with_output().expect("it ends");
    output.stdout = said.into_bytes();
    let said = Said::new(&output);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    let done = &said.all("done")[0];
    assert_eq!(done["end"], "stopped");
    let step = done["step"].as_u64().expect("a step");
    let epochs = (step / 6 + 2).to_string();

    let resumed = good(
        folder.path(),
        &["train", "--device", "cpu", "--resume", "run", "--epochs", &epochs, "--json", "--log-steps"],
    );
    assert_eq!(resumed.all("step")[0]["step"], step + 1);
    good(folder.path(), &["train", "tiny.toml", "--device", "cpu", "--out", "whole", "--epochs", &epochs]);
    same_run(&folder, "run", "whole");
}

/// Data named on the command line alone are found again, from anywhere.
#[test]
fn data_of_the_command_line() {
    let folder = folder();
    let layers = "model.layers=[{type='linear',out=2}]";
    let set = ["--set", "data.source=csv:points.csv", "--set", layers, "--set", "train.batch_size=4"];
    let run = [&["train", "--device", "cpu", "--out", "run", "--epochs", "1"], &set[..]].concat();
    good(folder.path(), &run);
    good(folder.path(), &["train", "--device", "cpu", "--resume", "run", "--epochs", "2"]);
    let away = tempfile::tempdir().expect("a folder");
    let kept = folder.path().join("run");
    let kept = kept.to_str().expect("UTF-8");
    let said = good(away.path(), &["train", "--device", "cpu", "--resume", kept, "--epochs", "3", "--json"]);
    assert_eq!(said.all("epoch").len(), 1);
}

/// The hint after an interrupt is a command that goes on with the run.
#[cfg(unix)]
#[test]
fn the_hint_of_an_interrupt() {
    use std::process::{Command, Stdio};

    let folder = folder();
    let run = ["train", "tiny.toml", "--device", "cpu", "--precision", "f64", "--out", "a run", "--epochs", "4000000"];
    let child = crate::command::command(folder.path(), &run)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command is built");
    while !folder.path().join("a run/optimizer.safetensors").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(signal.success());
    let said = Said::new(&child.wait_with_output().expect("it ends"));
    let hint = "`thalweg train --resume 'a run' --device cpu --precision f64`";
    assert!(said.code == Some(0) && said.out.contains(hint), "{}{}", said.out, said.err);
}
