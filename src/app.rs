//! The tools: one file each, which wires the stages together.

pub mod check;
pub mod exit;
pub mod explain;
