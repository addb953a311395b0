//! HTTP in the manner of NSQ's daemons, for every API of the control thread.
//!
//! ```text
//! socket ▸ serve (places, TLS, deadlines) ▸ service: malformed ▸ route ▸ browser ▸ login ▸ handler ▸ query, body
//! socket ◀ serve ◀ answer (status, headers, JSON or text)  ◀───────────────────────┘
//! ```
//! An API is a table of [`Row`]s, each with its handler, and the few facts that [`Api`] asks for. Everything
//! else is the same for all of them, and as in nsqd 1.3.0: statuses, headers, redirects, the texts for what
//! is no HTTP, how a query string is read. A body is limited in size, in time, and in what all of them hold
//! together; so are large answers that wait for their client.
//!
//! Where users are configured, a request is let in by the right that its row needs ([`login`]).
//!
//! Connections are limited too; those that wait for their client make room ([`places`]). What a browser sends
//! for a page of another site changes nothing ([`browser`]).
//!
//! The other way round, [`client`] asks other daemons: connections are pooled, and there is a limit on
//! everything.

#![forbid(unsafe_code)]

mod account;
pub mod answer;
pub mod base64;
pub mod body;
pub mod browser;
pub mod client;
pub mod go_json;
pub mod login;
mod malformed;
mod outgoing;
pub mod places;
pub mod query;
mod request;
mod route;
mod serve;
mod service;

pub use answer::HttpRefusal;
pub use body::{Budget, Held};
pub use browser::{Aim, Names};
pub use login::{LoginDesk, Right};
pub use places::{Activity, OwedAnswer, Place, Places, Tracked};
pub use query::Query;
pub use request::{Asked, Link};
pub use route::{Answering, Handler, Row, by_topic, delete, get, messages, open, post, put, quiet, under};
pub use serve::{Listener, Socket, Stop, Tls, secure, serve, serve_at_most};
pub use service::{Api, router};
