//! The zoo's gradients, by `thalweg gradcheck`.
//!
//! So that it stays quick, two dimensions of each tensor (its largest gradient and another), three steps of burn-in, no sweep, and the
//! nets for colour images on 8x8 ones, which have as many parameters but the last layer's. At the defaults and on images
//! of the true size the check is made by hand.

use libtest_mimic::Failed;

use crate::command::thalweg;
use crate::runs::adapter;
use crate::{Data, Model, made};

pub fn are_right(model: &Model, device: &str) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let path = folder.path();
    let source = match model.data {
        Data::Cifar => {
            made::small(&path.join("small.npz"), 50);
            "npz:small.npz".to_owned()
        }
        _ => model.source(path),
    };
    let (file, set) = (model.file(), format!("data.source={source}"));
    let file = file.to_str().ok_or("a path")?;
    let device = adapter(device);
    let quick = ["--dimensions", "2", "--burn-in", "3", "--no-sweep"];
    let check = [&["gradcheck", file, "--json", "--set", &set, "--device", &device], &quick[..]].concat();
    let said = thalweg(path, &check);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert_eq!(said.all("done")[0]["passed"], true);
    let gradients = said.all("gradient");
    assert!(gradients.len() > 4 && gradients.iter().all(|g| g["failed"] == 0), "{}", said.out);
    assert_eq!(said.all("kernel").is_empty(), device == "cpu");
    // No bound that is carried through twenty layers says anything: there every op is held to its own.
    let trace = said.all("trace");
    assert!(trace.iter().all(|op| op["proved"] == true), "{}", said.out);
    if model.name == "cifar10-resnet20" && device != "cpu" {
        let some = |op: &str| trace.iter().any(|t| t["op"] == op);
        assert!(said.all("kernel").iter().any(|k| k["unbounded"] != 0), "{}", said.out);
        assert!(some("conv2d x21") && some("normalize_gradient x21") && some("same bits"), "{}", said.out);
    }
    Ok(())
}
