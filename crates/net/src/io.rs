//! The two traits between a product and its event loop.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    Address, ConnId, Input, Instant, LayerFault, ListenOptions, Listener, ListenerId, Parcel, Peer,
    SocketOptions, TimerId, WallTime,
};

/// Services of the loop for the product that runs in it. Nothing here blocks. What goes wrong with a
/// connection is told later, through [`App::failed`]. Calls with the id of a connection that is gone do
/// nothing.
pub trait Io {
    /// The clock of this turn.
    fn now(&self) -> Instant;
    /// The wall clock of this turn.
    fn wall_time(&self) -> WallTime;

    /// Opens a connection. [`App::connected`] or [`App::failed`] follows in a later turn, never from within
    /// this call. Bytes sent before that are kept and written once connected; with [`SocketOptions::tls`]
    /// that is when the handshake is done, so that nothing reaches a server which has not proved its name.
    fn connect(&mut self, to: &Address, options: &SocketOptions) -> ConnId;

    /// Queues bytes for writing. Small pieces are gathered and leave in one write at the end of the turn; a
    /// large piece on an otherwise empty connection may be written at once.
    fn send(&mut self, conn: ConnId, bytes: &[u8]);
    /// Sends bytes without a copy, for large pieces.
    fn send_shared(&mut self, conn: ConnId, bytes: Bytes);
    /// Bytes that have arrived on `conn` and were not consumed; not to be asked from within [`App::received`]
    /// for the same connection.
    fn unread(&self, conn: ConnId) -> usize;
    /// Bytes queued on `conn` that the kernel has not taken yet.
    fn unsent(&self, conn: ConnId) -> usize;
    /// Asks for one [`App::drained`] when `unsent(conn)` has fallen to zero at the end of a write.
    fn notify_drained(&mut self, conn: ConnId);

    /// Stops calling [`App::received`] for `conn`: nothing more is read, and the peer is held back by the
    /// kernel.
    fn pause(&mut self, conn: ConnId);
    /// Undoes [`Io::pause`]; bytes that were left unconsumed are shown again in the next turn.
    fn resume(&mut self, conn: ConnId);

    /// Reads no more, writes what is queued, then closes. The app is done with the id: no callback follows.
    fn finish(&mut self, conn: ConnId);
    /// Closes now; what is unsent is lost. The app is done with the id: no callback follows.
    fn abort(&mut self, conn: ConnId);

    /// Calls [`App::timer`] with `token` at or after `at` (to the millisecond).
    fn set_timer(&mut self, at: Instant, token: u64) -> TimerId;
    /// Forgets a timer.
    fn cancel_timer(&mut self, timer: TimerId);

    /// Puts a transforming layer (TLS, then at most one compression) on `conn`. What was sent before leaves
    /// without it, what is sent afterwards passes through it. Unconsumed input is handed to the layer first.
    fn push_layer(&mut self, conn: ConnId, layer: Layer);

    /// Lets go of a connection so that another shard can [`adopt`](Io::adopt) it: the app is done with the
    /// id. None, and nothing changes, unless nothing of it is held here: no unread or unsent bytes, no layer.
    ///
    /// While the app hears of a new client, TLS of the listener does not count: nothing was read or written
    /// yet, and it begins where the client is adopted.
    fn release(&mut self, conn: ConnId) -> Option<Parcel>;
    /// Takes up a connection that another shard has released. None if that failed: it is closed.
    fn adopt(&mut self, parcel: Parcel) -> Option<ConnId>;
    /// Accepts from `listener` from now on, beside those that there are.
    ///
    /// # Errors
    /// The kernel cannot watch the socket, or the shard is stopping. The socket is closed.
    fn listen(&mut self, listener: Listener) -> std::io::Result<()>;
    /// Gives new clients of a listener these options; those that were accepted keep theirs.
    fn set_listener(&mut self, listener: ListenerId, options: ListenOptions);
    /// Stops listening. Who waits in the backlog, or is in the middle of the kernel's handshake, is accepted
    /// first, so that [`App::accepted`] may follow for another fraction of a second; then the socket is
    /// closed. Where clients have no place (descriptors have run out) they are waited for some seconds and
    /// reset then.
    ///
    /// A socket that another process shares would be closed to clients for that process too: see
    /// [`Io::leave_listeners`].
    fn unlisten(&mut self, listener: ListenerId);
    /// Closes this shard's descriptors of all listeners, and leaves those who wait to whoever else holds the
    /// sockets.
    fn leave_listeners(&mut self);

    /// Share of this shard's thread time that was used lately, in permille.
    fn load(&self) -> u32;

    /// Memory that the buffers of this shard's connections take, both directions: what is reserved, not only
    /// what is in use.
    fn buffered(&self) -> usize;
}

/// A product, as its event loop sees it.
pub trait App<I: Io> {
    /// Mail from other threads to this shard.
    type Mail: Send + 'static;

    /// A client arrived at a listener with this [tag](ListenOptions::tag). Where the listener has TLS its
    /// handshake follows: [`App::layered`] tells of its end, before anything is [received](App::received),
    /// and what is sent earlier waits for it.
    fn accepted(&mut self, io: &mut I, listener: u32, conn: ConnId, peer: Peer);
    /// A connection that we opened is established. With TLS [`App::layered`] comes right before.
    fn connected(&mut self, io: &mut I, conn: ConnId);
    /// Bytes are there. Consume what is whole.
    fn received(&mut self, io: &mut I, conn: ConnId, input: &mut Input<'_>);
    /// The peer will send no more (FIN) and everything it sent was shown. We may still write.
    fn ended(&mut self, io: &mut I, conn: ConnId);
    /// The connection is gone, or could not be opened. The id is dead.
    fn failed(&mut self, io: &mut I, conn: ConnId, fault: Fault);
    /// See [`Io::notify_drained`].
    fn drained(&mut self, _io: &mut I, _conn: ConnId) {}
    /// A layer has finished its handshake: one that was pushed, the listener's, or the connect's.
    fn layered(&mut self, _io: &mut I, _conn: ConnId, _info: LayerInfo) {}
    /// A timer is due.
    fn timer(&mut self, io: &mut I, token: u64);
    /// Mail from another thread, in order of sending per sender.
    fn mail(&mut self, io: &mut I, mail: Self::Mail);
    /// All that was ready in this turn was handled; writes follow. The place for work that is worth batching.
    fn turn_end(&mut self, _io: &mut I) {}
    /// Accepting has run out of file descriptors (or kernel memory); it goes on by itself. Said once per
    /// shortage.
    fn starved(&mut self, _io: &mut I, _error: &std::io::Error) {}
    /// The process is asked to stop: no client will be accepted any more. Let go of idle ones.
    fn stopping(&mut self, _io: &mut I) {}
    /// True when nothing is owed any more; asked after every turn of a graceful stop.
    fn idle(&self) -> bool {
        true
    }
}

/// The reason a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nobody listens there (ECONNREFUSED).
    Refused,
    /// The peer reset the connection, or went away while we wrote.
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
