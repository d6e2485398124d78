//! What PyTorch and SciPy found: tests/golden/second.

use serde_json::Value;

use crate::functions::{Beale, Function, Logistic, Quadratic, Rosenbrock};

/// A call of PyTorch's `step`.
pub struct Step {
    pub loss: f64,
    pub x: Vec<f64>,
    pub iterations: u64,
    pub evaluations: u64,
}

fn read(name: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/second").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn steps(value: &Value) -> Vec<Step> {
    let count = |step: &Value, key: &str| step[key].as_u64().unwrap();
    let step = |step: &Value| Step {
        loss: step["loss"].as_f64().unwrap(),
        x: numbers(&step["x"]),
        iterations: count(step, "iterations"),
        evaluations: count(step, "evaluations"),
    };
    value.as_array().unwrap().iter().map(step).collect()
}

pub struct Run {
    pub name: String,
    pub function: Box<dyn Function>,
    pub start: Vec<f64>,
    pub fields: toml::Table,
    pub steps: Vec<Step>,
}

pub fn runs() -> Vec<Run> {
    let run = |case: &Value| {
        let name = case["name"].as_str().unwrap().to_owned();
        let function: Box<dyn Function> = match name.split([' ', ',']).next().unwrap() {
            "rosenbrock" => Box::new(Rosenbrock),
            "beale" => Box::new(Beale),
            "quadratic" => Box::new(Quadratic(name.rsplit(' ').next().unwrap().parse().unwrap())),
            other => panic!("no function {other}"),
        };
        let fields = toml::Table::try_from(case["fields"].as_object().unwrap()).unwrap();
        Run { name, function, start: numbers(&case["start"]), fields, steps: steps(&case["steps"]) }
    };
    let all: Vec<_> = read("lbfgs.json")["cases"].as_array().unwrap().iter().map(run).collect();
    assert!(all.len() >= 8);
    all
}

pub struct Regression {
    pub function: Logistic,
    pub minimiser: Vec<f64>,
    pub minimum: f64,
    pub hessian: Vec<f64>,
    pub steps: Vec<Step>,
}

pub fn logistic() -> Regression {
    let file = read("logistic.json");
    let list = |key: &str| file[key].as_array().unwrap().iter().map(numbers).collect::<Vec<_>>();
    let classes = numbers(&file["classes"]).into_iter().map(|k| k as usize).collect();
    Regression {
        function: Logistic { rows: list("rows"), classes, penalty: file["penalty"].as_f64().unwrap() },
        minimiser: numbers(&file["minimiser"]),
        minimum: file["minimum"].as_f64().unwrap(),
        hessian: list("hessian").concat(),
        steps: steps(&file["lbfgs"]),
    }
}
