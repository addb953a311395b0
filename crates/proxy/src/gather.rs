//! A split request: what its parts have answered so far, and how the parts make one reply.

use net::ConnId;

use crate::client::Seq;

/// Names a gather record until all its parts are answered.
pub(crate) type GatherId = u32;

/// One record for each split request.
#[derive(Debug)]
pub(crate) struct Gather {
    pub(crate) client: ConnId,
    pub(crate) seq: Seq,
    pub(crate) pool: u16,
    pub(crate) merge: Merge,
    /// Parts not answered yet.
    pub(crate) waiting: u16,
    /// For each key of the request, in its order: the part that it went with.
    pub(crate) order: Vec<u16>,
    /// The keys themselves, where the merge has to compare them (memcached): one behind the other, and where each ends.
    pub(crate) keys: (Vec<u8>, Vec<u32>),
    /// The client wants no reply.
    pub(crate) silent: bool,
    /// How many parts there are.
    pub(crate) count: u16,
    /// What each part has answered; may be longer than `count`.
    pub(crate) parts: Vec<Vec<u8>>,
    /// The first error, ready to be sent: it is the whole request's reply.
    pub(crate) error: Option<Vec<u8>>,
    /// Time of the request, for the latency histogram.
    pub(crate) at: net::Instant,
}

impl Gather {
    /// The replies of the parts.
    pub(crate) fn used(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.iter().take(self.count as usize).map(Vec::as_slice)
    }
}

/// How the replies of the parts make one reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Merge {
    /// Elements of arrays, in the order of the keys (MGET).
    Array,
    /// Integers are added (DEL, UNLINK, TOUCH, EXISTS).
    Sum,
    /// `+OK` when all have said so (MSET).
    Ok,
    /// memcached VALUE blocks in the order of the keys, then END (get, gets, gat, gats).
    Values,
    /// memcached `OK` when all servers have said so (flush_all, verbosity).
    OkLine,
    /// memcached STAT lines of all servers, then one END.
    Stats,
}

/// The gather records of a shard, reused with their memory.
#[derive(Debug, Default)]
pub(crate) struct Gathers {
    records: Vec<Gather>,
    free: Vec<GatherId>,
    /// Bytes of replies held in records.
    pub(crate) held: usize,
}

/// A record's memory is kept for reuse up to this many bytes per part.
const KEEP_PART: usize = 4096;
/// And up to this many parts or keys.
const KEEP_COUNT: usize = 256;

impl Gathers {
    /// A new record with `parts` parts; `order` is empty and to be filled.
    pub(crate) fn open(&mut self, client: ConnId, merge: Merge, at: net::Instant) -> GatherId {
        if let Some(id) = self.free.pop() {
            let g = &mut self.records[id as usize];
            (g.client, g.seq, g.merge, g.waiting, g.error, g.at) = (client, 0, merge, 0, None, at);
            return id;
        }
        let id = self.records.len() as GatherId;
        self.records.push(Gather {
            client,
            seq: 0,
            pool: 0,
            merge,
            waiting: 0,
            keys: Default::default(),
            silent: false,
            count: 0,
            order: Vec::new(),
            parts: Vec::new(),
            error: None,
            at,
        });
        id
    }

    pub(crate) fn get_mut(&mut self, id: GatherId) -> &mut Gather {
        &mut self.records[id as usize]
    }

    /// Keeps a part's reply; true once no part is missing.
    pub(crate) fn store(&mut self, id: GatherId, part: u16, reply: &[u8]) -> bool {
        let g = &mut self.records[id as usize];
        g.waiting -= 1;
        if g.error.is_none()
            && let Some(place) = g.parts.get_mut(part as usize)
        {
            place.extend_from_slice(reply);
            self.held += reply.len();
        }
        g.waiting == 0
    }

    /// Notes that a part has failed; the first error counts. True once no part is missing.
    pub(crate) fn fail(&mut self, id: GatherId, error: &[u8]) -> bool {
        let g = &mut self.records[id as usize];
        g.waiting -= 1;
        if g.error.is_none() {
            g.error = Some(error.to_vec());
        }
        g.waiting == 0
    }

    /// Gives a finished record back.
    pub(crate) fn close(&mut self, id: GatherId) {
        let g = &mut self.records[id as usize];
        for part in &mut g.parts {
            self.held -= part.len();
            part.clear();
            part.shrink_to(KEEP_PART);
        }
        g.parts.truncate(KEEP_COUNT);
        g.silent = false;
        g.keys.0.clear();
        g.keys.0.shrink_to(KEEP_PART);
        g.keys.1.clear();
        g.keys.1.shrink_to(KEEP_COUNT);
        g.order.clear();
        g.order.shrink_to(KEEP_COUNT);
        g.error = None;
        self.free.push(id);
    }

    /// Records in use.
    pub(crate) fn open_count(&self) -> usize {
        self.records.len() - self.free.len()
    }

    /// Bytes of replies held, counted anew.
    pub(crate) fn recount(&self) -> usize {
        self.records.iter().flat_map(|g| &g.parts).map(Vec::len).sum()
    }

    /// Gives the memory back when nothing is in use.
    pub(crate) fn rest(&mut self) {
        if self.open_count() == 0 {
            *self = Gathers::default();
        }
    }
}
