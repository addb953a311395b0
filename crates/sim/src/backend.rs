//! Simulated servers. Mostly they answer; they also stall, answer late, answer garbage, break off in the
//! middle of a reply, refuse, close idle connections, and answer with errors.

mod conn;
mod memcache;
mod redis;

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use config::checked::Protocol;

use crate::oracle::Oracle;
use crate::rng::Rng;
use crate::tamper::Plan;

pub(crate) use conn::BackendConn;

/// Behaviour of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Good,
    /// Each reply takes up to this many microseconds.
    Late(u64),
    /// Reads nothing and answers nothing.
    Stall,
    /// Stalled, and connection attempts get no answer.
    Vanished,
    /// Refuses connections, and closes open ones.
    Refuse,
    /// The name does not resolve.
    Unresolved,
    /// Answers every third request with an error.
    Busy,
    /// Answers everything with -LOADING, even pings.
    Loading,
    /// Some replies are nonsense.
    Garbage,
    /// Some replies break off, with FIN or reset.
    DieMidReply,
    /// Closes idle connections.
    CloseIdle,
    /// Rejects the password or the database.
    Unfriendly,
}

/// A server.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) pool: usize,
    pub(crate) protocol: Protocol,
    pub(crate) mood: Mood,
    pub(crate) rng: Rng,
    pub(crate) password: Option<String>,
    pub(crate) db: u32,
    fill_max: usize,
    store: HashMap<Vec<u8>, Vec<u8>>,
    deleted: HashSet<Vec<u8>>,
    /// Names of the scripts it has loaded.
    scripts: HashSet<Vec<u8>>,
    /// Lists, oldest element first.
    lists: HashMap<Vec<u8>, VecDeque<Vec<u8>>>,
}

impl Backend {
    pub(crate) fn new(pool: usize, config: &config::checked::Pool, fill_max: usize, rng: Rng) -> Backend {
        Backend {
            pool,
            protocol: config.protocol,
            mood: Mood::Good,
            rng,
            password: config.auth.as_ref().map(|auth| auth.reveal().to_owned()),
            db: config.db,
            fill_max,
            store: HashMap::new(),
            deleted: HashSet::new(),
            scripts: HashSet::new(),
            lists: HashMap::new(),
        }
    }

    pub(crate) fn draw_mood(&mut self) -> Mood {
        let late = self.rng.pick(&[3_000, 60_000, 700_000]);
        self.rng.pick(&[
            Mood::Good,
            Mood::Good,
            Mood::Late(late),
            Mood::Stall,
            Mood::Vanished,
            Mood::Refuse,
            Mood::Unresolved,
            Mood::Busy,
            Mood::Loading,
            Mood::Garbage,
            Mood::DieMidReply,
            Mood::CloseIdle,
            Mood::Unfriendly,
        ])
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let original = || crate::value::original(key, self.fill_max).filter(|_| !self.deleted.contains(key));
        self.store.get(key).cloned().or_else(original)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        self.deleted.remove(key);
        self.store.insert(key.to_vec(), value.to_vec());
    }

    /// Deletes a key; true if it existed.
    fn delete(&mut self, key: &[u8]) -> bool {
        let there = self.get(key).is_some();
        self.store.remove(key);
        self.deleted.insert(key.to_vec());
        there
    }

    fn is_busy(&mut self) -> bool {
        self.mood == Mood::Busy && self.rng.one_in(3)
    }

    /// Time taken by the next reply.
    fn service_time(&mut self) -> Duration {
        let most = match self.mood {
            Mood::Late(most) => most,
            _ => 200,
        };
        Duration::from_micros(self.rng.between(1, most))
    }
}

/// Access of a working backend to the oracle and the tamperer.
pub(crate) struct Watch<'a> {
    pub(crate) index: usize,
    pub(crate) oracle: &'a mut Oracle,
    pub(crate) plan: &'a mut Plan,
}
