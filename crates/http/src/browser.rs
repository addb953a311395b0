//! Refusal of requests that a browser makes for the page of somebody else: they change nothing here, and
//! read no message.
//!
//! A browser lets every page send requests to every address that its user can reach. It says so, though:
//! `Origin` goes with all that may change something, `Sec-Fetch-Site` tells other sites from our own. What no
//! header tells is a name of the page's owner that was pointed at our address (DNS rebinding): for the
//! browser we are the page's own site then, and only `Host` shows the name.
//!
//! Clients of NSQ send neither `Origin` nor `Sec-Fetch-Site`. They may know us under any name, so a strange
//! `Host` alone keeps nobody from publishing; it does keep from looking at messages, which a browser asks for
//! without `Origin`.

use std::net::IpAddr;

use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, StatusCode};

use crate::answer::HttpRefusal;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Ends of names that nobody can register, so that no stranger's page has one.
const PRIVATE_ENDS: [&str; 5] = [".localhost", ".local", ".internal", ".home.arpa", ".test"];
/// Characters shown of a header's value.
const SHOWN_CHARS_MAX: usize = 100;

/// The names that are ours, besides those that cannot be anybody's.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// The machine's own, and the one that clients are told.
    pub known: [&'a str; 2],
    /// Names the operator has listed.
    pub listed: &'a [String],
    /// The option that lists them, for the refusal: `http_names in [queue]`.
    pub option: &'static str,
}

/// Purpose of a browser's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// To change something: browsers send `Origin` with it.
    Change,
    /// To see messages: browsers send no `Origin` to the page's own site.
    Messages,
    /// Anything else. It is open to all.
    Other,
}

/// Refuses what a page of another site is not to do.
///
/// # Errors
/// The refusal, with the header that shows whose page it is and where to list the name if it is ours after
/// all.
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

/// The header that shows that this is for somebody else, if one does.
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
    /// True if this `HOST` or `HOST:PORT` is ours.
    fn have(&self, host: &[u8]) -> bool {
        let Some(name) = name(host) else { return false };
        let lower = name.to_ascii_lowercase();
        // A page has a name with a dot: an address cannot be pointed elsewhere, and a single word is found
        // only at home.
        let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        is_address
            || !name.contains(['.', ':'])
            || PRIVATE_ENDS.iter().any(|end| lower.ends_with(end))
            || self.known.iter().any(|known| name.eq_ignore_ascii_case(known))
            || self.list(host)
    }

    /// True if an operator has listed it.
    fn list(&self, host: &[u8]) -> bool {
        name(host).is_some_and(|name| self.listed.iter().any(|listed| name.eq_ignore_ascii_case(listed)))
    }
}

/// The name of a `HOST` or `HOST:PORT`, without the dot that may end it.
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

/// Host and port of an origin, behind its scheme; none for `null`.
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

    /// Headers, whether a change is refused, and whether messages are.
    type Row = (&'static [(&'static str, &'static str)], bool, bool);

    const TABLE: &[Row] = &[
        // clients of NSQ, under every name
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
        // a page that is listed
        (
            &[("host", "a:1"), ("origin", "https://dash.example.com"), ("sec-fetch-site", "cross-site")],
            false,
            false,
        ),
        // pages of others
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
        // a name that was pointed here
        (&[("host", "evil.example:4151"), ("origin", "http://evil.example:4151")], true, true),
        (&[("host", "evil.example:4151"), ("sec-fetch-site", "same-origin")], true, true),
        (&[("host", "evil.example:4151")], false, true),
        (&[("host", "127.0.0.1.evil.example"), ("origin", "http://127.0.0.1.evil.example")], true, true),
        (&[("host", "box.evil.example"), ("origin", "http://box.evil.example")], true, true),
    ];

    #[test]
    fn pages_of_others_change_and_read_nothing() {
        for (lines, change, messages) in TABLE {
            let got = (refused(Aim::Change, lines), refused(Aim::Messages, lines));
            assert_eq!(got, (*change, *messages), "{lines:?}");
            assert!(!refused(Aim::Other, lines), "{lines:?}");
        }
    }
}
