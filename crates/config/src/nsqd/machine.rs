//! Values from the machine: host name, node id, the unspecified address.
//!
//! All are read from system files, so that no unsafe call is needed; each has
//! a harmless default if that fails.

use std::io;

use md5::{Digest, Md5};

/// The host name, or `localhost` if there is none.
pub fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = if name.trim().is_empty() { std::env::var("HOSTNAME").unwrap_or_default() } else { name };
    match name.trim() {
        "" => "localhost".into(),
        name => name.into(),
    }
}

/// nsqd's default node id: a hash of the host name, below 1024.
pub fn node_id(hostname: &str) -> u16 {
    (crc32fast::hash(&Md5::digest(hostname.as_bytes())) % 1024) as u16
}

/// The wildcard address, for both IP versions where available.
pub fn any_address() -> &'static str {
    if std::path::Path::new("/proc/net/if_inet6").exists() { "::" } else { "0.0.0.0" }
}

/// An operating-system error in the words of C and Go: lower case, without the number.
pub fn error_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn node_ids() {
        assert_eq!(super::node_id("a"), 266);
        assert_eq!(super::node_id("host.example"), 525);
    }
}
