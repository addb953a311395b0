//! File names of nsqd's disk queues.
//!
//! ```text
//! <topic>.diskqueue.meta.dat            <topic>.diskqueue.000000.dat
//! <topic>:<channel>.diskqueue.meta.dat  <topic>:<channel>.diskqueue.000000.dat   (`;` instead of `:` from Windows)
//! ```
//! The number has at least six digits. A name may end in `.bad` (put aside by nsqd, never read) or, for
//! nsqd.dat and meta files, in `.<random>.tmp` (left over from a crash).

use wire::nsq::valid_name;

/// nsqd's list of topics and channels.
pub const METADATA: &str = "nsqd.dat";
const MARK: &str = ".diskqueue.";

/// A file of a disk queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueFile<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The channel; `None` for the topic's own queue.
    pub channel: Option<&'a str>,
    /// The number of a data file; `None` for the meta file.
    pub number: Option<u64>,
}

/// Parses the name of a disk queue's meta or data file.
pub fn parse(name: &str) -> Option<QueueFile<'_>> {
    let (queue, rest) = name.rsplit_once(MARK)?;
    let number = match rest.strip_suffix(".dat")? {
        "meta" => None,
        digits if digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(digits.parse().ok()?)
        }
        _ => return None,
    };
    let (topic, channel) = match queue.split_once([':', ';']) {
        Some((topic, channel)) => (topic, Some(channel)),
        None => (queue, None),
    };
    valid_name(topic.as_bytes())?;
    if let Some(channel) = channel {
        valid_name(channel.as_bytes())?;
    }
    Some(QueueFile { topic, channel, number })
}

/// True if nsqd creates files of this name: they are moved aside after the import.
pub fn is_nsqds(name: &str) -> bool {
    let plain = name.strip_suffix(".bad").unwrap_or(name);
    let plain = match plain.strip_suffix(".tmp").and_then(|rest| rest.rsplit_once('.')) {
        Some((before, random)) if random.bytes().all(|b| b.is_ascii_digit()) => before,
        _ => plain,
    };
    plain == METADATA || parse(plain).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file<'a>(topic: &'a str, channel: Option<&'a str>, number: Option<u64>) -> QueueFile<'a> {
        QueueFile { topic, channel, number }
    }

    #[test]
    fn queue_files() {
        let cases = [
            ("t.diskqueue.meta.dat", Some(file("t", None, None))),
            ("t.diskqueue.000000.dat", Some(file("t", None, Some(0)))),
            ("t.diskqueue.1234567.dat", Some(file("t", None, Some(1_234_567)))),
            ("t:c.diskqueue.000012.dat", Some(file("t", Some("c"), Some(12)))),
            ("t;c.diskqueue.meta.dat", Some(file("t", Some("c"), None))),
            (
                "a.diskqueue.000001:b.diskqueue.000002.dat",
                Some(file("a.diskqueue.000001", Some("b"), Some(2))),
            ),
            ("t.diskqueue.000000.dat.bad", None),
            ("t.diskqueue.00000.dat", None),
            ("t.diskqueue.99999999999999999999999.dat", None),
            ("t.diskqueue.+00001.dat", None),
            ("t.diskqueue..dat", None),
            (".diskqueue.000000.dat", None),
            ("t:.diskqueue.000000.dat", None),
            ("t:c:d.diskqueue.000000.dat", None),
            ("a b.diskqueue.000000.dat", None),
            ("nsqd.dat", None),
        ];
        for (name, expected) in cases {
            assert_eq!(parse(name), expected, "{name}");
        }
    }

    #[test]
    fn what_is_moved_aside() {
        let ours = [
            "nsqd.dat",
            "nsqd.dat.123456.tmp",
            "t:c.diskqueue.meta.dat.99.tmp",
            "t.diskqueue.000003.dat.bad",
        ];
        for name in ours {
            assert!(is_nsqds(name), "{name}");
        }
        for name in ["nsqd.conf", "nsqd.dat.txt", "notes.bad", "x.tmp", "nsqd.dat.x1.tmp", "store"] {
            assert!(!is_nsqds(name), "{name}");
        }
    }
}
