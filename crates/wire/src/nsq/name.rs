//! Topic and channel names: `^[.a-zA-Z0-9_-]+(#ephemeral)?$`, 1 to 64 bytes with the suffix.
//!
//! Commands, HTTP, lookup's protocol and files have one rule. The suffix alone is no name.

/// Longest name, suffix included.
pub const NAME_BYTES_MAX: usize = 64;

const EPHEMERAL: &[u8] = b"#ephemeral";

/// True for bytes allowed in a name.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        plain[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'.' | b'_' | b'-');
        byte += 1;
    }
    plain
};

/// The name as text if it is valid for topics and channels.
pub fn valid_name(name: &[u8]) -> Option<&str> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let stem = name.strip_suffix(EPHEMERAL).unwrap_or(name);
    if stem.is_empty() || !stem.iter().all(|byte| PLAIN[usize::from(*byte)]) {
        return None;
    }
    str::from_utf8(name).ok()
}

/// True for `…#ephemeral`: its messages are never written to disk, and it is deleted with its last user.
pub fn is_ephemeral(name: &str) -> bool {
    name.as_bytes().ends_with(EPHEMERAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule() {
        let long = "a".repeat(64);
        let suffixed = format!("{}#ephemeral", "a".repeat(54));
        for good in ["a", ".", "-", "_", "..", "A9.z-_", "nsqd.dat", "t#ephemeral", &long, &suffixed] {
            assert_eq!(valid_name(good.as_bytes()), Some(good));
        }
        let long = "a".repeat(65);
        let suffixed = format!("{}#ephemeral", "a".repeat(55));
        for bad in [
            "",
            "#ephemeral",
            "t#ephemeral#ephemeral",
            "t#Ephemeral",
            "t#",
            "a b",
            "é",
            "a/b",
            "*",
            &long,
            &suffixed,
        ] {
            assert_eq!(valid_name(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(valid_name(b"a\xff"), None);
    }

    #[test]
    fn ephemeral() {
        assert!(is_ephemeral("t#ephemeral"));
        assert!(!is_ephemeral("ephemeral"));
    }
}
