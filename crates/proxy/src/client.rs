//! A client: its session, and its line of slots, one per request that is accepted and not yet answered.
//!
//! Replies leave in the order of the line. A reply for the front slot goes straight to the socket; an early
//! one waits in a buffer of its client's that is reset whenever it is empty.

mod seq;
pub(crate) mod stateful;
pub(crate) mod subscribed;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use access::{Connected, User};
use bytes::Bytes;
use net::{ConnId, Instant, Io};
use wire::redis::{Command, Version};

pub(crate) use self::seq::Seq;
use self::stateful::{Silence, Stateful, Transaction};
use self::subscribed::Subscribed;
use crate::keys::{LaneKey, PoolKey, ServerKey};
use crate::reply_size::ReplySize;
use crate::tally::Change;

/// Bytes of sent replies among the early ones at which those are compacted.
const COMPACT_AT: usize = 64 * 1024;
/// Capacity above which an empty line is freed.
const LINE_KEEP: usize = 64;

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: ConnId,
    pub(crate) pool: PoolKey,
    pub(crate) session: Session,
    line: VecDeque<Slot>,
    /// Sequence number of `line[0]`.
    first: Seq,
    early: Early,
    /// Scanner state of a partly received request.
    pub(crate) partial: Option<Box<crate::request::Partial>>,
    /// Server connection that is not read until this client has taken a large reply.
    pub(crate) holds_up: Option<LaneKey>,
    /// [`Pool::changeover`](crate::pool::Pool::changeover) when this client last had no request under way:
    /// while it is older than the pool's, some of its requests may be on connections being replaced.
    pub(crate) changeover: u32,
    /// Size of its replies.
    pub(crate) reply_size: ReplySize,
    /// [`Client::memory`] when it was last added to `Proxy::held`.
    pub(crate) counted: usize,
}

/// State of a client's session.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// It may send requests: it is logged in, or no login is needed.
    pub(crate) authenticated: bool,
    /// The gate of its pool counts its requests: its user or the pool has a limit.
    pub(crate) limited: bool,
    /// User it is logged in as, in a pool with users.
    pub(crate) user: Option<Arc<User>>,
    /// Counts it among that user's connections.
    pub(crate) connected: Option<Connected>,
    /// A slow login being verified.
    pub(crate) pending: Pending,
    /// Its address; None for a unix socket.
    pub(crate) from: Option<SocketAddr>,
    /// Database that it has chosen; None for the pool's own.
    pub(crate) db: Option<u16>,
    /// RESP3 was requested with HELLO 3.
    pub(crate) resp3: bool,
    /// Process-wide number, for CLIENT ID.
    pub(crate) number: u64,
    /// Time it was accepted, by this process.
    pub(crate) since: Instant,
    /// Time its last requests were read.
    pub(crate) heard: Instant,
    /// Command of its last request; None if there is no such command.
    pub(crate) last: Option<&'static Command>,
    /// Name set by CLIENT SETNAME.
    pub(crate) name: Option<Box<[u8]>>,
    /// No more requests are read: it sent FIN, said QUIT or broke the framing. Closed once the line is empty.
    pub(crate) leaving: bool,
    /// State that its commands have left, if any.
    pub(crate) state: Option<Box<Stateful>>,
    /// The peer has sent FIN.
    pub(crate) ended: bool,
    /// Reason it is not read; None while it is.
    pub(crate) paused: Option<Wait>,
    /// Bytes still to be discarded: the data block of a refused request (memcached).
    pub(crate) skip: u64,
}

impl Session {
    /// The RESP version it speaks.
    pub(crate) fn version(&self) -> Version {
        if self.resp3 { Version::Resp3 } else { Version::Resp2 }
    }

    /// Its address and port, as Redis shows them.
    pub(crate) fn address(&self) -> String {
        self.from.map_or_else(|| "unix:0".to_owned(), |address| address.to_string())
    }

    /// The state, which it has from now on.
    pub(crate) fn stateful(&mut self) -> &mut Stateful {
        self.state.get_or_insert_default()
    }

    /// Memory of the state.
    pub(crate) fn state_memory(&self) -> usize {
        let subscribed = self.subscribed().map_or(0, Subscribed::memory);
        self.transaction().map_or(0, Transaction::memory) + subscribed
    }

    /// Ends the watch of its keys. True if the watch was broken.
    pub(crate) fn unwatch(&mut self) -> bool {
        let Some(state) = &mut self.state else { return false };
        state.watching = false;
        let is_broken = std::mem::take(&mut state.watch_broken);
        self.rest();
        is_broken
    }

    /// The private connection on which it watches keys.
    pub(crate) fn watched(&self) -> Option<LaneKey> {
        let state = self.state.as_ref()?;
        state.private.filter(|_| state.watching)
    }

    /// Its subscriptions, if it has or had any.
    pub(crate) fn subscribed(&self) -> Option<&Subscribed> {
        self.state.as_ref()?.subscribed.as_deref()
    }

    /// Its subscriptions, if it has or had any.
    pub(crate) fn subscribed_mut(&mut self) -> Option<&mut Subscribed> {
        self.state.as_mut()?.subscribed.as_deref_mut()
    }

    /// Its subscriptions, which it has from now on.
    pub(crate) fn subscribe(&mut self) -> &mut Subscribed {
        self.stateful().subscribed.get_or_insert_default()
    }

    /// True if it is subscribed to something.
    pub(crate) fn is_subscribed(&self) -> bool {
        self.subscribed().is_some_and(Subscribed::is_any)
    }

    /// Its private connection to this server.
    pub(crate) fn private_to(&self, server: ServerKey) -> Option<LaneKey> {
        self.state.as_ref()?.private.filter(|lane| lane.server == server)
    }

    /// The transaction that it is in.
    pub(crate) fn transaction(&self) -> Option<&Transaction> {
        self.state.as_ref()?.transaction.as_ref()
    }

    /// Replies that it does not want.
    pub(crate) fn silence(&self) -> Option<Silence> {
        self.state.as_ref()?.silence
    }

    pub(crate) fn set_silence(&mut self, silence: Option<Silence>) {
        if silence != self.silence() {
            self.stateful().silence = silence;
            self.rest();
        }
    }

    /// True if the request being taken gets no reply.
    #[inline]
    pub(crate) fn is_silent(&self) -> bool {
        self.state.as_ref().is_some_and(|state| matches!(state.silence, Some(Silence::Now | Silence::Always)))
    }

    /// Notes that another request is taken.
    #[inline]
    pub(crate) fn next_request(&mut self) {
        match self.silence() {
            Some(Silence::Next) => self.set_silence(Some(Silence::Now)),
            Some(Silence::Now) => self.set_silence(None),
            Some(Silence::Always) | None => {}
        }
    }

    /// Drops the state if nothing is left of it.
    pub(crate) fn rest(&mut self) {
        if let Some(state) = &mut self.state {
            state.subscribed.take_if(|subscribed| !subscribed.is_needed());
        }
        if self.state.as_ref().is_some_and(|state| state.is_plain()) {
            self.state = None;
        }
    }
}

/// The reason a client is not read, which determines what resumes it. A client waits in one place only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Waits for replies: too many requests are waiting, or too many bytes wait behind the first of them.
    Reply,
    /// Waits until it has taken everything sent to it.
    Drain,
    /// Waits for memory: it is in `Proxy::starving`.
    Memory,
    /// Waits for all its replies: its next request goes out on another connection to the same server and must
    /// not overtake the earlier ones.
    Changeover,
    /// Waits for the verification of its login.
    Login,
    /// Waits for the end of a pause (`CLIENT PAUSE`): it is in [`crate::pause::Paused`].
    Pause,
    /// Waits for a private connection to a server: it is in [`crate::server::private::Privates`].
    Private,
    /// Waits for the reply to its blocking request. Its socket is read all the same, to notice its end.
    Block,
    /// Waits for a server: it is in [`crate::server::connection::ServerConn::waiting_clients`].
    Server,
}

/// A client's login that is slow to verify. The request stays in the input meanwhile.
#[derive(Debug, Default)]
pub(crate) enum Pending {
    /// No login is pending.
    #[default]
    None,
    /// Being verified.
    Asked,
    /// Verified: as this user, or denied.
    Answered(Option<Arc<User>>),
}

#[derive(Debug)]
enum Slot {
    /// Awaits its reply.
    Waiting,
    /// Awaits its reply, which the client does not want.
    Silent,
    /// The reply came before its turn and is among the early ones.
    Early { at: usize, len: usize },
    /// The reply has its own memory: it is too large to copy.
    Shared(Box<Bytes>),
}

/// Replies that came before their turn.
#[derive(Debug, Default)]
struct Early {
    bytes: Vec<u8>,
    /// Bytes in `bytes` that are not sent yet.
    live: usize,
    /// Bytes of shared replies that are not sent yet.
    shared: usize,
}

/// A complete reply.
pub(crate) enum Reply<'a> {
    Slice(&'a [u8]),
    Shared(Bytes),
}

impl Reply<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Reply::Slice(bytes) => bytes.len(),
            Reply::Shared(bytes) => bytes.len(),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Reply::Slice(bytes) => bytes,
            Reply::Shared(bytes) => bytes,
        }
    }
}

impl Client {
    pub(crate) fn new(id: ConnId, pool: PoolKey, session: Session) -> Client {
        Client {
            id,
            pool,
            session,
            line: VecDeque::new(),
            first: 0,
            early: Early::default(),
            partial: None,
            holds_up: None,
            changeover: 0,
            reply_size: ReplySize::default(),
            counted: 0,
        }
    }

    /// Requests accepted and not answered.
    #[inline]
    pub(crate) fn waiting(&self) -> usize {
        self.line.len()
    }

    /// True if it is between requests: no request is under way or partly received, and reading is neither
    /// paused nor ended.
    pub(crate) fn is_quiet(&self) -> bool {
        let s = &self.session;
        let reading = !(s.leaving || s.ended || s.state.is_some() || s.paused.is_some()) && s.skip == 0;
        self.line.is_empty() && self.partial.is_none() && reading
    }

    /// Bytes of replies waiting for their turn.
    #[inline]
    pub(crate) fn early_bytes(&self) -> usize {
        self.early.live + self.early.shared
    }

    /// Memory of the line and of the replies waiting in it.
    #[inline]
    pub(crate) fn memory(&self) -> usize {
        self.line.capacity() * size_of::<Slot>() + self.early.bytes.capacity() + self.early.shared
    }

    /// Its memory, including the input and output bytes of its connection.
    pub(crate) fn memory_with_socket<I: Io>(&self, io: &I) -> usize {
        self.memory() + self.session.state_memory() + io.unread(self.id) + io.unsent(self.id)
    }

    /// The memory at the last count, and now.
    #[inline]
    pub(crate) fn recount(&mut self) -> Change {
        let now = self.memory();
        Change::note(&mut self.counted, now)
    }

    /// Sequence number of the next request.
    #[inline]
    pub(crate) fn next_seq(&self) -> Seq {
        self.first.wrapping_add(self.line.len() as u32)
    }

    /// Adds a slot for a request that gets one reply, at [`Client::next_seq`].
    #[inline]
    pub(crate) fn add_slot(&mut self) {
        self.line.push_back(if self.session.is_silent() { Slot::Silent } else { Slot::Waiting });
    }

    /// Adds a slot for a request to subscribe: its acknowledgement is a push, which comes also where replies
    /// are not wanted.
    pub(crate) fn add_push_slot(&mut self) {
        self.line.push_back(Slot::Waiting);
    }

    /// True if the request at `seq` is the next to be answered.
    pub(crate) fn is_first(&self, seq: Seq) -> bool {
        seq == self.first && matches!(self.line.front(), Some(Slot::Waiting | Slot::Silent))
    }

    /// Answers a request that needs no server: at once if no earlier request is waiting.
    pub(crate) fn answer_now<I: Io>(&mut self, io: &mut I, bytes: &[u8]) {
        if !self.session.is_silent() {
            self.push_now(io, bytes);
        }
    }

    /// Sends a push, which comes also where replies are not wanted: at once if no earlier request is waiting.
    pub(crate) fn push_now<I: Io>(&mut self, io: &mut I, bytes: &[u8]) {
        if self.line.is_empty() {
            return io.send(self.id, bytes);
        }
        let slot = self.early.put(bytes);
        self.line.push_back(slot);
        self.compact();
    }

    /// Stores the reply to the request at `seq` and sends all replies that are now due. False if no request
    /// waits there.
    #[inline]
    pub(crate) fn fulfil<I: Io>(&mut self, io: &mut I, seq: Seq, mut reply: Reply<'_>) -> bool {
        let at = seq.wrapping_sub(self.first) as usize;
        match self.line.get_mut(at) {
            Some(Slot::Waiting) => {}
            Some(Slot::Silent) => reply = Reply::Slice(b""),
            _ => return false,
        }
        if at > 0 {
            self.line[at] = match reply {
                Reply::Slice(bytes) => self.early.put(bytes),
                Reply::Shared(bytes) => {
                    self.early.shared += bytes.len();
                    Slot::Shared(Box::new(bytes))
                }
            };
            self.compact();
            return true;
        }
        match reply {
            Reply::Slice(bytes) => io.send(self.id, bytes),
            Reply::Shared(bytes) => io.send_shared(self.id, bytes),
        }
        self.line.pop_front();
        self.first = self.first.wrapping_add(1);
        // an unsent reply has no bytes, but its slot is due all the same
        if !matches!(self.line.front(), None | Some(Slot::Waiting | Slot::Silent)) {
            self.send_due(io);
        }
        self.shrink();
        true
    }

    fn send_due<I: Io>(&mut self, io: &mut I) {
        loop {
            match self.line.front() {
                Some(Slot::Early { at, len }) => {
                    let (at, len) = (*at, *len);
                    io.send(self.id, &self.early.bytes[at..at + len]);
                    self.early.live -= len;
                }
                Some(Slot::Shared(_)) => {}
                _ => return,
            }
            if let Some(Slot::Shared(bytes)) = self.line.pop_front() {
                self.early.shared -= bytes.len();
                io.send_shared(self.id, *bytes);
            }
            self.first = self.first.wrapping_add(1);
        }
    }

    /// Compacts the early replies once most of it is holes.
    fn compact(&mut self) {
        if !self.early.is_mostly_holes() {
            return;
        }
        let mut packed = Vec::with_capacity(self.early.live);
        for slot in &mut self.line {
            if let Slot::Early { at, len } = slot {
                let from = *at;
                *at = packed.len();
                packed.extend_from_slice(&self.early.bytes[from..from + *len]);
            }
        }
        self.early.bytes = packed;
    }

    fn shrink(&mut self) {
        if self.early.live == 0 {
            self.early.reset();
        }
        if self.line.is_empty() && self.line.capacity() > LINE_KEEP {
            self.line = VecDeque::new();
        }
    }

    /// Frees memory that an idle client does not need.
    pub(crate) fn rest(&mut self) {
        if self.line.is_empty() {
            self.line = VecDeque::new();
            self.early = Early::default();
        }
    }
}

impl Early {
    fn put(&mut self, bytes: &[u8]) -> Slot {
        // an empty reply outlives the bytes stored around it, so its offset must always be valid
        let at = if bytes.is_empty() { 0 } else { self.bytes.len() };
        self.bytes.extend_from_slice(bytes);
        self.live += bytes.len();
        Slot::Early { at, len: bytes.len() }
    }

    /// Replies are stored in order of arrival and leave in order of the line, so holes appear anywhere.
    fn is_mostly_holes(&self) -> bool {
        self.bytes.len() > COMPACT_AT && self.live < self.bytes.len() / 2
    }

    fn reset(&mut self) {
        self.bytes.clear();
        if self.bytes.capacity() > COMPACT_AT {
            self.bytes = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Key;
    use crate::testing::FakeIo;

    fn client() -> (FakeIo, Client) {
        let mut io = FakeIo::default();
        let id = io.open();
        (io, Client::new(id, PoolKey::new(0, 0), Session::default()))
    }

    fn add_slot(client: &mut Client) -> Seq {
        let seq = client.next_seq();
        client.add_slot();
        seq
    }

    /// `noreply` and quiet mode: empty replies that arrive before their turn.
    #[test]
    fn replies_that_are_not_sent_leave_their_place_when_it_is_their_turn() {
        let (mut io, mut c) = client();
        let seqs: Vec<Seq> = (0..4).map(|_| add_slot(&mut c)).collect();
        assert!(c.fulfil(&mut io, seqs[1], Reply::Slice(b"")));
        assert!(c.fulfil(&mut io, seqs[2], Reply::Slice(b"")));
        assert!(c.fulfil(&mut io, seqs[0], Reply::Slice(b"")));
        assert_eq!(c.waiting(), 1);
        assert!(c.fulfil(&mut io, seqs[3], Reply::Slice(b"<3>")));
        assert_eq!((io.sent(c.id), c.waiting()), (&b"<3>"[..], 0));

        let seqs: Vec<Seq> = (0..4).map(|_| add_slot(&mut c)).collect();
        assert!(c.fulfil(&mut io, seqs[1], Reply::Slice(b"<1>")));
        assert!(c.fulfil(&mut io, seqs[3], Reply::Slice(b"")));
        assert!(c.fulfil(&mut io, seqs[0], Reply::Slice(b"")));
        assert!(c.fulfil(&mut io, seqs[2], Reply::Slice(b"<2>")));
        assert_eq!((io.sent(c.id), c.waiting()), (&b"<3><1><2>"[..], 0));
    }

    #[test]
    fn replies_leave_in_the_order_of_requests() {
        let (mut io, mut c) = client();
        let seqs: Vec<Seq> = (0..5).map(|_| add_slot(&mut c)).collect();
        c.answer_now(&mut io, b"<5>");
        assert!(c.fulfil(&mut io, seqs[3], Reply::Slice(b"<3>")));
        assert!(c.fulfil(&mut io, seqs[1], Reply::Shared(Bytes::from_static(b"<1>"))));
        assert_eq!((io.sent(c.id), c.early_bytes()), (&b""[..], 9));
        assert!(c.fulfil(&mut io, seqs[0], Reply::Slice(b"<0>")));
        assert_eq!(io.sent(c.id), b"<0><1>");
        assert!(c.fulfil(&mut io, seqs[4], Reply::Slice(b"<4>")));
        assert!(c.fulfil(&mut io, seqs[2], Reply::Slice(b"<2>")));
        assert_eq!(io.sent(c.id), b"<0><1><2><3><4><5>");
        assert_eq!((c.waiting(), c.early_bytes()), (0, 0));
        assert!(!c.fulfil(&mut io, seqs[2], Reply::Slice(b"again")), "a slot is answered once");
    }

    #[test]
    fn early_replies_are_compacted_when_the_line_never_empties() {
        let (mut io, mut c) = client();
        let mut front = add_slot(&mut c);
        for n in 0..2000u32 {
            let next = add_slot(&mut c);
            let after = add_slot(&mut c);
            assert!(c.fulfil(&mut io, next, Reply::Slice(&[n as u8; 100])));
            assert!(c.fulfil(&mut io, front, Reply::Slice(b"x")));
            front = after;
        }
        assert!(c.early.bytes.len() <= COMPACT_AT + 200);
        assert_eq!(io.sent(c.id).len(), 2000 * 101);
    }
}
