//! Finds the end and the kind of a server's reply in bytes that arrive piece by piece.
//!
//! ```text
//!   +text\r\n  -text\r\n  :n\r\n                                            RESP2
//!   $len\r\n bytes \r\n   $-1\r\n   *n\r\n element…   *-1\r\n
//!   _\r\n  #t\r\n  ,double\r\n  (digits\r\n  !len\r\n bytes \r\n  =len\r\n txt: bytes \r\n      RESP3
//!   %n\r\n (key value)…   ~n\r\n element…   >n\r\n element…   |n\r\n (key value)… reply
//! ```
//! The scanner finds the end of a reply and parses no more than that needs, so that a reply caused by one
//! client cannot break the connection of all: a line may hold anything but `\r\n`, an integer may be too big.
//! Lengths and counts must be canonical numbers, with -1 for a missing value and no other negative one, and a
//! bulk must end with `\r\n`: after such an error the start of the next reply is unknown.

use super::decimal::known;
use super::item::{Item, Scanned, item, known_bulk, whole_bulk};
use super::kind::Kind;
use super::{ReplyError, ReplyLimits};

/// Outcome of scanning the available bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyScan {
    /// A complete reply at the front of the frame.
    Done(Reply),
    /// The reply is incomplete; scanning needs at least `want` bytes in total, from the front of the frame.
    NeedMore {
        /// Bytes wanted in total.
        want: usize,
    },
    /// These bytes are not a reply, and none can follow them.
    Bad(ReplyError),
}

/// One complete reply. It holds only positions; its methods take the frame it was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    len: u32,
    /// Start of the reply itself, after its attributes.
    head: u32,
    /// End of its header, where its contents begin: bytes of a bulk, elements of an aggregate, text of a
    /// line.
    body: u32,
    kind: Kind,
    /// The value of an integer; the length of a bulk; the number of elements.
    value: Option<i64>,
}

impl Reply {
    /// The reply of `item`, at the front of its frame.
    fn of(item: &Item, kind: Kind) -> Self {
        Reply { len: item.end as u32, head: 0, body: item.body as u32, kind, value: item.value }
    }

    /// Length of the reply on the wire, including its attributes.
    #[allow(clippy::len_without_is_empty, reason = "no reply is empty")]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Start of the reply itself: 0, or after the attributes that precede it.
    pub fn head(&self) -> usize {
        self.head as usize
    }

    /// Its type.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// True for `-` and `!`.
    pub fn is_error(&self) -> bool {
        matches!(self.kind, Kind::Error | Kind::BulkError)
    }

    /// The value of an integer reply; `None` for other kinds and for one beyond 64 bits.
    pub fn integer(&self) -> Option<i64> {
        self.value.filter(|_| self.kind == Kind::Integer)
    }

    /// Number of elements of an aggregate (a map of n pairs: 2n); `None` for other kinds.
    pub fn element_count(&self) -> Option<usize> {
        let aggregate = matches!(self.kind, Kind::Array | Kind::Map | Kind::Set | Kind::Push);
        self.value.filter(|_| aggregate).map(|n| n as usize)
    }

    /// The text of a line or the bytes of a bulk; for an aggregate, all its elements as encoded.
    pub fn body<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        let tail = match self.kind {
            Kind::Array | Kind::Map | Kind::Set | Kind::Push => 0,
            Kind::Null => return &[],
            _ => 2,
        };
        frame.get(self.body as usize..self.len as usize - tail).unwrap_or_default()
    }

    /// The first word of an error: `ERR`, `MOVED`, `LOADING` …; `None` for other kinds.
    pub fn error_code<'a>(&self, frame: &'a [u8]) -> Option<&'a [u8]> {
        self.is_error().then(|| self.body(frame).split(|&b| b == b' ').next().unwrap_or_default())
    }

    /// The elements of an aggregate, each as encoded, with its attributes. Empty for other kinds.
    pub fn elements<'a>(&self, frame: &'a [u8]) -> Elements<'a> {
        let rest = if self.element_count().is_some() { self.body(frame) } else { &[] };
        Elements { rest, left: self.element_count().unwrap_or(0) }
    }
}

/// See [`Reply::elements`].
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Elements<'a> {
    /// The elements of the array in `frame`, which was scanned before. `None` if it is no array.
    pub fn of_array(frame: &'a [u8]) -> Option<Self> {
        if let [b'*', rest @ ..] = frame {
            let (left, len) = known(rest)?;
            return Some(Elements { rest: rest.get(len..)?, left: usize::try_from(left).ok()? });
        }
        // It may follow attributes.
        let reply = rescan(frame).filter(|reply| reply.kind == Kind::Array)?;
        Some(reply.elements(frame))
    }

    /// Number of elements that are left.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Number of nulls among the elements that are left. Strings are stepped over, not looked into.
    ///
    /// ```
    /// use nuthatch_wire::redis::Elements;
    ///
    /// let elements = Elements::of_array(b"*5\r\n$1\r\nv\r\n$-1\r\n:7\r\n_\r\n$-1\r\n").expect("an array");
    /// assert_eq!(elements.nulls(), 3);
    /// ```
    pub fn nulls(mut self) -> usize {
        let mut nulls = 0;
        while self.left > 0 {
            let rest = match self.rest {
                [b'$', b'-', _, b'\r', b'\n', rest @ ..] => {
                    nulls += 1;
                    Some(rest)
                }
                [b'$', rest @ ..] => known(rest).and_then(|(len, head)| {
                    rest.get(head.checked_add(usize::try_from(len).ok()?)?.checked_add(2)?..)
                }),
                _ => None,
            };
            let Some(rest) = rest else {
                // Nulls of RESP3, numbers, attributes.
                return nulls + self.filter(|(element, _)| element.kind() == Kind::Null).count();
            };
            self.rest = rest;
            self.left -= 1;
        }
        nulls
    }
}

/// Number of elements of the array in `frame`, which was scanned before. `None` if it is no array, or follows
/// attributes.
#[inline]
pub fn array_len(frame: &[u8]) -> Option<usize> {
    let [b'*', rest @ ..] = frame else { return None };
    usize::try_from(known(rest)?.0).ok()
}

/// Limits for replies already scanned, which were within the limits then.
const ANY: ReplyLimits = ReplyLimits {
    elements_max: usize::MAX,
    bulk_bytes_max: usize::MAX,
    line_bytes_max: usize::MAX,
    depth_max: usize::MAX,
    reply_bytes_max: usize::MAX,
};

impl<'a> Iterator for Elements<'a> {
    type Item = (Reply, &'a [u8]);

    #[inline(always)]
    fn next(&mut self) -> Option<(Reply, &'a [u8])> {
        self.left = self.left.checked_sub(1)?;
        let reply = match known_bulk(self.rest) {
            Some(item) => Reply::of(&item, item.kind?),
            None => rescan(self.rest)?,
        };
        let (element, rest) = self.rest.split_at_checked(reply.len())?;
        self.rest = rest;
        Some((reply, element))
    }
}

/// A reply or element of an unusual kind, or after attributes.
#[cold]
fn rescan(frame: &[u8]) -> Option<Reply> {
    match ReplyScanner::new().scan(frame, &ANY) {
        ReplyScan::Done(reply) => Some(reply),
        _ => None,
    }
}

/// Finds the end of one reply after the other.
#[derive(Debug, Clone, Default)]
pub struct ReplyScanner {
    /// Bytes from the front of the frame already scanned.
    scanned: usize,
    /// Bytes of the line at `scanned` already searched for its end.
    searched: usize,
    /// Open aggregates, the innermost last. Empty, without an allocation, for most replies.
    open: Vec<Open>,
    /// The reply without its length, once its own header was parsed.
    found: Option<Reply>,
}

/// An aggregate whose elements are being skipped.
#[derive(Debug, Clone, Copy)]
struct Open {
    left: u64,
    /// Its elements are attributes: the element they belong to follows them.
    attribute: bool,
}

impl ReplyScanner {
    /// A new scanner.
    pub fn new() -> Self {
        Self::default()
    }

    /// Scans the bytes at the front of `frame`. After [`ReplyScan::NeedMore`] the next call must pass the
    /// same bytes with more after them; after anything else the scanner is reset.
    #[inline]
    pub fn scan(&mut self, frame: &[u8], limits: &ReplyLimits) -> ReplyScan {
        if self.scanned > 0 {
            return self.scan_further(frame, limits);
        }
        // Nearly every reply is one item, and leaves no state in the scanner.
        match item(frame, 0, &mut self.searched, limits) {
            Scanned::Item(item @ Item { kind: Some(kind), elements: None, end, .. })
                if end <= limits.reply_bytes_max.min(u32::MAX as usize) =>
            {
                self.searched = 0;
                ReplyScan::Done(Reply::of(&item, kind))
            }
            Scanned::More { want } => ReplyScan::NeedMore { want },
            _ => self.scan_further(frame, limits),
        }
    }

    fn scan_further(&mut self, frame: &[u8], limits: &ReplyLimits) -> ReplyScan {
        loop {
            let head = self.scanned;
            let item = match item(frame, head, &mut self.searched, limits) {
                Scanned::Item(item) => item,
                Scanned::More { want } => return ReplyScan::NeedMore { want },
                Scanned::Bad(error) => return self.bad(error),
            };
            if item.end > limits.reply_bytes_max.min(u32::MAX as usize) {
                return self.bad(ReplyError::TooBig);
            }
            match self.step(head, &item, limits.depth_max) {
                Ok(false) => {
                    (self.scanned, self.searched) = (item.end, 0);
                    self.step_over_bulks(frame, limits);
                }
                Ok(true) => return self.done(item.end),
                Err(error) => return self.bad(error),
            }
        }
    }

    /// Accounts for an item at `head`; true if the reply ends with it.
    #[inline]
    fn step(&mut self, head: usize, item: &Item, depth_max: usize) -> Result<bool, ReplyError> {
        if let (None, Some(kind)) = (self.found, item.kind)
            && self.open.is_empty()
        {
            self.found =
                Some(Reply { len: 0, head: head as u32, body: item.body as u32, kind, value: item.value });
        } else if item.kind == Some(Kind::Push) {
            return Err(ReplyError::Misplaced);
        }
        match item.elements {
            Some(_) if self.open.len() >= depth_max => Err(ReplyError::TooBig),
            Some(0) if item.kind.is_none() => Ok(false),
            Some(left) if left > 0 => {
                self.open.push(Open { left, attribute: item.kind.is_none() });
                Ok(false)
            }
            _ => Ok(self.close_element()),
        }
    }

    /// Skips complete bulks, which most elements are, except the last one of an aggregate.
    #[inline]
    fn step_over_bulks(&mut self, frame: &[u8], limits: &ReplyLimits) {
        let Some(inner) = self.open.last_mut() else { return };
        let end_max = limits.reply_bytes_max.min(u32::MAX as usize);
        while inner.left > 1
            && let Some(item) = whole_bulk(frame, self.scanned, limits)
            && item.end <= end_max
        {
            self.scanned = item.end;
            inner.left -= 1;
        }
    }

    /// Ends an element, and the aggregates that end with it; true if the reply has ended.
    #[inline]
    fn close_element(&mut self) -> bool {
        while let Some(inner) = self.open.last_mut() {
            inner.left -= 1;
            if inner.left > 0 {
                return false;
            }
            let attribute = inner.attribute;
            self.open.pop();
            if attribute {
                return false;
            }
        }
        true
    }

    #[inline]
    fn done(&mut self, end: usize) -> ReplyScan {
        (self.scanned, self.searched) = (0, 0);
        match self.found.take() {
            Some(reply) => ReplyScan::Done(Reply { len: end as u32, ..reply }),
            None => self.bad(ReplyError::Misplaced),
        }
    }

    fn bad(&mut self, error: ReplyError) -> ReplyScan {
        *self = ReplyScanner::new();
        ReplyScan::Bad(error)
    }
}
