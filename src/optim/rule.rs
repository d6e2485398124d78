//! What an update rule is.

use std::fmt::Debug;

use super::fields::{POSITIVE_F32, positive_f32};
use super::second::SecondOrder;
use super::{Convention, TensorRule};
use crate::error::OptimError;
use crate::scalar::Number;

/// Numbers that are equal for all elements of a parameter group at one step. Computed once a step on the host in f64 and
/// rounded once to f32 for the GPU: WGSL lets `log2` be wrong by 2⁻²¹ near 1, so `pow(β, t)` in a shader could put
/// `1 − βᵗ` 3·10⁻⁴ off. What stands where is the rule's business; unused places are 0.
pub type Hyper = [f64; 12];

/// `numbers`, and 0 in the places that are left.
pub fn hyper<const N: usize>(numbers: [f64; N]) -> Hyper {
    const { assert!(N <= 12, "a rule has at most 12 numbers") };
    let mut all = [0.0; 12];
    all[..N].copy_from_slice(&numbers);
    all
}

/// An update rule: what one step does to one element.
///
/// Implement it outside the crate to train with a rule of your own; [`DynRule`](super::DynRule) comes with it.
///
/// # Examples
///
/// The sign of the gradient alone, which needs no state:
///
/// ```
/// use thalweg::Number;
/// use thalweg::error::OptimError;
/// use thalweg::optim::{Convention, DynRule, Hyper, Rule, hyper};
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
///     fn hyper(&self, _: u64, rate: f64) -> Hyper { hyper([rate]) }
///     fn update<T: Number>(&self, h: &[T; 12], g: T, p: T, s: [T; 3]) -> (T, [T; 3]) { (p - h[0] * g.sign(), s) }
///     fn source(&self) -> &'static str {
///         "fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated {
///             return Updated(p - h[0] * sign(g), s);
///         }"
///     }
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
    fn update<T: Number>(&self, hyper: &[T; 12], gradient: T, parameter: T, state: [T; 3]) -> (T, [T; 3]);

    /// The same rule with one of its numbers changed, for parameter groups, members of a population and momentum that
    /// changes with the step. Without a definition of its own it refuses all.
    ///
    /// # Errors
    ///
    /// [`OptimError::Field`] for a number that the rule does not have, [`OptimError::Range`] for a value it refuses.
    fn with(&self, field: &str, value: f64) -> Result<Self, OptimError> {
        let _ = value;
        Err(OptimError::Field { owner: self.name().into(), found: field.into(), known: Vec::new() })
    }

    /// Whether the first result of [`update`](Self::update) is not the new parameter but a direction u, which the engine
    /// scales by the tensor's trust ratio r (LAMB): `p ← (1 − h₁₁)p`, then `p ← p − h₁₀ r u` with `r = ‖p‖/‖u‖`, or 1 where
    /// either norm is 0. Where the device's floats do not hold a norm's square, r is NaN and so the parameters are: it is seen.
    fn trust_ratio(&self) -> bool {
        false
    }

    /// The part of the rule that needs whole tensors, if it has one: the tensors that this [takes](TensorRule::takes) are updated
    /// by it, the others by [`update`](Self::update).
    fn tensor_rule(&self) -> Option<&dyn TensorRule> {
        None
    }

    /// The WGSL of one function, which does on four elements at once what [`update`](Self::update) does on one:
    ///
    /// ```text
    /// fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated
    /// ```
    ///
    /// where `State` has the vec4s `a`, `b`, `c` (those that the rule lacks are 0 and ignored) and `Updated` is `(p, s)`.
    /// Functions beside it may have any names that begin with `rule_`.
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
