//! Where the values between the layers of a chain lie.

/// A layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Width {
    pub inputs: usize,
    pub outputs: usize,
    /// Whether it ends in the chain's function.
    pub bent: bool,
}

/// Every table of a chain, one behind the other: each has a row for every row of the block-filled minibatch, so that a table begins
/// at as many times that number as columns lie before it.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub rows: usize,
    /// Rows with those that fill the last block.
    pub filled: usize,
    pub layers: Vec<Width>,
    /// Whether the accuracy is asked for.
    pub accuracy: bool,
    /// Columns before what goes into each layer, and last before the scores.
    pub values: Vec<usize>,
    /// Those before the gradients before each layer's activation.
    pub slopes: Vec<usize>,
    /// Those before the column of the rows' losses, and that of whether they are right.
    pub losses: usize,
    pub hits: usize,
    /// Elements in all.
    pub len: usize,
}

/// Rows that a workgroup takes; the last block is filled up.
pub(super) const BLOCK: usize = 4;
/// Elements of a weight's gradient that a workgroup takes along each axis.
pub(super) const TILE: usize = 16;

impl Layout {
    pub fn new(rows: usize, layers: Vec<Width>, accuracy: bool) -> Self {
        let filled = rows.next_multiple_of(BLOCK);
        let mut columns = 0;
        let mut table = |width: usize| {
            columns += width;
            columns - width
        };
        let first = layers.first().map_or(0, |l| l.inputs);
        let values = std::iter::once(first).chain(layers.iter().map(|l| l.outputs)).map(&mut table).collect();
        let slopes = layers.iter().map(|l| table(l.outputs)).collect();
        let (losses, hits) = (columns, columns + 1);
        // A tile of the last gradient reads past its columns, and uses nothing of that.
        let len = filled * (columns + 2) + TILE;
        Self { rows, filled, layers, accuracy, values, slopes, losses, hits, len }
    }

    /// The widest of all layers.
    pub fn widest(&self) -> usize {
        self.layers.iter().map(|l| l.inputs.max(l.outputs)).max().unwrap_or(0)
    }

    /// Floating-point operations of the products there and back, and of those that the gradients of the weights are.
    pub fn flops(&self) -> [u64; 2] {
        let product = |l: &Width| 2 * (self.rows * l.inputs) as u64 * l.outputs as u64;
        let all: u64 = self.layers.iter().map(product).sum();
        let first = self.layers.first().map_or(0, product);
        [2 * all - first, all]
    }
}
