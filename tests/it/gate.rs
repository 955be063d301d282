//! The gate as a whole: endpoints, outcomes, sharing, subsets, drain.
//!
//! `FIX-…` in a name or comment is a defect of metric-gate's, by its number in the contract.

mod analyze;
mod bad_input;
mod drop_in;
mod endpoints;
mod fan_in;
mod replicas;
mod sharing;
mod subsets;
