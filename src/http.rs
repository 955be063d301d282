//! HTTP/1.1 as weir speaks it, both ways: the server, the client, and what both need.
//!
//! In go sockets, requests and bodies; out come responses and streams of bytes. Nothing here knows
//! what the bytes mean, which targets there are, or what weir measures about itself: what is worth
//! counting is told to the caller.

pub mod answer;
pub mod body;
pub mod client;
pub mod connect;
pub mod exchange;
pub mod gzip;
pub mod h1;
pub mod incoming;
pub mod negotiate;
pub mod pausing;
pub mod percent;
pub mod pool;
pub mod proxy;
pub mod server;
pub mod settings;
pub mod tls;
pub mod url;
pub mod web;

pub use body::Body;
pub use client::Client;
pub use url::Url;
