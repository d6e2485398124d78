//! Second-order optimizers: they look at the whole function, not at one element, so they are no [`Rule`](super::Rule)s.
//!
//! Each minimises a function given by its value and gradient ([`Space`]) or by its Hessian besides ([`Curved`]), wherever the vectors
//! live. One call of [`Lbfgs::step`] is one `optimizer.step(closure)` of PyTorch.

mod backtrack;
mod cholesky;
mod curved;
mod gather;
mod host;
mod lbfgs;
mod newton;
mod report;
mod space;
mod wolfe;

pub use curved::Curved;
pub use gather::gather;
pub use host::Host;
pub use lbfgs::{Last, Lbfgs, Memory, Pair};
pub use newton::Newton;
pub use report::{Ended, Report};
pub use space::{Norms, Space};

/// Which second-order optimizer a rule stands for: what [`Rule::second_order`](super::Rule::second_order) says.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum SecondOrder {
    /// L-BFGS.
    Lbfgs(Lbfgs),
    /// Newton's method.
    Newton(Newton),
}
