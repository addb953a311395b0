//! Gather records of requests that were split or sent to every server: the replies so far, and the rule that
//! merges them.

use net::ConnId;
use wire::redis::Version;

use crate::client::Seq;
use crate::feeds::FeedKind;
use crate::keys::{PoolKey, ServerKey};
use crate::piece::Piece;
use crate::tally::{Change, Tally};

/// Identifies a gather record until all its parts are answered.
pub(crate) type GatherId = u32;

/// The record of one request that was split or sent to every server.
#[derive(Debug)]
pub(crate) struct Gather {
    pub(crate) client: ConnId,
    pub(crate) seq: Seq,
    pub(crate) pool: PoolKey,
    pub(crate) merge: Merge,
    /// Replies of parts still to come.
    pub(crate) waiting: u32,
    /// The part of each key, in the order of the request.
    pub(crate) order: Vec<u16>,
    /// The concatenated keys and the end of each, if the merge has to compare them (memcached). With
    /// [`Merge::About`] the whole request.
    pub(crate) keys: (Vec<u8>, Vec<u32>),
    /// The client wants no reply.
    pub(crate) silent: bool,
    /// It went to every server, or to several nodes of a cluster, and an error names its server.
    pub(crate) names_servers: bool,
    /// Number of parts.
    pub(crate) count: u16,
    /// Replies of the parts; may be longer than `count`.
    pub(crate) parts: Vec<Vec<u8>>,
    /// The first error, encoded: it becomes the reply to the whole request.
    pub(crate) error: Option<Vec<u8>>,
    /// Part of another record that its reply is for; None if it is for the client.
    pub(crate) outer: Option<(GatherId, u16)>,
    /// A transaction in a cluster, which may be sent again.
    pub(crate) piece: Option<Box<Piece>>,
    /// Time of the request, for the latency histogram.
    pub(crate) at: net::Instant,
    /// [`Gather::memory`] at the last count.
    counted: usize,
}

impl Gather {
    fn memory(&self) -> usize {
        let parts: usize = self.parts.iter().map(Vec::capacity).sum();
        let keys = self.keys.0.capacity() + self.keys.1.capacity() * size_of::<u32>();
        let rest = self.parts.capacity() * size_of::<Vec<u8>>() + self.order.capacity() * size_of::<u16>();
        let rest = rest + self.piece.as_ref().map_or(0, |piece| piece.memory());
        parts + keys + rest + self.error.as_ref().map_or(0, Vec::capacity)
    }

    /// The replies of the parts.
    pub(crate) fn used(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.iter().take(self.count as usize).map(Vec::as_slice)
    }
}

/// Rule by which the replies of the parts make one reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Merge {
    /// Elements of arrays, in the order of the keys (MGET).
    Array,
    /// Integers are added (DEL, UNLINK, TOUCH, EXISTS, DBSIZE).
    Sum,
    /// `+OK` if all parts are (MSET, SCRIPT FLUSH).
    Ok,
    /// `+OK` if any part is (SCRIPT KILL).
    AnyOk,
    /// Arrays, one after another (KEYS).
    Lists,
    /// The first reply that is not null (RANDOMKEY).
    Some,
    /// One server's part of a SCAN: its place among so many servers.
    Scan { at: u16, count: u16 },
    /// The reply common to all parts (SCRIPT LOAD).
    Same,
    /// Arrays of integers, the least at each place (SCRIPT EXISTS).
    Least,
    /// Arrays, one after another without what was there already (PUBSUB CHANNELS).
    Union,
    /// Arrays of channels and their subscribers, added up (PUBSUB NUMSUB).
    Counts(FeedKind),
    /// The greatest integer (PUBSUB NUMPAT).
    Greatest,
    /// One server's count of a message's receivers, with those behind this shard's subscriptions; the channel
    /// is in `keys` (PUBLISH).
    Published(ServerKey, FeedKind),
    /// memcached VALUE blocks in the order of the keys, then END (get, gets, gat, gats).
    Values,
    /// memcached `OK` if all servers answered it (`flush_all`, verbosity).
    OkLine,
    /// memcached STAT lines of all servers, then one END.
    Stats,
    /// The replies to a transaction: to MULTI and each queued request, then to EXEC.
    Exec,
    /// The only server's own answer, or the proxy's if that fails.
    About(About, Version),
}

/// Requests for facts about Redis itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// `INFO [section…]`
    Info,
    /// `CONFIG GET pattern…`
    Settings,
}

/// The gather records of a shard; their memory is reused.
#[derive(Debug, Default)]
pub(crate) struct Gathers {
    records: Vec<Gather>,
    free: Vec<GatherId>,
    /// Memory held by records, free ones included.
    held: Tally,
    /// Memory held by free records.
    held_free: usize,
}

/// Part of a transaction's record to which the replies before that of EXEC belong.
pub(crate) const QUEUED_PART: u16 = u16::MAX;
/// `Expect::keys` of EXEC itself.
pub(crate) const EXEC: u32 = 1;

/// Most bytes of a record kept for reuse,
const KEEP_RECORD: usize = 32 * 1024;
/// and of all records together.
const KEEP_ALL: usize = 1 << 20;

impl Gathers {
    /// Opens a record; the caller fills its empty `order` and sets the number of its parts.
    pub(crate) fn open(&mut self, client: ConnId, pool: PoolKey, merge: Merge, at: net::Instant) -> GatherId {
        if let Some(id) = self.free.pop() {
            let g = &mut self.records[id as usize];
            self.held_free -= g.counted;
            (g.client, g.pool, g.seq, g.merge) = (client, pool, 0, merge);
            (g.waiting, g.error, g.at) = (0, None, at);
            return id;
        }
        let id = self.records.len() as GatherId;
        self.records.push(Gather {
            client,
            seq: 0,
            pool,
            merge,
            waiting: 0,
            keys: Default::default(),
            silent: false,
            names_servers: false,
            count: 0,
            order: Vec::new(),
            parts: Vec::new(),
            error: None,
            outer: None,
            piece: None,
            at,
            counted: 0,
        });
        id
    }

    pub(crate) fn get(&self, id: GatherId) -> &Gather {
        &self.records[id as usize]
    }

    pub(crate) fn get_mut(&mut self, id: GatherId) -> &mut Gather {
        &mut self.records[id as usize]
    }

    /// True if a reply other than an error fits a part with `keys` keys. One that does not shows that the
    /// connection is out of step.
    #[inline]
    pub(crate) fn fits(&self, id: GatherId, keys: u32, reply: &[u8]) -> bool {
        let first = reply.first().copied();
        match self.records[id as usize].merge {
            // An array after attributes is checked when it is merged.
            Merge::Array => first == Some(b'|') || wire::redis::array_len(reply) == Some(keys as usize),
            Merge::Sum | Merge::Greatest | Merge::Published(..) => matches!(first, Some(b':' | b'|')),
            Merge::Ok | Merge::AnyOk => matches!(first, Some(b'+' | b'|')),
            Merge::Lists | Merge::Union | Merge::Counts(_) => matches!(first, Some(b'*' | b'~' | b'|')),
            Merge::Some => matches!(first, Some(b'$' | b'_' | b'|')),
            Merge::Scan { .. } => wire::redis::array_len(reply) == Some(2) || first == Some(b'|'),
            Merge::Least => matches!(first, Some(b'*' | b'|')),
            Merge::About(About::Info, _) => matches!(first, Some(b'$' | b'=' | b'|')),
            Merge::About(About::Settings, _) => matches!(first, Some(b'*' | b'%' | b'|')),
            Merge::Exec if keys == EXEC => matches!(first, Some(b'*' | b'_' | b'|')),
            Merge::Exec => first == Some(b'+'),
            // These were checked against the request before.
            Merge::Same | Merge::Values | Merge::OkLine | Merge::Stats => true,
        }
    }

    /// Keeps a part's reply; true once no part is missing.
    pub(crate) fn store(&mut self, id: GatherId, part: u16, reply: &[u8]) -> bool {
        let g = &mut self.records[id as usize];
        g.waiting -= 1;
        if (g.error.is_none() || g.merge == Merge::AnyOk)
            && let Some(place) = g.parts.get_mut(part as usize)
        {
            let before = place.capacity();
            place.extend_from_slice(reply);
            let grown = place.capacity() - before;
            let now = g.counted + grown;
            self.held.apply(Change::note(&mut g.counted, now));
        }
        g.waiting == 0
    }

    /// Notes that a part has failed; the first error counts. True once no part is missing.
    pub(crate) fn fail(&mut self, id: GatherId, error: &[u8]) -> bool {
        let g = &mut self.records[id as usize];
        g.waiting -= 1;
        if g.error.is_none() {
            g.error = Some(error.to_vec());
            let now = g.counted + error.len();
            self.held.apply(Change::note(&mut g.counted, now));
        }
        g.waiting == 0
    }

    /// Updates the memory count of a filled record.
    pub(crate) fn recount(&mut self, id: GatherId) {
        let g = &mut self.records[id as usize];
        let now = g.memory();
        self.held.apply(Change::note(&mut g.counted, now));
    }

    /// Frees a finished record for reuse.
    pub(crate) fn close(&mut self, id: GatherId) {
        let g = &mut self.records[id as usize];
        (g.silent, g.names_servers) = (false, false);
        (g.error, g.piece) = (None, None);
        let memory = g.memory();
        if memory > KEEP_RECORD || self.held_free + memory > KEEP_ALL {
            (g.parts, g.keys, g.order) = Default::default();
        } else {
            g.parts.iter_mut().for_each(Vec::clear);
            g.keys.0.clear();
            g.keys.1.clear();
            g.order.clear();
        }
        self.recount(id);
        self.held_free += self.records[id as usize].counted;
        self.free.push(id);
    }

    /// Memory of the records and of what they hold.
    #[inline]
    pub(crate) fn memory(&self) -> usize {
        self.held.bytes() + self.records.capacity() * size_of::<Gather>()
    }

    /// Records in use.
    pub(crate) fn open_count(&self) -> usize {
        self.records.len() - self.free.len()
    }

    /// [`Gathers::memory`], recounted.
    pub(crate) fn census(&self) -> usize {
        let held: usize = self.records.iter().map(Gather::memory).sum();
        held + self.records.capacity() * size_of::<Gather>()
    }

    /// Frees the memory if no record is in use.
    pub(crate) fn rest(&mut self) {
        if self.open_count() == 0 {
            *self = Gathers::default();
        }
    }
}
