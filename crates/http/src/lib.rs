//! HTTP as NSQ's daemons speak it, for every API of the control thread.
//!
//! ```text
//! socket ▸ serve (places, TLS, deadlines) ▸ service: malformed ▸ route ▸ browser ▸ login ▸ handler ▸ query, body
//! socket ◀ serve ◀ answer (status, headers, JSON or text)  ◀───────────────────────┘
//! ```
//! An API is a table of [`Row`]s, each with its handler, and the few properties that [`Api`] asks for.
//! Everything else is common and as in nsqd 1.3.0: statuses, headers, redirects, error texts for invalid
//! HTTP, query string parsing. Bodies are limited in size, time and total memory; so are large answers
//! waiting for their client.
//!
//! With configured users, each row names the right that its requests need ([`login`]).
//!
//! Connections are limited too; those waiting for their client make room ([`places`]). Browser requests by
//! pages of other sites change nothing ([`browser`]).
//!
//! [`client`] is the other direction: requests to other daemons, with pooled connections and limits on
//! everything.

#![forbid(unsafe_code)]

mod account;
pub mod answer;
pub mod base64;
pub mod body;
pub mod browser;
mod caller;
pub mod client;
pub mod go_json;
pub mod login;
mod malformed;
mod outgoing;
pub mod places;
pub mod query;
mod request;
mod route;
mod secure;
mod serve;
mod service;

pub use answer::HttpRefusal;
pub use body::{Budget, Held};
pub use browser::{Aim, Names};
pub use caller::Caller;
pub use login::{LoginDesk, Right};
pub use places::{Activity, OwedAnswer, Place, Places, Tracked};
pub use query::Query;
pub use request::{Asked, Link};
pub use route::{Answering, Handler, Row, by_topic, delete, get, messages, open, post, put, quiet, under};
pub use secure::{CertificateNames, ServerTls, secure};
pub use serve::{FIRST_REQUEST, Listener, Socket, Stop, Tls, serve, serve_at_most};
pub use service::{Api, Changed, ManualChange, router};
