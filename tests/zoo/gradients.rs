//! The zoo's gradients, by `thalweg gradcheck`.
//!
//! With few dimensions, and the nets for colour images on 8x8 ones, so that it stays quick: a tensor is one dimension (its largest) and
//! the burn-in a few steps. At the defaults, on the true size, the check is made by hand.

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
    Ok(())
}
