//! A function that can be evaluated beside a point: a graph's output behind fixed weights, in f64.

use crate::device::Feeds;
use crate::device::cpu::Program;
use crate::error::DeviceError;
use crate::graph::{Arg, Context, Graph, Kind, NodeId};

/// `f = Σ wᵢ yᵢ` over the elements of a node.
///
/// The context is held, so that a random op draws the same numbers for f(x+h) and f(x−h) as for the derivative.
pub(super) struct Probe<'a> {
    graph: &'a Graph,
    program: Program<f64>,
    output: NodeId,
    weights: &'a [f64],
    cx: Context,
}

/// One evaluation: y, who won each `max` on the way, and the largest number there.
pub(super) struct Sample {
    y: Vec<f64>,
    pub winners: Vec<u32>,
    largest: f64,
}

/// A centred difference.
pub(super) struct Difference {
    pub numeric: f64,
    pub crossed: bool,
    /// Half the distance of the two points, as it was after rounding them.
    pub step: f64,
    /// What was rounded: `Σ |wᵢ yᵢ|` over the elements that changed. Where none did, the change was lost on the way if there was one:
    /// the largest number there.
    magnitude: f64,
}

impl<'a> Probe<'a> {
    pub(super) fn new(
        graph: &'a Graph,
        output: NodeId,
        weights: &'a [f64],
        feeds: &Feeds,
        cx: Context,
    ) -> Result<Self, DeviceError> {
        let mut program = Program::<f64>::new(graph.clone(), &[output])?;
        program.feed_all(feeds)?;
        Ok(Self { graph, program, output, weights, cx })
    }

    pub(super) fn sample(&mut self) -> Sample {
        let (graph, mut winners, mut largest) = (self.graph, Vec::new(), 0.0_f64);
        self.program.run_each(&self.cx, |id, args, _| {
            let Kind::Op { op, .. } = &graph.node(id).kind else { return };
            let reals = args.iter().filter_map(|arg| if let Arg::Real(_, values) = arg { Some(*values) } else { None });
            largest = reals.flatten().fold(largest, |m, x| m.max(x.abs()));
            let before = winners.len();
            op.winners(args, &mut winners);
            if winners.len() > before {
                // Keeps the winners of neighbouring ops apart, should an op report a varying number.
                winners.push(u32::MAX);
            }
        });
        Sample { y: self.program.value(self.output).to_vec(), winners, largest }
    }

    /// The value itself.
    pub(super) fn value(&self, sample: &Sample) -> f64 {
        sample.y.iter().zip(self.weights).map(|(y, w)| y * w).sum()
    }

    fn at(&mut self, id: NodeId, element: usize, x: f64) -> Sample {
        let before = std::mem::replace(&mut self.program.real_mut(id)[element], x);
        let sample = self.sample();
        self.program.real_mut(id)[element] = before;
        sample
    }

    /// `(f(x+h) − f(x−h)) / 2h`, summed over elements of y so that those which do not change add no rounding.
    pub(super) fn difference(&mut self, id: NodeId, element: usize, h: f64) -> Difference {
        let x = self.program.real_mut(id)[element];
        let h = h * x.abs().max(1.0);
        let (right, left) = (x + h, x - h);
        let (above, below) = (self.at(id, element, right), self.at(id, element, left));
        let (mut change, mut magnitude) = (0.0, 0.0);
        for ((a, b), w) in above.y.iter().zip(&below.y).zip(self.weights) {
            if a != b {
                change += w * (a - b);
                magnitude += w.abs() * a.abs().max(b.abs());
            }
        }
        if magnitude == 0.0 {
            let weight = self.weights.iter().fold(0.0_f64, |m, w| m.max(w.abs()));
            magnitude = weight * above.largest;
        }
        let numeric = change / (right - left);
        Difference { numeric, crossed: above.winners != below.winners, step: (right - left) / 2.0, magnitude }
    }

    /// The standard deviation of the rounding in f near x: at least half an ulp of what was rounded, else as the higher differences of f
    /// over points between x−h and x+h show it. There a smooth f adds less to them than truncation does to the centred difference, and
    /// a kink has not been crossed.
    ///
    /// Source: Moré & Wild, *Estimating computational noise* (2011), equation 2.3.
    pub(super) fn noise(&mut self, id: NodeId, element: usize, difference: &Difference) -> f64 {
        let least = difference.magnitude * f64::EPSILON / 2.0;
        let x = self.program.real_mut(id)[element];
        // Several spacings with no common measure: from one of them a rounding that keeps step with the points could hide.
        let spacings = [0.25, 0.193, 0.131].map(|part| part * difference.step);
        spacings.into_iter().fold(least, |seen, spacing| {
            let samples: Vec<Sample> = (-4..=4).map(|k| self.at(id, element, x + f64::from(k) * spacing)).collect();
            seen.max(if samples.iter().any(|s| s.winners != samples[0].winners) { 0.0 } else { self.spread(&samples) })
        })
    }

    /// The standard deviation that the third to fifth differences of equally spaced samples show.
    fn spread(&self, samples: &[Sample]) -> f64 {
        let from_first = |s: &Sample| -> f64 {
            s.y.iter().zip(&samples[0].y).zip(self.weights).map(|((y, first), w)| w * (y - first)).sum()
        };
        let mut values: Vec<f64> = samples.iter().map(from_first).collect();
        let (mut seen, mut gamma) = (0.0_f64, 1.0);
        for k in 1..=5 {
            values = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
            // γₖ = (k!)² / (2k)!
            gamma *= (k * k) as f64 / ((2 * k - 1) * (2 * k)) as f64;
            if k >= 3 {
                let mean_square = values.iter().map(|d| d * d).sum::<f64>() / values.len() as f64;
                seen = seen.max((gamma * mean_square).sqrt());
            }
        }
        seen
    }
}
