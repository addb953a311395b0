//! The two traits between a product and its event loop.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::{
    Address, ConnId, Gathering, Input, Instant, LayerFault, ListenOptions, Listener, ListenerId, Parcel,
    Peer, SocketOptions, TimerId, WallTime,
};

/// The last bytes that were sent on a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unsent {
    /// Those that have not left, behind the beginning of their first piece.
    pub bytes: Vec<u8>,
    /// Number of bytes in front that have left: they were sent in one call with those behind them, or before
    /// them.
    pub written: usize,
}

/// Services of the loop for its product. Nothing here blocks. Connection errors are reported later, through
/// [`App::failed`]. Calls with the id of a closed connection do nothing.
pub trait Io {
    /// The clock of this turn.
    fn now(&self) -> Instant;
    /// The clock, read now. Costs a reading of the system's clock: for what is measured once per turn.
    fn clock(&self) -> Instant {
        self.now()
    }
    /// The wall clock of this turn.
    fn wall_time(&self) -> WallTime;

    /// Opens a connection. [`App::connected`] or [`App::failed`] follows in a later turn, never from within
    /// this call. Bytes sent before that are kept and written once connected; with [`SocketOptions::tls`],
    /// after the handshake, so that nothing reaches a server which has not proved its name.
    fn connect(&mut self, to: &Address, options: &SocketOptions) -> ConnId;

    /// Queues bytes for writing. Small pieces are gathered into one write at the end of the turn; a large
    /// piece on an otherwise empty connection may be written at once.
    fn send(&mut self, conn: ConnId, bytes: &[u8]);
    /// Sends bytes at once, without a copy, if nothing waits on the connection; queues what is left. Returns
    /// [`Io::unsent`]. For bytes that very many connections get, and nothing behind them for now: gathered,
    /// each connection would need a buffer, and a second visit at the end of the turn.
    fn send_now(&mut self, conn: ConnId, bytes: &[u8]) -> usize {
        self.send(conn, bytes);
        self.unsent(conn)
    }
    /// Keeps the bytes queued on a connection until more are sent on it, or it is finished: they are the
    /// beginning of an answer whose rest is sure to follow. Without it they are written at the end of the
    /// turn.
    fn hold(&mut self, _conn: ConnId) {}
    /// Queues bytes without a copy, for large pieces.
    fn send_shared(&mut self, conn: ConnId, bytes: Bytes);
    /// Unconsumed input of `conn`; must not be called from within [`App::received`] for the same connection.
    fn unread(&self, conn: ConnId) -> usize;
    /// Bytes queued on `conn` that the kernel has not accepted.
    fn unsent(&self, conn: ConnId) -> usize;
    /// Takes the bytes that were sent on an outgoing connection and that the kernel never accepted. For the
    /// connection that was aborted or has failed last, in the same turn: what has not left cannot have had an
    /// effect. Empty where a layer encodes bytes, since those that left are not known then.
    fn take_unsent(&mut self, _conn: ConnId) -> Unsent {
        Unsent::default()
    }
    /// Requests one [`App::drained`] call when `unsent(conn)` is zero at the end of a write.
    fn notify_drained(&mut self, conn: ConnId);

    /// Stops calling [`App::received`] for `conn`: reading stops, and the kernel's flow control holds the
    /// peer back.
    fn pause(&mut self, conn: ConnId);
    /// Undoes [`Io::pause`]; unconsumed bytes are shown again in the next turn.
    fn resume(&mut self, conn: ConnId);

    /// Stops reading, writes what is queued, then closes. The id is dead for the app: no callback follows.
    fn finish(&mut self, conn: ConnId);
    /// Closes at once; unsent bytes are lost. The id is dead for the app: no callback follows.
    fn abort(&mut self, conn: ConnId);

    /// Schedules [`App::timer`] with `token` at or after `at` (to the millisecond).
    fn set_timer(&mut self, at: Instant, token: u64) -> TimerId;
    /// Cancels a timer.
    fn cancel_timer(&mut self, timer: TimerId);

    /// Puts a transforming layer (TLS, then at most one compression) on `conn`. Earlier output leaves without
    /// it, later output passes through it. It gets the unconsumed input first.
    fn push_layer(&mut self, conn: ConnId, layer: Layer);

    /// Address of this side of a TCP connection; None for others, or if the kernel does not tell. Asks the
    /// kernel.
    fn local_address(&self, _conn: ConnId) -> Option<SocketAddr> {
        None
    }

    /// Releases a connection so that another shard can [`adopt`](Io::adopt) it; the id is then dead for the
    /// app. None, with no change, if anything is held here: unread or unsent bytes, or a layer.
    ///
    /// During [`App::accepted`] the listener's TLS does not count: nothing was read or written yet, and TLS
    /// begins where the client is adopted.
    fn release(&mut self, conn: ConnId) -> Option<Parcel>;
    /// Adopts a connection released by another shard. None if that failed: it is closed.
    fn adopt(&mut self, parcel: Parcel) -> Option<ConnId>;
    /// Starts accepting from another `listener`.
    ///
    /// # Errors
    /// The kernel cannot watch the socket, or the shard is stopping. The socket is closed.
    fn listen(&mut self, listener: Listener) -> std::io::Result<()>;
    /// Sets the options for new clients of a listener; accepted clients keep theirs.
    fn set_listener(&mut self, listener: ListenerId, options: ListenOptions);
    /// Stops listening. Clients in the backlog or in the kernel's handshake are accepted first, so
    /// [`App::accepted`] may follow for another fraction of a second; then the socket is closed. If
    /// descriptors have run out, those clients are reset after some seconds.
    ///
    /// This would close a socket shared with another process for that process's clients too: see
    /// [`Io::leave_listeners`].
    fn unlisten(&mut self, listener: ListenerId);
    /// Closes this shard's descriptors of all listeners, and leaves waiting clients to the other holders of
    /// the sockets.
    fn leave_listeners(&mut self);

    /// Recent share of this shard's thread time spent on the CPU, in permille.
    fn load(&self) -> u32;

    /// Counts of this shard's rounds, and of the sleeps that let them gather events.
    fn gathering(&self) -> Gathering {
        Gathering::default()
    }

    /// Memory of the buffers of this shard's connections, both directions: reserved, not only in use.
    fn buffered(&self) -> usize;
}

/// A product, as seen by its event loop.
pub trait App<I: Io> {
    /// Mail from other threads to this shard.
    type Mail: Send + 'static;

    /// A client arrived at a listener with this [tag](ListenOptions::tag). With TLS, the handshake follows:
    /// [`App::layered`] reports its end before anything is [received](App::received), and output sent earlier
    /// waits for it.
    fn accepted(&mut self, io: &mut I, listener: u32, conn: ConnId, peer: Peer);
    /// An outgoing connection is established. With TLS, [`App::layered`] comes right before.
    fn connected(&mut self, io: &mut I, conn: ConnId);
    /// Input is available. Consume what is complete.
    fn received(&mut self, io: &mut I, conn: ConnId, input: &mut Input<'_>);
    /// The peer has sent FIN and all its input was shown. The app may still write.
    fn ended(&mut self, io: &mut I, conn: ConnId);
    /// The connection is gone, or could not be opened. The id is dead.
    fn failed(&mut self, io: &mut I, conn: ConnId, fault: Fault);
    /// See [`Io::notify_drained`].
    fn drained(&mut self, _io: &mut I, _conn: ConnId) {}
    /// A layer has finished its handshake: one that was pushed, the listener's, or the connect's.
    fn layered(&mut self, _io: &mut I, _conn: ConnId, _info: LayerInfo) {}
    /// A timer is due.
    fn timer(&mut self, io: &mut I, token: u64);
    /// Mail from another thread, in sending order per sender.
    fn mail(&mut self, io: &mut I, mail: Self::Mail);
    /// All events of this turn were handled; writes follow. The place for work worth batching.
    fn turn_end(&mut self, _io: &mut I) {}
    /// The writes that follow a turn are done, those to outgoing connections included: nothing is held back.
    fn written(&mut self, _io: &mut I) {}
    /// Accepting has run out of file descriptors (or kernel memory); it resumes by itself. Called once per
    /// shortage.
    fn starved(&mut self, _io: &mut I, _error: &std::io::Error) {}
    /// The process is stopping: no more clients will be accepted. Close idle ones.
    fn stopping(&mut self, _io: &mut I) {}
    /// Requests received so far, in which the CPU time of rounds with and without sleeps is compared; zero if
    /// the app does not count them, and its shard then never sleeps.
    fn handled(&self) -> u64 {
        0
    }
    /// True when no work is pending; checked after every turn of a graceful stop.
    fn idle(&self) -> bool {
        true
    }
}

/// The reason a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nobody listens there (ECONNREFUSED).
    Refused,
    /// The peer reset the connection, or closed it during a write.
    Reset,
    /// The name could not be resolved, or not in time.
    Unresolved,
    /// Connecting took longer than allowed.
    ConnectTimeout,
    /// A layer's handshake or framing failed.
    Layer(LayerFault),
    /// Any other operating-system error, by errno.
    Os(i32),
}

/// A transformation between the socket and the app.
#[derive(Debug, Clone)]
pub enum Layer {
    /// TLS, as server.
    TlsServer(Arc<rustls::ServerConfig>),
    /// TLS, as client of the server with this name.
    TlsClient(Arc<rustls::ClientConfig>, rustls::pki_types::ServerName<'static>),
    /// The snappy framing format, both ways.
    Snappy,
    /// Raw deflate (RFC 1951) both ways, sync-flushed at each write; the level is 1 to 9.
    Deflate(u32),
}

/// Facts known once a layer is established.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LayerInfo {
    /// TLS version as "TLS1.3"; empty for compression.
    pub tls_version: String,
    /// TLS cipher suite by IANA name.
    pub tls_cipher_suite: String,
    /// Subject common name of the peer's certificate, if it sent one.
    pub client_common_name: String,
    /// All names of the peer's certificate: the common name, then its DNS names, URIs and mail addresses.
    pub names: Vec<String>,
    /// True if the peer sent a certificate.
    pub client_certificate: bool,
    /// True if an earlier session was resumed.
    pub resumed: bool,
}
