//! The one integration binary.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod allocations;
mod buffer;
mod cli;
mod corpus;
mod discovery;
mod exposition;
mod gate;
mod generate_edges;
mod generate_invalid;
mod generate_learn;
mod generate_presets;
mod lint;
mod monitoring;
mod nginx;
#[path = "../../benches/support/nginx.rs"]
mod nginx_body;
mod packaging;
mod push;
mod readme;
mod real_servers;
mod receive;
mod relabel;
mod remote_write;
mod scrape;
mod servers;
mod support;
mod tidy;
mod web;
mod wire;
