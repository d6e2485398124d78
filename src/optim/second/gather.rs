//! What a device does for a second-order optimizer: the gradient over all rows is gathered, minibatch by minibatch, in the fused
//! update, where another rule would change the parameters.

use super::super::Hyper;
use crate::kernel::wgsl;
use crate::scalar::Number;

pub(super) const STATES: &[&str] = &["gathered"];

/// The numbers for a minibatch that is `share` of all rows; the first one forgets what was gathered before.
///
/// ```
/// use thalweg::optim::DynRule;
/// use thalweg::optim::second::{Lbfgs, gather};
///
/// let (mut p, mut sum) = ([7.0], [0.0]);
/// for (share, gradient, first) in [(0.75, 4.0, true), (0.25, 8.0, false)] {
///     Lbfgs::default().update_f64(&gather(share, first), &[gradient], &mut p, &mut [&mut sum]);
/// }
/// assert_eq!((p, sum), ([7.0], [5.0]));
/// ```
pub fn gather(share: f64, first: bool) -> Hyper {
    super::super::hyper([share, f64::from(u8::from(!first))])
}

/// `s ← s + w g`, or `w g` where the sum begins; `p` stays.
#[inline]
pub(super) fn update<T: Number>(&[share, goes_on, ..]: &[T; 12], g: T, p: T, [s, b, c]: [T; 3]) -> (T, [T; 3]) {
    let before = if goes_on > T::of(0.0) { s } else { T::of(0.0) };
    (p, [before + share * g, b, c])
}

pub(super) fn source() -> &'static str {
    wgsl!("optim/second/gather")
}
