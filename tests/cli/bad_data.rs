//! Data and weights at fault.

use serde_json::json;

use crate::command::{fixture, folder, good, refused, write};

#[test]
fn csv() {
    let folder = folder();
    let cases: [(&str, &[&str]); 9] = [
        ("", &["holds no data"]),
        ("x,y,class\n", &["holds no data"]),
        ("1\n2\n", &["line 1", "1 column"]),
        ("1,2,0\n1,2\n", &["line 2", "found 2", "3"]),
        ("x,y,class\n1,2,0\n\n1,2,3,1\n", &["line 4", "found 4", "3"]),
        ("1,2,0\n1,two,1\n", &["line 2", "column 2", "two"]),
        ("1,2,0\n1,2,1\nnan,2,1\n", &["line 3", "column 1", "nan"]),
        ("1,2,0\n1,inf,1\n", &["line 2", "column 2", "inf"]),
        ("1,2,0\n1,2,-1\n", &["line 2", "-1"]),
    ];
    for (text, culprits) in cases {
        write(&folder, "points.csv", text);
        for run in ["train", "gradcheck"] {
            let said = refused(folder.path(), &[run, "tiny.toml", "--device", "cpu"], culprits);
            assert!(said.err.contains("points.csv"), "{}", said.err);
        }
    }
    let absent = ["train", "tiny.toml", "--set", "data.source=\"csv:absent.csv\""];
    refused(folder.path(), &absent, &["absent.csv"]);
    refused(
        folder.path(),
        &["train", "tiny.toml", "--set", "data.source=\"csv:.\""],
        &["cannot read the data file", "/.`"],
    );
    refused(folder.path(), &["train", "tiny.toml", "--set", "data.source=\"tsv:a\""], &["tsv:a", "csv:FILE"]);
}

/// The row is that of the file, whichever part of the split it fell into.
#[test]
fn rows_are_those_of_the_file() {
    let folder = folder();
    let run = ["train", "tiny.toml", "--device", "cpu"];
    for bad in 0..20 {
        let text: String = (0..20).map(|i| format!("{i},1,2,{}\n", if i == bad { 7 } else { i % 2 })).collect();
        write(&folder, "points.csv", text);
        refused(folder.path(), &run, &["points.csv", &format!("row {bad} "), "class 7", "2 classes"]);
        let cell = |i| if i == bad { "1e39" } else { "1" };
        let text: String = (0..20).map(|i| format!("0,{},2,{}\n", cell(i), i % 2)).collect();
        write(&folder, "points.csv", text);
        let beyond = ["points.csv", &format!("row {bad}, column 1 "), "beyond the range of f32"];
        refused(folder.path(), &run, &beyond);
    }
}

#[test]
fn npz() {
    let folder = folder();
    let cases: [(&str, &[&str]); 7] = [
        ("no_y.npz", &["y_train"]),
        ("no_y_val.npz", &["y_val"]),
        ("objects.npz", &["x_train"]),
        ("complex.npz", &["x_train"]),
        ("text_labels.npz", &["y_train"]),
        ("nan.npz", &["row", "column"]),
        ("empty.npz", &["holds no data"]),
    ];
    for (name, culprits) in cases {
        let source = fixture(name);
        let said = refused(folder.path(), &["train", "tiny.toml", "--device", "cpu", "--set", &source], culprits);
        assert!(said.err.contains(name), "{}", said.err);
    }
    write(&folder, "no.npz", "PK no archive");
    refused(folder.path(), &["train", "tiny.toml", "--set", "data.source=npz:no.npz"], &["no.npz"]);
}

/// A safetensors file of zeros.
fn safetensors(tensors: &[(&str, &[usize])]) -> Vec<u8> {
    let (mut header, mut at) = (serde_json::Map::new(), 0);
    for (name, shape) in tensors {
        let end = at + 4 * shape.iter().product::<usize>();
        header.insert((*name).into(), json!({ "dtype": "F32", "shape": shape, "data_offsets": [at, end] }));
        at = end;
    }
    let header = serde_json::to_vec(&header).expect("JSON");
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.resize(bytes.len() + at, 0);
    bytes
}

#[test]
fn weights() {
    let folder = folder();
    let right: [(&str, &[usize]); 4] =
        [("0.weight", &[5, 3]), ("0.bias", &[5]), ("3.weight", &[2, 5]), ("3.bias", &[2])];
    let train = ["train", "tiny.toml", "--device", "cpu", "--init", "w.safetensors"];
    let check = ["gradcheck", "tiny.toml", "--device", "cpu", "--no-sweep", "--init", "w.safetensors"];
    write(&folder, "w.safetensors", safetensors(&right));
    good(folder.path(), &train);

    let wrong: [(&str, &[usize]); 4] =
        [("0.weight", &[3, 5]), ("0.bias", &[5]), ("3.weight", &[2, 4]), ("4.bias", &[2])];
    write(&folder, "w.safetensors", safetensors(&wrong));
    let all = ["w.safetensors", "0.weight", "[3, 5]", "[5, 3]", "3.weight", "[2, 4]", "[2, 5]", "3.bias", "4.bias"];
    let said = refused(folder.path(), &train, &all);
    assert!(!said.err.contains("0.bias"), "{}", said.err);
    crate::command::refused_late(folder.path(), &check, &all);

    let whole = safetensors(&right);
    for (cut, said) in [(0, "cut short"), (5, "cut short"), (40, "cut short"), (whole.len() - 1, "cut short")] {
        write(&folder, "w.safetensors", &whole[..cut]);
        refused(folder.path(), &train, &["w.safetensors", said]);
    }
    write(&folder, "w.safetensors", "this is no file of tensors, but of words");
    refused(folder.path(), &train, &["w.safetensors"]);
    refused(folder.path(), &["train", "tiny.toml", "--init", "absent.safetensors"], &["absent.safetensors"]);
}
