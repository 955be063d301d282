//! Synthetic series: counters that reset, gauges that wave, histograms that move.
//!
//! One rule holds everywhere: **value = f(seed, series, absolute time)**. There is no cursor, no
//! state, no clock and no global source of randomness in here, so whoever asks, whenever and in
//! whatever order, gets the same answer. Scrapes of two Prometheus servers agree, a restart resets
//! no counter, and what is scraped live is what a backfill would have written.
//!
//! A [`spec::Spec`] is what people write; it is checked once and compiled. The modules in reading
//! order:
//!
//! - [`spec`]: signals, families and dimensions as written.
//! - [`hash`]: numbers that look random, from keys.
//! - [`distribution`]: what observed values look like.
//! - [`native`]: native histograms as values.
//! - [`notation`]: the notation promtool uses for series.
//! - [`signal`]: a value for every instant, and the area below a rate.
//! - [`counter`]: a rate's integral since the last reset.
//! - [`histogram`]: observations in buckets, classic and native; summaries.
//! - [`space`], [`churn`]: the series of a family by number, and how they come and go.
//! - [`overrides`]: what was changed by hand.
//! - [`family`], [`generator`]: a spec, compiled, to be asked for any target at any instant.
//! - [`page`], [`history`], [`sample`]: expositions, backfills and samples one by one.
//! - [`learn`], [`presets`]: specs from real scrapes, and ready-made ones.
//! - [`invalid`]: expositions that are wrong on purpose.

pub mod spec;

pub mod distribution;
pub mod hash;
pub mod native;
pub mod notation;
pub mod signal;

pub mod counter;
pub mod histogram;

pub mod churn;
pub mod overrides;
pub mod space;

mod data;
mod layout;

pub mod exemplar;
pub mod family;
pub mod generator;
pub mod history;
pub mod page;
pub mod sample;
mod walk;

pub mod invalid;
pub mod learn;
pub mod presets;
