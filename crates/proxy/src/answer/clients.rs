//! `CLIENT LIST`, `KILL`, `UNBLOCK` and `REPLY`: about the clients of the same pool on the same shard.
//!
//! Clients of other shards are served by other threads and not seen.

use net::{ConnId, Io};
use wire::redis::{Args, Argument, Local, encode, integer};

use crate::answer::client_info::{line, local_address};
use crate::client::stateful::Silence;
use crate::client::{Client, Reply, Wait};
use crate::proxy::Proxy;

const SYNTAX: &[u8] = b"ERR syntax error";

/// Clients that a `CLIENT LIST` or `CLIENT KILL` means.
#[derive(Default)]
struct Filter<'a> {
    ids: Option<Vec<u64>>,
    /// True for clients that are subscribed, false for others.
    subscribed: Option<bool>,
    /// A type that the proxy has no clients of: master, replica.
    nobody: bool,
    user: Option<&'a [u8]>,
    /// Address and port.
    address: Option<&'a [u8]>,
    /// Address and port that it is connected to.
    local: Option<&'a [u8]>,
    /// The one that asks is not meant.
    others: bool,
}

impl Filter<'_> {
    fn means<I: Io>(&self, io: &I, client: &Client, asks: bool) -> bool {
        let session = &client.session;
        let user = session.user.as_ref().map_or("default", |user| user.name());
        !(self.nobody || asks && self.others)
            && self.ids.as_ref().is_none_or(|ids| ids.contains(&session.number))
            && self.subscribed.is_none_or(|subscribed| session.is_subscribed() == subscribed)
            && self.user.is_none_or(|name| name == user.as_bytes())
            && self.address.is_none_or(|address| address == session.address().as_bytes())
            && self.local.is_none_or(|local| local == local_address(io, client).as_bytes())
    }

    fn take_type(&mut self, name: Argument<'_>) -> Result<(), Vec<u8>> {
        match () {
            () if name.is("normal") => self.subscribed = Some(false),
            () if name.is("pubsub") => self.subscribed = Some(true),
            () if ["master", "replica", "slave"].iter().any(|known| name.is(known)) => self.nobody = true,
            () => return Err([b"ERR Unknown client type '", name.bytes(), b"'"].concat()),
        }
        Ok(())
    }
}

/// Reads the arguments behind `CLIENT LIST`.
fn read_list(mut args: Args<'_>) -> Result<Filter<'_>, Vec<u8>> {
    let mut filter = Filter::default();
    match (args.next(), args.next()) {
        (None, _) => {}
        (Some(word), Some(name)) if word.is("type") && args.count_left() == 0 => filter.take_type(name)?,
        (Some(word), Some(first)) if word.is("id") => {
            let ids = std::iter::once(first).chain(args);
            let ids = ids.map(|id| integer(id.bytes()).and_then(|id| u64::try_from(id).ok()));
            filter.ids = Some(ids.collect::<Option<_>>().ok_or(b"ERR Invalid client ID")?);
        }
        _ => return Err(SYNTAX.to_vec()),
    }
    Ok(filter)
}

/// Reads the arguments behind `CLIENT KILL`; true if they are an address alone.
fn read_kill(mut args: Args<'_>) -> Result<(Filter<'_>, bool), Vec<u8>> {
    if args.count_left() == 1 {
        let address = args.next().map(|address| address.bytes());
        return Ok((Filter { address, ..Filter::default() }, true));
    }
    let mut filter = Filter { others: true, ..Filter::default() };
    while let Some(word) = args.next() {
        let Some(value) = args.next() else { return Err(SYNTAX.to_vec()) };
        match () {
            () if word.is("id") => {
                let id = integer(value.bytes()).filter(|id| *id > 0);
                filter.ids = Some(vec![id.ok_or(b"ERR client-id should be greater than 0")? as u64]);
            }
            () if word.is("type") => filter.take_type(value)?,
            () if word.is("user") => filter.user = Some(value.bytes()),
            () if word.is("skipme") && value.is("yes") => filter.others = true,
            () if word.is("skipme") && value.is("no") => filter.others = false,
            () if word.is("addr") => filter.address = Some(value.bytes()),
            () if word.is("laddr") => filter.local = Some(value.bytes()),
            () => return Err(SYNTAX.to_vec()),
        }
    }
    Ok((filter, false))
}

impl Proxy {
    /// Answers a subcommand of `CLIENT` about the clients of a pool; `args` follow its name, and `len` is the
    /// length of the request.
    pub(super) fn answer_about_clients<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        (local, args, len): (Local, Args<'_>, usize),
        out: &mut Vec<u8>,
    ) {
        match local {
            Local::ClientKill => self.kill_clients(io, client, args, out),
            Local::ClientUnblock => self.unblock(io, client, args, out),
            Local::ClientPause => self.pause_clients(io, client, args, out),
            Local::ClientUnpause => self.unpause_clients(io, client, out),
            _ => self.list_clients(io, client, (args, len), out),
        }
    }

    /// Answers `CLIENT LIST`; `args` follow that.
    fn list_clients<I: Io>(
        &self,
        io: &I,
        client: &Client,
        (args, len): (Args<'_>, usize),
        out: &mut Vec<u8>,
    ) {
        let filter = match read_list(args) {
            Ok(filter) => filter,
            Err(error) => return encode::error(out, &error),
        };
        let pool = &self.pools[client.pool];
        let others = self.clients().filter(|other| other.pool == client.pool);
        let all = others.map(|other| (other, false)).chain([(client, true)]);
        let mut meant: Vec<_> = all.filter(|(one, asks)| filter.means(io, one, *asks)).collect();
        meant.sort_by_key(|(one, _)| one.session.number);
        let lines: String =
            meant.into_iter().map(|(one, asks)| line(io, one, pool, asks.then_some(len))).collect();
        encode::verbatim(out, lines.as_bytes(), client.session.version());
    }

    /// Handles `CLIENT KILL`; `args` follow that.
    fn kill_clients<I: Io>(&mut self, io: &mut I, client: &mut Client, args: Args<'_>, out: &mut Vec<u8>) {
        let (filter, is_old_form) = match read_kill(args) {
            Ok(read) => read,
            Err(error) => return encode::error(out, &error),
        };
        if let Some(name) = filter.user.filter(|name| !self.pools[client.pool].gate.knows(name)) {
            let shown = &name[..name.len().min(128)];
            return encode::error(out, &[b"ERR No such user '", shown, b"'"].concat());
        }
        let others =
            self.clients().filter(|other| other.pool == client.pool && filter.means(io, other, false));
        let ids: Vec<ConnId> = others.map(|other| other.id).collect();
        let mut count = ids.len();
        for id in ids {
            if let Some(mut killed) = self.take_client(id) {
                io.abort(id);
                self.forget(&mut killed);
            }
        }
        if filter.means(io, client, true) {
            client.session.leaving = true;
            count += 1;
        }
        match (is_old_form, count) {
            (true, 0) => encode::error(out, b"ERR No such client"),
            (true, _) => encode::simple(out, b"OK"),
            (false, _) => encode::integer(out, count as i64),
        }
    }

    /// Handles `CLIENT UNBLOCK`; `args` follow that.
    fn unblock<I: Io>(&mut self, io: &mut I, client: &Client, mut args: Args<'_>, out: &mut Vec<u8>) {
        let (number, reason) = (args.next().and_then(|id| integer(id.bytes())), args.next());
        let is_error = match reason {
            None => false,
            Some(word) if word.is("timeout") => false,
            Some(word) if word.is("error") => true,
            Some(_) => return encode::error(out, b"ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
        };
        let Some(number) = number else {
            return encode::error(out, b"ERR value is not an integer or out of range");
        };
        let is_it = |other: &&Client| {
            let session = &other.session;
            other.pool == client.pool
                && session.number as i64 == number
                && session.paused == Some(Wait::Block)
        };
        let found = self.clients().find(is_it).map(|other| other.id);
        encode::integer(out, found.is_some().into());
        if let Some(id) = found {
            self.end_wait(io, id, is_error);
        }
    }

    /// Answers a blocked client as if its time were over, or with an error.
    fn end_wait<I: Io>(&mut self, io: &mut I, id: ConnId, is_error: bool) {
        let Some(mut client) = self.take_client(id) else { return };
        let mut reply = Vec::new();
        let counting = client.session.state.as_ref().and_then(|state| state.counting.as_ref());
        match (is_error, counting) {
            (true, _) => encode::error(&mut reply, b"UNBLOCKED client unblocked via CLIENT UNBLOCK"),
            (false, Some(counting)) => encode::integer(&mut reply, counting.count),
            (false, None) => encode::null_array(&mut reply, client.session.version()),
        }
        // Its request is the last one, since nothing more was read. The server's own reply finds nobody.
        let seq = client.next_seq().wrapping_sub(1);
        self.forget_blocked_client(id);
        self.leave_private(&mut client);
        client.fulfil(io, seq, Reply::Slice(&reply));
        self.pools[client.pool].count_reply(reply.len());
        client.session.paused = None;
        self.settle(io, client);
        io.pause(id);
        io.resume(id);
    }
}

/// Handles `CLIENT REPLY ON|OFF|SKIP`.
pub(super) fn set_replies(client: &mut Client, word: Option<Argument<'_>>, out: &mut Vec<u8>) {
    let Some(word) = word else { return };
    match () {
        () if word.is("on") => {
            client.session.set_silence(None);
            encode::simple(out, b"OK");
        }
        () if word.is("off") => client.session.set_silence(Some(Silence::Always)),
        () if word.is("skip") => {
            if client.session.silence() != Some(Silence::Always) {
                client.session.set_silence(Some(Silence::Next));
            }
        }
        () => encode::error(out, SYNTAX),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::testing::{World, reply, send};

    const POOL: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\"]\ntimeout = \"1s\"\n\
                        [pool.q]\nlisten = \"127.0.0.1:2\"\nservers = [\"127.0.0.1:12:1 a\"]\n";

    /// Numbers of the clients that a `CLIENT LIST` has.
    fn listed(w: &mut World, arguments: &str) -> Vec<u64> {
        let client = w.accept(0);
        send(w, client, &[&format!("CLIENT LIST {arguments}"), "QUIT"]);
        let text = w.sent(client);
        let ids = text.split("id=").skip(1).map(|rest| rest.split(' ').next().unwrap().parse().unwrap());
        ids.collect()
    }

    #[test]
    fn clients_are_listed_and_closed() {
        let mut w = World::new(POOL);
        let clients = [w.accept(0), w.accept(0), w.accept(1)];
        send(&mut w, clients[0], &["SUBSCRIBE c"]);
        let server = w.server(0);
        reply(&mut w, server, "%0\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
        assert_eq!(listed(&mut w, ""), [1, 2, 4]);
        assert_eq!(listed(&mut w, "TYPE pubsub"), [1]);
        assert_eq!(listed(&mut w, "TYPE normal"), [2, 6]);
        assert_eq!(listed(&mut w, "TYPE replica"), [0; 0]);
        assert_eq!(listed(&mut w, "ID 2 3 1"), [1, 2]);
        let errors = [
            ("CLIENT LIST x", "-ERR syntax error\r\n"),
            ("CLIENT LIST TYPE x", "-ERR Unknown client type 'x'\r\n"),
            ("CLIENT LIST ID x", "-ERR Invalid client ID\r\n"),
            ("CLIENT KILL 127.0.0.1:1", "-ERR No such client\r\n"),
            ("CLIENT KILL ID x", "-ERR client-id should be greater than 0\r\n"),
            ("CLIENT KILL ID 1 SKIPME maybe", "-ERR syntax error\r\n"),
            ("CLIENT KILL ADDR 127.0.0.1:1", ":0\r\n"),
            ("CLIENT KILL LADDR 127.0.0.1:1", ":0\r\n"),
            ("CLIENT KILL ID 3", ":0\r\n"),
            ("CLIENT KILL TYPE pubsub", ":1\r\n"),
            ("CLIENT KILL USER nobody", "-ERR No such user 'nobody'\r\n"),
            ("CLIENT UNBLOCK x", "-ERR value is not an integer or out of range\r\n"),
            ("CLIENT UNBLOCK 2 x", "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR\r\n"),
            ("CLIENT UNBLOCK 2", ":0\r\n"),
        ];
        let client = w.accept(0);
        for (request, answer) in errors {
            let before = w.sent(client).len();
            send(&mut w, client, &[request]);
            assert_eq!(w.sent(client)[before..], *answer, "{request}");
        }
        assert!(w.io.closed.contains(&clients[0]) && !w.io.closed.contains(&clients[2]));
        send(&mut w, client, &["CLIENT KILL USER default SKIPME no"]);
        assert!(
            w.sent(client).ends_with(":2\r\n")
                && w.io.closed.contains(&client)
                && w.io.closed.contains(&clients[1])
        );
    }

    /// Fields of a client's line.
    fn fields(text: &str, id: u64) -> Vec<String> {
        let line = text.lines().find(|line| line.contains(&format!("id={id} "))).unwrap_or_default();
        let kept = |field: &&str| ["age=", "idle=", "cmd="].iter().any(|name| field.starts_with(name));
        line.split(' ').filter(kept).map(str::to_owned).collect()
    }

    #[test]
    fn age_idle_time_and_last_command_are_true() {
        let mut w = World::new(POOL);
        let (one, other) = (w.accept(0), w.accept(0));
        send(&mut w, one, &["SET k v", "OBJECT ENCODING k", "NOSUCH"]);
        w.io.now = w.io.now + Duration::from_secs(7);
        send(&mut w, other, &["MULTI", "GET k", "DISCARD"]);
        w.io.now = w.io.now + Duration::from_secs(5);
        send(&mut w, other, &["CLIENT LIST"]);
        let text = w.sent(other);
        assert_eq!(fields(&text, 1), ["age=12", "idle=12", "cmd=NULL"]);
        assert_eq!(fields(&text, 2), ["age=12", "idle=0", "cmd=client|list"]);
        for (request, cmd) in
            [("OBJECT ENCODING k", "object|encoding"), ("PING", "ping"), ("MULTI", "multi"), ("GET k", "get")]
        {
            send(&mut w, one, &[request]);
            let before = w.sent(other).len();
            send(&mut w, other, &["CLIENT LIST ID 1"]);
            assert_eq!(fields(&w.sent(other)[before..], 1)[2], format!("cmd={cmd}"));
        }
    }

    #[test]
    fn unread_and_unsent_bytes_and_monitors_are_shown() {
        let mut w = World::new(&POOL.replace("timeout", "allow = [\"admin\"]\ntimeout"));
        let (one, other) = (w.accept(0), w.accept(0));
        send(&mut w, one, &["MONITOR"]);
        w.io.unsent.insert(one, 1000);
        send(&mut w, other, &["CLIENT LIST"]);
        let text = w.sent(other);
        let of = |id: &str| text.lines().find(|line| line.contains(id)).expect("its line");
        assert!(of("id=1 ").contains(" flags=O ") && of("id=1 ").contains(" qbuf=0 "), "{text}");
        assert!(of("id=1 ").contains(" omem=1000 tot-mem=1"), "{text}");
        assert!(of("id=2 ").contains(" flags=N ") && of("id=2 ").contains(" qbuf=26 "), "{text}");
        send(&mut w, one, &["RESET"]);
        let before = w.sent(other).len();
        send(&mut w, other, &["CLIENT LIST ID 1"]);
        assert!(w.sent(other)[before..].contains(" flags=N "));
    }

    #[test]
    fn a_blocked_client_is_freed_and_its_connection_closed() {
        for (reason, answer) in
            [("", "*-1\r\n"), (" ERROR", "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n")]
        {
            let mut w = World::new(POOL);
            let (blocked, other) = (w.accept(0), w.accept(0));
            send(&mut w, blocked, &["BLPOP k 0"]);
            let private = w.server(0);
            send(&mut w, other, &[&format!("CLIENT UNBLOCK 1{reason}")]);
            assert_eq!([w.sent(blocked), w.sent(other)], [answer, ":1\r\n"]);
            assert!(w.io.closed.contains(&private), "nothing is popped for nobody");
            send(&mut w, blocked, &["PING"]);
            assert_eq!(w.sent(blocked), format!("{answer}+PONG\r\n"));
            assert!(w.proxy.clients().all(|client| client.session.state.is_none()));
        }
    }

    #[test]
    fn replies_that_are_not_wanted() {
        let mut w = World::new(POOL);
        let client = w.accept(0);
        send(
            &mut w,
            client,
            &[
                "CLIENT REPLY SKIP",
                "PING skipped",
                "PING 1",
                "CLIENT REPLY OFF",
                "PING off",
                "GET off",
                "CLIENT REPLY SKIP",
            ],
        );
        let server = w.server(0);
        send(&mut w, client, &["CLIENT REPLY ON", "GET 2", "CLIENT REPLY SKIP", "GET skipped", "GET 3"]);
        reply(&mut w, server, "$3\r\noff\r\n$1\r\n2\r\n$7\r\nskipped\r\n$1\r\n3\r\n");
        assert_eq!(w.sent(client), "$1\r\n1\r\n+OK\r\n$1\r\n2\r\n$1\r\n3\r\n");
        assert!(w.proxy.clients().all(|client| client.waiting() == 0));
    }
}
