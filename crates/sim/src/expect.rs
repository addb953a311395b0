//! Replies that a client expects, in order, and the check of its actual replies.
//!
//! A quiet memcached request may go unanswered, and its error line does not identify it. So several positions
//! can be right at a time; all possible ones are followed, and a reply that fits none is a fault.

use std::collections::VecDeque;

use crate::memcache::Reply;
use crate::resp::{self, Node};
use crate::value;

/// A reply as a client has read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Got {
    Redis(Node),
    Memcache(Reply),
}

/// Correct reply to a request, if it succeeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// The value of a key, or null.
    Value(Vec<u8>),
    /// An array of such values.
    Values(Vec<Vec<u8>>),
    /// A count from 0 to this.
    Count(i64),
    /// An array of this many integers, each 0 or 1.
    Flags(usize),
    /// `[key, 1, [value or null], done]`.
    Nested(Vec<u8>),
    /// Exactly this.
    Node(Node),
    /// An error with this prefix.
    ErrorLike(&'static str),
    /// An element of this list, with its key, or null after the time of a blocking command.
    Popped(Vec<u8>),
    /// `QUEUED`, or the error of a transaction that cannot have this request.
    Queued,
    /// An array of such replies, or the error that nothing of a transaction was executed.
    Exec(Vec<What>),
    /// Any array, or the error for keys on several servers.
    AnyArray,
    /// Any map, RESP2 or RESP3.
    AnyMap,
    /// memcached VALUE blocks of some of the keys, in their order, and END.
    Blocks(Vec<Vec<u8>>),
    /// One of these lines.
    Lines(&'static [&'static str]),
    /// `VA` of this key with this opaque, or `EN`.
    Meta(Vec<u8>, u64),
    /// `HD` with this opaque, or `NS`.
    MetaStored(u64),
}

/// A request that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) what: What,
    /// The only correct reply, known in runs without faults.
    pub(crate) exactly: Option<Got>,
    /// True if the request may go unanswered.
    pub(crate) optional: bool,
    /// Keys; if there are any a server is involved, so it may fail. The server's own error names one of them.
    pub(crate) keys: Vec<Vec<u8>>,
}

/// Certainty about the replies to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certainty {
    /// Exact replies.
    Exact,
    /// Kinds of replies: keys may have moved, but nothing fails.
    Kinds,
    /// Kinds of replies, or errors.
    Errors,
}

/// Queue of a client's requests.
#[derive(Debug, Default)]
pub(crate) struct Line {
    items: VecDeque<Expected>,
    /// Offsets in `items` where the next reply may belong; sorted.
    places: Vec<usize>,
    /// Replies matched.
    pub(crate) answered: usize,
}

impl Line {
    pub(crate) fn push(&mut self, expected: Expected) {
        if self.places.is_empty() {
            self.places.push(0);
        }
        self.items.push_back(expected);
    }

    /// Number of requests that may be unanswered.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// True if no further reply is required.
    pub(crate) fn is_satisfied(&self) -> bool {
        self.items.is_empty() || self.places.iter().any(|p| self.items.iter().skip(*p).all(|i| i.optional))
    }

    pub(crate) fn first(&self) -> Option<&Expected> {
        self.items.get(*self.places.first()?)
    }

    /// Matches a reply; the error says why it does not fit.
    pub(crate) fn meet(&mut self, got: &Got, certainty: Certainty) -> Result<(), String> {
        let mut next = Vec::new();
        let mut why = "nothing was asked".to_owned();
        for place in &self.places {
            for at in *place..self.items.len() {
                match accepts(&self.items[at], got, certainty) {
                    Ok(()) if !next.contains(&(at + 1)) => next.push(at + 1),
                    Ok(()) => {}
                    Err(e) => why = e,
                }
                if !self.items[at].optional {
                    break;
                }
            }
        }
        if next.is_empty() {
            return Err(why);
        }
        next.sort_unstable();
        let done = next[0];
        self.items.drain(..done);
        for n in &mut next {
            *n -= done;
        }
        self.places = next;
        self.answered += 1;
        Ok(())
    }
}

/// The proxy's own errors for a server that does not answer.
const FAILURES: [&str; 13] = [
    "all connections to this server for single clients are in use (private_connections): try again later",
    "Connection refused",
    "Connection reset by peer",
    "Connection timed out",
    "unknown",
    "Host is down",
    "Invalid argument",
    "too many requests wait for this server (server_queue_max)",
    "the reply is too large to wait for its turn (memory_budget): ask for it alone",
    "NOAUTH the server did not accept the pool's password",
    "the server does not speak RESP3 (HELLO 3)",
    "the server did not accept the pool's database",
    "the server was removed from the pool",
];

fn accepts(expected: &Expected, got: &Got, certainty: Certainty) -> Result<(), String> {
    if certainty == Certainty::Exact
        && let Some(exactly) = &expected.exactly
    {
        let fits = exactly == got || is_of_replaced_server(&expected.what, got);
        return if fits { Ok(()) } else { Err(format!("{} is due", name(exactly))) };
    }
    if certainty == Certainty::Errors && !expected.keys.is_empty() && is_failure(expected, got) {
        return Ok(());
    }
    let fits = match got {
        Got::Redis(node) => redis_fits(&expected.what, node)?,
        Got::Memcache(reply) => memcache_fits(&expected.what, reply)?,
    };
    if fits { Ok(()) } else { Err(format!("a reply to {:?} is due", short(&expected.what))) }
}

/// True for the errors of a transaction whose server a reload has replaced: no other request notices that.
fn is_of_replaced_server(what: &What, got: &Got) -> bool {
    let Got::Redis(Node::Error(text)) = got else { return false };
    match what {
        What::Queued => text.starts_with(b"ERR the server of this transaction was"),
        What::Exec(_) => text.starts_with(b"EXECABORT Transaction discarded because of"),
        _ => false,
    }
}

/// Description of an expected reply.
pub(crate) fn due(expected: &Expected) -> String {
    let keys: Vec<String> = expected.keys.iter().map(|k| k.escape_ascii().to_string()).collect();
    format!("{} (keys {})", short(&expected.what), keys.join(" "))
}

fn short(what: &What) -> String {
    let text = format!("{what:?}");
    text.chars().take(200).collect()
}

/// Description of a reply.
pub(crate) fn name(got: &Got) -> String {
    let mut out = Vec::new();
    match got {
        Got::Redis(node) => resp::write(node, true, &mut out),
        Got::Memcache(reply) => reply.write(&mut out),
    }
    resp::show(&out)
}

fn is_failure(expected: &Expected, got: &Got) -> bool {
    let text = match got {
        Got::Redis(Node::Error(text)) => text.strip_prefix(b"ERR ").unwrap_or(text),
        Got::Memcache(Reply::Line(line)) => match line.strip_prefix(b"SERVER_ERROR ") {
            Some(text) => text,
            None => return false,
        },
        _ => return false,
    };
    let text = of_transaction(text);
    // The error of a request that went to every server names the failed server.
    let text = match text.windows(9).position(|w| w == b" (server ") {
        Some(at) if text.ends_with(b")") => &text[..at],
        _ => text,
    };
    let own = FAILURES.iter().any(|f| f.as_bytes() == text);
    own || expected.keys.iter().any(|key| text == [b"BUSY the server is, key:", &key[..]].concat())
}

/// The reason in an error of `EXEC`; another error unchanged.
fn of_transaction(text: &[u8]) -> &[u8] {
    let text = text.strip_suffix(b" (the transaction may have been executed)").unwrap_or(text);
    let Some(reason) = text.strip_prefix(b"EXECABORT Transaction discarded because of: ") else {
        return text;
    };
    reason.strip_prefix(b"ERR ").unwrap_or(reason)
}

fn is_value(key: &[u8], node: &Node) -> Result<bool, String> {
    match node {
        Node::Null => Ok(true),
        Node::Bulk(bytes) => value::written_by(key, bytes).map(|_| true),
        _ => Ok(false),
    }
}

fn redis_fits(what: &What, node: &Node) -> Result<bool, String> {
    Ok(match (what, node) {
        (What::Value(key), node) => is_value(key, node)?,
        (What::Values(keys), Node::Array(nodes)) => {
            for (key, node) in keys.iter().zip(nodes) {
                if !is_value(key, node)? {
                    return Ok(false);
                }
            }
            keys.len() == nodes.len()
        }
        (What::Count(max), Node::Int(n)) => (0..=*max).contains(n),
        (What::Flags(count), Node::Array(nodes)) => {
            nodes.len() == *count && nodes.iter().all(|n| matches!(n, Node::Int(0 | 1)))
        }
        (What::Nested(key), Node::Array(nodes)) => match &nodes[..] {
            [Node::Bulk(k), Node::Int(1), Node::Array(inner), Node::Simple(done)] => {
                k == key && done == b"done" && inner.len() == 1 && is_value(key, &inner[0])?
            }
            _ => false,
        },
        (What::Popped(_), Node::Null) => true,
        (What::Popped(key), Node::Array(nodes)) => match &nodes[..] {
            [Node::Bulk(list), Node::Bulk(value)] => {
                list == key && value::written_by(key, value).map(|_| true)?
            }
            _ => false,
        },
        (What::Queued, Node::Simple(text)) => text == b"QUEUED",
        (What::Queued, Node::Error(text)) => {
            let texts: [&[u8]; 3] = [
                b"CROSSSLOT",
                b"ERR the transaction is too large",
                b"ERR the server of this transaction was",
            ];
            texts.iter().any(|known| text.starts_with(known))
        }
        (What::Exec(wanted), Node::Array(nodes)) => {
            for (what, node) in wanted.iter().zip(nodes) {
                if !redis_fits(what, node)? {
                    return Ok(false);
                }
            }
            wanted.len() == nodes.len()
        }
        (What::Exec(_), Node::Error(text)) => {
            text == b"EXECABORT Transaction discarded because of previous errors."
                || text == b"EXECABORT Transaction discarded because of: no server is left for it"
        }
        (What::Node(wanted), node) => wanted == node,
        (What::ErrorLike(begin), Node::Error(text)) => text.starts_with(begin.as_bytes()),
        (What::AnyArray, Node::Array(_)) => true,
        (What::AnyArray, Node::Error(text)) => text.starts_with(b"CROSSSLOT"),
        (What::AnyMap, Node::Map(_) | Node::Array(_)) => true,
        _ => false,
    })
}

fn memcache_fits(what: &What, reply: &Reply) -> Result<bool, String> {
    Ok(match (what, reply) {
        (What::Blocks(keys), Reply::Blocks(blocks)) => {
            let mut left = keys.iter();
            for (key, value) in blocks {
                if !left.any(|k| k == key) {
                    return Err(format!("a block of key '{}' out of order", key.escape_ascii()));
                }
                value::written_by(key, value)?;
            }
            true
        }
        (What::Lines(lines), Reply::Line(line)) => lines.iter().any(|l| l.as_bytes() == line),
        (What::Meta(..), Reply::Line(line)) => line == b"EN",
        (What::Meta(key, opaque), Reply::Va { value, flags }) => {
            value::written_by(key, value)?;
            *flags == format!("k{} O{opaque}", String::from_utf8_lossy(key)).into_bytes()
        }
        (What::MetaStored(opaque), Reply::Line(line)) => {
            [format!("HD O{opaque}"), format!("NS O{opaque}")].iter().any(|l| l.as_bytes() == line)
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(items: &[(&'static [&'static str], bool)]) -> Line {
        let mut line = Line::default();
        for (lines, optional) in items {
            let keys = vec![b"k".to_vec()];
            line.push(Expected { what: What::Lines(lines), exactly: None, optional: *optional, keys });
        }
        line
    }

    fn got(line: &str) -> Got {
        Got::Memcache(Reply::Line(line.as_bytes().to_vec()))
    }

    #[test]
    fn an_error_may_belong_to_a_quiet_request_or_to_the_next() {
        let items: [(&'static [&'static str], bool); 3] = [(&["A"], true), (&["B"], false), (&["C"], false)];
        let refused = got("SERVER_ERROR Connection refused");
        let mut l = line(&items);
        assert!(l.meet(&refused, Certainty::Errors).is_ok() && !l.is_satisfied());
        // Either it was A's error, and B follows; or B's, and C follows.
        let mut other = line(&items);
        assert!(other.meet(&refused, Certainty::Errors).is_ok());
        assert!(
            l.meet(&got("B"), Certainty::Errors).is_ok()
                && l.meet(&got("C"), Certainty::Errors).is_ok()
                && l.is_satisfied()
        );
        assert!(other.meet(&got("C"), Certainty::Errors).is_ok() && other.is_satisfied());
        assert!(other.meet(&got("C"), Certainty::Errors).is_err());
        assert!(line(&items).meet(&got("C"), Certainty::Errors).is_err());
        assert!(
            line(&items).meet(&refused, Certainty::Exact).is_err(),
            "no error is right where nothing goes wrong"
        );
    }
}
