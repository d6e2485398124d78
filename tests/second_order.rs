//! Second-order optimizers: PyTorch's L-BFGS trial by trial, Newton's method, and both where optimizers are wont to fail.

#[path = "second_order/functions.rs"]
mod functions;
#[path = "second_order/golden.rs"]
mod golden;
#[path = "second_order/lbfgs.rs"]
mod lbfgs;
#[path = "second_order/newton.rs"]
mod newton;
