//! The files of `golden/optim/`.

use std::collections::BTreeMap;

use serde::Deserialize;
use thalweg::optim::Optimizer;

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

/// One run of a library, or of a formula of the notes or a paper.
#[derive(Clone, Deserialize)]
pub struct Case {
    pub name: String,
    pub convention: String,
    pub fields: toml::Table,
    /// The learning rate of each step.
    pub rates: Vec<f64>,
    pub start: Vec<f64>,
    /// Of the tensor; a vector's if it is left out.
    pub shape: Option<Vec<usize>>,
    pub gradients: Vec<Vec<f64>>,
    /// After each step.
    pub parameters: Vec<Vec<f64>>,
    /// After the last step.
    pub states: BTreeMap<String, Vec<f64>>,
}

impl Case {
    pub fn table(&self) -> toml::Table {
        let mut table = self.fields.clone();
        table.insert("name".into(), self.name.clone().into());
        table.insert("convention".into(), self.convention.clone().into());
        table
    }

    pub fn shape(&self) -> thalweg::Shape {
        self.shape.clone().unwrap_or(vec![self.start.len()]).into()
    }

    /// Whether it is a whole tensor's, which a graph transforms.
    pub fn transformed(&self) -> bool {
        self.optimizer().rule().tensor_rule().is_some_and(|tensor| tensor.takes(&self.shape()))
    }

    pub fn optimizer(&self) -> Optimizer {
        Optimizer::from_table(&self.table()).unwrap_or_else(|e| panic!("{:?}: {e}", self.table()))
    }
}

/// The cases of a rule.
pub fn of(rule: &str) -> Vec<Case> {
    let path = format!("{}/tests/golden/optim/{rule}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let file: File = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"));
    assert!(file.cases.iter().all(|case| case.name == rule), "{path}: the cases are of that rule");
    file.cases
}
