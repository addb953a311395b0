//! Authorization of changes (`admin-user`, `acl-http-header`) and of `/config` (`allow-config-from-cidr`).

use std::net::{IpAddr, Ipv4Addr};

use axum::http::{HeaderMap, StatusCode};
use config::nsqadmin::Nsqadmin;
use http::{HttpRefusal, Link};

const FORBIDDEN: HttpRefusal = HttpRefusal::new(StatusCode::FORBIDDEN, "FORBIDDEN");

/// Admits everybody if no users are configured, otherwise only those users.
///
/// The header is set by a proxy in front, which must not pass on the client's own.
///
/// # Errors
/// 403 `FORBIDDEN`.
pub(crate) fn admit(settings: &Nsqadmin, headers: &HeaderMap) -> Result<(), HttpRefusal> {
    if settings.admin_users.is_empty() {
        return Ok(());
    }
    let is_known = |user: &[u8]| {
        // An empty name would admit everybody without the header.
        !user.is_empty() && settings.admin_users.iter().any(|known| known.as_bytes() == user)
    };
    // If a proxy adds its header next to the client's own, every value must be a known user.
    let mut told = headers
        .get_all(settings.acl_header.as_str())
        .iter()
        .map(axum::http::HeaderValue::as_bytes)
        .peekable();
    if told.peek().is_some() && told.all(is_known) { Ok(()) } else { Err(FORBIDDEN) }
}

/// Admits clients from the configured address range; those of a unix socket count as 127.0.0.1.
///
/// # Errors
/// 403 `FORBIDDEN`.
pub(crate) fn admit_to_config(settings: &Nsqadmin, link: &Link) -> Result<(), HttpRefusal> {
    let Some(range) = settings.config_from else { return Ok(()) };
    let address = match link.host() {
        "@" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        host => host.trim_matches(['[', ']']).parse().map_err(|_| HttpRefusal::bad("INVALID_REMOTE_ADDR"))?,
    };
    if range.contains(address) { Ok(()) } else { Err(FORBIDDEN) }
}

#[cfg(test)]
mod tests {
    use config::nsqadmin::{PROGRAM, check};

    use super::*;

    fn settings(flags: &[&str]) -> Nsqadmin {
        let flags: Vec<String> =
            ["-nsqd-http-address=h:1"].iter().chain(flags).map(|flag| (*flag).to_owned()).collect();
        check(&PROGRAM.from_arguments(&flags).unwrap()).unwrap()
    }

    #[test]
    fn users() {
        for (flags, header, admitted) in [
            (&[][..], None, true),
            (&["-admin-user=joe"], None, false),
            (&["-admin-user=joe"], Some(("x-forwarded-user", "joe")), true),
            (&["-admin-user=joe"], Some(("x-forwarded-user", "Joe")), false),
            (&["-admin-user=joe"], Some(("x-user", "joe")), false),
            (&["-admin-user=a", "-admin-user=joe", "-acl-http-header=X-User"], Some(("x-user", "joe")), true),
            (&["-admin-user=joe", "-acl-http-header=no header"], Some(("x-forwarded-user", "joe")), false),
            (&["-admin-user="], None, false),
            (&["-admin-user="], Some(("x-forwarded-user", "")), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some((name, value)) = header {
                headers.insert(name, value.parse().unwrap());
            }
            assert_eq!(admit(&settings(flags), &headers).is_ok(), admitted, "{flags:?} {header:?}");
        }
    }

    #[test]
    fn two_headers_are_to_agree() {
        let settings = settings(&["-admin-user=joe", "-admin-user=ann"]);
        for (users, admitted) in [(["joe", "ann"], true), (["joe", "eve"], false), (["eve", "joe"], false)] {
            let mut headers = HeaderMap::new();
            for user in users {
                headers.append("x-forwarded-user", user.parse().unwrap());
            }
            assert_eq!(admit(&settings, &headers).is_ok(), admitted, "{users:?}");
        }
    }

    #[test]
    fn addresses() {
        let admitted = |range: &str, remote: &str| {
            let link = Link::new(remote, false);
            admit_to_config(&settings(&[&format!("-allow-config-from-cidr={range}")]), &link).is_ok()
        };
        for (range, remote, expected) in [
            ("127.0.0.1/8", "127.0.0.1:5", true),
            ("127.0.0.1/8", "10.0.0.1:5", false),
            ("127.0.0.1/8", "@", true),
            ("10.0.0.0/8", "@", false),
            ("::/0", "[fe80::1]:5", true),
            ("127.0.0.1/8", "", false),
            ("", "10.0.0.1:5", true),
        ] {
            assert_eq!(admitted(range, remote), expected, "{range} {remote}");
        }
    }
}
