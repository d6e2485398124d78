//! A population, and groups of parameters, on the command line.

use crate::command::{Said, TINY, folder, good, read, refused, refused_late, write};

const MANY: &str = "\n[population]\nseed = [3, 4, 5]\nlearning_rate = [0.01, 0.02, 0.05]\nl2 = [0, 0.1, 0.01]\ndropout = [0.1, 0, 0.5]\n";

fn many() -> tempfile::TempDir {
    let folder = folder();
    write(&folder, "many.toml", format!("{TINY}{MANY}"));
    folder
}

fn train(folder: &tempfile::TempDir, more: &[&str]) -> Said {
    good(folder.path(), &[&["train", "--device", "cpu", "--json"], more].concat())
}

/// What a line of an epoch says but for timings and its member.
fn epochs(said: &Said, member: Option<u64>) -> Vec<serde_json::Value> {
    let mut all = said.all("epoch");
    all.retain(|epoch| epoch["member"].as_u64() == member);
    for epoch in all.iter_mut().filter_map(|epoch| epoch.as_object_mut()) {
        for key in ["member", "seconds", "examples_per_second"] {
            epoch.remove(key);
        }
    }
    all
}

/// Each member's folder is a run's own: it is resumed, judged, asked and started from, and what it says is what the run that
/// its run.toml describes says.
#[test]
fn each_members_folder_is_a_runs() {
    let folder = many();
    let said = train(&folder, &["many.toml", "--out", "all", "--log-steps"]);
    assert_eq!(said.all("start")[0]["population"], 3);
    assert_eq!((said.all("step").len(), said.all("epoch").len()), (3 * 12, 3 * 2));
    let done = &said.all("done")[0];
    assert_eq!((&done["population"], &done["diverged"]), (&3.into(), &serde_json::json!([])));
    let best = done["best"].as_u64().expect("a member");
    assert_eq!(epochs(&said, Some(best))[1]["val_loss"], done["val_loss"]);
    for m in 0..3 {
        let own = format!("all/member-{m}");
        let again = train(&folder, &[&format!("{own}/run.toml"), "--out", &format!("again-{m}")]);
        assert_eq!(epochs(&again, None), epochs(&said, Some(m)), "member {m}");
        for file in ["model.safetensors", "optimizer.safetensors", "run.toml"] {
            assert!(
                read(&folder, &format!("{own}/{file}")) == read(&folder, &format!("again-{m}/{file}")),
                "{m}: {file}"
            );
        }
        let judged = good(folder.path(), &["eval", &own, "csv:points.csv", "--device", "cpu", "--json"]);
        assert_eq!(judged.all("eval")[0]["step"], 12);
        let answers = good(folder.path(), &["predict", &own, "csv:points.csv", "--device", "cpu"]);
        assert_eq!(answers.out.lines().count(), 21);
    }
    train(&folder, &["--resume", "all/member-1", "--epochs", "4"]);
    train(&folder, &["again-1/run.toml", "--out", "whole", "--epochs", "4"]);
    assert!(read(&folder, "all/member-1/optimizer.safetensors") == read(&folder, "whole/optimizer.safetensors"));
    train(&folder, &["tiny.toml", "--init", "all/member-2/model.safetensors", "--out", "begun"]);
    // A population as a whole is no model.
    refused(folder.path(), &["predict", "all", "csv:points.csv"], &["model.safetensors", "member-0"]);
}

#[test]
fn a_population_is_resumed() {
    let folder = many();
    let whole = train(&folder, &["many.toml", "--out", "whole", "--epochs", "5"]);
    let first = train(&folder, &["many.toml", "--out", "parts", "--epochs", "2"]);
    let second = train(&folder, &["--resume", "parts", "--epochs", "5"]);
    for m in 0..3 {
        let parts = [epochs(&first, Some(m)), epochs(&second, Some(m))].concat();
        assert_eq!(parts, epochs(&whole, Some(m)));
        for file in ["model.safetensors", "optimizer.safetensors", "run.toml"] {
            let read = |run: &str| read(&folder, &format!("{run}/member-{m}/{file}"));
            assert!(read("whole") == read("parts"), "member {m}: {file}");
        }
        let history = read(&folder, &format!("parts/member-{m}/history.jsonl"));
        assert_eq!(String::from_utf8_lossy(&history).lines().count(), 5);
    }
    assert!(read(&folder, "whole/population.json") == read(&folder, "parts/population.json"));
    let resume = ["train", "--device", "cpu", "--resume", "parts", "--epochs", "6"];
    let changed = [&resume[..], &["--set", "population.l2=[0,0,0]"]].concat();
    refused(folder.path(), &changed, &["`[population]` differs", "member-0"]);
    refused(folder.path(), &["train", "many.toml", "--out", "parts"], &["already holds a run"]);
}

/// For people: a line an epoch, and a table of the members, the best first.
#[test]
fn a_population_for_people() {
    let folder = many();
    let said = good(folder.path(), &["train", "many.toml", "--device", "cpu", "--out", "run", "--epochs", "3"]);
    let told = said.out.lines().filter(|line| line.starts_with("epoch ")).collect::<Vec<_>>();
    assert_eq!(told.len(), 3, "{}", said.out);
    assert!(told[2].contains("| 3 members, best ") && told[2].contains("held out: loss "), "{}", told[2]);
    let at = said.out.lines().position(|line| line.trim_start().starts_with("member  seed")).expect("a table");
    let table: Vec<Vec<&str>> =
        said.out.lines().skip(at).take(4).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(table[0][..5], ["member", "seed", "dropout", "l2", "learning_rate"]);
    let mut members: Vec<&str> = table[1..].iter().map(|row| row[0]).collect();
    let share = |row: &Vec<&str>| row[row.len() - 2].parse::<f64>().expect("a share");
    assert!(table[1..].is_sorted_by(|a, b| share(a) >= share(b)), "{table:?}");
    members.sort_unstable();
    assert_eq!(members, ["0", "1", "2"]);
}

#[test]
fn one_that_diverges() {
    let folder = folder();
    let text = TINY.replace("adam", "sgd").replace("tanh", "relu")
        + "\n[population]\nseed = 1\nlearning_rate = [0.01, 1e30]\nl2 = [0, 1]\n";
    write(&folder, "many.toml", text);
    let said = train(&folder, &["many.toml", "--out", "run"]);
    let gone = said.all("diverged");
    assert_eq!((gone.len(), &gone[0]["member"]), (1, &1.into()), "{}", said.out);
    assert_eq!((epochs(&said, Some(0)).len(), epochs(&said, Some(1)).len()), (2, 0));
    assert_eq!(said.all("done")[0]["diverged"], serde_json::json!([1]));
    let again = good(folder.path(), &["train", "many.toml", "--device", "cpu", "--out", "told"]);
    assert!(again.out.contains("member 1 stays as it is from step "), "{}", again.out);
    assert!(
        again.out.contains("| 1 of 2 members, best 0") && again.out.contains("member 1 diverged at step "),
        "{}",
        again.out
    );
    let rest = train(&folder, &["--resume", "run", "--epochs", "3"]);
    assert_eq!((rest.all("diverged").len(), epochs(&rest, Some(0)).len()), (0, 1));

    write(
        &folder,
        "all.toml",
        TINY.replace("adam", "sgd") + "\n[population]\nlearning_rate = [1e30, 1e31]\nl2 = [1, 1]\n",
    );
    let end = ["train", "all.toml", "--device", "cpu", "--out", "none"];
    refused_late(folder.path(), &end, &["all 2 members of the population have diverged", "at step "]);
}

/// Sixteen networks with numbers drawn for each, all within what the file says, and some that learn.
#[test]
fn the_example_of_a_random_search() {
    let folder = folder();
    let file = format!("{}/examples/digits-population.toml", env!("CARGO_MANIFEST_DIR"));
    let said = train(&folder, &[&file, "--out", "run", "--epochs", "3"]);
    assert_eq!((said.all("epoch").len(), said.all("diverged").len()), (48, 0));
    assert!(said.all("done")[0]["val_accuracy"].as_f64().is_some_and(|share| share > 0.9), "{}", said.out);
    let note: serde_json::Value = serde_json::from_slice(&read(&folder, "run/population.json")).expect("JSON");
    let members = note["members"].as_array().expect("members");
    assert_eq!(members.len(), 16);
    for member in members {
        let rate = member["optimizer"]["learning_rate"].as_f64().expect("a rate");
        let dropout = member["dropout"].as_f64().expect("a rate");
        assert!((1e-4..=3e-2).contains(&rate) && (0.0..=0.5).contains(&dropout), "{member}");
    }
}

#[test]
fn what_is_refused() {
    let folder = many();
    let with = |key: &str, culprits: &[&str]| {
        refused(folder.path(), &["train", "many.toml", "--device", "cpu", "--out", "x", "--set", key], culprits);
    };
    with("population.seed=[1,2]", &["`population.seed` has 2", "`population.learning_rate` has 3"]);
    with("train.population=4", &["`population.seed` has 3", "`train.population` is 4"]);
    with("population.momentum=[0,0,0]", &["unknown key `population.momentum`"]);
    with("model.layers=[{type='linear',out=2}]", &["member 0 sets `dropout`, which the model does not have", "`l2`"]);
    with("optimizer.groups=[{pattern='*.bais'}]", &["`*.bais` matches no tensor", "`0.bias`"]);
    with("optimizer.groups=[{pattern='*'},{pattern='0.*'}]", &["`0.*` is left without a tensor", "`*`"]);
    with("optimizer.groups=[{pattern='*',frozen=true}]", &["every tensor of the model is frozen"]);
}
