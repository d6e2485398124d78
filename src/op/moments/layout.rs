//! Which elements share a mean and a variance, and which a weight and a bias.

use crate::error::GraphError;
use crate::kernel::Tiling;
use crate::op::operand;
use crate::scalar::Scalar;
use crate::shape::Shape;

/// What one mean and one variance are taken over, in `x : [N, C, …]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// A channel of the whole batch: C statistics of N·… values; weight and bias `[C]`.
    Batch,
    /// One example: N statistics; weight and bias of an example's shape.
    Example,
    /// So many groups of neighbouring channels of one example: N·groups statistics; weight and bias `[C]`.
    Groups(usize),
}

impl Over {
    /// The layout of a tensor, if it suits.
    pub(crate) fn layout(self, op: &'static str, operand: &'static str, shape: &Shape) -> Result<Layout, GraphError> {
        if shape.rank() < 2 || shape[1..].contains(&0) {
            let wanted = "[N, C, …] with at least one element an example".into();
            return Err(operand::misshapen(op, operand, wanted, shape));
        }
        if let Self::Groups(groups) = self
            && (groups == 0 || !shape[1].is_multiple_of(groups))
        {
            let found = format!("{groups} for {} channels", shape[1]);
            let range = "at least 1 and a divisor of the number of channels";
            return Err(GraphError::Range { op, field: "groups", range, found });
        }
        Ok(self.of(shape))
    }

    /// The layout of a tensor that suits.
    pub(crate) fn of(self, shape: &Shape) -> Layout {
        let (n, channels, per) = (shape[0], shape[1], shape[2..].iter().product());
        let elements = shape.elements();
        match self {
            Self::Batch => Layout { elements, set_inner: per, sets: channels, per, params: channels },
            Self::Example => {
                Layout { elements, set_inner: channels * per, sets: n, per: 1, params: channels * per }
            }
            Self::Groups(groups) => {
                Layout { elements, set_inner: channels / groups * per, sets: n * groups, per, params: channels }
            }
        }
    }

    /// The shape of weight and bias.
    pub(crate) fn parameters(self, shape: &Shape) -> Shape {
        match self {
            Self::Batch | Self::Groups(_) => Shape::from([shape[1]]),
            Self::Example => Shape::from(&shape[1..]),
        }
    }
}

/// Element i belongs to set `i / set_inner % sets`, whose statistics normalise it, and to parameter `i / per % params`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub elements: usize,
    pub set_inner: usize,
    pub sets: usize,
    pub per: usize,
    pub params: usize,
}

/// By what elements are added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Those that share a mean and a variance.
    Set,
    /// Those that share a weight and a bias.
    Parameter,
}

/// A tensor seen as `[outer, classes, inner]`: the elements of one class are added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub classes: usize,
    pub inner: usize,
    /// Elements of one class.
    pub len: usize,
}

/// A run of elements. Along it the class stays, or is one more with each element.
struct Segment {
    start: usize,
    len: usize,
    set: (usize, usize),
    param: (usize, usize),
}

impl Layout {
    /// The classes of a sum.
    pub fn view(&self, by: By) -> View {
        let (classes, inner) = match by {
            By::Set => (self.sets, self.set_inner),
            By::Parameter => (self.params, self.per),
        };
        View { classes, inner, len: self.elements / classes.max(1) }
    }

    /// Whether sets and parameters are the same classes.
    pub fn same(&self) -> bool {
        (self.set_inner, self.sets) == (self.per, self.params)
    }

    /// Neighbours of one set and one parameter that an element-wise invocation takes: their place is computed once. A card would rather
    /// have neighbours in neighbouring invocations.
    pub fn run(&self, tiling: Tiling) -> usize {
        let fits = |run: &usize| self.set_inner.is_multiple_of(*run) && self.per.is_multiple_of(*run);
        let longest = if tiling == Tiling::Register { 16 } else { 1 };
        // A launch over a part of the elements begins at a multiple of 64.
        [16, 8, 4, 2].into_iter().filter(|run| *run <= longest).find(fits).unwrap_or(1)
    }

    fn segment_len(&self) -> usize {
        if self.per > 1 {
            self.per
        } else if self.same() {
            self.params
        } else {
            self.set_inner
        }
    }

    fn segments(&self, mut f: impl FnMut(Segment)) {
        let len = self.segment_len();
        let (set_step, param_step) = (usize::from(self.per == 1 && self.same()), usize::from(self.per == 1));
        for start in (0..self.elements).step_by(len) {
            let set = (start / self.set_inner % self.sets, set_step);
            let param = (start / self.per % self.params, param_step);
            f(Segment { start, len, set, param });
        }
    }

    /// Calls `f(i, set, parameter)` for every element, in order.
    pub fn each(&self, mut f: impl FnMut(usize, usize, usize)) {
        self.segments(|s| {
            let ((set, set_step), (param, param_step)) = (s.set, s.param);
            for j in 0..s.len {
                f(s.start + j, set + j * set_step, param + j * param_step);
            }
        });
    }

    /// K sums for every class, by blocks, so that the roundings grow with [`depth`](Self::depth).
    pub fn sums<T: Scalar, const K: usize>(
        &self,
        by: By,
        term: impl Fn(usize, usize, usize) -> [T; K],
    ) -> Vec<[T; K]> {
        let view = self.view(by);
        let mut total = vec![[T::zero(); K]; view.classes];
        let mut block = total.clone();
        let a_round = view.classes * view.inner / self.segment_len().max(1);
        let rounds = blocked(view.len / view.inner.max(1)) * a_round;
        let mut left = rounds;
        self.segments(|s| {
            let (class, step) = if by == By::Set { s.set } else { s.param };
            let ((set, set_step), (param, param_step)) = (s.set, s.param);
            let term = |j| term(s.start + j, set + j * set_step, param + j * param_step);
            if step == 0 {
                add(&mut block[class], run(s.len, term));
            } else {
                block[class..class + s.len].iter_mut().enumerate().for_each(|(j, sum)| add(sum, term(j)));
            }
            left -= 1;
            if left == 0 {
                left = rounds;
                for (total, block) in total.iter_mut().zip(&mut block) {
                    add(total, std::mem::replace(block, [T::zero(); K]));
                }
            }
        });
        total.iter_mut().zip(block).for_each(|(total, block)| add(total, block));
        total
    }

    /// The most additions that a term goes through in [`sums`](Self::sums).
    pub fn depth(&self, by: By) -> usize {
        let (view, segment) = (self.view(by), self.segment_len());
        let varies = self.per == 1 && (by == By::Parameter || self.same());
        let (within, of_a_round) = if varies { (0, 1) } else { (run_depth(segment), view.inner / segment.max(1)) };
        let rounds = view.len / view.inner.max(1);
        let block = blocked(rounds);
        (within + of_a_round * rounds.min(block) + rounds / block + 1).min(view.len)
    }
}

const LANES: usize = 8;

/// How many of n terms are added up before their sum is added to others': about √n, so that none goes through more than 2√n.
fn blocked(n: usize) -> usize {
    n.isqrt().max(16)
}

fn run_depth(len: usize) -> usize {
    let block = blocked(len / LANES);
    block.min(len.div_ceil(LANES)) + LANES + len / (LANES * block) + 1
}

fn add<T: Scalar, const K: usize>(sum: &mut [T; K], term: [T; K]) {
    sum.iter_mut().zip(term).for_each(|(sum, term)| *sum += term);
}

/// K sums of `len` terms, in lanes that a vector unit takes side by side, emptied after each block.
fn run<T: Scalar, const K: usize>(len: usize, term: impl Fn(usize) -> [T; K]) -> [T; K] {
    let mut total = [T::zero(); K];
    let block = blocked(len / LANES) * LANES;
    for start in (0..len).step_by(block) {
        let end = len.min(start + block);
        let whole = start + (end - start) / LANES * LANES;
        let mut lanes = [[T::zero(); K]; LANES];
        for j in (start..whole).step_by(LANES) {
            for (l, lane) in lanes.iter_mut().enumerate() {
                add(lane, term(j + l));
            }
        }
        (whole..end).for_each(|j| add(&mut lanes[j - whole], term(j)));
        let mut sum = [T::zero(); K];
        lanes.into_iter().for_each(|lane| add(&mut sum, lane));
        add(&mut total, sum);
    }
    total
}
