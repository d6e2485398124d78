//! The counter-based generator: the same bits on the host and in WGSL (`shaders/lib/threefry.wgsl`).
//!
//! A draw is a pure function of `(seed, step, stream, element)`, so nothing has to be saved to
//! resume a run but the step, and a mask can be made again in the backward pass instead of stored.
//!
//! Source: Salmon et al., *Parallel random numbers: as easy as 1, 2, 3* (2011); the known-answer
//! vectors of the Random123 library are asserted below.

/// Threefry-2x32 with 20 rounds: two words of output for two words of counter under a key.
///
/// ```
/// // Random123, kat_vectors: threefry2x32 20, counter 0, key 0.
/// assert_eq!(thalweg::rng::threefry([0, 0], [0, 0]), [0x6b20_0159, 0x99ba_4efe]);
/// ```
pub fn threefry(key: [u32; 2], counter: [u32; 2]) -> [u32; 2] {
    const ROTATIONS: [[u32; 4]; 2] = [[13, 15, 26, 6], [17, 29, 16, 24]];
    let schedule = [key[0], key[1], key[0] ^ key[1] ^ 0x1BD1_1BDA];
    let [mut x, mut y] = [counter[0].wrapping_add(schedule[0]), counter[1].wrapping_add(schedule[1])];
    for group in 0..5u32 {
        for rotation in ROTATIONS[group as usize % 2] {
            x = x.wrapping_add(y);
            y = y.rotate_left(rotation) ^ x;
        }
        let next = group as usize + 1;
        x = x.wrapping_add(schedule[next % 3]);
        y = y.wrapping_add(schedule[(next + 1) % 3]).wrapping_add(group + 1);
    }
    [x, y]
}

/// One stream of draws: all elements of one random node at one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    key: [u32; 2],
}

impl Stream {
    /// The stream of node `stream` at `step` under `seed`.
    pub fn new(seed: u64, step: u32, stream: u32) -> Self {
        Self { key: threefry([seed as u32, (seed >> 32) as u32], [step, stream]) }
    }

    /// The `element`-th word. Two neighbours share one block of Threefry.
    pub fn word(self, element: u32) -> u32 {
        threefry(self.key, [element / 2, 0])[element as usize % 2]
    }

    /// The `element`-th draw from `[0, 1)` with 53 random bits, for the host alone.
    pub fn uniform(self, element: u32) -> f64 {
        self.fraction(element, 1)
    }

    /// 53 bits of the block at that counter, as a number in `[0, 1)`.
    fn fraction(self, element: u32, counter: u32) -> f64 {
        let [high, low] = threefry(self.key, [element, counter]);
        let bits = (u64::from(high) << 32 | u64::from(low)) >> 11;
        bits as f64 / (1u64 << 53) as f64
    }

    /// The `element`-th draw from the standard normal distribution, for the host alone (Box–Muller in f64).
    pub fn normal(self, element: u32) -> f64 {
        let (u, v) = (self.fraction(element, 2), self.fraction(element, 3));
        // 1 − u lies in (0, 1], so the logarithm is finite.
        (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    /// A permutation of `0..len` (Fisher–Yates, unbiased by rejection).
    pub fn permutation(self, len: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..len as u32).collect();
        let mut draw = 0u32;
        for last in (1..len as u32).rev() {
            let span = last + 1;
            let limit = u32::MAX - (u32::MAX % span + 1) % span;
            let pick = loop {
                let word = threefry(self.key, [draw, 4])[0];
                draw = draw.wrapping_add(1);
                if word <= limit {
                    break word % span;
                }
            };
            order.swap(last as usize, pick as usize);
        }
        order
    }
}

/// Streams of the host's own draws; graph nodes take theirs from 0 upwards.
pub mod stream {
    /// The order of the rows in an epoch.
    pub const SHUFFLE: u32 = 0xFFFF_FFFF;
    /// Which rows are held out.
    pub const SPLIT: u32 = 0xFFFF_FFFE;
    /// Initial weights; the step is the tensor's place in the model.
    pub const INIT: u32 = 0xFFFF_FFFD;
    /// Dimensions sampled by the gradient checker and data made for it.
    pub const CHECK: u32 = 0xFFFF_FFFC;
    /// Numbers drawn for the members of a population; the step is a hash of the number's name.
    pub const POPULATION: u32 = 0xFFFF_FFFB;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random123 1.14, `tests/kat_vectors`, the three lines of `threefry2x32 20`.
    #[test]
    fn known_answers() {
        let f = u32::MAX;
        assert_eq!(threefry([0, 0], [0, 0]), [0x6b20_0159, 0x99ba_4efe]);
        assert_eq!(threefry([f, f], [f, f]), [0x1cb9_96fc, 0xbb00_2be7]);
        assert_eq!(threefry([0x1319_8a2e, 0x0370_7344], [0x243f_6a88, 0x85a3_08d3]), [0xc492_3a9c, 0x483d_f7a0]);
    }

    #[test]
    fn a_permutation_holds_every_row_once() {
        for len in [0, 1, 2, 63, 1000] {
            let mut order = Stream::new(7, 3, stream::SHUFFLE).permutation(len);
            order.sort_unstable();
            assert!(order.iter().enumerate().all(|(i, &x)| i as u32 == x) && order.len() == len);
        }
    }

    #[test]
    fn moments_of_the_draws() {
        let s = Stream::new(1, 0, 0);
        let n = 100_000;
        let mean = |f: &dyn Fn(u32) -> f64| (0..n).map(f).sum::<f64>() / f64::from(n);
        // Three standard errors: 3/√(12 n) and 3/√n.
        assert!((mean(&|i| s.uniform(i)) - 0.5).abs() < 3.0 / (12.0 * f64::from(n)).sqrt());
        assert!(mean(&|i| s.normal(i)).abs() < 3.0 / f64::from(n).sqrt());
        assert!((mean(&|i| s.normal(i).powi(2)) - 1.0).abs() < 3.0 * (2.0 / f64::from(n)).sqrt());
    }
}
