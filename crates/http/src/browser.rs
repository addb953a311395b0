//! Refusal of browser requests made by pages of other sites: they change nothing here and read no message.
//!
//! A browser lets every page send requests to every address that its user can reach, but marks them: `Origin`
//! goes with every request that may change something, and `Sec-Fetch-Site` distinguishes other sites from our
//! own. No header reveals a foreign name pointed at our address (DNS rebinding): to the browser we are then
//! the page's own site, and only `Host` shows the name.
//!
//! NSQ clients send neither `Origin` nor `Sec-Fetch-Site`. They may know us under any name, so an unknown
//! `Host` alone does not prevent publishing; it does prevent reading messages, which a browser requests
//! without `Origin`. Whatever else a browser asks for under a foreign name is refused as well: such a page
//! could read it.

use std::net::IpAddr;

use axum::http::header::{ACCEPT_LANGUAGE, HOST, ORIGIN, REFERER};
use axum::http::{HeaderMap, HeaderName, StatusCode};

use crate::answer::HttpRefusal;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Suffixes that nobody can register, so no foreign page has such a name.
const PRIVATE_ENDS: [&str; 5] = [".localhost", ".local", ".internal", ".home.arpa", ".test"];
/// Characters shown of a header's value.
const SHOWN_CHARS_MAX: usize = 100;

/// Names of this daemon, besides those that nobody can register.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// The machine's own name, and the one advertised to clients.
    pub known: [&'a str; 2],
    /// Names the operator has listed.
    pub listed: &'a [String],
    /// The option that lists them, for the error: `http_names in [queue]`.
    pub option: &'static str,
}

/// Purpose of a browser's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// To change something: browsers send `Origin` with it.
    Change,
    /// To see messages: browsers send no `Origin` to the page's own site.
    Messages,
    /// Anything else, open to everyone.
    Other,
}

/// Refuses forbidden requests by pages of other sites.
///
/// # Errors
/// The refusal, with the header that identifies the page, and the option that lists the name if it is ours.
pub fn refuse_strangers(aim: Aim, headers: &HeaderMap, names: &Names<'_>) -> Result<(), HttpRefusal> {
    match stranger(aim, headers, names) {
        None => Ok(()),
        Some(who) => {
            let option = names.option;
            let help = format!(
                "a browser sent this for a page of another site ({who}); if that name is yours, add it to {option}"
            );
            Err(HttpRefusal::new(StatusCode::FORBIDDEN, "FOREIGN_SITE").help(help))
        }
    }
}

/// Headers that browsers send and other clients of ours do not.
const OF_BROWSERS: [HeaderName; 4] = [SEC_FETCH_SITE, ORIGIN, REFERER, ACCEPT_LANGUAGE];

/// Refuses a browser that knows us by a name that is not ours: DNS rebinding. Other clients may use any name.
///
/// # Errors
/// The refusal, with the name, and the option that lists it if it is ours.
pub fn refuse_foreign_names(headers: &HeaderMap, names: &Names<'_>) -> Result<(), HttpRefusal> {
    let Some(host) = headers.get(HOST).map(axum::http::HeaderValue::as_bytes) else { return Ok(()) };
    if names.have(host) || !OF_BROWSERS.iter().any(|name| headers.contains_key(name)) {
        return Ok(());
    }
    let host: String = String::from_utf8_lossy(host).chars().take(SHOWN_CHARS_MAX).collect();
    let option = names.option;
    let help =
        format!("a browser asked for {host}, which is no name of this daemon; if it is, add it to {option}");
    Err(HttpRefusal::new(StatusCode::FORBIDDEN, "FOREIGN_NAME").help(help))
}

/// The header that shows a foreign page, if any.
fn stranger(aim: Aim, headers: &HeaderMap, names: &Names<'_>) -> Option<String> {
    if aim == Aim::Other {
        return None;
    }
    let host = headers.get(HOST).map(axum::http::HeaderValue::as_bytes);
    let host_is_ours = host.is_none_or(|host| names.have(host));
    let shown = |name: &str, value: &[u8]| {
        let value: String = String::from_utf8_lossy(value).chars().take(SHOWN_CHARS_MAX).collect();
        Some(format!("{name}: {value}"))
    };
    let mut listed = false;
    for origin in headers.get_all(ORIGIN) {
        let at = authority(origin.as_bytes());
        let same = host_is_ours && at.zip(host).is_some_and(|(at, host)| at.eq_ignore_ascii_case(host));
        listed = at.is_some_and(|at| names.list(at));
        if !same && !listed {
            return shown("Origin", origin.as_bytes());
        }
    }
    if listed {
        return None;
    }
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter().peekable();
    let browser = headers.contains_key(ORIGIN) || sites.peek().is_some();
    if let Some(site) = sites.find(|site| !matches!(site.as_bytes(), b"same-origin" | b"none")) {
        return shown("Sec-Fetch-Site", site.as_bytes());
    }
    match host {
        Some(host) if !host_is_ours && (browser || aim == Aim::Messages) => shown("Host", host),
        _ => None,
    }
}

impl Names<'_> {
    /// True if this `HOST` or `HOST:PORT` names us.
    fn have(&self, host: &[u8]) -> bool {
        let Some(name) = name(host) else { return false };
        let lower = name.to_ascii_lowercase();
        // A foreign page's name has a dot: an address cannot be rebound, and a single word resolves only on
        // the local network.
        let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        is_address
            || !name.contains(['.', ':'])
            || PRIVATE_ENDS.iter().any(|end| lower.ends_with(end))
            || self.known.iter().any(|known| name.eq_ignore_ascii_case(known))
            || self.list(host)
    }

    /// True if the operator has listed it.
    fn list(&self, host: &[u8]) -> bool {
        name(host).is_some_and(|name| self.listed.iter().any(|listed| name.eq_ignore_ascii_case(listed)))
    }
}

/// The name of a `HOST` or `HOST:PORT`, without a trailing dot.
fn name(host: &[u8]) -> Option<&str> {
    let host = std::str::from_utf8(host).ok()?;
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !is_bare_v6(host) => name,
        _ => host,
    };
    Some(name.strip_suffix('.').unwrap_or(name))
}

fn is_bare_v6(host: &str) -> bool {
    !host.starts_with('[') && host.matches(':').count() > 1
}

/// Host and port of an origin, without the scheme; none for `null`.
fn authority(origin: &[u8]) -> Option<&[u8]> {
    let at = origin.windows(3).position(|three| three == b"://")?;
    origin.get(at + 3..)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const LISTED: &str = "dash.example.com";

    fn refused(aim: Aim, lines: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let listed = [LISTED.to_owned()];
        let names = Names { known: ["box", "nsqd.example.com"], listed: &listed, option: "" };
        stranger(aim, &headers, &names).is_some()
    }

    /// Headers, then two flags: a change is refused, messages are refused.
    type Row = (&'static [(&'static str, &'static str)], bool, bool);

    const TABLE: &[Row] = &[
        // NSQ clients, under any name
        (&[], false, false),
        (&[("host", "127.0.0.1:4151")], false, false),
        (&[("host", "[::1]:4151")], false, false),
        (&[("host", "[fe80::1]")], false, false),
        (&[("host", "nsqd:4151")], false, false),
        (&[("host", "NSQD.example.com.:4151")], false, false),
        (&[("host", "nsqd.default.svc.cluster.local")], false, false),
        (&[("host", "queue.example.org:4151")], false, true),
        (&[("host", "dash.example.com")], false, false),
        // a person
        (&[("host", "localhost:4151"), ("sec-fetch-site", "none")], false, false),
        // our own page
        (&[("host", "a:1"), ("origin", "http://a:1"), ("sec-fetch-site", "same-origin")], false, false),
        // a listed page
        (
            &[("host", "a:1"), ("origin", "https://dash.example.com"), ("sec-fetch-site", "cross-site")],
            false,
            false,
        ),
        // foreign pages
        (&[("host", "localhost:4151"), ("origin", "http://evil.example")], true, true),
        (&[("host", "localhost:4151"), ("origin", "null")], true, true),
        (&[("host", "localhost:4151"), ("origin", "")], true, true),
        (&[("host", "localhost:4151"), ("origin", "http://localhost:3000")], true, true),
        (&[("host", "localhost:4151"), ("origin", "http://localhost:41510")], true, true),
        (&[("host", "localhost:4151"), ("origin", "http://dash.example.com.evil.example")], true, true),
        (&[("host", "localhost:4151"), ("sec-fetch-site", "cross-site")], true, true),
        (&[("host", "localhost:4151"), ("sec-fetch-site", "same-site")], true, true),
        (&[("host", "a"), ("origin", "http://a"), ("origin", "http://evil.example")], true, true),
        (
            &[("host", "a"), ("origin", "http://dash.example.com"), ("origin", "http://evil.example")],
            true,
            true,
        ),
        // a rebound name
        (&[("host", "evil.example:4151"), ("origin", "http://evil.example:4151")], true, true),
        (&[("host", "evil.example:4151"), ("sec-fetch-site", "same-origin")], true, true),
        (&[("host", "evil.example:4151")], false, true),
        (&[("host", "127.0.0.1.evil.example"), ("origin", "http://127.0.0.1.evil.example")], true, true),
        (&[("host", "box.evil.example"), ("origin", "http://box.evil.example")], true, true),
    ];

    #[test]
    fn browsers_know_us_by_our_names() {
        let refused = |lines: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            let listed = [LISTED.to_owned()];
            refuse_foreign_names(&headers, &Names { known: ["box", ""], listed: &listed, option: "" })
                .is_err()
        };
        let browser = ("accept-language", "en");
        for (host, expected) in [
            ("evil.example:22220", true),
            ("127.0.0.1.evil.example", true),
            ("127.0.0.1:22220", false),
            ("localhost:22220", false),
            ("dash.example.com", false),
            ("box", false),
        ] {
            assert_eq!(refused(&[("host", host), browser]), expected, "{host}");
            assert!(!refused(&[("host", host)]), "{host}: no browser");
        }
        assert!(refused(&[("host", "evil.example"), ("sec-fetch-site", "same-origin")]));
        assert!(!refused(&[browser]), "HTTP/1.0");
    }

    #[test]
    fn pages_of_others_change_and_read_nothing() {
        for (lines, change, messages) in TABLE {
            let got = (refused(Aim::Change, lines), refused(Aim::Messages, lines));
            assert_eq!(got, (*change, *messages), "{lines:?}");
            assert!(!refused(Aim::Other, lines), "{lines:?}");
        }
    }
}
