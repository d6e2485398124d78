//! `thalweg predict` and `thalweg eval`.

use serde_json::Value;

use crate::command::{Said, TINY, adapters, folder, good, read, refused, write};

fn golden(file: &str) -> String {
    format!("{}/tests/golden/predict/{file}", env!("CARGO_MANIFEST_DIR"))
}

fn eval(said: &Said) -> Value {
    let mut all = said.all("eval");
    assert_eq!((all.len(), said.out.lines().count()), (1, 1), "{}", said.out);
    all.remove(0)
}

/// The last line of a run's history.
fn last(folder: &tempfile::TempDir, run: &str) -> Value {
    let text = String::from_utf8(read(folder, &format!("{run}/history.jsonl"))).expect("text");
    serde_json::from_str(text.lines().last().expect("a line")).expect("JSON")
}

/// On the data of the run, the numbers of its last epoch to the last digit; standardised ones too, whose means are no
/// short decimals, and on every device.
#[test]
fn eval_says_what_the_last_epoch_said() {
    let folder = folder();
    let on_a_gpu = !adapters(folder.path()).is_empty();
    let train = |run: &str, more: &[&str]| {
        let train = ["train", "--epochs", "1", "--out", run, "--set", "model.layers[1].out=16"];
        good(folder.path(), &[&train[..], more].concat());
    };
    for (name, machine) in
        [("cpu", &["--device", "cpu"][..]), ("f64", &["--precision", "f64"]), ("gpu", &["--device", "gpu"])]
    {
        if name == "gpu" && !on_a_gpu {
            continue;
        }
        for standardise in ["true", "false"] {
            let run = format!("{name}-{standardise}");
            train(&run, &[machine, &["--set", &format!("data.standardise={standardise}")]].concat());
            let found = eval(&good(folder.path(), &[&["eval", &run, "digits", "--json"], machine].concat()));
            let epoch = last(&folder, &run);
            assert_eq!((&found["loss"], &found["accuracy"]), (&epoch["val_loss"], &epoch["val_accuracy"]), "{run}");
            assert_eq!(
                (&found["rows"], &found["part"], &found["step"]),
                (&359.into(), &"validation".into(), &23.into())
            );
        }
    }
    let found =
        eval(&good(folder.path(), &["eval", "cpu-true", "digits", "--json", "--part", "train", "--device", "cpu"]));
    assert_eq!((&found["rows"], &found["part"]), (&1438.into(), &"train".into()));
    let share = found["accuracy"].as_f64().expect("a share");
    let confusion: Vec<Vec<u64>> = serde_json::from_value(found["confusion"].clone()).expect("counts");
    let right: u64 = (0..10).map(|class| confusion[class][class]).sum();
    assert_eq!((share * 1438.0).round() as u64, right);
    let said = good(folder.path(), &["eval", "cpu-true", "digits", "--device", "cpu"]);
    let percent =
        format!("accuracy: {:.2} %", 100.0 * last(&folder, "cpu-true")["val_accuracy"].as_f64().expect("a share"));
    for words in
        ["359 rows, those that the run held out", "loss:", percent.as_str(), "precision", "macro", "true class"]
    {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
}

/// The own CSV file is divided as the run divided it, another one is not.
#[test]
fn eval_of_csv_files() {
    let folder = folder();
    good(folder.path(), &["train", "tiny.toml", "--device", "cpu", "--out", "run", "--set", "data.standardise=true"]);
    let eval_of = |data: &str, more: &[&str]| {
        eval(&good(folder.path(), &[&["eval", "run", data, "--device", "cpu", "--json"], more].concat()))
    };
    let epoch = last(&folder, "run");
    for own in ["points.csv", "csv:points.csv", "./points.csv"] {
        let found = eval_of(own, &[]);
        assert_eq!(
            (&found["loss"], &found["accuracy"], &found["rows"]),
            (&epoch["val_loss"], &epoch["val_accuracy"], &4.into())
        );
    }
    assert_eq!(eval_of("points.csv", &["--part", "train"])["rows"], 16);
    write(&folder, "other.csv", read(&folder, "points.csv"));
    let all = eval_of("other.csv", &[]);
    assert_eq!((&all["rows"], &all["part"]), (&20.into(), &Value::Null));
    refused(
        folder.path(),
        &["eval", "run", "other.csv", "--part", "train"],
        &["other.csv", "--part train", "no parts"],
    );

    // One class alone: the other has no recall, and the table says why.
    write(&folder, "zeros.csv", "1,2,3,0\n4,5,6,0\n");
    let found = eval_of("zeros.csv", &[]);
    assert_eq!((&found["classes"][1]["recall"], &found["classes"][1]["support"]), (&Value::Null, &0.into()));
    assert!(found["classes"][0]["recall"].is_f64(), "{found}");
    let said = good(folder.path(), &["eval", "run", "zeros.csv", "--device", "cpu"]);
    assert!(said.out.contains("0/0"), "{}", said.out);
}

#[test]
fn predict_csv() {
    let folder = folder();
    good(folder.path(), &["train", "tiny.toml", "--device", "cpu", "--out", "run"]);
    let labelled = good(folder.path(), &["predict", "run", "points.csv", "--device", "cpu"]);
    let lines: Vec<&str> = labelled.out.lines().collect();
    assert_eq!((lines.len(), lines[0]), (21, "class,p0,p1"));
    for line in &lines[1..] {
        let cells: Vec<f64> = line.split(',').map(|cell| cell.parse().expect("a number")).collect();
        let class = f64::from(u8::from(cells[2] > cells[1]));
        // Each rounded to f32.
        assert!(cells[0] == class && (cells[1] + cells[2] - 1.0).abs() <= f64::from(f32::EPSILON), "{line}");
    }
    // The features alone, with their header and without, say the same.
    let table = String::from_utf8(read(&folder, "points.csv")).expect("text");
    let features: Vec<&str> = table.lines().map(|line| line.rsplit_once(',').expect("columns").0).collect();
    for (name, lines) in [("head.csv", &features[..]), ("bare.csv", &features[1..])] {
        write(&folder, name, lines.join("\n"));
        assert_eq!(good(folder.path(), &["predict", "run", name, "--device", "cpu"]).out, labelled.out);
    }
    let said = good(folder.path(), &["predict", "run", "head.csv", "--device", "cpu", "--out", "said.csv"]);
    assert!(said.out.contains("20 rows are in said.csv"), "{}", said.out);
    assert_eq!(String::from_utf8(read(&folder, "said.csv")).expect("text"), labelled.out);
    // The parts are the run's.
    let held = good(folder.path(), &["predict", "run", "points.csv", "--device", "cpu", "--part", "validation"]);
    assert_eq!(held.out.lines().count(), 5);
    assert!(held.out.lines().skip(1).all(|line| lines.contains(&line)));
    let judged = refused(
        folder.path(),
        &["eval", "run", "head.csv", "--device", "cpu"],
        &["head.csv", "no targets", "last column"],
    );
    assert!(judged.err.contains("20 rows"), "{}", judged.err);
}

#[test]
fn predict_npz() {
    let folder = folder();
    let run = |data: &str, out: &str| {
        let (run, data) = (golden("classifier"), golden(data));
        good(folder.path(), &["predict", &run, &data, "--device", "cpu", "--out", out, "--json"])
    };
    let said = run("alone.npz", "a.npz");
    let event = &said.all("predict")[0];
    assert_eq!(
        (&event["rows"], &event["values"], &event["out"]),
        (&40.into(), &"probabilities".into(), &"a.npz".into())
    );
    run("classes.npz", "b.npz");
    assert!(read(&folder, "a.npz") == read(&folder, "b.npz"));
    let numbers = [&golden("regressor"), &format!("npz:{}", golden("numbers.npz"))];
    let said = good(folder.path(), &["predict", numbers[0], numbers[1], "--precision", "f64"]);
    assert!(said.out.starts_with("y0,y1\n") && said.out.lines().count() == 41, "{}", said.out);
    let judged = eval(&good(folder.path(), &["eval", numbers[0], numbers[1], "--precision", "f64", "--json"]));
    assert_eq!(
        (&judged["accuracy"], &judged["confusion"], &judged["step"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(judged["rmse"].as_f64(), judged["loss"].as_f64().map(f64::sqrt));
    let said = good(folder.path(), &["eval", numbers[0], numbers[1], "--precision", "f64"]);
    assert!(said.out.contains("rmse:") && !said.out.contains("class"), "{}", said.out);
}

/// The data sets with parts of their own: made files of the true format.
#[test]
fn folders_of_data() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("mnist")).expect("a folder");
    for (part, count) in [("train", 6_u8), ("t10k", 3)] {
        let pixels: Vec<u8> = (0..count * 4).collect();
        let labels: Vec<u8> = (0..count).map(|i| i % 3).collect();
        let images = [&[0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 2, 0, 0, 0, 2], &pixels[..]].concat();
        write(&folder, &format!("mnist/{part}-images-idx3-ubyte"), images);
        write(
            &folder,
            &format!("mnist/{part}-labels-idx1-ubyte"),
            [&[0, 0, 8, 1, 0, 0, 0, count], &labels[..]].concat(),
        );
    }
    let toml = "[data]\nsource = \"idx:mnist\"\n[model]\nlayers = [{ type = \"flatten\" }, { type = \"linear\", out = 3 }]\n\
                [train]\nepochs = 1\nbatch_size = 2\n";
    write(&folder, "mnist.toml", toml);
    good(folder.path(), &["train", "mnist.toml", "--device", "cpu", "--out", "run"]);
    for data in ["idx:mnist", "mnist", "mnist/"] {
        let found = eval(&good(folder.path(), &["eval", "run", data, "--device", "cpu", "--json"]));
        assert_eq!((&found["rows"], &found["loss"]), (&3.into(), &last(&folder, "run")["val_loss"]));
    }
    let predicted =
        |more: &[&str]| good(folder.path(), &[&["predict", "run", "mnist"], more].concat()).out.lines().count();
    assert_eq!((predicted(&[]), predicted(&["--part", "train"])), (4, 7));

    std::fs::create_dir(folder.path().join("cifar")).expect("a folder");
    let records: Vec<u8> = (0..2_u8).flat_map(|i| [vec![i], vec![10 * i; 3072]].concat()).collect();
    for name in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"] {
        write(&folder, &format!("cifar/{name}.bin"), &records);
    }
    // Another shape than the run's: said with both.
    refused(
        folder.path(),
        &["predict", "run", "cifar", "--device", "cpu"],
        &["cifar", "[3, 32, 32]", "1.weight", "[3, 3072]", "[3, 4]"],
    );
}

/// Above twenty classes the commonest mistakes instead of the matrix.
#[test]
fn many_classes() {
    let folder = folder();
    let table: String = (0..60).map(|i| format!("{},{}\n", i % 7, i % 25)).collect();
    write(&folder, "points.csv", table);
    let layers = "model.layers=[{type='linear',out=25}]";
    good(folder.path(), &["train", "tiny.toml", "--device", "cpu", "--out", "run", "--set", layers]);
    let said = good(folder.path(), &["eval", "run", "points.csv", "--device", "cpu", "--part", "train"]);
    assert!(said.out.contains("most confused") && !said.out.contains("true class"), "{}", said.out);
    let found = eval(&good(folder.path(), &["eval", "run", "points.csv", "--device", "cpu", "--json"]));
    assert_eq!(found["confusion"].as_array().map(Vec::len), Some(25));
    assert_eq!(found["confusion_pairs"], Value::Null);
}

/// A matrix of 300,000 classes would take 720 GB: what occurs is counted, and that alone is said.
#[test]
fn very_many_classes() {
    let folder = folder();
    write(&folder, "points.csv", (0..20).map(|i| format!("{i},{}\n", 299_999 - i % 2)).collect::<String>());
    let layers = "model.layers=[{type='linear',out=300000}]";
    let train = ["train", "tiny.toml", "--device", "cpu", "--out", "run", "--epochs", "1", "--set", layers];
    good(folder.path(), &[&train[..], &["--set", "train.batch_size=16"]].concat());
    let found = eval(&good(folder.path(), &["eval", "run", "points.csv", "--device", "cpu", "--json"]));
    assert_eq!((&found["rows"], &found["confusion"]), (&4.into(), &Value::Null));
    let pairs: Vec<[u64; 3]> = serde_json::from_value(found["confusion_pairs"].clone()).expect("pairs");
    assert_eq!(pairs.iter().map(|pair| pair[2]).sum::<u64>(), 4);
    assert!(pairs.iter().all(|pair| pair[0] >= 299_998 && pair[1] < 300_000 && pair[2] > 0), "{pairs:?}");
    // Classes that neither occur nor are answered have no number to say.
    let classes = found["classes"].as_array().expect("a list");
    assert!((2..=6).contains(&classes.len()), "{classes:?}");
    let said = good(folder.path(), &["eval", "run", "points.csv", "--device", "cpu"]);
    assert!(said.out.contains("299999") && said.out.lines().count() < 30, "{}", said.out);
    assert!(said.out.contains("neither occur nor are answered"), "{}", said.out);
}

/// An archive of the run that has `x` beside the training part: the rows that the run held out of that part, not `x`.
#[test]
fn eval_of_an_archive_with_more_than_the_training_part() {
    let folder = folder();
    let array = |name: &'static str, values: Vec<f32>, shape: &'static [u64]| (name, values, shape);
    let mut file = npyz::npz::NpzWriter::create(folder.path().join("both.npz")).expect("a file");
    let noise = |n: u32, seed: u32| (0..n).map(|i| ((i * 7 + seed) % 11) as f32 / 8.0).collect::<Vec<f32>>();
    for (name, values, shape) in [
        array("x_train", noise(60, 1), &[20, 3]),
        array("y_train", noise(40, 5), &[20, 2]),
        array("x", noise(21, 3), &[7, 3]),
        array("y", noise(14, 4), &[7, 2]),
    ] {
        use npyz::WriterBuilder;
        let array = file.array(name, Default::default()).expect("an array");
        let mut array = array.default_dtype().shape(shape).begin_nd().expect("a header");
        array.extend(values).expect("numbers");
        array.finish().expect("an end");
    }
    file.zip_writer().finish().expect("an end");
    drop(file);
    write(
        &folder,
        "own.toml",
        TINY.replace("csv:points.csv", "npz:both.npz").replace("[model]", "[model]\nloss = \"mse\""),
    );
    good(folder.path(), &["train", "own.toml", "--device", "cpu", "--out", "run"]);
    let eval_of = |more: &[&str]| {
        eval(&good(folder.path(), &[&["eval", "run", "both.npz", "--device", "cpu", "--json"], more].concat()))
    };
    let (found, epoch) = (eval_of(&[]), last(&folder, "run"));
    assert_eq!((&found["rows"], &found["part"], &found["loss"]), (&4.into(), &"validation".into(), &epoch["val_loss"]));
    assert_eq!(eval_of(&["--part", "validation"])["loss"], epoch["val_loss"]);
    // What it trained on, without what it held out.
    assert_eq!(eval_of(&["--part", "train"])["rows"], 16);
    // `predict` answers the rows that are not divided, and those of another run's are all that there are.
    assert_eq!(good(folder.path(), &["predict", "run", "both.npz", "--device", "cpu"]).out.lines().count(), 8);
    write(&folder, "other.npz", read(&folder, "both.npz"));
    let other = eval(&good(folder.path(), &["eval", "run", "other.npz", "--device", "cpu", "--json"]));
    assert_eq!((&other["rows"], &other["part"]), (&7.into(), &Value::Null));
    // Nothing held out: all that there is beside the training part.
    let whole = ["train", "own.toml", "--device", "cpu", "--out", "whole", "--set", "data.validation=0"];
    good(folder.path(), &whole);
    let all = eval(&good(folder.path(), &["eval", "whole", "both.npz", "--device", "cpu", "--json"]));
    assert_eq!((&all["rows"], &all["part"]), (&7.into(), &Value::Null));
    refused(
        folder.path(),
        &["eval", "whole", "both.npz", "--device", "cpu", "--part", "validation"],
        &["both.npz", "held nothing out"],
    );
}

#[test]
fn bad_runs_and_data() {
    let folder = folder();
    let path = folder.path();
    good(path, &["train", "tiny.toml", "--device", "cpu", "--out", "run"]);
    std::fs::create_dir(path.join("empty")).expect("a folder");
    for command in ["predict", "eval"] {
        let cases: [(&str, &str, &[&str]); 9] = [
            ("absent", "points.csv", &["absent", "the folder", "thalweg train"]),
            ("empty", "points.csv", &["empty", "run.toml", "thalweg train"]),
            ("run", "absent.csv", &["absent.csv"]),
            ("run", "csv:absent.csv", &["absent.csv"]),
            ("run", "nowhere", &["nowhere", "csv:FILE", ".npz"]),
            ("run", "tsv:points.csv", &["tsv:points.csv"]),
            ("run", "digits", &["digits", "[1, 8, 8]"]),
            ("run", "wide.csv", &["wide.csv", "5 columns", "0.weight", "[5, 3]"]),
            ("run", "bad.csv", &["bad.csv", "line 2", "column 2", "two"]),
        ];
        write(&folder, "wide.csv", "1,2,3,4,0\n");
        write(&folder, "bad.csv", "1,2,3,0\n1,two,3,0\n");
        for (run, data, culprits) in cases {
            refused(path, &[command, run, data, "--device", "cpu"], culprits);
        }
        write(&folder, "empty.csv", "a,b,c\n");
        refused(path, &[command, "run", "empty.csv", "--device", "cpu"], &["empty.csv", "no data"]);
        write(&folder, "far.csv", "1,2,1e39,0\n");
        refused(path, &[command, "run", "far.csv", "--device", "cpu"], &["far.csv", "row 0, column 2", "f32"]);
        refused(path, &[command, "run"], &["DATA"]);
        refused(path, &[command, "run", "points.csv", "--part", "test"], &["test", "validation"]);
        refused(path, &[command, "run", "points.csv", "--device", "gpu", "--precision", "f64"], &[]);
    }
    write(&folder, "classes.csv", "1,2,3,0\n1,2,3,7\n");
    refused(
        path,
        &["eval", "run", "classes.csv", "--device", "cpu"],
        &["classes.csv", "row 1", "class 7", "2 classes"],
    );
    // Whoever only predicts may have whatever in that column.
    good(path, &["predict", "run", "classes.csv", "--device", "cpu"]);
    let npz = format!("{}/tests/golden/data/no_y.npz", env!("CARGO_MANIFEST_DIR"));
    refused(path, &["predict", "run", &npz, "--device", "cpu"], &["no_y.npz"]);
    let weights = read(&folder, "run/model.safetensors");
    write(&folder, "run/model.safetensors", &weights[..weights.len() - 3]);
    refused(path, &["eval", "run", "points.csv", "--device", "cpu"], &["model.safetensors", "cut short"]);
}

#[test]
fn bad_out() {
    let folder = folder();
    let path = folder.path();
    good(path, &["train", "tiny.toml", "--device", "cpu", "--out", "run"]);
    let predict = |out: &str, culprits: &[&str]| {
        refused(path, &["predict", "run", "points.csv", "--device", "cpu", "--out", out], culprits);
    };
    predict("said.txt", &["said.txt", ".csv", ".npz"]);
    predict("said", &["said", ".csv", ".npz"]);
    predict("absent/said.csv", &["cannot write `absent/said.csv`"]);
    std::fs::create_dir(path.join("folder.csv")).expect("a folder");
    predict("folder.csv", &["cannot write `folder.csv`"]);
    refused(path, &["predict", "run", "points.csv", "--json"], &["--out"]);
    // What was there stays when the data are at fault.
    write(&folder, "said.csv", "kept");
    write(&folder, "bad.csv", "1,2,3,0\n1,two,3,0\n");
    refused(path, &["predict", "run", "bad.csv", "--device", "cpu", "--out", "said.csv"], &["bad.csv"]);
    assert_eq!(read(&folder, "said.csv"), b"kept");
    assert!(
        std::fs::read_dir(path).expect("a folder").all(|f| !f
            .expect("a file")
            .file_name()
            .to_string_lossy()
            .starts_with(".thalweg"))
    );
}

/// Classes of images are folders: named in the run, and found again by name, whatever other folders there are.
#[test]
fn classes_of_images_are_known_by_name() {
    let folder = folder();
    let path = folder.path();
    let pictures = ["grey.png", "bits.png", "grey16.png"];
    let put = |to: &str, picture: &str| {
        let to = path.join(to);
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        let from = format!("{}/tests/golden/data/pictures/{picture}", env!("CARGO_MANIFEST_DIR"));
        std::fs::copy(from, to).expect("a picture");
    };
    for (class, picture) in ["cat", "dog, or wolf", "fish"].into_iter().zip(pictures) {
        for n in 0..2 {
            put(&format!("pets/{class}/{n}.png"), picture);
        }
        // What the model knows as its second and third, and what it never saw.
        if class != "cat" {
            put(&format!("two/{class}/0.png"), picture);
        }
    }
    put("stray/dog, or wolf/0.png", "bits.png");
    put("stray/cow/0.png", "bits.png");
    let toml = "[data]\nsource = \"images:pets\"\nvalidation = 0\n[model]\nlayers = [{ type = \"flatten\" }, \
                { type = \"linear\", out = 3 }]\n[optimizer]\nlearning_rate = 0.05\n[train]\nepochs = 40\nbatch_size = 6\n";
    write(&folder, "pets.toml", toml);
    good(path, &["train", "pets.toml", "--device", "cpu", "--out", "run"]);
    let names: Vec<String> = serde_json::from_slice(&read(&folder, "run/classes.json")).expect("names");
    assert_eq!(names, ["cat", "dog, or wolf", "fish"]);
    let eval_of = |data: &str| eval(&good(path, &["eval", "run", data, "--device", "cpu", "--json"]));
    assert_eq!(eval_of("pets")["accuracy"], 1.0, "it tells three pictures apart");
    let two = eval_of("images:two");
    assert_eq!((&two["accuracy"], &two["rows"]), (&1.0.into(), &2.into()));
    assert_eq!(two["confusion"], serde_json::json!([[0, 0, 0], [0, 1, 0], [0, 0, 1]]));
    assert_eq!(two["class_names"], serde_json::json!(names));
    let said = good(path, &["eval", "run", "two", "--device", "cpu"]);
    assert!(said.out.contains("  dog, or wolf\n"), "{}", said.out);
    refused(path, &["eval", "run", "stray", "--device", "cpu"], &["stray", "`cow`", "`cat`, `dog, or wolf`, `fish`"]);
    let said = good(path, &["predict", "run", "two", "--device", "cpu"]);
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines[0], "class,label,p0,p1,p2");
    assert!(lines[1].starts_with("1,\"dog, or wolf\",") && lines[2].starts_with("2,fish,"), "{}", said.out);
    // What is only predicted may be of any class.
    let said = good(path, &["predict", "run", "stray", "--device", "cpu", "--out", "said.csv", "--json"]);
    assert_eq!(said.all("predict")[0]["class_names"], serde_json::json!(names));

    // Another folder beside them would number them anew.
    put("pets/bat/0.png", "grey.png");
    refused(path, &["train", "--resume", "run", "--device", "cpu"], &["cannot resume run", "bat, cat", "had cat, dog"]);
    std::fs::remove_dir_all(path.join("pets/bat")).expect("a folder");
    good(path, &["train", "--resume", "run", "--device", "cpu"]);

    // A run that keeps no names knows classes by their number alone.
    std::fs::rename(path.join("run/classes.json"), path.join("away")).expect("a file");
    assert_eq!(eval_of("pets")["accuracy"], 1.0);
    refused(path, &["eval", "run", "two", "--device", "cpu"], &["two", "2 classes", "the run 3", "classes.json"]);
    assert!(good(path, &["predict", "run", "two", "--device", "cpu"]).out.starts_with("class,p0,p1,p2\n"));
    for bad in ["[1, 2]", "{}", "[\"cat\", \"cat\"]", ""] {
        write(&folder, "run/classes.json", bad);
        refused(path, &["eval", "run", "pets", "--device", "cpu"], &["classes.json", "JSON list"]);
    }
}
