//! The event loop and everything between a protocol and the kernel.
//!
//! A *shard* is one thread with one loop. A product (the proxy, the queue) is an [`App`]: a state machine
//! that receives connection events and acts through [`Io`]. The real loop is one `Io`, the simulator is
//! another, so the whole data plane runs under a seed with no socket and no clock.
//!
//! One turn: poll ▸ read every ready connection ([`App::received`]) ▸ run due timers ▸ take mail ▸
//! [`App::turn_end`] ▸ write every connection that has something to send, once.
//!
//! This crate knows no protocol.

mod io;
mod options;

mod bind;
mod binder;
mod coalesce;
mod conn;
mod event_loop;
pub mod layer;
mod layer_fault;
mod listener;
mod listeners;
mod load;
mod descriptors;
mod mailbox;
mod outbox;
mod parcel;
mod channel;
mod clock;
mod resolve;
mod shard;
mod slab;
mod stopwatch;
mod stream;
mod timers;
mod unix_socket;

mod der;
pub mod tls;

pub mod fuzzing;

mod address;
mod id;
mod input;
mod time;

pub use bind::{BindError, ListenAddress, bind, bind_beside, bind_tcp, can_bind};
pub use binder::{Binder, listening_sockets};
pub use channel::{Channel, DESCRIPTORS_MAX, Received};
pub use clock::monotonic_now;
pub use coalesce::Gathering;
pub use descriptors::{ClientPlaces, FileLimit};
pub use event_loop::EventLoop;
pub use layer_fault::LayerFault;
pub use listener::{Listener, ListenerId};
pub use mailbox::NotTaken;
pub use parcel::Parcel;
pub use resolve::Resolver;
pub use shard::{Handle, Shard};
pub use unix_socket::{SocketFile, bind_unix, can_bind_unix, replace_unix};

pub use address::{Address, Peer};
pub use id::{ConnId, TimerId};
pub use input::Input;
pub use io::{App, Fault, Io, Layer, LayerInfo, Unsent};
pub use options::{ClientTls, ListenOptions, ServerTls, SocketOptions};
pub use time::{Instant, WallTime};
