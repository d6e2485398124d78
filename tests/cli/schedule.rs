//! `thalweg schedule`: the curve as text, as SVG and as JSON, against what training says.

use tempfile::TempDir;

use crate::command::{TINY, folder, good, refused, write};

/// The default `[schedule]` of `tiny.toml` replaced.
fn with(schedule: &str) -> TempDir {
    let folder = folder();
    write(&folder, "run.toml", format!("{TINY}\n[schedule]\n{schedule}\n"));
    folder
}

fn numbers(lines: &[serde_json::Value], field: &str) -> Vec<f64> {
    lines.iter().map(|line| line[field].as_f64().unwrap_or_else(|| panic!("no {field} in {line}"))).collect()
}

/// What is plotted is what is trained with, step by step.
#[test]
fn the_rates_are_those_of_training() {
    for schedule in [
        "name = 'constant'",
        "name = 'cosine'\nunit = 'step'\nwarmup = { over = 4, unit = 'step' }",
        "name = 'one_cycle'\ncycle_momentum = true",
        "name = 'multi_step'\nmilestones = [1]\nfactor = 0.5",
        "name = 'plateau'\npatience = 0",
    ] {
        let folder = with(schedule);
        let plotted = good(folder.path(), &["schedule", "run.toml", "--json"]);
        let trained = good(folder.path(), &["train", "run.toml", "--device", "cpu", "--json", "--log-steps"]);
        let (plotted, head) = (plotted.all("rate"), plotted.all("schedule"));
        assert_eq!(
            (plotted.len(), head[0]["steps"].as_u64(), head[0]["steps_per_epoch"].as_u64()),
            (12, Some(12), Some(6))
        );
        for field in ["step", "learning_rate"] {
            assert_eq!(numbers(&plotted, field), numbers(&trained.all("step"), field), "{schedule}: {field}");
        }
        assert_eq!(numbers(&plotted, "epoch")[5], 1.0);
        assert_eq!(plotted[0].get("momentum").is_some(), schedule.contains("momentum"), "{schedule}");
        assert_eq!(head[0]["unknown"].is_string(), schedule.contains("plateau"), "{schedule}");
    }
}

/// A stair from the upper left to the lower right, its axes named.
#[test]
fn as_text() {
    let folder = with("name = 'step'\nevery = 1\nfactor = 0.1");
    let said = good(folder.path(), &["schedule", "run.toml"]).out;
    assert!(said.starts_with(
        "step with adam\n2 epochs of 6 steps\nlearning rate: first 0.01, highest 0.01 in epoch 1, last 0.001\n"
    ));
    let rows: Vec<&str> = said.lines().filter(|line| line.contains(['│', '┤'])).collect();
    assert_eq!(rows.len(), 14, "{said}");
    let drawn = |row: &str, from: usize, to: usize| {
        let cells = row.chars().skip_while(|c| !"│┤".contains(*c)).skip(1);
        cells.skip(from).take(to - from).filter(|&c| c > '\u{2800}').count()
    };
    assert!(drawn(rows[0], 0, 31) == 31 && drawn(rows[0], 33, 64) == 0, "{said}");
    let low = rows.iter().position(|row| drawn(row, 33, 64) == 31).unwrap_or_else(|| panic!("no lower stair\n{said}"));
    assert!(low >= 11 && drawn(rows[low], 0, 31) == 0, "{said}");
    for label in ["learning rate\n", " 0.01 ┤", "0.008 ┤", "    0 ┤", "1.5", "epoch\n"] {
        assert!(said.contains(label), "no `{label}`\n{said}");
    }
    assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");

    let log = good(folder.path(), &["schedule", "run.toml", "--log"]).out;
    assert!(log.contains("0.005 ┤") && log.contains("0.002 ┤") && !log.contains("  0 ┤"), "{log}");
    let cycled = ["schedule", "run.toml", "--set", "schedule={name='one_cycle',cycle_momentum=true}"];
    let cycled = good(folder.path(), &cycled).out;
    assert!(cycled.contains("\nmomentum\n") && !said.contains("momentum"), "{cycled}");
    let plateau = good(folder.path(), &["schedule", "run.toml", "--set", "schedule={name='plateau'}"]).out;
    assert!(plateau.contains("not known before the run") && plateau.contains("leaves 0.1 of it"), "{plateau}");
    // The default run, whose data are built in.
    let default = good(folder.path(), &["schedule"]).out;
    assert!(default.contains("30 epochs of 23 steps"), "{default}");
}

/// Points of the SVG's lines, as numbers.
fn lines(svg: &str) -> Vec<Vec<[f64; 2]>> {
    let list = svg.split("<polyline points=\"").skip(1).map(|rest| rest.split('"').next().expect("a list"));
    let point = |pair: &str| {
        let (x, y) = pair.split_once(',').expect("a pair");
        [x, y].map(|n| n.parse().unwrap_or_else(|_| panic!("{n} is no number")))
    };
    list.map(|points| points.split(' ').map(point).collect()).collect()
}

#[test]
fn as_svg() {
    let folder =
        with("name = 'multi_step'\nmilestones = [1]\nfactor = 0.5\nmomentum = { from = 0.5, to = 0.9, unit = 'step' }");
    let said = good(folder.path(), &["schedule", "run.toml", "--svg", "curve.svg"]);
    assert!(said.out.contains("the plot is in curve.svg"));
    let svg = std::fs::read_to_string(folder.path().join("curve.svg")).expect("the plot");
    assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && svg.ends_with("</svg>\n"));
    assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    for words in ["multi_step with adam", ">epoch<", ">learning rate<", ">momentum<", ">0.01<", ">0.5<", ">2<"] {
        assert!(svg.contains(words), "no {words}\n{svg}");
    }
    let lines = lines(&svg);
    assert_eq!(lines.len(), 2);
    // A stair of one cut: half the height, from the middle on. The axis is 5 % higher than the rate, and 230 high.
    let [[x0, y0], [x1, y1], [x2, y2], [x3, y3]] = lines[0][..] else { panic!("{:?}", lines[0]) };
    assert!(
        x0 == 80.0 && x1 == x2 && (x1 - 430.0).abs() < 0.1 && x3 == 780.0 && y0 == y1 && y2 == y3,
        "{:?}",
        lines[0]
    );
    assert!(((y2 - y0) - 230.0 / 1.05 / 2.0).abs() < 0.02, "{:?}", lines[0]);
    // Twelve steps of momentum, each higher than the one before.
    assert_eq!(lines[1].len(), 24);
    assert!(lines[1].windows(2).all(|pair| pair[1][1] <= pair[0][1] && pair[1][0] >= pair[0][0]));

    let json = good(folder.path(), &["schedule", "run.toml", "--json", "--log", "--svg", "curve.svg"]);
    assert_eq!(json.all("svg")[0]["file"], "curve.svg");
    let again = std::fs::read_to_string(folder.path().join("curve.svg")).expect("the plot");
    assert!(again != svg && again.contains(">0.005<"), "{again}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 4, "nothing is left beside it");
}

/// A run of a hundred million steps is plotted at once, in a file of a sane size.
#[test]
fn a_long_run() {
    let folder = with("name = 'cosine'\nperiod = 1000\nunit = 'step'\nwarmup = 5");
    let long =
        ["schedule", "run.toml", "--set", "train.epochs=100", "--steps-per-epoch", "1000000", "--svg", "long.svg"];
    let said = good(folder.path(), &long).out;
    assert!(said.contains("cosine with adam after a warm-up over 5 epochs"), "{said}");
    assert!(said.contains("100 epochs of 1000000 steps"), "{said}");
    let svg = std::fs::read_to_string(folder.path().join("long.svg")).expect("the plot");
    assert!(svg.len() < 150_000, "{} bytes", svg.len());
    let points = lines(&svg).remove(0);
    assert!(points.len() > 1000 && points.iter().flatten().all(|x| (0.0..=800.0).contains(x)));
}

#[test]
fn without_the_data() {
    let folder = with("name = 'cosine'");
    std::fs::remove_file(folder.path().join("points.csv")).expect("it was there");
    refused(folder.path(), &["schedule", "run.toml"], &["points.csv", "--steps-per-epoch N"]);
    let said = good(folder.path(), &["schedule", "run.toml", "--steps-per-epoch", "50", "--json"]);
    assert_eq!(said.all("rate").len(), 100);
}

#[test]
fn what_is_refused() {
    let folder = with("name = 'cosine'");
    let refuse = |more: &[&str], culprits: &[&str]| {
        refused(folder.path(), &[&["schedule", "run.toml", "--svg", "none.svg"], more].concat(), culprits);
        assert!(!folder.path().join("none.svg").exists(), "{more:?}");
    };
    refuse(&["--set", "schedule.name='cosin'"], &["`schedule.name`", "did you mean `cosine`?"]);
    refuse(&["--set", "schedule.overt=3"], &["`schedule.overt`", "did you mean `over`?"]);
    refuse(&["--set", "schedule.warmup=0"], &["`schedule.warmup.over`", "at least 1"]);
    refuse(&["--set", "schedule={name='plateau',factor=1}"], &["`schedule.factor`", "(0, 1)"]);
    refuse(&["--set", "schedule={name='step',every=1,factor=1e-300}"], &["schedule step", "step 7", "epoch 2", "f32"]);
    refuse(&["--set", "train.batch_size=99"], &["99", "16", "--steps-per-epoch N"]);
    let momentum = "schedule.momentum={from=0.5,to=0.9}";
    refuse(&["--set", momentum, "--set", "optimizer={name='sgd'}"], &["sets the momentum", "sgd", "neither"]);
    refuse(&["--steps-per-epoch", "0"], &["--steps-per-epoch", "0"]);
    refused(folder.path(), &["schedule", "absent.toml"], &["absent.toml"]);
    // Training refuses the same before it makes a folder, and a plateau without anything to look at besides.
    let train = |set: &[&str], culprits: &[&str]| {
        refused(folder.path(), &[&["train", "run.toml", "--device", "cpu"], set].concat(), culprits);
        assert!(!folder.path().join("runs").exists());
    };
    train(&["--set", momentum, "--set", "optimizer={name='sgd'}"], &["sets the momentum", "sgd", "neither"]);
    train(&["--set", "schedule={name='plateau'}", "--set", "data.validation=0"], &["`plateau`", "`data.validation`"]);
    // A folder that cannot be written to: the plot was said, the file was not.
    let said = crate::command::thalweg(folder.path(), &["schedule", "run.toml", "--svg", "no/curve.svg"]);
    assert!(said.code == Some(2) && said.err.contains("curve.svg"), "{}", said.err);
}
