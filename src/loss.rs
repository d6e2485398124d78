//! The room `loss`.
