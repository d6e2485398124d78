//! One NaN among the inputs must show in the result: a run whose scores are lost must not report a loss.

use thalweg::Graph;
use thalweg::device::{Feed, Feeds};
use thalweg::graph::NodeId;
use thalweg::loss::Loss;
use thalweg::op::max_pool2d::MaxPool2d;

/// A graph with a NaN in what it is fed, and which results must show it.
pub struct Poisoned {
    pub name: String,
    pub graph: Graph,
    pub feeds: Feeds,
    pub wanted: Vec<NodeId>,
}

/// Every loss and its derivative, short rows and long, and the maxima; the NaN first, in the middle and last.
pub fn all() -> thalweg::Result<Vec<Poisoned>> {
    let mut all = Vec::new();
    for width in [3, 300] {
        let scores = |place: usize| -> Vec<f64> {
            (0..2 * width).map(|i| if i == place { f64::NAN } else { (i % 7) as f64 - 40.0 * (i % 2) as f64 }).collect()
        };
        for place in [0, 1, width - 1, width + 1, 2 * width - 1] {
            let losses = Loss::ALL.map(Loss::name).into_iter().chain(["soft_cross_entropy"]);
            for name in losses {
                let mut g = Graph::new();
                let s = g.input("s", [2, width])?;
                let soft = name == "soft_cross_entropy";
                let by_class = !soft && name.parse::<Loss>()?.takes_classes();
                let (t, target) = if by_class {
                    (g.index_input("t", [2])?, Feed::Index(vec![1, 0]))
                } else {
                    (g.input("t", [2, width])?, Feed::Real(vec![0.25; 2 * width]))
                };
                let y = if soft { g.soft_cross_entropy(s, t)? } else { name.parse::<Loss>()?.build(&mut g, s, t)? };
                let one = g.setting("one", 1.0)?;
                let wanted = g.gradients(y, one, &[s])?.into_iter().flatten().chain([y]).collect();
                let feeds = Feeds::from([(s, Feed::Real(scores(place))), (t, target)]);
                all.push(Poisoned {
                    name: format!("{name} of width {width}, NaN at {place}"),
                    graph: g,
                    feeds,
                    wanted,
                });
            }
            let mut g = Graph::new();
            let s = g.input("s", [2, width])?;
            let maxima = [g.maxout(s, width)?, g.maxout(s, 3)?, g.max(s, 0, false)?, g.max(s, 1, true)?, g.max_all(s)?];
            let feeds = Feeds::from([(s, Feed::Real(scores(place)))]);
            let name = format!("maxima of width {width}, NaN at {place}");
            all.push(Poisoned { name, graph: g, feeds, wanted: maxima.to_vec() });
            let mut g = Graph::new();
            let s = g.input("s", [1, 1, 2, width])?;
            let apart = MaxPool2d { kernel: [2, 3], stride: [2, 3], padding: [0, 0] };
            let overlapping = MaxPool2d { kernel: [2, 3], stride: [1, 1], padding: [1, 1] };
            let wanted = vec![g.max_pool2d(s, apart)?, g.max_pool2d(s, overlapping)?];
            let feeds = Feeds::from([(s, Feed::Real(scores(place)))]);
            let name = format!("pools of width {width}, NaN at {place}");
            all.push(Poisoned { name, graph: g, feeds, wanted });
        }
    }
    // Long enough for a tree of several launches.
    for place in [0, 5000, 9999] {
        let mut g = Graph::new();
        let s = g.input("s", [10_000])?;
        let y = g.max_all(s)?;
        let values: Vec<f64> = (0..10_000).map(|i| if i == place { f64::NAN } else { f64::from(i) }).collect();
        let feeds = Feeds::from([(s, values.into())]);
        all.push(Poisoned { name: format!("max of 10000, NaN at {place}"), graph: g, feeds, wanted: vec![y] });
    }
    Ok(all)
}

impl Poisoned {
    /// The results that hide it.
    pub fn hidden(&self, found: &[Vec<f64>]) -> Option<String> {
        assert_eq!(found.len(), self.wanted.len());
        let clean = |values: &&Vec<f64>| values.iter().all(|x| x.is_finite());
        let (hidden, of) = (found.iter().filter(clean).count(), found.len());
        (hidden > 0).then(|| format!("{}: {hidden} of {of} results are finite: {found:.4?}", self.name))
    }
}
