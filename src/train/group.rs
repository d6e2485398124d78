//! Parameter groups: tensors by the pattern of their names, with numbers of their own.

use crate::device::Tensor;
use crate::error::PopulationError;
use crate::optim::{FROZEN, MAX_GROUPS};

/// Tensors whose PyTorch names match a pattern, and what an update does otherwise with them than with the rest: an entry of
/// PyTorch's list of `params` groups, chosen by name.
///
/// Of several groups the first that matches a tensor has it; a tensor that none matches follows the recipe's rule as it stands.
///
/// ```
/// use thalweg::train::Group;
///
/// let biases = Group { weight_decay: Some(0.0), ..Group::new("*.bias") };
/// assert!(biases.matches("3.bias") && biases.matches("0.layers.1.bias") && !biases.matches("3.weight"));
/// assert!(Group::new("?.weight").matches("3.weight") && !Group::new("?.weight").matches("12.weight"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The pattern that a whole name must match: `*` stands for any letters, dots included, or none; `?` for one letter; all
    /// else for itself.
    pub pattern: String,
    /// What the learning rate of each step is multiplied by, positive; default 1.
    pub learning_rate_factor: f64,
    /// λ of these tensors in place of the rule's own, coupled or decoupled as the rule has it; default `None`: the rule's, which
    /// is every tensor's, biases included, as in PyTorch. [`Objective::l2`](crate::nn::Objective::l2) is a penalty of tensors
    /// of rank 2 and more, whatever their group.
    pub weight_decay: Option<f64>,
    /// Whether these tensors stay as they are: no gradient is computed for them, no number of theirs and of their states
    /// changes. Running statistics of their layers are no parameters and follow the data all the same, as in PyTorch, and the
    /// penalty counts them as it does the others; default false.
    pub frozen: bool,
}

impl Group {
    /// The tensors of that pattern, updated as the others are.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self { pattern: pattern.into(), learning_rate_factor: 1.0, weight_decay: None, frozen: false }
    }

    /// Whether the pattern is that name.
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name): (Vec<char>, Vec<char>) = (self.pattern.chars().collect(), name.chars().collect());
        // Where the last `*` stood, and how much of the name it has taken so far.
        let (mut p, mut n, mut star) = (0, 0, None);
        while n < name.len() {
            if p < pattern.len() && pattern[p] == '*' {
                star = Some((p, n));
                p += 1;
            } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == name[n]) {
                (p, n) = (p + 1, n + 1);
            } else if let Some((at, taken)) = star {
                star = Some((at, taken + 1));
                (p, n) = (at + 1, taken + 1);
            } else {
                return false;
            }
        }
        pattern[p..].iter().all(|&c| c == '*')
    }

    /// Refuses a factor that is none.
    pub(super) fn check(&self) -> Result<(), PopulationError> {
        let (pattern, factor) = (self.pattern.clone(), self.learning_rate_factor);
        if factor > 0.0 && factor.is_finite() {
            return Ok(());
        }
        let range = "positive and finite (`frozen = true` keeps tensors as they are)";
        Err(PopulationError::GroupRange { pattern, field: "learning_rate_factor", range, found: factor })
    }
}

/// The place of the group that has a tensor.
fn of(groups: &[Group], name: &str) -> Option<usize> {
    groups.iter().position(|group| group.matches(name))
}

/// For each tensor the engine's number of its group: 0 for none, [`FROZEN`], or its place in the list and 1.
pub(super) fn assign(groups: &[Group], tensors: &[Tensor]) -> Result<Vec<usize>, PopulationError> {
    // One number is that of the tensors without a group.
    if groups.len() >= MAX_GROUPS {
        return Err(PopulationError::TooManyGroups { found: groups.len(), most: MAX_GROUPS - 1 });
    }
    let owner: Vec<Option<usize>> = tensors.iter().map(|t| of(groups, &t.name)).collect();
    if let Some((g, group)) = groups.iter().enumerate().find(|(g, _)| !owner.contains(&Some(*g))) {
        let pattern = group.pattern.clone();
        let mut taken: Vec<usize> =
            tensors.iter().zip(&owner).filter(|(t, _)| group.matches(&t.name)).filter_map(|(_, o)| *o).collect();
        taken.sort_unstable();
        taken.dedup();
        return Err(match taken.is_empty() {
            true => PopulationError::NoMatch { pattern, tensors: tensors.iter().map(|t| t.name.clone()).collect() },
            false => PopulationError::Shadowed {
                pattern,
                before: taken.into_iter().filter(|&o| o != g).map(|o| groups[o].pattern.clone()).collect(),
            },
        });
    }
    let numbers: Vec<usize> = owner
        .iter()
        .map(|owner| match owner {
            None => 0,
            Some(g) if groups[*g].frozen => FROZEN,
            Some(g) => g + 1,
        })
        .collect();
    match !numbers.is_empty() && numbers.iter().all(|&n| n == FROZEN) {
        true => Err(PopulationError::NothingToTrain),
        false => Ok(numbers),
    }
}

/// Whether nothing updates the tensor of that name.
pub(super) fn frozen(groups: &[Group], name: &str) -> bool {
    of(groups, name).is_some_and(|g| groups[g].frozen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_whole_names() {
        let cases = [
            ("*", "", true),
            ("*", "0.weight", true),
            ("", "", true),
            ("", "a", false),
            ("0.*", "0.weight", true),
            ("0.*", "10.weight", false),
            ("*.weight", "0.weight_v", false),
            ("*ab*ab", "abab", true),
            ("*ab*ab", "ab", false),
            ("*a?b", "aaxb", true),
            ("*a?b", "aab", true),
            ("a*b*c", "a.b.b.c", true),
            ("a*b*c", "a.c", false),
            ("??", "é.", true),
            ("0.weight", "0xweight", false),
        ];
        for (pattern, name, wanted) in cases {
            assert_eq!(Group::new(pattern).matches(name), wanted, "{pattern} {name}");
        }
    }
}
