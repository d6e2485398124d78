//! What the file keeps, for whom, and what is made of a bad one.

use std::path::Path;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use thalweg::device::gpu::{Origin, Tuning};
use thalweg::error::TuningError;

use super::support::trial;
use super::toys::{AMPLE, CLASS, Twice, open, run};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("the next process takes what the file holds", kept),
        trial("a choice for another adapter, driver, version or kernel does not hold", not_for_us),
        trial("a damaged file is named and rebuilt", damaged),
        trial("a folder that cannot be written costs the file alone", unwritable),
        trial("what is forgotten is made again", forgotten),
    ]
}

const OP: Twice = Twice { names: &["slow", "quick"], default: "slow" };

fn tuned(folder: &Path) -> Result<Value, Failed> {
    let gpu = open(folder, AMPLE)?;
    run(&gpu, OP)?;
    assert_eq!(gpu.tuning().warnings, []);
    Ok(serde_json::from_slice(&std::fs::read(folder.join("tuning.json"))?)?)
}

fn kept() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = tuned(folder.path())?;
    let section = &file["adapters"][0];
    assert_eq!(section["classes"][CLASS]["variant"], "quick");
    for tuning in [Tuning::Cached, AMPLE] {
        let gpu = open(folder.path(), tuning)?;
        assert_eq!(section["adapter"], gpu.adapter().name.as_str());
        assert_eq!(section["driver"], gpu.adapter().driver.as_str());
        run(&gpu, OP)?;
        let report = gpu.tuning();
        assert_eq!((report.classes[0].variant.as_str(), report.classes[0].origin), ("quick", Origin::File));
        assert_eq!(report.seconds, 0.0);
        assert_eq!(report.classes[0].timing, report.kept.get(CLASS).cloned());
    }
    Ok(())
}

fn not_for_us() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = tuned(folder.path())?;
    for key in ["adapter", "backend", "driver", "thalweg", "kernels", "variant"] {
        let mut other = file.clone();
        let section = &mut other["adapters"][0];
        let place = if section.get(key).is_some() { &mut section[key] } else { &mut section["classes"][CLASS][key] };
        assert!(place.is_string(), "{key}");
        *place = "another".into();
        std::fs::write(folder.path().join("tuning.json"), other.to_string())?;
        let gpu = open(folder.path(), Tuning::Cached)?;
        run(&gpu, OP)?;
        let report = gpu.tuning();
        assert_eq!(report.warnings, [], "{key}");
        assert_eq!(
            (report.classes[0].variant.as_str(), report.classes[0].origin),
            ("default", Origin::Default),
            "{key}"
        );
    }
    // Others' choices are not lost when ours are kept.
    let mut other = file;
    other["adapters"][0]["driver"] = "another".into();
    std::fs::write(folder.path().join("tuning.json"), other.to_string())?;
    let both = tuned(folder.path())?;
    assert_eq!(both["adapters"].as_array().map(Vec::len), Some(2));
    Ok(())
}

fn damaged() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("tuning.json");
    std::fs::write(&path, "{\"format\": 1, \"adap")?;
    let gpu = open(folder.path(), AMPLE)?;
    run(&gpu, OP)?;
    let report = gpu.tuning();
    assert!(matches!(&report.warnings[..], [TuningError::Damaged { path: named, .. }] if *named == path), "{report:?}");
    assert_eq!(report.classes[0].variant, "quick");
    let again = open(folder.path(), Tuning::Cached)?;
    run(&again, OP)?;
    assert_eq!((again.tuning().warnings, again.tuning().classes[0].origin), (vec![], Origin::File));
    Ok(())
}

fn unwritable() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("a file");
    std::fs::write(&file, "")?;
    let gpu = open(&file, AMPLE)?;
    run(&gpu, OP)?;
    run(&gpu, OP)?;
    let report = gpu.tuning();
    let [TuningError::Unwritable { .. } | TuningError::Unreadable { .. }, ..] = &report.warnings[..] else {
        return Err(format!("{report:?}").into());
    };
    assert_eq!(report.classes[0].variant, "quick");
    Ok(())
}

fn forgotten() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    tuned(folder.path())?;
    let gpu = open(folder.path(), AMPLE)?;
    gpu.forget_tuning()?;
    assert!(gpu.tuning().kept.is_empty());
    let empty = open(folder.path(), Tuning::Cached)?;
    run(&empty, OP)?;
    assert_eq!(empty.tuning().classes[0].origin, Origin::Default);
    run(&gpu, OP)?;
    assert_eq!((gpu.tuning().classes[0].origin, gpu.tuning().kept.len()), (Origin::Timed, 1));
    Ok(())
}
