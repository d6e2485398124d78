//! How the kernels of poolings go over the planes of images.

use crate::error::GraphError;
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Tiling, Window, Word};
use crate::op::window::Window2d;

/// A kernel, the words of its uniform block that say where windows lie, and how many invocations a plane takes.
pub(crate) struct Walk {
    kernel: Kernel,
    words: Vec<(&'static str, Word)>,
    /// Pixels and places of a plane.
    widths: [usize; 2],
    invocations: usize,
}

impl Walk {
    /// One invocation a place, or one a pixel.
    pub fn each(kernel: Kernel, window: &Window2d, size: [usize; 2], places: [usize; 2], by_place: bool) -> Self {
        let widths = [size[0] * size[1], places[0] * places[1]];
        Self { kernel, words: window.params(size, places), widths, invocations: widths[usize::from(by_place)] }
    }

    /// With a factor for the kernel.
    pub fn factor(mut self, factor: f64) -> Self {
        self.words.push(("factor", (factor as f32).into()));
        self
    }

    /// The launches over all planes; each operand with the name of its stride and whether it holds places or pixels.
    pub fn launches(
        &self,
        plan: &Plan,
        op: &'static str,
        operands: &[(&'static str, Operand, bool)],
    ) -> Result<Launches, GraphError> {
        let of = |n: Operand| if let Operand::Input(n) = n { &plan.inputs[n] } else { &plan.output };
        let planes = plan.output.shape[0] * plan.output.shape[1];
        let launch = |(first, count): (usize, usize)| {
            let len = count * self.invocations;
            let mut params = vec![("len", len.into())];
            params.extend(&self.words);
            params.extend(operands.iter().map(|&(name, operand, _)| (name, of(operand).stride.into())));
            let binding = |&(_, operand, by_place): &(&str, Operand, bool)| {
                let width = self.widths[usize::from(by_place)];
                let window = Window { operand, offset: first * width, len: count * width };
                if operand == Operand::Output { Binding::Write(window) } else { Binding::Read(window) }
            };
            let bindings = operands.iter().map(binding).collect();
            Launch { kernel: self.kernel.clone(), params, bindings, groups: plan.linear(len, 64), flops: 0 }
        };
        let runs = plan.runs(op, planes, &self.widths)?;
        Ok(runs.into_iter().map(launch).collect::<Vec<_>>().into())
    }
}

/// Windows none of which overlap: the image falls into cells, each a window and the pixels up to the next, and a last one along
/// an axis may hold pixels alone.
pub(crate) struct Apart {
    window: Window2d,
    size: [usize; 2],
    places: [usize; 2],
    /// Rows and columns of a cell.
    step: [usize; 2],
}

/// Most cells side by side that one invocation has on a software adapter, whose divisions cost more than its memory.
const CELLS: usize = 8;

impl Apart {
    /// `None` where windows overlap.
    pub fn new(window: &Window2d, size: [usize; 2], places: [usize; 2]) -> Option<Self> {
        // A single window along an axis has all of it, whatever its stride.
        let step = [0, 1].map(|d| if places[d] == 1 { size[d] + window.padding[d] } else { window.stride[d] });
        let apart = (0..2).all(|d| places[d] == 1 || window.kernel[d] <= window.stride[d]);
        apart.then_some(Self { window: *window, size, places, step })
    }

    /// Pixels of a cell.
    pub fn pixels(&self) -> usize {
        self.step[0] * self.step[1]
    }

    /// One invocation a run of cells side by side: one cell on graphics cards, so that neighbours touch neighbouring pixels.
    pub fn walk(&self, kernel: Kernel, plan: &Plan) -> Walk {
        let ([h, w], [ho, wo]) = (self.size, self.places);
        let [down, columns] = [0, 1].map(|d| (self.size[d] + self.window.padding[d]).div_ceil(self.step[d]));
        let most = if plan.tiling == Tiling::Register { CELLS } else { 1 };
        let cells = columns.div_ceil(columns.div_ceil(most));
        let across = columns.div_ceil(cells);
        let ([kh, kw], [sh, sw], [ph, pw]) = (self.window.kernel, self.step, self.window.padding);
        let constants = [("KH", kh), ("KW", kw), ("SH", sh), ("SW", sw), ("PH", ph), ("PW", pw), ("CELLS", cells)];
        let kernel = constants.into_iter().fold(kernel, |kernel, (name, value)| kernel.constant(name, value as f64));
        let words = [("h", h), ("w", w), ("ho", ho), ("wo", wo), ("down", down), ("across", across)];
        let words = words.map(|(name, value)| (name, value.into())).into();
        Walk { kernel, words, widths: [h * w, ho * wo], invocations: down * across }
    }
}
