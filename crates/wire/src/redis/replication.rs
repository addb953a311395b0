//! A server's report about its replication: replies to `INFO replication` and `ROLE`, and its zone from
//! `INFO server`.
//!
//! ```text
//! role:slave
//! master_link_status:up          down: what it has grows old
//! slave_repl_offset:1234         of a master: master_repl_offset
//! availability_zone:eu-1a        Valkey 8, if it is configured
//! ```

use super::report::{TEXT_MAX, scanned};
use super::{Kind, Reply};

/// Replication of a server, as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replication {
    /// A master, and the bytes that it has written to its replicas so far.
    Master {
        /// Offset of its stream.
        offset: u64,
    },
    /// A replica.
    Replica {
        /// It is connected to its master, and has loaded its data.
        is_linked: bool,
        /// Offset in its master's stream that it has executed.
        offset: u64,
    },
}

/// Reads a reply to `INFO replication`. None if it is no such thing.
pub fn replication(frame: &[u8]) -> Option<Replication> {
    let text = info_text(frame)?;
    let number = |name: &str| value(text, name).and_then(|value| value.parse().ok());
    match value(text, "role")? {
        "master" => Some(Replication::Master { offset: number("master_repl_offset")? }),
        "slave" => {
            let is_linked = value(text, "master_link_status") == Some("up")
                && value(text, "master_sync_in_progress") != Some("1");
            Some(Replication::Replica { is_linked, offset: number("slave_repl_offset")? })
        }
        _ => None,
    }
}

/// The zone in a reply to `INFO server`. None if there is none.
pub fn availability_zone(frame: &[u8]) -> Option<String> {
    let zone = value(info_text(frame)?, "availability_zone")?;
    let is_zone =
        !zone.is_empty() && zone.len() <= TEXT_MAX && zone.bytes().all(|byte| byte.is_ascii_graphic());
    is_zone.then(|| zone.to_owned())
}

/// True for the reply of a replica to `ROLE` that is not connected to its master: what it has may be old, or
/// nothing at all.
pub fn is_unlinked(frame: &[u8]) -> bool {
    let Some(reply) = scanned(frame).filter(|reply| reply.kind() == Kind::Array) else { return false };
    let mut fields = reply.elements(frame).map(|(field, bytes)| field.body(bytes));
    fields.next() == Some(b"slave") && fields.nth(2).is_some_and(|state| state != b"connected")
}

/// A server's role, in a reply to `ROLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// A master.
    Master {
        /// Bytes that it has written to its replicas so far.
        offset: u64,
        /// Offsets up to which its replicas have told it that they are.
        replicas: Vec<u64>,
    },
    /// A replica, or a Sentinel.
    Other,
}

/// Reads a reply to `ROLE`. None if it is no such thing.
pub fn role(frame: &[u8]) -> Option<Role> {
    let reply = scanned(frame).filter(|reply| reply.kind() == Kind::Array)?;
    let mut fields = reply.elements(frame);
    let (word, bytes) = fields.next()?;
    match word.body(bytes) {
        b"master" => {}
        b"slave" | b"sentinel" => return Some(Role::Other),
        _ => return None,
    }
    let (offset, _) = fields.next()?;
    let (list, bytes) = fields.next()?;
    let offset_of = |(replica, bytes): (Reply, &[u8])| {
        let (offset, bytes) = replica.elements(bytes).nth(2)?;
        std::str::from_utf8(offset.body(bytes)).ok()?.parse().ok()
    };
    let replicas = list.elements(bytes).map(offset_of).collect::<Option<Vec<u64>>>()?;
    Some(Role::Master { offset: offset.integer()?.try_into().ok()?, replicas })
}

fn info_text(frame: &[u8]) -> Option<&str> {
    let reply = scanned(frame).filter(|reply| !reply.is_error())?;
    std::str::from_utf8(reply.body(frame)).ok()
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Vec<u8> {
        format!("${}\r\n{text}\r\n", text.len()).into_bytes()
    }

    #[test]
    fn reports_of_servers() {
        let cases = [
            ("role:master\r\nmaster_repl_offset:42\r\n", Some(Replication::Master { offset: 42 })),
            (
                "# Replication\r\nrole:slave\r\nmaster_link_status:up\r\nmaster_sync_in_progress:0\r\nslave_repl_offset:7\r\n\
                 master_repl_offset:9\r\n",
                Some(Replication::Replica { is_linked: true, offset: 7 }),
            ),
            (
                "role:slave\r\nmaster_link_status:down\r\nslave_repl_offset:7\r\n",
                Some(Replication::Replica { is_linked: false, offset: 7 }),
            ),
            (
                "role:slave\r\nmaster_link_status:up\r\nmaster_sync_in_progress:1\r\nslave_repl_offset:1\r\n",
                Some(Replication::Replica { is_linked: false, offset: 1 }),
            ),
            ("role:slave\r\nmaster_link_status:up\r\nslave_repl_offset:-1\r\n", None),
            ("role:sentinel\r\n", None),
            ("role:master\r\n", None),
            ("", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(replication(&bulk(text)), wanted, "{text}");
        }
        assert_eq!(replication(b"-LOADING Redis is loading the dataset in memory\r\n"), None);
        assert_eq!(replication(b"*0\r\n"), None);
    }

    #[test]
    fn roles() {
        let cases: &[(&str, Option<Role>)] = &[
            ("*3\r\n$6\r\nmaster\r\n:7\r\n*0\r\n", Some(Role::Master { offset: 7, replicas: vec![] })),
            (
                "*3\r\n$6\r\nmaster\r\n:42\r\n*2\r\n*3\r\n$2\r\nh1\r\n$4\r\n6380\r\n$2\r\n42\r\n*3\r\n$2\r\nh2\r\n$4\r\n6381\r\n$1\r\n0\r\n",
                Some(Role::Master { offset: 42, replicas: vec![42, 0] }),
            ),
            ("*5\r\n$5\r\nslave\r\n$1\r\nh\r\n:6379\r\n$9\r\nconnected\r\n:7\r\n", Some(Role::Other)),
            ("*2\r\n$8\r\nsentinel\r\n*0\r\n", Some(Role::Other)),
            ("*3\r\n$6\r\nmaster\r\n:-1\r\n*0\r\n", None),
            ("*2\r\n$6\r\nmaster\r\n:7\r\n", None),
            ("*3\r\n$6\r\nmaster\r\n:7\r\n*1\r\n*2\r\n$1\r\nh\r\n$1\r\n1\r\n", None),
            ("*3\r\n$6\r\nmaster\r\n:7\r\n*1\r\n*3\r\n$1\r\nh\r\n$1\r\n1\r\n$1\r\nx\r\n", None),
            ("-NOPERM no\r\n", None),
            ("*0\r\n", None),
        ];
        for (frame, wanted) in cases {
            assert_eq!(role(frame.as_bytes()), *wanted, "{frame}");
        }
    }

    #[test]
    fn zones() {
        let zone = |text: &str| availability_zone(&bulk(text));
        assert_eq!(zone("valkey_version:8.1.0\r\navailability_zone:eu-1a\r\n"), Some("eu-1a".into()));
        assert_eq!(
            zone(&format!("availability_zone:{}\r\n", "z".repeat(TEXT_MAX))).map(|z| z.len()),
            Some(TEXT_MAX)
        );
        let none = ["availability_zone:\r\n", "redis_version:7.0.15\r\n", "availability_zone:a b\r\n"];
        assert!(none.into_iter().all(|text| zone(text).is_none()));
        assert_eq!(zone(&format!("availability_zone:{}\r\n", "z".repeat(TEXT_MAX + 1))), None);
    }
}
