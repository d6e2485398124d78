//! Which variants are refused, and which of the others is taken.

use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use thalweg::Graph;
use thalweg::device::gpu::{Options, Origin, Tuning};
use thalweg::error::DeviceError;
use thalweg::kernel::Tiling;
use thalweg::op::unary::Activation;

use super::support::{open as plain, trial};
use super::toys::{AMPLE, CLASS, Twice, graph, open, run};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("the fast variant is taken and the wrong ones are never timed", the_fast_one),
        trial("a default that is wrong is replaced by what is right", a_wrong_default),
        trial("nothing but the default is left where all else is wrong", all_wrong),
        trial("without time every class keeps its default, and is tuned later", no_time),
        trial("a class that the budget cuts short is not begun again at each run", cut_short),
        trial("the library chooses nothing by itself", off),
        trial("a variant that is named is taken", named),
        trial(
            "products too large for the twin are checked and timed as smaller ones, of odd and of even lengths",
            too_large,
        ),
        trial("a device without memory for the subgroups' test is not opened as one without subgroups", too_poor),
    ]
}

const ALL: &[&str] = &["slow", "quick", "wrong at the end", "wrong where ragged", "not a number", "too far", "no WGSL"];

fn the_fast_one() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let gpu = open(folder.path(), AMPLE)?;
    let op = Twice { names: ALL, default: "slow" };
    run(&gpu, op)?;
    let report = gpu.tuning();
    assert_eq!(report.warnings, []);
    let [class] = &report.classes[..] else { return Err(format!("{report:?}").into()) };
    assert_eq!((class.class.as_str(), class.variant.as_str(), class.origin), (CLASS, "quick", Origin::Timed));
    let timing = class.timing.as_ref().ok_or("a class that was timed has times")?;
    // The default is `slow` by another name: it is timed once.
    assert_eq!(timing.milliseconds.keys().collect::<Vec<_>>(), ["default", "quick"]);
    assert!(timing.speedup().is_some_and(|times| times > 2.0), "{timing:?}");
    let refused: Vec<&str> = timing.refused.keys().map(String::as_str).collect();
    assert_eq!(refused, ["no WGSL", "not a number", "too far", "wrong at the end", "wrong where ragged"]);
    assert!(timing.refused["wrong where ragged"].contains("was not written"), "{:?}", timing.refused);
    assert!(timing.refused["too far"].contains("behind the output"), "{:?}", timing.refused);
    assert!(timing.refused["wrong at the end"].contains("element"), "{:?}", timing.refused);
    Ok(())
}

fn a_wrong_default() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let gpu = open(folder.path(), AMPLE)?;
    run(&gpu, Twice { names: &["wrong at the end", "slow"], default: "wrong at the end" })?;
    let class = gpu.tuning().classes.remove(0);
    assert_eq!((class.variant.as_str(), class.origin), ("slow", Origin::Timed));
    let timing = class.timing.ok_or("what was refused is kept")?;
    assert_eq!(timing.refused.keys().collect::<Vec<_>>(), ["default"]);
    // One alone wins without a race.
    assert!(timing.milliseconds.is_empty());
    Ok(())
}

fn all_wrong() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let gpu = open(folder.path(), AMPLE)?;
    run(&gpu, Twice { names: &["too far", "not a number"], default: "quick" })?;
    let class = gpu.tuning().classes.remove(0);
    assert_eq!((class.variant.as_str(), class.origin), ("default", Origin::Timed));
    // With a wrong default there is nothing to train with, now or from the file.
    let folder = tempfile::tempdir()?;
    for _ in 0..2 {
        let gpu = open(folder.path(), AMPLE)?;
        let refused = run(&gpu, Twice { names: &["too far", "not a number"], default: "too far" });
        let said = refused.err().ok_or("a kernel that is wrong was used")?;
        assert!(said.message().is_some_and(|said| said.contains("agrees with its f64 twin")), "{said:?}");
    }
    Ok(())
}

fn no_time() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let op = Twice { names: &["slow", "quick"], default: "slow" };
    for tuning in [Tuning::Within(Duration::ZERO), Tuning::Cached] {
        let gpu = open(folder.path(), tuning)?;
        run(&gpu, op)?;
        let report = gpu.tuning();
        assert_eq!((report.classes[0].variant.as_str(), report.classes[0].origin), ("default", Origin::Default));
        assert_eq!((report.seconds, report.kept.len()), (0.0, 0));
        assert_eq!(std::fs::read_dir(folder.path())?.count(), 0, "a file for nothing");
    }
    let gpu = open(folder.path(), AMPLE)?;
    run(&gpu, op)?;
    assert_eq!(gpu.tuning().classes[0].variant, "quick");
    Ok(())
}

fn cut_short() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let op = Twice { names: &["slow", "quick"], default: "slow" };
    let hasty = Tuning::Within(Duration::from_nanos(1));
    let first = open(folder.path(), hasty)?;
    run(&first, op)?;
    let class = first.tuning().classes.remove(0);
    assert_eq!((class.variant.as_str(), class.origin), ("default", Origin::Default));
    assert!(class.left.is_some_and(|why| why.contains("time")));
    let second = open(folder.path(), hasty)?;
    run(&second, op)?;
    assert_eq!((second.tuning().seconds, second.tuning().classes[0].origin), (0.0, Origin::Default));
    let third = open(folder.path(), AMPLE)?;
    run(&third, op)?;
    assert_eq!(third.tuning().classes[0].variant, "quick");
    // A class stays as it was settled while the adapter is open.
    assert_eq!(first.choices().variants[CLASS], "default");
    Ok(())
}

fn off() -> Result<(), Failed> {
    let gpu = plain(Options::default())?;
    run(&gpu, Twice { names: &["quick", "slow"], default: "slow" })?;
    let report = gpu.tuning();
    assert_eq!((report.classes[0].variant.as_str(), report.classes[0].origin), ("default", Origin::Default));
    assert_eq!((report.file, report.seconds), (None, 0.0));
    Ok(())
}

fn named() -> Result<(), Failed> {
    let gpu = plain(Options { variant: Some("quick"), ..Options::default() })?;
    // The default would not compile.
    let op = Twice { names: &["quick", "slow"], default: "no WGSL" };
    run(&gpu, op)?;
    assert_eq!(gpu.tuning().classes[0].origin, Origin::Given);
    let other = plain(Options { variant: Some("nobody's"), ..Options::default() })?;
    let (g, _, y) = graph(Twice { names: &["quick", "slow"], default: "quick" })?;
    other.tune(&g, &[y])?;
    assert_eq!(other.choices().variants[CLASS], "default");
    Ok(())
}

fn too_large() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let gpu = open(folder.path(), AMPLE)?;
    let mut g = Graph::new();
    let mut wanted = Vec::new();
    for (n, [rows, width, out]) in [[256, 1024, 1024], [255, 513, 511]].into_iter().enumerate() {
        let (x, w) = (g.input(&format!("x{n}"), [rows, width])?, g.parameter(&format!("w{n}"), [out, width])?);
        wanted.push(g.affine(x, w, None, Activation::Identity)?);
    }
    gpu.tune(&g, &wanted)?;
    let report = gpu.tuning();
    let one_way = gpu.tiling() == Tiling::Register && gpu.abilities().subgroup.is_none();
    assert_eq!(report.classes.len(), if one_way { 0 } else { 2 });
    for class in &report.classes {
        let timed = class.timing.as_ref().map(|timing| (timing.refused.len(), timing.milliseconds.len() > 1));
        assert_eq!((class.origin, timed), (Origin::Timed, Some((0, true))), "{class:?}");
    }
    Ok(())
}

fn too_poor() -> Result<(), Failed> {
    let subgroup = plain(Options::default())?.abilities().subgroup;
    let poor = plain(Options { memory_limit: Some(100), ..Options::default() });
    match (subgroup, poor) {
        (Some(_), Err(DeviceError::OutOfMemory { limit, .. })) if limit.contains("100") => Ok(()),
        (None, Ok(gpu)) if gpu.abilities().subgroup.is_none() => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}
