//! The page of a subject: `pool a, server b` is at `/pools/a/b`.

use ui::text::path;

/// Path of the page about a subject of a trouble or an event; None if it has none of its own.
pub(crate) fn path_of(subject: &str) -> Option<String> {
    let (class, name) = subject.split_once(' ').unwrap_or((subject, ""));
    let under = |section: &str, part: &str| match name.split_once(part) {
        Some((name, part)) => path("", &[section, name, part]),
        None => path("", &[section, name]),
    };
    match class {
        "pool" if !name.is_empty() => Some(under("pools", ", server ")),
        "topic" if !name.is_empty() => Some(under("topics", ", channel ")),
        "queue" => Some("/topics".into()),
        "configuration" => Some("/configuration".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_have_pages() {
        for (subject, expected) in [
            ("pool a", Some("/pools/a")),
            ("pool a, server /run/redis.sock", Some("/pools/a/%2Frun%2Fredis.sock")),
            ("topic t, channel c#ephemeral", Some("/topics/t/c%23ephemeral")),
            ("configuration", Some("/configuration")),
            ("memory", None),
            ("pool", None),
        ] {
            assert_eq!(path_of(subject).as_deref(), expected, "{subject}");
        }
    }
}
