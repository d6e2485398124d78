//! What a run keeps of the kernels it was computed with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::owner::Owner;

/// The variants in force on an adapter, for a run to keep: whoever goes on with it [adopts](super::super::Gpu::adopt) them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Choices {
    /// What they were made with. A file of a version that kept the adapter alone has the rest empty, and is not adopted.
    #[serde(flatten)]
    pub owner: Owner,
    /// The variant of each class that was met; `default` where the op's own is.
    pub variants: BTreeMap<String, String>,
}

impl Choices {
    /// Whether nothing was there to choose.
    pub fn is_empty(&self) -> bool {
        self.variants.is_empty()
    }

    /// Whether no class has another variant in `other`; a class that only one of them knows is no difference.
    pub fn agree(&self, other: &Self) -> bool {
        self.variants.iter().all(|(class, name)| other.variants.get(class).is_none_or(|there| there == name))
    }
}
