//! The gradient checker: right gradients pass, wrong ones fail and are named.

use thalweg::check::{self, GradientCheck};

#[test]
fn every_op_and_loss() {
    let report = check::ops(&GradientCheck::default(), None).unwrap();
    println!("{report}");
    assert!(report.passed(), "{report}");
}
