//! Cache routing: pools of servers behind listeners, and the path of a request through them.
//!
//! ```text
//! client socket ─▶ request/redis: scan ▸ plan ▸ admission ▸ split ▸ forward ─▶ server
//!                    (a)                     │ PING, AUTH, QUIT … (answer)  (b)    │
//! client socket ◀─ client ◀ response/reply ◀ merge ◀ pair ◀ response/receive ◀ server/scan ◀─┘
//!                  (d)                ▲        (c)
//!                                   fail (deadline, refused, ejected, overloaded)
//! ```
//! (a)-(d) are twemproxy's four steps. Each client has an ordered line of slots (`client`); each server
//! connection has a line of requests that await their reply (`server::connection`): a reply is paired with
//! the oldest one. A split request has one gather record (`gather`).
//!
//! [`Proxy`] is one shard's whole proxy, a state machine over [`net::Io`]: it touches no socket, no clock, no
//! file and no log. Events for the operator leave it as [`Notice`]s.
#![forbid(unsafe_code)]

mod proxy;

mod request;
mod answer;
mod response;
mod fail;

mod gate;
mod client;
mod clients;
mod client_tls;
mod gather;
mod pool;
mod pretended;
mod placement;
mod cursor;
mod pause;
mod monitors;
mod scripts;
mod feeds;
mod doubt;
mod master_watch;
mod discovery;
mod hedge_budget;
mod hedges;
mod hedging;
mod replica_watch;
mod topology;
mod piece;
mod detours;
mod detour;
mod server;
mod keys;
mod slab;
mod ids;
mod generation;
mod membership;
mod drains;
mod former_masters;
mod alarm;
mod mail;
mod balance;
mod handover;
mod hot_keys;
mod reply_size;
mod subcommand;
mod tally;
mod blocked;
mod budget;
mod memory;
mod maintain;
mod stop;
mod notice;
mod census;

#[cfg(test)]
mod testing;

pub use budget::Budget;
pub use census::Census;
pub use discovery::{Discovery, DiscoveryState};
pub use gate::{Gate, SlowLogin, Verified};
pub use generation::{
    ByHand, Generation, Masters, Named, Out, PoolPlan, PoolTls, ReplicaNode, ServerPlan, Settings, has_local,
};
pub use handover::described;
pub use ids::{PoolId, ServerId};
pub use mail::{Departure, Doubt, HandOver, ListenerChange, Mail, Moved, Receipt, Step};
pub use master_watch::{MasterView, MasterWatch, NodeAddress, Role};
pub use notice::Notice;
pub use pause::Pause;
pub use proxy::{Proxy, Setup};
pub use replica_watch::{ReplicaReport, ReplicaRules, ReplicaWatch, Standing};
pub use topology::{Disbelief, Member, NOBODY, NODES_MAX, SlotMap, View};
