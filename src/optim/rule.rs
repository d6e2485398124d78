//! What an update rule is.

use std::fmt::Debug;

use super::Convention;
use super::fields::{POSITIVE_F32, positive_f32};
use super::second::SecondOrder;
use crate::error::OptimError;
use crate::scalar::Scalar;

/// Numbers that are equal for all elements of a parameter group at one step. Computed once a step on the host in f64 and
/// rounded once to f32 for the GPU: WGSL lets `log2` be wrong by 2⁻²¹ near 1, so `pow(β, t)` in a shader could put
/// `1 − βᵗ` 3·10⁻⁴ off. What stands where is the rule's business; unused places are 0.
pub type Hyper = [f64; 8];

/// An update rule: what one step does to one element.
///
/// Implement it outside the crate to train with a rule of your own; [`DynRule`](super::DynRule) comes with it.
///
/// # Examples
///
/// The sign of the gradient alone, which needs no state:
///
/// ```
/// use thalweg::Scalar;
/// use thalweg::error::OptimError;
/// use thalweg::optim::{Convention, DynRule, Hyper, Rule};
///
/// #[derive(Clone, Debug)]
/// struct SignDescent(f64);
///
/// impl Rule for SignDescent {
///     fn name(&self) -> &'static str { "sign" }
///     fn convention(&self) -> Convention { Convention::PyTorch }
///     fn states(&self) -> &'static [&'static str] { &[] }
///     fn validate(&self) -> Result<(), OptimError> { Ok(()) }
///     fn learning_rate(&self) -> f64 { self.0 }
///     fn hyper(&self, _: u64, rate: f64) -> Hyper { [rate, 0., 0., 0., 0., 0., 0., 0.] }
///     fn update<T: Scalar>(&self, h: &[T; 8], g: T, p: T, s: [T; 3]) -> (T, [T; 3]) { (p - h[0] * g.signum(), s) }
///     fn source(&self) -> &'static str { "" } // for the GPU: see `thalweg::optim::link`
/// }
///
/// let rule: &dyn DynRule = &SignDescent(0.25);
/// let mut p = [1.0, 1.0];
/// rule.update_f64(&rule.hyper(1, 0.25), &[3.0, -0.1], &mut p, &mut []);
/// assert_eq!(p, [0.75, 1.25]);
/// ```
pub trait Rule: Debug + Clone + Send + Sync + 'static {
    /// As written in a run's TOML: `"adam"`.
    fn name(&self) -> &'static str;

    /// Whose arithmetic it follows.
    fn convention(&self) -> Convention;

    /// The states of each element, by PyTorch's names, in the order of the bindings; at most 3. It may depend on the
    /// fields: RMSprop without momentum has no momentum buffer.
    fn states(&self) -> &'static [&'static str];

    /// What a state is before the first step.
    fn initial_state(&self, state: usize) -> f64 {
        let _ = state;
        0.0
    }

    /// # Errors
    ///
    /// [`OptimError`] if a field lies outside its documented range or does not belong to the convention.
    fn validate(&self) -> Result<(), OptimError>;

    /// [`validate`](Self::validate) for devices that compute in f32, where 1e-50 is 0 and 1e39 infinite. Without a
    /// definition of its own it looks at the learning rate alone.
    ///
    /// # Errors
    ///
    /// [`OptimError::Range`] besides, for a field that f32 does not hold.
    fn validate_f32(&self) -> Result<(), OptimError> {
        self.validate()?;
        let found = self.learning_rate();
        if positive_f32(found) {
            return Ok(());
        }
        Err(OptimError::Range { owner: self.name().into(), field: "learning_rate", range: POSITIVE_F32, found })
    }

    /// The base rate, which a schedule multiplies or replaces.
    fn learning_rate(&self) -> f64;

    /// The numbers of step `step = 1, 2, …` at the learning rate η of that step.
    fn hyper(&self, step: u64, learning_rate: f64) -> Hyper;

    /// The equation for one element: the new parameter and the new states. States that the rule does not have are
    /// passed as 0 and ignored.
    fn update<T: Scalar>(&self, hyper: &[T; 8], gradient: T, parameter: T, state: [T; 3]) -> (T, [T; 3]);

    /// The WGSL, linked: `optim/updateN` for N states, `optim/update`, the rule, `lib/control`, `lib/grid`. Its entry
    /// point is `update`. Outside the crate, [`link`](super::link) makes it.
    fn source(&self) -> &'static str;

    /// The second-order optimizer that this stands for: its update then gathers the gradient over all rows and moves nothing
    /// ([`second::gather`](super::second::gather)), and the trainer does the rest. `None` for a rule of one element, as nearly all
    /// are.
    fn second_order(&self) -> Option<SecondOrder> {
        None
    }
}

/// The least memory traffic of one f32 parameter with `states` states, in bytes: the gradient is read, the parameter
/// and each state read and written.
///
/// # Examples
///
/// ```
/// assert_eq!(thalweg::optim::bytes_per_parameter(0), 12); // SGD
/// assert_eq!(thalweg::optim::bytes_per_parameter(2), 28); // Adam
/// ```
pub const fn bytes_per_parameter(states: usize) -> usize {
    12 + 8 * states
}
