//! A request in parts, split or sent to every server: what its parts have answered so far, and how the parts
//! make one reply.

use net::ConnId;
use wire::redis::Version;

use crate::client::Seq;
use crate::keys::PoolKey;
use crate::tally::{Change, Tally};

/// Names a gather record until all its parts are answered.
pub(crate) type GatherId = u32;

/// One record for each request that was split or went to every server.
#[derive(Debug)]
pub(crate) struct Gather {
    pub(crate) client: ConnId,
    pub(crate) seq: Seq,
    pub(crate) pool: PoolKey,
    pub(crate) merge: Merge,
    /// Parts not answered yet.
    pub(crate) waiting: u16,
    /// For each key of the request, in its order: the part that it went with.
    pub(crate) order: Vec<u16>,
    /// The keys themselves, where the merge has to compare them (memcached): one behind the other, and where
    /// each ends. With [`Merge::About`] the whole request.
    pub(crate) keys: (Vec<u8>, Vec<u32>),
    /// The client wants no reply.
    pub(crate) silent: bool,
    /// It went to every server, and an error is to say to which one it belongs.
    pub(crate) names_servers: bool,
    /// Number of parts.
    pub(crate) count: u16,
    /// Replies of the parts; may be longer than `count`.
    pub(crate) parts: Vec<Vec<u8>>,
    /// The first error, ready to be sent: it is the whole request's reply.
    pub(crate) error: Option<Vec<u8>>,
    /// Time of the request, for the latency histogram.
    pub(crate) at: net::Instant,
    /// [`Gather::memory`] when it was last counted.
    counted: usize,
}

impl Gather {
    fn memory(&self) -> usize {
        let parts: usize = self.parts.iter().map(Vec::capacity).sum();
        let keys = self.keys.0.capacity() + self.keys.1.capacity() * size_of::<u32>();
        let rest = self.parts.capacity() * size_of::<Vec<u8>>() + self.order.capacity() * size_of::<u16>();
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
    /// `+OK` when all have said so (MSET, SCRIPT FLUSH).
    Ok,
    /// The reply all have given (SCRIPT LOAD).
    Same,
    /// Arrays of integers, the least at each place (SCRIPT EXISTS).
    Least,
    /// memcached VALUE blocks in the order of the keys, then END (get, gets, gat, gats).
    Values,
    /// memcached `OK` when all servers have said so (`flush_all`, verbosity).
    OkLine,
    /// memcached STAT lines of all servers, then one END.
    Stats,
    /// The only server's own answer, or the proxy's if that fails.
    About(About, Version),
}

/// Questions about a Redis itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// `INFO [section…]`
    Info,
    /// `CONFIG GET pattern…`
    Settings,
}

/// The gather records of a shard, reused with their memory.
#[derive(Debug, Default)]
pub(crate) struct Gathers {
    records: Vec<Gather>,
    free: Vec<GatherId>,
    /// Memory of what records hold, free ones included.
    held: Tally,
    /// Memory of what free records hold.
    held_free: usize,
}

/// A record's memory is kept for reuse up to this many bytes,
const KEEP_RECORD: usize = 32 * 1024;
/// and that of all of them together up to this many.
const KEEP_ALL: usize = 1 << 20;

impl Gathers {
    /// A new record with `parts` parts; `order` is empty and to be filled.
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
            at,
            counted: 0,
        });
        id
    }

    pub(crate) fn get_mut(&mut self, id: GatherId) -> &mut Gather {
        &mut self.records[id as usize]
    }

    /// True if a reply that is no error can be one to a part with so many keys. One that cannot is the sign
    /// of a connection that is out of step.
    #[inline]
    pub(crate) fn fits(&self, id: GatherId, keys: u32, reply: &[u8]) -> bool {
        let first = reply.first().copied();
        match self.records[id as usize].merge {
            // One behind attributes is looked at when it is merged.
            Merge::Array => first == Some(b'|') || wire::redis::array_len(reply) == Some(keys as usize),
            Merge::Sum => matches!(first, Some(b':' | b'|')),
            Merge::Ok => matches!(first, Some(b'+' | b'|')),
            Merge::Least => matches!(first, Some(b'*' | b'|')),
            Merge::About(About::Info, _) => matches!(first, Some(b'$' | b'=' | b'|')),
            Merge::About(About::Settings, _) => matches!(first, Some(b'*' | b'%' | b'|')),
            // What these may be was held against the request before.
            Merge::Same | Merge::Values | Merge::OkLine | Merge::Stats => true,
        }
    }

    /// Keeps a part's reply; true once no part is missing.
    pub(crate) fn store(&mut self, id: GatherId, part: u16, reply: &[u8]) -> bool {
        let g = &mut self.records[id as usize];
        g.waiting -= 1;
        if g.error.is_none()
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

    /// Counts a record's memory, once it is filled.
    pub(crate) fn recount(&mut self, id: GatherId) {
        let g = &mut self.records[id as usize];
        let now = g.memory();
        self.held.apply(Change::note(&mut g.counted, now));
    }

    /// Gives a finished record back.
    pub(crate) fn close(&mut self, id: GatherId) {
        let g = &mut self.records[id as usize];
        (g.silent, g.names_servers) = (false, false);
        g.error = None;
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

    /// [`Gathers::memory`], counted anew.
    pub(crate) fn census(&self) -> usize {
        let held: usize = self.records.iter().map(Gather::memory).sum();
        held + self.records.capacity() * size_of::<Gather>()
    }

    /// Gives the memory back when nothing is in use.
    pub(crate) fn rest(&mut self) {
        if self.open_count() == 0 {
            *self = Gathers::default();
        }
    }
}
