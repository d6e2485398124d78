//! Where the values between the layers of a chain lie.

/// A layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Width {
    pub inputs: usize,
    pub outputs: usize,
    /// Whether it ends in the chain's function.
    pub bent: bool,
}

/// One row-major table in the chain's scratch: each row is padded to eight, so that a kernel takes eight columns without asking.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    pub at: usize,
    pub row: usize,
}

/// Every table of a chain.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub rows: usize,
    /// Rows with those that fill the last block.
    pub padded: usize,
    pub layers: Vec<Width>,
    /// Whether the accuracy is asked for.
    pub accuracy: bool,
    /// What goes into each layer, and last the scores.
    pub values: Vec<Table>,
    /// The gradients before each layer's activation.
    pub slopes: Vec<Table>,
    /// A number a row: its loss, and whether it is right.
    pub losses: usize,
    pub hits: usize,
    /// Elements in all.
    pub len: usize,
}

/// Rows that a workgroup takes; the last block is filled up.
pub(super) const BLOCK: usize = 4;
/// Elements behind the last that a tile may read and not use.
const SLACK: usize = 32;

impl Layout {
    pub fn new(rows: usize, layers: Vec<Width>, accuracy: bool) -> Self {
        let padded = rows.next_multiple_of(BLOCK);
        let mut len = 0;
        let mut table = |width: usize| {
            let row = width.next_multiple_of(8);
            let at = len;
            len += padded * row;
            Table { at, row }
        };
        let first = layers.first().map_or(0, |l| l.inputs);
        let values = std::iter::once(first).chain(layers.iter().map(|l| l.outputs)).map(&mut table).collect();
        let slopes = layers.iter().map(|l| table(l.outputs)).collect();
        let (losses, hits) = (len, len + padded);
        Self { rows, padded, layers, accuracy, values, slopes, losses, hits, len: len + 2 * padded + SLACK }
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
