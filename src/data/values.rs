//! Numbers in the precision their source has.

/// Numbers, row-major, in the precision their source has: widened or rounded once, where they are used.
///
/// ```
/// use thalweg::data::Values;
/// let v = Values::F64(vec![0.1, 1e-300]);
/// assert_eq!((v.len(), v.get(0)), (2, 0.1));
/// assert_eq!(v.to_f32(), [0.1f32, 0.0]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Single precision: what the GPU holds.
    F32(Vec<f32>),
    /// Double precision.
    F64(Vec<f64>),
}

impl Values {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `i`-th number, widened exactly.
    ///
    /// # Panics
    ///
    /// If `i` is not below [`len`](Self::len).
    pub fn get(&self, i: usize) -> f64 {
        match self {
            Self::F32(v) => f64::from(v[i]),
            Self::F64(v) => v[i],
        }
    }

    /// All of them, widened exactly.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = f64> + '_ {
        (0..self.len()).map(|i| self.get(i))
    }

    /// All in single precision, rounded to nearest; beyond ±3.4·10³⁸ they become infinite
    /// ([`Dataset::check_f32`](super::Dataset::check_f32) refuses such data).
    pub fn to_f32(&self) -> Vec<f32> {
        match self {
            Self::F32(v) => v.clone(),
            Self::F64(v) => v.iter().map(|&x| x as f32).collect(),
        }
    }

    /// All in double precision, exactly.
    pub fn to_f64(&self) -> Vec<f64> {
        match self {
            Self::F32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Self::F64(v) => v.clone(),
        }
    }

    /// The named rows of `width` numbers each.
    pub(super) fn select(&self, rows: &[u32], width: usize) -> Self {
        fn pick<T: Copy>(values: &[T], rows: &[u32], width: usize) -> Vec<T> {
            let mut out = Vec::with_capacity(rows.len() * width);
            for &row in rows {
                out.extend_from_slice(&values[row as usize * width..][..width]);
            }
            out
        }
        match self {
            Self::F32(v) => Self::F32(pick(v, rows, width)),
            Self::F64(v) => Self::F64(pick(v, rows, width)),
        }
    }
}
