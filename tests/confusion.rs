//! Counts of answers held to the definition: a whole matrix, summed over rows and columns.

use proptest::prelude::*;
use thalweg::train::Confusion;

proptest! {
    #[test]
    fn the_numbers_are_those_of_the_matrix(
        classes in 1_usize..8,
        seen in prop::collection::vec((0_usize..8, 0_usize..8), 0..60),
    ) {
        let mut found = Confusion::new(classes);
        let mut matrix = vec![vec![0_u64; classes]; classes];
        for (truth, answer) in seen {
            found.add(truth % classes, answer % classes);
            matrix[truth % classes][answer % classes] += 1;
        }
        prop_assert_eq!(&found.rows().collect::<Vec<_>>(), &matrix);
        let listed: Vec<_> = (0..classes)
            .flat_map(|t| (0..classes).map(move |a| (t, a)))
            .map(|(t, a)| (t, a, matrix[t][a]))
            .filter(|&(.., rows)| rows > 0)
            .collect();
        prop_assert_eq!(found.pairs().collect::<Vec<_>>(), listed);
        let ratio = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let (mut right, mut means) = (0, Vec::new());
        for class in 0..classes {
            let support: u64 = matrix[class].iter().sum();
            let answered: u64 = matrix.iter().map(|row| row[class]).sum();
            let both = matrix[class][class];
            let scores = found.scores(class);
            prop_assert_eq!((scores.support, found.answered(class)), (support, answered));
            prop_assert_eq!(scores.precision, ratio(both, answered));
            prop_assert_eq!(scores.recall, ratio(both, support));
            prop_assert_eq!(scores.f1, ratio(2 * both, answered + support));
            prop_assert_eq!(found.met().any(|met| met == class), support + answered > 0);
            right += both;
            means.extend(scores.recall);
        }
        prop_assert_eq!(found.right(), right);
        let mean = (!means.is_empty()).then(|| means.iter().sum::<f64>() / means.len() as f64);
        prop_assert_eq!(found.macro_average().recall, mean);
    }
}

#[test]
fn as_many_classes_as_there_can_be() {
    let mut found = Confusion::new(usize::MAX);
    found.add(usize::MAX - 1, 0);
    assert_eq!((found.count(usize::MAX - 1, 0), found.support(usize::MAX - 1), found.answered(0)), (1, 1, 1));
    assert_eq!((found.most_confused(3), found.macro_average().recall), (vec![(usize::MAX - 1, 0, 1)], Some(0.0)));
}
