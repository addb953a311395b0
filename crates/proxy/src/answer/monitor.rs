//! `MONITOR`: the requests of a pool's clients on this shard, shown to those who ask for them.
//!
//! A line is Redis' own: time, database, address, arguments. Commands of administration, and those with a
//! password, are not shown, as in Redis. How much is shown in a second is limited ([`crate::monitors`]); the
//! rest is counted in a line of its own. Of a long argument the first [`LINE_MAX`] bytes are shown, and a
//! monitor with more than [`UNSENT_MAX`] bytes unsent is closed.

use net::Io;
use wire::redis::command::flags;
use wire::redis::{Args, Command};

use crate::client::Client;
use crate::keys::PoolKey;
use crate::proxy::Proxy;

/// Bytes of an argument that are shown.
const LINE_MAX: usize = 8 * 1024;
/// Unsent bytes above which a monitor is closed.
const UNSENT_MAX: usize = 8 << 20;
/// Commands with a password.
const SECRET: [&str; 2] = ["auth", "hello"];

impl Proxy {
    /// Shows a request to the monitors of its client's pool.
    #[cold]
    pub(crate) fn show_monitors<I: Io>(
        &mut self,
        io: &mut I,
        client: &Client,
        command: Option<&Command>,
        args: Args<'_>,
    ) {
        let is_hidden = |command: &Command| {
            command.flags & (flags::ADMIN | flags::SKIP_MONITOR) != 0 || SECRET.contains(&command.name)
        };
        if command.is_none_or(is_hidden) {
            return;
        }
        let (time, now) = (io.wall_time().0 / 1000, io.now());
        let pool = &mut self.pools[client.pool];
        if command.is_some_and(|command| command.name == "reset" && args.count_left() == 1) {
            // It ends what it is shown to, and its own reply comes next.
            pool.monitors.remove(client.id);
        }
        let db = client.session.db.map_or(pool.config.db, u32::from);
        let (may, left_out) = pool.monitors.may_show(now);
        let mut line = Vec::new();
        let stamp = format!("+{}.{:06}", time / 1_000_000, time % 1_000_000);
        if left_out > 0 {
            line.extend_from_slice(
                format!("{stamp} [{db} unix:nuthatch] \"{left_out} requests were not shown\"\r\n").as_bytes(),
            );
        }
        if may {
            line.extend_from_slice(format!("{stamp} [{db} {}]", client.session.address()).as_bytes());
            args.for_each(|argument| quote(argument.bytes(), &mut line));
            line.extend_from_slice(b"\r\n");
            pool.monitors.note_shown(line.len());
        }
        if !line.is_empty() {
            self.send_to_monitors(io, client.pool, &line);
        }
    }

    fn send_to_monitors<I: Io>(&mut self, io: &mut I, pool: PoolKey, line: &[u8]) {
        let mut slow = Vec::new();
        for id in &self.pools[pool].monitors.clients {
            io.send(*id, line);
            if io.unsent(*id) > UNSENT_MAX {
                slow.push(*id);
            }
        }
        for id in slow {
            self.pools[pool].monitors.remove(id);
            let unsent = io.unsent(id);
            if self.client_mut(id).is_some() {
                self.overflow(io, id, unsent);
            }
        }
    }
}

/// Appends an argument in quotes, as Redis shows it.
fn quote(argument: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(b" \"");
    for byte in argument {
        if out.len() - start > LINE_MAX {
            out.extend_from_slice(b"...");
            break;
        }
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            7 => out.extend_from_slice(b"\\a"),
            8 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(*byte),
            other => out.extend_from_slice(format!("\\x{other:02x}").as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use net::ConnId;

    use super::*;
    use crate::monitors::LINES_MAX;
    use crate::testing::{World, send};

    const POOL: &str =
        "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\"]\nallow = [\"admin\"]\n";

    fn lines(w: &World, monitor: ConnId) -> Vec<String> {
        let text = w.sent(monitor);
        let shown = text.strip_prefix("+OK\r\n").expect("it is one").lines();
        shown.map(|line| line[line.find(' ').unwrap() + 1..].to_owned()).collect()
    }

    #[test]
    fn requests_are_shown_and_secrets_are_not() {
        let mut w = World::new(POOL);
        let (monitor, other) = (w.accept(0), w.accept(0));
        send(&mut w, monitor, &["MONITOR"]);
        let set = b"*3\r\n$3\r\nset\r\n$1\r\nk\r\n$6\r\n\xff\"\\\n\r \r\n";
        assert_eq!(w.receive(other, set), set.len());
        send(
            &mut w,
            other,
            &["HELLO 2 AUTH default secret", "AUTH secret", "CLIENT LIST", "MGET a b", "NOSUCH x"],
        );
        assert_eq!(
            lines(&w, monitor),
            [r#"[0 unix:0] "set" "k" "\xff\"\\\n\r ""#, r#"[0 unix:0] "MGET" "a" "b""#]
        );
        let seen = w.sent(monitor).len();
        send(&mut w, monitor, &["RESET"]);
        assert_eq!(w.sent(monitor)[seen..], *"+RESET\r\n", "and not its own request");
        assert!(w.proxy.pools.values().all(|pool| !pool.monitors.is_any()));
        send(&mut w, monitor, &["MONITOR", "MONITOR", "QUIT"]);
        assert!(
            w.proxy.pools.values().all(|pool| !pool.monitors.is_any()),
            "a client that goes is forgotten"
        );
    }

    #[test]
    fn lines_are_limited_and_counted() {
        let mut w = World::new(POOL);
        let (monitor, other) = (w.accept(0), w.accept(0));
        send(&mut w, monitor, &["MONITOR"]);
        w.io.now = w.io.now + Duration::from_secs(5);
        for _ in 0..LINES_MAX + 7 {
            send(&mut w, other, &["PING"]);
        }
        assert_eq!(lines(&w, monitor).len(), LINES_MAX as usize);
        w.io.now = w.io.now + Duration::from_secs(1);
        send(&mut w, other, &["PING"]);
        let shown = lines(&w, monitor);
        assert_eq!(
            shown[LINES_MAX as usize..],
            ["[0 unix:nuthatch] \"7 requests were not shown\"", "[0 unix:0] \"PING\""]
        );
    }

    #[test]
    fn a_monitor_that_does_not_keep_up_is_closed() {
        let mut w = World::new(POOL);
        let (monitor, other) = (w.accept(0), w.accept(0));
        send(&mut w, monitor, &["MONITOR"]);
        w.io.unsent.insert(monitor, UNSENT_MAX + 1);
        send(&mut w, other, &["PING"]);
        assert!(w.io.closed.contains(&monitor));
        assert!(w.proxy.pools.values().all(|pool| !pool.monitors.is_any()));
    }

    #[test]
    fn a_pool_without_the_permission_has_no_monitors() {
        let mut w = World::new(&POOL.replace("allow = [\"admin\"]\n", ""));
        let client = w.ask(b"*1\r\n$7\r\nMONITOR\r\n");
        assert!(w.sent(client).starts_with("-ERR 'monitor' is not allowed in this pool"));
    }
}
