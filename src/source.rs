//! Where expositions come from: targets, and how one is scraped.
//!
//! In goes a target and a deadline, out comes a format and the bytes of one exposition, in pieces,
//! as they arrive. A transfer that does not end cleanly is an error, whatever was handed on before.
//! Nothing here knows what the bytes say: the sink does, and may refuse them.

pub mod error;
pub mod local;
pub mod scrape;
pub mod target;

pub use error::Refused;
pub use error::ScrapeError;
pub use error::ScrapeErrorKind;
pub use local::Local;
pub use scrape::Scraper;
pub use scrape::within;
pub use target::Target;
