//! The tools: one file each, which wires the stages together.

pub mod analyze;
pub mod check;
pub mod clock;
pub mod exit;
pub mod explain;
pub mod fetch;
pub mod gate;
pub mod generate;
pub mod lint;
pub mod options;
mod pages;
pub mod push;
pub mod receive;
mod reload;
mod scraped;
pub mod serve;
mod web;
