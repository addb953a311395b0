//! A client for NSQ: consumers and producers on tokio.
//!
//! ```text
//! lookupd ◀─poll─ discovery ─▶ links, one per node ─▶ Consumer: next() or run()      FIN, REQ, TOUCH ─▶ link ─▶ nsqd
//!                                  ▲ RDY                       │ answers
//!                                  └────────── flow ◀──────────┘
//! Producer: publish() ─▶ window of publications ─▶ link ─▶ nsqd                      OK or error ─▶ each in its order
//! ```
//! A [`Consumer`] keeps one connection to each node of its topic, known by address or found through
//! nsqlookupd. It distributes `max_in_flight` among them, pauses when messages fail, and resumes with a
//! single trial message (as go-nsq does). Messages come as a stream ([`Consumer::next`]) or to a handler
//! ([`Consumer::run`]).
//!
//! A [`Producer`] has one connection, with many publications in flight. An error says whether the message may
//! have been accepted ([`PublishError::may_have_been_accepted`]).
//!
//! Settings are go-nsq's, by its names ([`Config`]). Everything that grows has a limit: frames, messages
//! held, publications.
//!
//! The first page, `README.md`, follows.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod error;
mod message;

mod link;
pub mod random;
mod retry;

mod consumer;
mod producer;

pub use config::{BackoffStrategy, Config, ConfigError, TlsOptions, options};
pub use consumer::{Consumer, ConsumerBuilder, ConsumerControl, ConsumerStats};
pub use error::{PublishError, StartError};
pub use message::Message;
pub use producer::{Producer, Receipt};
