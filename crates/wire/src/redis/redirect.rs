//! Errors with which a node of a cluster declines a request that it has not executed.
//!
//! ```text
//! -MOVED 12182 10.0.0.1:6379      the slot is elsewhere; the host may be a name, an IPv6 address (its port follows the last
//! -ASK 2853 10.0.0.1:6379         colon), empty (the host that was asked) or `?` (unknown)
//! -TRYAGAIN …                     some of its keys are elsewhere already
//! -CLUSTERDOWN …, -LOADING …      later
//! -MASTERDOWN …                   a replica without its master: elsewhere
//! ```
//! A script can return any of these as its own error, after it ran.

use super::decimal::integer;

/// The longest host: that of DNS.
const HOST_MAX: usize = 255;

/// An error that says that a request was not executed, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirect<'a> {
    /// The slot belongs to another node.
    Moved(u16, RedirectTarget<'a>),
    /// The slot is moving, and the keys are at another node already: the request goes there, after `ASKING`.
    Ask(u16, RedirectTarget<'a>),
    /// The slot is moving, and some of the request's keys have moved already.
    TryAgain,
    /// The cluster, or this slot, is not served now.
    ClusterDown,
    /// The node is loading its data.
    Loading,
    /// The node is a replica without its master, and is not to serve old data.
    MasterDown,
}

/// The address of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedirectTarget<'a> {
    /// A name or address without brackets; empty for the host that was asked, `?` if it is unknown.
    pub host: &'a [u8],
    /// Its port.
    pub port: u16,
}

impl<'a> Redirect<'a> {
    /// Reads an error reply, from its `-` to its line end. `None` if it is another error.
    #[cold]
    pub fn of(error: &'a [u8]) -> Option<Redirect<'a>> {
        let text = error.strip_prefix(b"-")?.strip_suffix(b"\r\n")?;
        let mut words = text.splitn(3, |byte| *byte == b' ');
        let (code, first, second) = (words.next()?, words.next()?, words.next());
        match code {
            b"MOVED" => Some(Redirect::Moved(slot(first)?, RedirectTarget::of(second?)?)),
            b"ASK" => Some(Redirect::Ask(slot(first)?, RedirectTarget::of(second?)?)),
            b"TRYAGAIN" => Some(Redirect::TryAgain),
            b"CLUSTERDOWN" => Some(Redirect::ClusterDown),
            b"LOADING" => Some(Redirect::Loading),
            b"MASTERDOWN" => Some(Redirect::MasterDown),
            _ => None,
        }
    }
}

impl<'a> RedirectTarget<'a> {
    fn of(text: &'a [u8]) -> Option<RedirectTarget<'a>> {
        let colon = memchr::memrchr(b':', text)?;
        let (host, port) = (&text[..colon], integer(&text[colon + 1..])?);
        let host = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")).unwrap_or(host);
        let port = u16::try_from(port).ok().filter(|port| *port > 0)?;
        (host.len() <= HOST_MAX).then_some(RedirectTarget { host, port })
    }
}

fn slot(text: &[u8]) -> Option<u16> {
    u16::try_from(integer(text)?).ok().filter(|slot| *slot < 16_384)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: &str, port: u16) -> RedirectTarget<'_> {
        RedirectTarget { host: host.as_bytes(), port }
    }

    #[test]
    fn errors_of_a_cluster() {
        let cases: &[(&str, Option<Redirect<'_>>)] = &[
            ("MOVED 12182 127.0.0.1:37003", Some(Redirect::Moved(12182, target("127.0.0.1", 37003)))),
            ("MOVED 0 ::1:6379", Some(Redirect::Moved(0, target("::1", 6379)))),
            ("MOVED 0 [::1]:6379", Some(Redirect::Moved(0, target("::1", 6379)))),
            ("MOVED 16383 :37003", Some(Redirect::Moved(16383, target("", 37003)))),
            ("MOVED 16383 ?:37003", Some(Redirect::Moved(16383, target("?", 37003)))),
            ("ASK 2853 node-3.example:7000", Some(Redirect::Ask(2853, target("node-3.example", 7000)))),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Some(Redirect::TryAgain)),
            ("CLUSTERDOWN The cluster is down", Some(Redirect::ClusterDown)),
            ("CLUSTERDOWN Hash slot not served", Some(Redirect::ClusterDown)),
            ("LOADING Redis is loading the dataset in memory", Some(Redirect::Loading)),
            ("MASTERDOWN Link with MASTER is down and so on", Some(Redirect::MasterDown)),
            ("MOVED 16384 a:1", None),
            ("MOVED -1 a:1", None),
            ("MOVED 1 a", None),
            ("MOVED 1 a:", None),
            ("MOVED 1 a:0", None),
            ("MOVED 1 a:65536", None),
            ("MOVED 1", None),
            ("MOVED", None),
            ("moved 1 a:1", None),
            ("ERR MOVED 1 a:1", None),
            ("", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(Redirect::of(format!("-{text}\r\n").as_bytes()), *wanted, "{text}");
            assert_eq!(Redirect::of(format!("+{text}\r\n").as_bytes()), None);
        }
        let long = |len: usize| format!("-ASK 1 {}:1\r\n", "h".repeat(len)).into_bytes();
        assert!(Redirect::of(&long(255)).is_some() && Redirect::of(&long(256)).is_none());
    }
}
