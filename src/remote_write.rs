//! Sending by Remote-Write: batches in, requests out, nothing lost in between.
//!
//! ```text
//! Writer ─ batches ─► Destination::append ─► store (a thread: the queue on disk)
//!                          ▲ durable              │ records, in order
//!                          │                      ▼
//!                       answers            rounds of requests ─► remote, until it answers for good
//!                                                 │
//!                          cursor ◄────── all requests of the round have their answer
//! ```
//!
//! A record of a queue is one message, relabelled, encoded and compressed as it will be sent, with
//! a head that says what it holds. A body that came in and was not changed is kept and sent as it
//! came. Records are merged, or spread over several requests at the same time, only where there is
//! a reason to.
//!
//! An append is answered when the disk has it. One sync serves all that came while the one before
//! ran. A record is given up when the destination has it, or says that it never will. Requests of
//! one round are under way at the same time; when all are answered the cursor is written, then the
//! next round begins. A process that is killed sends one round again, and loses nothing.
//!
//! What is sent, and how failures are met, follows Prometheus' own sender: 5xx, broken connections
//! and, if asked for, 429 are tried again with growing waits or after `Retry-After`; other answers
//! are final. A destination that does not know version 2.0 gets 1.0.

pub mod settings;

mod backoff;
mod batch;
mod destination;
mod destinations;
mod metadata;
mod remote;
mod round;
mod sender;
mod shards;
mod spread;
mod status;
mod store;
mod writer;

pub use batch::Batch;
pub use batch::Counts;
pub use destination::Destination;
pub use destinations::Destinations;
pub use destinations::StartError;
pub use destinations::Surroundings;
pub use settings::Settings;
pub use status::QueueStatus;
pub use store::AppendError;
pub use writer::LeftOut;
pub use writer::Writer;
