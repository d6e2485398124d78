//! The room `data`.
