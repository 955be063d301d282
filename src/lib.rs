//! weir stands between Prometheus exporters and Prometheus and lets less, cleaner, governed data
//! through.
//!
//! The modules in reading order; each level may use those above it in this list, never below.
//!
//! - [`model`]: spans, labels, metric types, numbers: the words.
//! - [`parse`]: exposition text to entries.
//! - [`relabel`]: labels × rules → keep or drop, and labels.
//! - [`aggregate`]: output series: interning, merging, keeping them in order.
//! - [`render`]: snapshots to exposition text.
//! - [`ledger`]: one target's series in scrape order: a known line costs a comparison.
//! - [`engine`]: bodies of targets in, snapshots of outputs out.
//! - [`analyze`]: what an exposition is made of.
//! - [`lint`]: what is wrong, or against a convention, in an exposition.
//! - [`wire`]: remote-write messages to time series, and back.
//! - [`buffer`]: a durable queue of records; the disk is a trait.
//! - [`push`]: what clients of a Pushgateway send.
//! - [`generate`]: synthetic series, a function of seed, series and time.
//! - [`intake`]: what becomes of a remote-write request.
//! - [`stream`]: many pushed series in, few out, at an interval.
//! - [`telemetry`]: logs and weir's own metrics.
//! - [`http`]: the server and the client.
//! - [`disk`]: a directory for a queue.
//! - [`source`]: scraping a target.
//! - [`discovery`]: from an upstream to its targets.
//! - [`remote_write`]: batches in, requests to destinations out, a durable queue between.
//! - [`config`]: YAML → validated values, or every error with its place.
//! - [`app`]: the tools.
//! - [`cli`]: the command line.

pub mod model;

pub mod parse;
pub mod relabel;

pub mod aggregate;
pub mod render;

pub mod ledger;

pub mod engine;

pub mod analyze;
pub mod generate;
pub mod lint;

pub mod buffer;
pub mod push;

pub mod wire;

pub mod intake;
pub mod stream;

pub mod discovery;
pub mod disk;
pub mod http;
pub mod remote_write;
pub mod source;
pub mod telemetry;

pub mod config;

pub mod app;
pub mod cli;
