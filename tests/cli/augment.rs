//! `[data.augment]` from the command: kept in `run.toml`, checked by `gradcheck`, refused where there is no image.

use crate::command::{TINY, folder, good, read, refused, write};

const RUN: &str = "\
[data]
standardise = true

[data.augment]
crop_padding = 1
horizontal_flip = true

[model]
input = [1, 8, 8]
layers = [{ type = \"conv2d\", out = 2, kernel = 3 }, { type = \"tanh\" }, { type = \"dropout2d\", p = 0.2 }, { type = \"flatten\" }, { type = \"linear\", out = 10 }]

[train]
epochs = 1
";

#[test]
fn a_run_with_it_is_kept_and_goes_on() {
    let folder = folder();
    write(&folder, "run.toml", RUN);
    good(folder.path(), &["train", "run.toml", "--device", "cpu", "--out", "one"]);
    let kept = String::from_utf8(read(&folder, "one/run.toml")).expect("text");
    assert!(kept.contains("[data.augment]\ncrop_padding = 1\nhorizontal_flip = true\n"), "{kept}");
    // The same again, and as two runs of one epoch each.
    good(folder.path(), &["train", "run.toml", "--device", "cpu", "--out", "two", "--epochs", "2"]);
    good(folder.path(), &["train", "--resume", "one", "--device", "cpu", "--epochs", "2"]);
    assert_eq!(read(&folder, "one/model.safetensors"), read(&folder, "two/model.safetensors"));
    let plain = ["train", "run.toml", "--device", "cpu", "--out", "plain", "--epochs", "2"];
    let without = ["--set", "data.augment.crop_padding=0", "--set", "data.augment.horizontal_flip=false"];
    good(folder.path(), &[&plain[..], &without].concat());
    assert_ne!(read(&folder, "plain/model.safetensors"), read(&folder, "two/model.safetensors"));
    let other = ["train", "--resume", "one", "--set", "data.augment.crop_padding=2"];
    refused(folder.path(), &other, &["data"]);
}

#[test]
fn its_gradients_are_checked() {
    let folder = folder();
    write(&folder, "run.toml", RUN);
    let said = good(folder.path(), &["gradcheck", "run.toml", "--no-sweep", "--burn-in", "20"]);
    assert!(said.out.contains("gradients are right"), "{}", said.out);
}

#[test]
fn what_has_no_images_is_refused() {
    let folder = folder();
    write(&folder, "run.toml", RUN);
    write(&folder, "rows.toml", format!("{TINY}\n[data.augment]\nhorizontal_flip = true\n"));
    refused(folder.path(), &["train", "rows.toml", "--device", "cpu"], &["augment", "[N, C, H, W]", "`model.input`"]);
    let set = |key: &'static str| ["train", "run.toml", "--device", "cpu", "--set", key];
    let wide = set("data.augment.crop_padding=8");
    refused(folder.path(), &wide, &["`padding` must be below the image's height and width", "8 for images of 8 × 8"]);
    // Rows of 64 numbers, each standardised by itself, have no one black.
    write(&folder, "flat.csv", (0..8).map(|i| format!("{}{}\n", "1,".repeat(64), i % 2)).collect::<String>());
    let flat =
        [&set("data.source=csv:flat.csv")[..], &["--set", "data.validation=0", "--set", "train.batch_size=4"]].concat();
    refused(folder.path(), &flat, &["`data.standardise`", "`data.augment.crop_padding`", "64", "`model.input`"]);
}
