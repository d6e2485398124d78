//! Which classes are taken for which.

use std::collections::BTreeMap;

/// How often each class was answered as each: rows are the true classes, columns the answers.
///
/// ```text
/// precision_c = n_cc / Σ_t n_tc     of what was called c, the share that is c
/// recall_c    = n_cc / Σ_p n_cp     of what is c, the share that was called so
/// F1_c        = 2 n_cc / (Σ_t n_tc + Σ_p n_cp)     their harmonic mean
/// ```
///
/// **0/0 is `None`**: the precision of a class that was never answered, the recall of one that never occurs, the F1 of
/// one that does neither. Where scikit-learn warns and puts 0, this says that there is no such number, and the averages
/// leave it out (scikit-learn's `zero_division=np.nan`).
///
/// Only pairs that occur are held: the memory grows with them, not with the square of the classes.
///
/// ```
/// use thalweg::train::Confusion;
/// let mut seen = Confusion::new(3);
/// for (truth, answer) in [(0, 0), (0, 0), (0, 1), (1, 1)] {
///     seen.add(truth, answer);
/// }
/// assert_eq!((seen.precision(1), seen.recall(0), seen.f1(1)), (Some(0.5), Some(2.0 / 3.0), Some(2.0 / 3.0)));
/// assert_eq!((seen.precision(2), seen.macro_average().recall), (None, Some((2.0 / 3.0 + 1.0) / 2.0)));
/// assert_eq!(seen.most_confused(5), [(0, 1, 1)]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    counts: BTreeMap<(usize, usize), u64>,
    totals: BTreeMap<usize, Total>,
}

/// Rows of a class, and rows answered by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Total {
    support: u64,
    answered: u64,
}

/// One class's numbers.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct ClassScores {
    /// The class.
    pub class: usize,
    /// Of what was called so, the share that is; `None` if nothing was.
    pub precision: Option<f64>,
    /// Of what is of the class, the share that was called so; `None` if nothing is.
    pub recall: Option<f64>,
    /// Their harmonic mean; `None` if the class neither occurs nor was answered.
    pub f1: Option<f64>,
    /// Rows of the class.
    pub support: u64,
}

/// Means over the classes, each counting the same, over those that have the number; `None` if none has.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Macro {
    /// Mean precision.
    pub precision: Option<f64>,
    /// Mean recall.
    pub recall: Option<f64>,
    /// Mean F1.
    pub f1: Option<f64>,
}

impl Confusion {
    /// Nothing counted yet.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: BTreeMap::new(), totals: BTreeMap::new() }
    }

    /// Counts one row.
    ///
    /// # Panics
    ///
    /// If a class is not below [`classes`](Self::classes).
    pub fn add(&mut self, truth: usize, answer: usize) {
        assert!(truth < self.classes && answer < self.classes, "classes are below {}", self.classes);
        *self.counts.entry((truth, answer)).or_default() += 1;
        self.totals.entry(truth).or_default().support += 1;
        self.totals.entry(answer).or_default().answered += 1;
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The classes that occur or were answered, in order; the others have no numbers.
    pub fn met(&self) -> impl Iterator<Item = usize> {
        self.totals.keys().copied()
    }

    /// How many rows of class `truth` were answered by `answer`; 0 beyond the classes.
    pub fn count(&self, truth: usize, answer: usize) -> u64 {
        self.counts.get(&(truth, answer)).copied().unwrap_or(0)
    }

    /// The counts that are not 0, `(truth, answer, rows)`, by class.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, usize, u64)> {
        self.counts.iter().map(|(&(truth, answer), &rows)| (truth, answer, rows))
    }

    /// The counts, one row a true class; each row has a number for every class.
    pub fn rows(&self) -> impl Iterator<Item = Vec<u64>> {
        (0..self.classes).map(|truth| {
            let mut row = vec![0; self.classes];
            for (&(_, answer), &rows) in self.counts.range((truth, 0)..=(truth, usize::MAX)) {
                row[answer] = rows;
            }
            row
        })
    }

    /// Rows answered by their own class.
    pub fn right(&self) -> u64 {
        self.pairs().filter(|(truth, answer, _)| truth == answer).map(|(.., rows)| rows).sum()
    }

    /// Rows of a class.
    pub fn support(&self, class: usize) -> u64 {
        self.totals.get(&class).map_or(0, |total| total.support)
    }

    /// Rows answered by a class.
    pub fn answered(&self, class: usize) -> u64 {
        self.totals.get(&class).map_or(0, |total| total.answered)
    }

    /// Of the rows answered by `class`, the share that is of it.
    pub fn precision(&self, class: usize) -> Option<f64> {
        ratio(self.count(class, class), self.answered(class))
    }

    /// Of the rows of `class`, the share that was answered so.
    pub fn recall(&self, class: usize) -> Option<f64> {
        ratio(self.count(class, class), self.support(class))
    }

    /// The harmonic mean of precision and recall.
    pub fn f1(&self, class: usize) -> Option<f64> {
        ratio(2 * self.count(class, class), self.answered(class) + self.support(class))
    }

    /// All of a class's numbers.
    pub fn scores(&self, class: usize) -> ClassScores {
        ClassScores {
            class,
            precision: self.precision(class),
            recall: self.recall(class),
            f1: self.f1(class),
            support: self.support(class),
        }
    }

    /// Means over the classes.
    pub fn macro_average(&self) -> Macro {
        let mean = |of: fn(&Self, usize) -> Option<f64>| {
            let there: Vec<f64> = self.met().filter_map(|class| of(self, class)).collect();
            (!there.is_empty()).then(|| there.iter().sum::<f64>() / there.len() as f64)
        };
        Macro { precision: mean(Self::precision), recall: mean(Self::recall), f1: mean(Self::f1) }
    }

    /// The `most` commonest mistakes, `(truth, answer, rows)`, the commonest first; equals by class.
    pub fn most_confused(&self, most: usize) -> Vec<(usize, usize, u64)> {
        let mut pairs: Vec<_> = self.pairs().filter(|(truth, answer, _)| truth != answer).collect();
        pairs.sort_by_key(|&(truth, answer, count)| (std::cmp::Reverse(count), truth, answer));
        pairs.truncate(most);
        pairs
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
