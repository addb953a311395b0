//! URLs and addresses as they are shown to people: with brackets around IPv6, without the secrets that may be
//! in them.

use std::fmt::Display;

/// `HOST:PORT`, with brackets around an IPv6 address.
pub fn host_port(host: &str, port: impl Display) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// A URL or address safe to display: `***` replaces the user and password before the host, and the query.
pub fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let mark = if scheme.is_empty() { "" } else { "://" };
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let place = authority.rsplit_once('@').map_or(authority.to_owned(), |(_, place)| format!("***@{place}"));
    let tail = tail.split_once('?').map_or(tail.to_owned(), |(path, _)| format!("{path}?***"));
    format!("{scheme}{mark}{place}{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(host_port("h", 1), "h:1");
        assert_eq!(host_port("::1", 1), "[::1]:1");
    }

    #[test]
    fn secrets_of_an_address_are_not_shown() {
        for (url, shown) in [
            ("h:4180", "h:4180"),
            ("joe:p@ss@h:4180", "***@h:4180"),
            ("https://joe:pass@h/auth", "https://***@h/auth"),
            ("https://h/a@b?token=x@y", "https://h/a@b?***"),
            ("https://[::1]:1?x", "https://[::1]:1?***"),
            ("http://h/auth", "http://h/auth"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }
}
