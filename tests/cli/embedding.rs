//! A model of words from a table of whole numbers.

use crate::command::{folder, good, refused, write};

const RUN: &str = "\
[data]
source = \"csv:words.csv\"

[model]
layers = [{ type = \"embedding\", count = 7, dimension = 4 }, { type = \"flatten\" }, { type = \"linear\", out = 2 }]

[optimizer]
learning_rate = 0.05

[train]
epochs = 40
batch_size = 8
";

/// Three words of seven; the class says whether the second is an even one.
fn words() -> String {
    (0..84_u32)
        .map(|i| format!("{},{},{},{}\n", i % 7, i * 5 / 3 % 7, i / 12, u32::from(i * 5 / 3 % 7 % 2 == 0)))
        .collect()
}

#[test]
fn words_of_a_table_are_learnt() {
    let folder = folder();
    write(&folder, "words.csv", words());
    write(&folder, "run.toml", RUN);
    let said = good(folder.path(), &["train", "run.toml", "--device", "cpu", "--json", "--out", "run"]);
    let share = said.all("done")[0]["val_accuracy"].as_f64().expect("an accuracy");
    assert!(share >= 0.9, "{share}");
    good(folder.path(), &["train", "--resume", "run", "--device", "cpu", "--epochs", "41"]);
    let said = good(folder.path(), &["gradcheck", "run.toml", "--no-sweep", "--burn-in", "20"]);
    assert!(said.out.contains("gradients are right"), "{}", said.out);
}

#[test]
fn what_is_no_word_is_refused() {
    let folder = folder();
    write(&folder, "words.csv", words());
    write(&folder, "run.toml", RUN);
    let set = |key: &'static str| ["train", "run.toml", "--device", "cpu", "--set", key];
    // The first 6 stands in the seventh row.
    let small = set("model.layers[0].count=6");
    refused(folder.path(), &small, &["words.csv", "6 names no row of the embedding", "`count = 6`", "from 0 to 5"]);
    let gradcheck = ["gradcheck", "run.toml", "--set", "model.layers[0].count=6"];
    crate::command::refused_late(folder.path(), &gradcheck, &["6 names no row of the embedding"]);
    refused(folder.path(), &set("data.standardise=true"), &["names no row", "leave out `standardise`"]);
    refused(folder.path(), &set("model.layers[0].count=0"), &["`model.layers[0].count` must be at least 1"]);
    write(&folder, "late.toml", RUN.replace("[{ type", "[{ type = \"relu\" }, { type"));
    let late = ["train", "late.toml", "--device", "cpu"];
    refused(folder.path(), &late, &["layer 1 (embedding)", "row numbers, as the first layer gets them"]);
}
