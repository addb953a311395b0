//! The line that `CLIENT INFO` and `CLIENT LIST` have for a client, with the fields of Redis 7.0.
//!
//! `qbuf` is what was not taken of a client's requests, `omem` what it has not taken of its replies, and
//! `tot-mem` all of its memory. Other fields about buffers and files of a Redis server are 0. `idle` counts
//! from the last request that was read.

use net::Io;

use crate::client::{Client, Session, Wait};
use crate::feeds::FeedKind;
use crate::pool::Pool;

/// The letters of a client's state.
fn flags(session: &Session, monitors: bool) -> String {
    let letters = [
        (monitors, 'O'),
        (session.paused == Some(Wait::Block), 'b'),
        (session.transaction().is_some(), 'x'),
        (session.is_subscribed(), 'P'),
    ];
    let letters: String = letters.iter().filter(|(is_it, _)| *is_it).map(|(_, letter)| letter).collect();
    if letters.is_empty() { "N".into() } else { letters }
}

/// The address that a client is connected to, with its port, as Redis shows it.
pub(super) fn local_address<I: Io>(io: &I, client: &Client) -> String {
    let address = client.session.from.and_then(|_| io.local_address(client.id));
    address.map_or_else(|| "unix:0".to_owned(), |address| address.to_string())
}

/// The line of a client, with its end. `unread`: the length of the request, if it is this client's own.
pub(super) fn line<I: Io>(io: &I, client: &Client, pool: &Pool, unread: Option<usize>) -> String {
    let session = &client.session;
    let of_kind = |kind| session.subscribed().map_or(0, |subscribed| subscribed.names(kind).len());
    let [sub, psub, ssub] = [FeedKind::Channel, FeedKind::Pattern, FeedKind::Sharded].map(of_kind);
    let multi = session.transaction().map_or(-1, |transaction| transaction.ends.len() as i64);
    let flags = flags(session, pool.monitors.clients.contains(&client.id));
    let (from, here) = (session.address(), local_address(io, client));
    let name = session.name.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    let user = session.user.as_ref().map_or("default", |user| user.name());
    let db = session.db.map_or(pool.config.db, u32::from);
    let [age, idle] = [session.since, session.heard].map(|then| io.now().since(then).as_secs());
    let cmd = session.last.map_or("NULL", |command| command.name);
    let qbuf = unread.unwrap_or_else(|| io.unread(client.id));
    let omem = io.unsent(client.id);
    let memory = client.memory() + session.state_memory() + qbuf + omem;
    let (id, resp) = (session.number, if session.resp3 { 3 } else { 2 });
    format!(
        "id={id} addr={from} laddr={here} fd=0 name={name} age={age} idle={idle} flags={flags} db={db} sub={sub} psub={psub} ssub={ssub} multi={multi} qbuf={qbuf} \
         qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem={omem} tot-mem={memory} events=r cmd={cmd} user={user} \
         redir=-1 resp={resp}\n"
    )
}
