//! Rules of a run. One that is broken becomes a fault, in words; the first fault ends the run.
//!
//! | rule | where it is looked at |
//! |---|---|
//! | every accepted request is answered once, in its client's order | [`crate::expect`], at every reply |
//! | with its own key's value, elements in the order of the keys, or an error | values carry their key |
//! | a client that behaves is closed only after what it is owed | [`crate::client`], at FIN and reset |
//! | no backend receives a malformed or torn frame, or requests without an accepted handshake | [`crate::backend`], at every frame |
//! | nothing is executed behind a refused command that it depends on | no backend knows `INCR`, which comes there only |
//! | only reads are sent twice, and no more than twice | [`Oracle::served`], by the request's number |
//! | a key stays with its server while none is ejected and the servers stay | [`Oracle::served`] |
//! | when pools change nothing fails, and what a client writes it reads if no keys move | [`crate::expect::Certainty`] |
//! | an ejected server gets probes only | [`crate::shard`], after every callback |
//! | memory stays under its budget, and is counted right | [`crate::world`], after every turn |
//! | a request is answered within the pool's timeout | [`crate::world`], at the end |
//! | timers do not pile up | [`crate::world`], after every turn |
//! | what a server says unasked is not believed | [`crate::world`], at each stray reply |
//! | once all is quiet nothing is pending, and all gauges are at zero | [`crate::world`], at the end |

use std::collections::HashMap;

/// Requests that all backends have seen, and the faults found.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    /// A server may be ejected, so that keys move.
    keys_move: bool,
    seen: HashMap<u64, u32>,
    home: HashMap<(usize, Vec<u8>), usize>,
    pub(crate) faults: Vec<String>,
    /// Clients that were told that their pool is no more.
    pub(crate) removals: u64,
    /// Clients that were closed although they had done nothing wrong.
    pub(crate) cut_off: Vec<String>,
}

impl Oracle {
    pub(crate) fn new(keys_move: bool) -> Oracle {
        Oracle { keys_move, ..Oracle::default() }
    }

    pub(crate) fn fault(&mut self, text: String) {
        self.faults.push(text);
    }

    /// A backend has got a request.
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
