//! How an optimizer's states are held.

use crate::error::OptimError;
use crate::rng::threefry;

/// The number type of an optimizer's states in memory. The arithmetic is the device's whatever they are held in.
///
/// | | bytes | precision | range | rounded |
/// |---|---|---|---|---|
/// | `F32` | 4 | 2⁻²⁴ | 1e-38 … 3e38 | not at all |
/// | `F16` | 2 | 2⁻¹¹ | 6e-8 … 65504 | to the nearest, ties to even; held at ±65504 |
/// | `Bf16` | 2 | 2⁻⁸ | 1e-38 … 3e38 | up or down at random, in proportion to what is cut off |
///
/// The mean of squares of a gradient of 1e-4 is 1e-8, which is 0 in f16: Adam would then divide by ε alone, so training refuses f16 for states
/// that a rule divides by. With bf16 a mean with
/// β = 0.999 would stand still if it were rounded to the nearest, since each step changes it by less than half of its last bit;
/// the random rounding, by the element's place mixed with Threefry of (seed, step, state), is right on average and has the same bits
/// each time.
/// The cpu device holds the same numbers in f32 or f64, so that both devices can be compared; it saves no memory.
///
/// # Examples
///
/// ```
/// use thalweg::optim::Storage;
///
/// assert_eq!(Storage::F16.hold(0.1, [0, 0], 0, 0, 0), 0.0999755859375); // 1638/16384
/// let held: Vec<f64> = (0..1000).map(|i| Storage::Bf16.hold(0.1, [7, 0], 1, 0, i)).collect();
/// let mean = held.iter().sum::<f64>() / 1000.0;
/// assert!(held.iter().all(|x| [0.099609375, 0.10009765625].contains(x)) && (mean - 0.1).abs() < 5e-5);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// As the device computes.
    #[default]
    F32,
    /// Half precision, to the nearest.
    F16,
    /// The upper half of f32, at random.
    Bf16,
}

impl Storage {
    /// All there are.
    pub const ALL: &'static [Self] = &[Self::F32, Self::F16, Self::Bf16];

    /// As it is written: `"f32"`, `"f16"`, `"bf16"`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    /// Bytes of one state of one parameter on a GPU.
    pub const fn bytes(self) -> usize {
        if matches!(self, Self::F32) { 4 } else { 2 }
    }

    /// The storage of that name.
    ///
    /// # Errors
    ///
    /// [`OptimError::Name`], which lists the names there are.
    pub fn find(found: &str) -> Result<Self, OptimError> {
        Self::ALL.iter().copied().find(|s| s.name() == found).ok_or_else(|| OptimError::Name {
            kind: "state type",
            found: found.into(),
            known: Self::ALL.iter().map(|s| s.name()).collect(),
        })
    }

    /// The number of this type that is nearest to `x`, ties to even; a number of this type itself: how states from outside, and
    /// those before the first step, are held.
    ///
    /// ```
    /// use thalweg::optim::Storage;
    ///
    /// assert_eq!([Storage::F16, Storage::Bf16].map(|s| s.nearest(0.1)), [0.0999755859375, 0.10009765625]);
    /// ```
    pub fn nearest(self, x: f64) -> f64 {
        match self {
            Self::F32 => x,
            Self::F16 => half::f16::from_f32((x as f32).clamp(-65504.0, 65504.0)).to_f64(),
            Self::Bf16 => half::bf16::from_f32(x as f32).to_f64(),
        }
    }

    /// What is held of `x`, the state number `state` of element `element` (of the flat buffer) after step `step`, in a run
    /// with that seed.
    pub fn hold(self, x: f64, seed: [u32; 2], step: u32, state: usize, element: usize) -> f64 {
        match self {
            Self::F32 | Self::F16 => self.nearest(x),
            Self::Bf16 => {
                let bits = (x as f32).to_bits();
                if bits & 0x7f80_0000 == 0x7f80_0000 {
                    return f64::from(f32::from_bits(bits & 0xffff_0000));
                }
                let word = mixed((element / 2) as u32, threefry(seed, [step, state as u32]));
                let noise = if element.is_multiple_of(2) { word & 0xffff } else { word >> 16 };
                f64::from(f32::from_bits(bits.wrapping_add(noise) & 0xffff_0000))
            }
        }
    }
}

/// Random bits of a place: rounds of Wellons' `lowbias32`, with two words of salt. A rounding needs no more, and is made for every
/// state of every element of every step.
fn mixed(place: u32, [first, second]: [u32; 2]) -> u32 {
    let x = place ^ first;
    let x = (x ^ x >> 16).wrapping_mul(0x21f0_aaad);
    let x = (x ^ x >> 15).wrapping_add(second).wrapping_mul(0xd35a_2d97);
    x ^ x >> 15
}
