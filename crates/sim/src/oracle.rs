//! Rules of a run. A broken rule becomes a fault, as text; the first fault ends the run.
//!
//! | rule | checked in |
//! |---|---|
//! | every accepted request is answered once, in its client's order | [`crate::expect`], at every reply |
//! | with its own key's value, elements in the order of the keys, or an error | values carry their key |
//! | a client that behaves is closed only after its replies were sent | [`crate::client`], at FIN and reset |
//! | no backend receives a malformed or torn frame, or requests without an accepted handshake | [`crate::backend`], at every frame |
//! | no command is executed after a refused one that it depends on | no backend knows `INCR`, which is sent only there |
//! | only reads are sent twice, and no more than twice | [`Oracle::served`], by the request's number |
//! | a transaction is executed whole or not at all, and has no request of another client | [`crate::backend`], at EXEC |
//! | an element of a list goes to one client | [`Oracle::popped`], [`Oracle::received`] |
//! | a key stays with its server while none is ejected and the servers stay | [`Oracle::served`] |
//! | when pools change no request fails, and clients read their own writes if no keys move | [`crate::expect::Certainty`] |
//! | an ejected server gets probes only | [`crate::shard`], after every callback |
//! | memory stays within its budget, and is counted correctly | [`crate::world`], after every turn |
//! | a request is answered within the pool's timeout | [`crate::world`], at the end |
//! | timers do not pile up | [`crate::world`], after every turn |
//! | unsolicited replies of a server are discarded | [`crate::world`], at each stray reply |
//! | once all is quiet nothing is pending, and all gauges are at zero | [`crate::world`], at the end |

use std::collections::{HashMap, HashSet};

/// Requests seen by all backends, and the faults found.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    /// True if keys may move, since a server may be ejected.
    keys_move: bool,
    seen: HashMap<u64, u32>,
    home: HashMap<(usize, Vec<u8>), usize>,
    /// Elements that a server has given away, and those that a client has got.
    popped: HashSet<u64>,
    received: HashSet<u64>,
    pub(crate) faults: Vec<String>,
    /// Clients that got the error for a removed pool.
    pub(crate) removals: u64,
    /// Clients closed without having done anything wrong.
    pub(crate) cut_off: Vec<String>,
}

impl Oracle {
    pub(crate) fn new(keys_move: bool) -> Oracle {
        Oracle { keys_move, ..Oracle::default() }
    }

    pub(crate) fn fault(&mut self, text: String) {
        self.faults.push(text);
    }

    /// Records an element that a server gives away.
    pub(crate) fn popped(&mut self, uid: u64) {
        if !self.popped.insert(uid) {
            self.fault(format!("element {uid} was popped twice"));
        }
    }

    /// Records an element that a client has got.
    pub(crate) fn received(&mut self, uid: u64) {
        if !self.popped.contains(&uid) || !self.received.insert(uid) {
            self.fault(format!("element {uid} was given to a second client, or by nobody"));
        }
    }

    /// Records a request received by a backend.
    pub(crate) fn served(&mut self, pool: usize, backend: usize, keys: &[&[u8]], uids: &[u64], reads: bool) {
        for uid in uids {
            let times = self.seen.entry(*uid).or_default();
            *times += 1;
            let (times, kind) = (*times, if reads { "read" } else { "write" });
            if times > if reads { 2 } else { 1 } {
                self.fault(format!("{kind} {uid} was sent to a server {times} times"));
            }
        }
        let keys = if self.keys_move { &[] } else { keys };
        for key in keys {
            let home = *self.home.entry((pool, key.to_vec())).or_insert(backend);
            if home != backend {
                let key = key.escape_ascii();
                self.fault(format!("key '{key}' of pool {pool} went to backend {home} and to {backend}"));
            }
        }
    }
}
