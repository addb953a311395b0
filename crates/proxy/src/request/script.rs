//! Scripts on their way: what a client loads or runs is kept, and a server that may not know a script gets it
//! before the `EVALSHA` that needs it.
//!
//! ```text
//! SCRIPT LOAD, EVAL  ▸ kept by the pool (crate::scripts); what was loaded goes to the other shards too
//! EVALSHA            ▸ not had since a connection to the server was lost? ▸ SCRIPT LOAD, EVALSHA, in one go
//! -NOSCRIPT          ▸ kept, and nothing of the client is behind it? ▸ EVAL with the text ▸ its reply
//! ```
//! A script in front keeps the order of a client's requests. After `NOSCRIPT`, which a server answers that
//! has lost its scripts behind our back, later requests of the client may have run already: then the error is
//! the reply, as it is from Redis, and the next `EVALSHA` brings the script along.

use std::sync::Arc;

use net::{ConnId, Io};
use wire::redis::{Args, Command, encode};

use crate::client::{Client, Seq};
use crate::keys::{LaneKey, PoolKey};
use crate::mail::Mail;
use crate::proxy::Proxy;
use crate::request::Frame;
use crate::scripts::{Sha, sha_of};
use crate::server::command::command;
use crate::server::kept::Keep;
use crate::server::pending::{Owner, Pending};
use crate::server::scan::{Found, Met};

/// Letters about scripts that may be on their way from one shard; what does not fit is not told.
const LETTERS_MAX: usize = 256;

/// A script that a request names.
pub(crate) struct Named<'a> {
    text: Arc<[u8]>,
    /// The command that has the text in the place of the name.
    by_text: &'static [u8],
    /// Arguments behind the name.
    args: Args<'a>,
}

impl Proxy {
    /// Keeps the script of a request about to be sent, or gives the server of `lane` the one that it names.
    #[cold]
    pub(super) fn see_script<I: Io>(
        &mut self,
        io: &mut I,
        pool: PoolKey,
        lane: Option<LaneKey>,
        command: &Command,
        mut args: Args<'_>,
    ) {
        if self.is_over_local(pool) {
            return;
        }
        match command.name {
            "script|load" => {
                if let Some(text) = args.nth(2) {
                    self.learn_loaded(pool, text.bytes());
                }
            }
            "script|flush" => {
                self.forget_scripts(pool);
                self.tell_shards_of_script(pool, None);
            }
            "eval" | "eval_ro" => {
                if let Some(text) = args.nth(1) {
                    self.pools[pool].scripts.learn(text.bytes(), false);
                }
            }
            "evalsha" | "evalsha_ro" => {
                if let (Some(lane), Some(name)) = (lane, args.nth(1)) {
                    self.bring_script(io, lane, name.bytes());
                }
            }
            _ => {}
        }
    }

    /// Gives a server the scripts that a request names, or several in a transaction.
    pub(crate) fn bring_scripts<'a, I: Io>(
        &mut self,
        io: &mut I,
        lane: LaneKey,
        requests: impl Iterator<Item = &'a [u8]>,
    ) {
        for request in requests {
            let Some(mut args) = Args::of(request) else { continue };
            let Some(name) = args.next() else { continue };
            if name.is("evalsha") || name.is("evalsha_ro") {
                if let Some(sha) = args.next() {
                    self.bring_script(io, lane, sha.bytes());
                }
            } else if (name.is("eval") || name.is("eval_ro"))
                && let Some(text) = args.next()
            {
                let pool = self.servers[lane.server].pool;
                self.pools[pool].scripts.learn(text.bytes(), false);
            }
        }
    }

    /// Sends a script ahead, unless its server has had it.
    fn bring_script<I: Io>(&mut self, io: &mut I, lane: LaneKey, name: &[u8]) {
        let server = &self.servers[lane.server];
        let pool = server.pool;
        let Some(sha) = sha_of(name).filter(|sha| !server.scripts.contains(sha)) else { return };
        let Some(text) = self.pools[pool].scripts.get(&sha) else { return };
        let request = command(&[b"SCRIPT", b"LOAD", &text]);
        let pending = Pending::new(Owner::Unwanted, io.now(), request.len());
        if self.enqueue(io, lane, Frame::Slice(&request), pending, Keep::default()).is_ok() {
            self.note_script(lane, sha);
        }
    }

    /// The script that an `EVALSHA` names. None for other requests, or if it is not known here.
    pub(crate) fn script_of<'a>(&self, pool: PoolKey, request: &'a [u8]) -> Option<Named<'a>> {
        let mut args = Args::of(request)?;
        let (name, sha) = (args.next()?, args.next()?);
        let by_text: &[u8] = match () {
            () if name.is("evalsha") => b"EVAL",
            () if name.is("evalsha_ro") => b"EVAL_RO",
            () => return None,
        };
        let text = self.pools[pool].scripts.get(&sha_of(sha.bytes())?)?;
        Some(Named { text, by_text, args })
    }

    fn note_script(&mut self, lane: LaneKey, sha: Sha) {
        let server = &mut self.servers[lane.server];
        if server.scripts.len() >= crate::scripts::COUNT_MAX {
            server.scripts.clear();
        }
        server.scripts.insert(sha);
        server.pool_stats.scripts_loaded.inc();
    }

    fn learn_loaded(&mut self, pool: PoolKey, text: &[u8]) {
        if let Some(text) = self.pools[pool].scripts.learn(text, true) {
            self.tell_shards_of_script(pool, Some(text));
        }
    }

    fn tell_shards_of_script(&mut self, pool: PoolKey, text: Option<Arc<[u8]>>) {
        let pool = self.pools[pool].id;
        for shard in (0..self.loads.len()).filter(|shard| *shard != self.shard) {
            if Arc::strong_count(&self.script_letters) <= LETTERS_MAX {
                let letter = Arc::clone(&self.script_letters);
                (self.post)(shard, Mail::Script { pool, text: text.clone(), letter });
            }
        }
    }

    /// Takes a script that another shard has learnt, or forgets all.
    pub(crate) fn take_script(&mut self, pool: crate::ids::PoolId, text: Option<Arc<[u8]>>) {
        let Some(pool) = self.directory.pools.get(&pool).copied() else { return };
        match text {
            Some(text) => drop(self.pools[pool].scripts.keep(text, true)),
            None => self.forget_scripts(pool),
        }
    }

    fn forget_scripts(&mut self, pool: PoolKey) {
        self.pools[pool].scripts.clear();
        for server in self.servers.values_mut().filter(|server| server.pool == pool) {
            server.scripts.clear();
        }
    }

    /// Sends a request that was answered with `NOSCRIPT` again with the script's text. False if the error is
    /// the reply.
    #[cold]
    pub(crate) fn is_sent_with_script<I: Io>(
        &mut self,
        io: &mut I,
        lane: LaneKey,
        found: &Found,
        error: &[u8],
    ) -> bool {
        if !error.starts_with(b"-NOSCRIPT") {
            return false;
        }
        self.servers[lane.server].scripts.clear();
        let Some((pending, request)) = self.with_script(lane) else { return false };
        let met = self.meet_special(lane, (found, error), io.now());
        let Met::Request(_) = met else { return true };
        let fresh = Pending::new(pending.owner, pending.at, request.len());
        let again = Pending { expect: pending.expect, counted: pending.counted, ..fresh };
        let keep = Keep { safe: pending.safe, ..Keep::default() };
        if let Err(failure) = self.enqueue(io, lane, Frame::Slice(&request), again, keep) {
            self.fail_pending(io, lane, &again, failure);
        }
        true
    }

    /// The oldest request of a connection, and that request as an `EVAL`. None if it is no `EVALSHA` of a
    /// client that has sent nothing since, or its script is not known.
    fn with_script(&self, lane: LaneKey) -> Option<(Pending, Vec<u8>)> {
        let server = &self.servers[lane.server];
        let conn = &server.conns[lane.number as usize];
        let pending = conn.line.front().filter(|_| conn.expired == 0)?;
        let (Owner::Client(client, seq) | Owner::Private(client, seq)) = pending.owner else { return None };
        if !self.is_last_request(client, seq) {
            return None;
        }
        let whole = conn.kept.whole(pending)?;
        let Named { text, by_text, args } = self.script_of(server.pool, whole.bytes())?;
        let mut request = Vec::with_capacity(whole.bytes().len() + text.len() + 16);
        encode::array(&mut request, args.count_left() + 2);
        encode::bulk(&mut request, by_text);
        encode::bulk(&mut request, &text);
        args.for_each(|argument| encode::bulk(&mut request, argument.bytes()));
        Some((*pending, request))
    }

    /// True if a client has sent nothing after this request.
    fn is_last_request(&self, client: ConnId, seq: Seq) -> bool {
        let is_last = |client: &Client| client.next_seq() == seq.wrapping_add(1);
        self.client_ref(client).is_some_and(is_last)
    }
}

#[cfg(test)]
mod tests;
