//! A request goes out: onto a connection's line, and its bytes into the connection's outbox.

use net::Io;

use crate::fail::Failure;
use crate::request::Frame;
use crate::server::Server;
use crate::server::kept::Keep;
use crate::server::pending::Pending;
use crate::tally::Change;

impl Server {
    /// Sends a request on a connection that is open or being opened. Returns how the connection's memory has changed.
    #[inline]
    pub(crate) fn send<I: Io>(
        &mut self,
        io: &mut I,
        lane: u16,
        frame: Frame<'_>,
        mut pending: Pending,
        keep: Keep,
    ) -> Result<Change, Failure> {
        let key = self.lane_key(lane);
        let Server { conns, config, stats, .. } = self;
        let conn = &mut conns[lane as usize];
        let Some(id) = conn.conn else { return Err(Failure::Refused) };
        let bytes = frame.bytes();
        conn.kept.keep(&mut pending, bytes, keep);
        if conn.ready() {
            match frame {
                Frame::Slice(bytes) => io.send(id, bytes),
                Frame::Shared(bytes) => io.send_shared(id, bytes.clone()),
            }
        } else {
            conn.held.extend_from_slice(bytes);
        }
        stats.requests.inc();
        stats.request_bytes.add(bytes.len() as u64);
        if let Some(timeout) = config.timeout {
            conn.alarm_at(io, key, pending.at + timeout);
        }
        conn.bulky += usize::from(pending.bulky);
        conn.line.push_back(pending);
        Ok(conn.recount())
    }
}
