//! `CLIENT PAUSE`: the requests of a pool's clients wait, on all shards.
//!
//! ```text
//! CLIENT PAUSE 500 ▸ requests for servers stay in their client's input (Wait::Pause) ▸ its end, or UNPAUSE ▸ planned again
//! ```
//! Requests that the proxy answers itself do not wait, so that a pause can be ended from any client. Shards
//! share one cell per pool, and look again every [`LOOK`] while clients of theirs wait.

use std::time::Duration;

use net::{Instant, Io};
use wire::redis::{Args, Argument, Command, encode, integer};

use crate::alarm::Alarm;
use crate::client::{Client, Wait};
use crate::proxy::Proxy;

/// Interval at which a shard looks whether a pause has been ended.
const LOOK: Duration = Duration::from_millis(20);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_hours(24 * 365);

impl Proxy {
    /// True if a request waits for the end of a pause; `command` is None for what is no single command.
    #[cold]
    pub(crate) fn waits_for_pause<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        command: Option<&Command>,
    ) -> bool {
        let in_force = self.pools[client.pool].pause.in_force(io.now());
        let Some((until, all)) = in_force else { return false };
        if !all && !command.is_none_or(Command::may_replicate) {
            return false;
        }
        client.session.paused = Some(Wait::Pause);
        io.pause(client.id);
        self.paused.clients.push(client.id);
        self.look_at_pauses(io, until);
        true
    }

    fn look_at_pauses<I: Io>(&mut self, io: &mut I, until: Instant) {
        if !std::mem::replace(&mut self.paused.has_timer, true) {
            io.set_timer(until.min(io.now() + LOOK), Alarm::Pause.token());
        }
    }

    /// Resumes the clients whose pause is over.
    pub(crate) fn end_pauses<I: Io>(&mut self, io: &mut I) {
        self.paused.has_timer = false;
        let now = io.now();
        for id in std::mem::take(&mut self.paused.clients) {
            let Some(client) = self.client_mut(id) else { continue };
            let pool = client.pool;
            match self.pools[pool].pause.in_force(now) {
                Some((until, _)) => {
                    self.paused.clients.push(id);
                    self.look_at_pauses(io, until);
                }
                None => self.resume_client(io, id, Wait::Pause),
            }
        }
    }

    /// Handles `CLIENT PAUSE timeout [WRITE|ALL]`; `args` follow that.
    pub(crate) fn pause_clients<I: Io>(
        &self,
        io: &I,
        client: &Client,
        mut args: Args<'_>,
        out: &mut Vec<u8>,
    ) {
        let time = args.next().map_or(&b""[..], |time| time.bytes());
        match read(time, args.next(), args.next()) {
            Ok((time, all)) => {
                let until = io.now() + time.min(PAUSE_MAX);
                self.pools[client.pool].pause.begin(until, all, io.now());
                encode::simple(out, b"OK");
            }
            Err(error) => encode::error(out, error),
        }
    }

    /// Handles `CLIENT UNPAUSE`.
    pub(crate) fn unpause_clients<I: Io>(&mut self, io: &mut I, client: &Client, out: &mut Vec<u8>) {
        self.pools[client.pool].pause.end();
        self.end_pauses(io);
        encode::simple(out, b"OK");
    }
}

/// Reads the arguments, with Redis' errors.
fn read(
    time: &[u8],
    kind: Option<Argument<'_>>,
    more: Option<Argument<'_>>,
) -> Result<(Duration, bool), &'static [u8]> {
    let all = match kind {
        None => true,
        Some(word) if word.is("all") => true,
        Some(word) if word.is("write") => false,
        Some(_) => return Err(b"ERR CLIENT PAUSE mode must be WRITE or ALL"),
    };
    let ms = integer(time).ok_or(&b"ERR timeout is not an integer or out of range"[..])?;
    let ms = u64::try_from(ms).map_err(|_| &b"ERR timeout is negative"[..])?;
    if more.is_some() {
        return Err(b"ERR syntax error");
    }
    Ok((Duration::from_millis(ms), all))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, send};

    const POOL: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\"]\n\
                        [pool.q]\nlisten = \"127.0.0.1:2\"\nservers = [\"127.0.0.1:12:1 a\"]\n";
    const GET: &[u8] = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
    const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";

    #[test]
    fn requests_wait_until_its_end_and_go_on() {
        let mut w = World::new(POOL);
        let (one, other, elsewhere) = (w.accept(0), w.accept(0), w.accept(1));
        send(&mut w, one, &["CLIENT PAUSE 100"]);
        assert_eq!(w.receive(other, GET), 0, "it stays where it is");
        assert_eq!(w.receive(elsewhere, GET), GET.len(), "another pool");
        send(&mut w, one, &["PING"]);
        assert_eq!(w.sent(one), "+OK\r\n+PONG\r\n");
        w.pass_time(Duration::from_millis(99));
        assert!(w.io.paused.contains(&other));
        w.pass_time(Duration::from_millis(2));
        assert!(!w.io.paused.contains(&other));
        assert_eq!(w.receive(other, GET), GET.len());
    }

    #[test]
    fn writes_alone_and_the_wider_kind_counts() {
        let mut w = World::new(POOL);
        let (one, other) = (w.accept(0), w.accept(0));
        send(&mut w, one, &["CLIENT PAUSE 100 write"]);
        assert_eq!(w.receive(other, GET), GET.len());
        assert_eq!(w.receive(other, SET), 0);
        let (transaction, multi) = (w.accept(0), b"*1\r\n$5\r\nMULTI\r\n");
        assert_eq!(w.receive(transaction, &[multi, GET].concat()), multi.len() + GET.len());
        assert_eq!(w.receive(transaction, b"*1\r\n$4\r\nEXEC\r\n"), 0);
        send(&mut w, one, &["CLIENT PAUSE 10 ALL"]);
        let third = w.accept(0);
        assert_eq!(w.receive(third, GET), 0);
        send(&mut w, one, &["CLIENT UNPAUSE"]);
        assert!([other, third, transaction].iter().all(|id| !w.io.paused.contains(id)));
        assert_eq!([w.receive(other, SET), w.receive(third, GET)], [SET.len(), GET.len()]);
    }

    #[test]
    fn errors_are_those_of_redis() {
        let mut w = World::new(POOL);
        let cases = [
            ("CLIENT PAUSE x", "-ERR timeout is not an integer or out of range\r\n"),
            ("CLIENT PAUSE -1", "-ERR timeout is negative\r\n"),
            ("CLIENT PAUSE 1 x", "-ERR CLIENT PAUSE mode must be WRITE or ALL\r\n"),
            ("CLIENT PAUSE 99999999999999999", "+OK\r\n"),
        ];
        for (request, answer) in cases {
            let client = w.accept(0);
            send(&mut w, client, &[request]);
            assert_eq!(w.sent(client), answer, "{request}");
        }
    }
}
