//! The embedding against PyTorch's, on which data it takes, and its gradients in a model. `golden/embedding/generate.py` made
//! the numbers.

use serde_json::Value;
use thalweg::check::{GradientCheck, gradients};
use thalweg::data::{DataError, Dataset, NotAnIndex, Targets, Values};
use thalweg::device::{Feed, Feeds, cpu};
use thalweg::error::GraphError;
use thalweg::graph::{Context, Graph};
use thalweg::nn::{Builder, Embedding, Flatten, Initializer, Layer, Linear, Mode, Model, Objective, Sequential, Tanh};
use thalweg::{Error, Shape};

type Any = Result<(), Box<dyn std::error::Error>>;

fn shape(tensor: &Value) -> Shape {
    let axes = tensor["shape"].as_array().expect("a shape").iter().map(|n| n.as_u64().expect("a count") as usize);
    axes.collect::<Vec<_>>().into()
}

fn values(tensor: &Value) -> Vec<f64> {
    tensor["values"].as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
}

/// All numbers are multiples of 1/64: equal, not near.
#[test]
fn values_and_gradients_are_those_of_pytorch() -> Any {
    let golden: Value = serde_json::from_str(include_str!("golden/embedding/cases.json"))?;
    let cases = golden["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 4);
    for case in cases {
        let mut g = Graph::new();
        let x = g.index_input("x", shape(&case["index"]))?;
        let (table, weights) = (shape(&case["weight"]), g.input("weights", shape(&case["weights"]))?);
        let mut b = Builder::new(&mut g, Mode::Train);
        let y = Embedding::new(table[0], table[1]).build(&mut b, x)?;
        let [weight] = &b.parameters().to_vec()[..] else { panic!("one parameter") };
        assert_eq!((weight.name.as_str(), &weight.shape), ("weight", &table));
        assert_eq!(weight.initializer, Initializer::Normal { std: 1.0 });
        assert_eq!(*g.shape(y), shape(&case["y"]));
        let gradient = g.gradients(y, weights, &[weight.node])?[0].expect("a gradient");
        let index = values(&case["index"]).iter().map(|&i| i as u32).collect();
        let feeds = Feeds::from([
            (x, Feed::Index(index)),
            (weight.node, values(&case["weight"]).into()),
            (weights, values(&case["weights"]).into()),
        ]);
        let found = cpu::evaluate(&g, &feeds, &[y, gradient], &Context::default())?;
        assert_eq!(found[0], values(&case["y"]));
        assert_eq!(found[1], values(&case["gradient"]));
    }
    Ok(())
}

fn model() -> Sequential {
    Sequential::new().add(Embedding::new(6, 3)).add(Flatten).add(Tanh).add(Linear::new(2))
}

fn tokens(numbers: &[f64]) -> Dataset {
    let labels = (0..numbers.len() as u32 / 2).map(|i| i % 2).collect();
    let targets = Targets::Classes { labels, classes: 2 };
    Dataset::new(Values::F64(numbers.into()), Shape::from([2]), targets).expect("data")
}

#[test]
fn its_gradients_in_a_model_are_right() -> Any {
    let data = tokens(&[0.0, 5.0, 5.0, 5.0, 1.0, 0.0, 2.0, 3.0]);
    let objective = Objective { l2: 0.01, ..Objective::default() };
    let report = gradients(&model(), data.shape(), &objective, &data, &GradientCheck::default(), None)?;
    assert!(report.passed(), "{report}");
    Ok(())
}

#[test]
fn numbers_that_name_no_row_are_named() -> Any {
    assert_eq!(tokens(&[0.0, 5.0, 3.0, 1.0]).indices(6)?, [0, 5, 3, 1]);
    assert_eq!(tokens(&[0.0, -0.0]).indices(1)?, [0, 0]);
    let most = f64::from(u32::MAX);
    assert_eq!(tokens(&[0.0, most]).indices(usize::MAX)?, [0, u32::MAX]);
    assert!(tokens(&[0.0, most + 1.0]).indices(usize::MAX).is_err());
    for wrong in [6.0, -1.0, 2.5, 1e300, 5.000_000_001] {
        let data = tokens(&[0.0, 5.0, 3.0, 1.0, 2.0, wrong]);
        let expected = NotAnIndex { row: 2, column: 1, found: wrong, count: 6 };
        match data.indices(6) {
            Err(DataError::NotAnIndex(found)) => assert_eq!(found, expected),
            other => panic!("{other:?}"),
        }
        // Rows of a selection are those of the source.
        match data.select(&[2]).indices(6) {
            Err(DataError::NotAnIndex(found)) => assert_eq!(found, expected),
            other => panic!("{other:?}"),
        }
        match gradients(&model(), data.shape(), &Objective::default(), &data, &GradientCheck::default(), None) {
            Err(Error::Data(DataError::NotAnIndex(found))) => assert_eq!(found, expected),
            other => panic!("{other:?}"),
        }
    }
    let text = NotAnIndex { row: 2, column: 1, found: 2.5, count: 6 }.to_string();
    assert!(text.contains("row 2, column 1 (both from 0): 2.5") && text.contains("from 0 to 5"), "{text}");
    Ok(())
}

#[test]
fn only_the_first_layer_gets_row_numbers() -> Any {
    assert_eq!(model().index_count(), Some(6));
    assert_eq!(Model::index_count(&Sequential::new().add(model())), Some(6));
    let late = Sequential::new().add(Linear::new(3)).add(Embedding::new(6, 3));
    assert_eq!(late.index_count(), None);
    let mut g = Graph::new();
    let x = g.input("x", [4, 2])?;
    let error = late.build(&mut Builder::new(&mut g, Mode::Train), x).unwrap_err();
    let GraphError::Layer { index: 1, source, .. } = &error else { panic!("{error}") };
    assert!(matches!(**source, GraphError::Dtype { op: "embedding", .. }), "{error}");
    for (count, dimension, field) in [(0, 3, "count"), (3, 0, "dimension")] {
        let mut g = Graph::new();
        let x = g.index_input("x", [4, 2])?;
        match Embedding::new(count, dimension).build(&mut Builder::new(&mut g, Mode::Train), x) {
            Err(GraphError::Range { op: "embedding", field: found, .. }) => assert_eq!(found, field),
            other => panic!("{other:?}"),
        }
    }
    Ok(())
}
