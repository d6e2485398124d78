//! What was found in a model.

use super::{GraphReport, KernelReport, TensorReport};

/// Which weights.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// As initialised.
    Initial,
    /// After some training, where gradients look as they do in use.
    BurnedIn {
        /// Steps taken.
        steps: u32,
        /// The loss before.
        before: f64,
        /// The loss after.
        after: f64,
    },
}

/// Which part of the loss is differentiated: a large penalty would hide a wrong derivative of the data loss in the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The loss on the data, the penalty off.
    Data,
    /// The penalty alone.
    Penalty,
    /// Both, as training differentiates them.
    Sum,
}

impl Part {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Data => "data loss",
            Self::Penalty => "penalty",
            Self::Sum => "data loss + penalty",
        }
    }
}

/// What was found at one point.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct PointReport {
    /// Where.
    pub point: Point,
    /// The data loss and, where there is a penalty, the penalty and the sum.
    pub parts: Vec<(Part, GraphReport)>,
    /// The GPU's loss and gradients, all elements; empty without a GPU.
    pub kernels: Vec<KernelReport>,
    /// Each kind of op of the whole step on the GPU's own operands ([`trace`](super::trace)), where some of the bounds of `kernels`
    /// say little or are not finite; empty otherwise.
    pub trace: Vec<KernelReport>,
}

impl PointReport {
    /// Whether the GPU is right: every element within its bound; where rounding carried through the graph has no finite bound, every op
    /// on the way within its own, and by one that says something.
    pub fn kernels_passed(&self) -> bool {
        let traced = !self.trace.is_empty() && self.trace.iter().all(KernelReport::proved);
        let right = |k: &KernelReport| k.passed() || (traced && k.wrong == 0 && k.non_finite == 0);
        self.kernels.iter().all(right) && self.trace.iter().all(KernelReport::passed)
    }
}

/// What was found in a model.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Report {
    /// Examples in the batch.
    pub rows: usize,
    /// The adapter the kernels ran on.
    pub adapter: Option<String>,
    /// The initial weights, and those after the burn-in.
    pub points: Vec<PointReport>,
    /// What a person should know beside the verdicts.
    pub warnings: Vec<String>,
}

impl Report {
    /// Whether no dimension failed anywhere, every tensor was decided for every part at one point at least, and on the GPU all is
    /// right as [`PointReport::kernels_passed`] says. Dimensions that crossed a kink or are below resolution count for neither side.
    pub fn passed(&self) -> bool {
        let sound = |p: &PointReport| {
            p.parts.iter().all(|(_, r)| r.tensors.iter().all(TensorReport::sound)) && p.kernels_passed()
        };
        !self.points.is_empty() && self.points.iter().all(sound) && self.undecided().is_empty()
    }

    /// Tensors about which nothing was proved for a part of the loss, at no point.
    pub fn undecided(&self) -> Vec<(Part, &str)> {
        let Some(first) = self.points.first() else { return Vec::new() };
        let mut open = Vec::new();
        for (p, (part, report)) in first.parts.iter().enumerate() {
            for (t, tensor) in report.tensors.iter().enumerate() {
                if !self.points.iter().any(|point| point.parts[p].1.tensors[t].decided()) {
                    open.push((*part, tensor.name.as_str()));
                }
            }
        }
        open
    }

    /// Each tensor that failed: its point, part and report.
    pub fn failures(&self) -> impl Iterator<Item = (Point, Part, &TensorReport)> {
        self.points.iter().flat_map(|point| {
            point.parts.iter().flat_map(move |(part, report)| {
                report.tensors.iter().filter(|t| !t.sound()).map(move |t| (point.point, *part, t))
            })
        })
    }
}

/// What is said of a point whose bounds say little.
pub(super) fn coarse(i: usize, point: &PointReport) -> Option<String> {
    let wide: Vec<&KernelReport> =
        point.kernels.iter().filter(|k| k.wrong == 0 && k.non_finite == 0 && !k.proved()).collect();
    let widest = wide.iter().max_by(|a, b| a.resolution.total_cmp(&b.resolution))?;
    let at = if i == 0 { "the initial weights" } else { "the weights after burn-in" };
    let held = match point.trace.iter().all(KernelReport::proved) {
        true => "each op of the step is held to a tight one on the GPU's own operands",
        false => "and not every op of the step was proved on its own either",
    };
    let (name, resolution, count, all) = (&widest.name, widest.resolution, wide.len(), point.kernels.len());
    Some(format!(
        "on the GPU at {at}: the bounds of {count} of {all} values are so wide that being within them says little (of {name} \
         {resolution:.0e} of the largest element); {held}"
    ))
}
