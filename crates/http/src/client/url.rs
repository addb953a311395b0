//! URLs: parsing a request's target, and building one from an address.

use axum::http::uri::{Authority, PathAndQuery, Scheme};
use axum::http::{HeaderValue, Uri};

use super::ClientError;
use crate::base64;

/// A parsed URL.
#[derive(Debug)]
pub(super) struct Target {
    /// Without user and password.
    pub uri: Uri,
    /// Host, the key of the memory account.
    pub host: String,
    /// `Authorization` for its user and password.
    pub basic: Option<HeaderValue>,
}

impl Target {
    pub(super) fn of(url: &str) -> Result<Target, ClientError> {
        let uri: Uri = url.parse().map_err(|_| ClientError::Address)?;
        let scheme = uri.scheme().filter(|scheme| [Scheme::HTTP, Scheme::HTTPS].contains(scheme));
        let scheme = scheme.ok_or(ClientError::Address)?.clone();
        let given = uri.authority().ok_or(ClientError::Address)?;
        let (user, place) = match given.as_str().rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, given.as_str()),
        };
        let authority: Authority = place.parse().map_err(|_| ClientError::Address)?;
        if authority.host().trim_matches(['[', ']']).is_empty() {
            return Err(ClientError::Address);
        }
        let path = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        let host = authority.to_string();
        let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build();
        Ok(Target { uri: uri.map_err(|_| ClientError::Address)?, host, basic: user.and_then(basic) })
    }
}

/// `Authorization` header of a percent-encoded user and password.
fn basic(user: &str) -> Option<HeaderValue> {
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let decoded = |text| crate::query::unescape(text, false).ok();
    let joined = [decoded(user)?, decoded(password)?].join(&b':');
    let mut value = HeaderValue::from_str(&format!("Basic {}", base64::encode(&joined))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The URL of a path (with its query) at an address `HOST:PORT` that came from outside.
///
/// # Errors
/// The address has invalid characters, which could turn it into a path, a user or another host.
pub fn endpoint(address: &str, path: &str) -> Result<String, ClientError> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._-:[]%".contains(c);
    let split =
        address.rsplit_once(':').filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    match split {
        Some(_) if address.chars().all(fine) => Ok(format!("http://{address}{path}")),
        _ => Err(ClientError::Address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_as_the_header_has_them() {
        for (user, header) in [
            ("joe:pass", "Basic am9lOnBhc3M="),
            ("joe", "Basic am9lOg=="),
            ("a%40b:c%3Ad", "Basic YUBiOmM6ZA=="),
            ("aa:a", "Basic YWE6YQ=="),
        ] {
            assert_eq!(basic(user).unwrap().to_str().unwrap(), header, "{user}");
        }
        let target = Target::of("http://joe:pass@h:1/x?y").unwrap();
        assert_eq!((target.uri.to_string().as_str(), target.host.as_str()), ("http://h:1/x?y", "h:1"));
    }

    #[test]
    fn addresses_from_outside_stay_addresses() {
        for good in ["127.0.0.1:1", "[::1]:4151", "host-1.example:65535", "[fe80::1%25eth0]:1"] {
            assert_eq!(endpoint(good, "/x?y=1"), Ok(format!("http://{good}/x?y=1")));
        }
        for bad in [
            "", "h", ":1", "h:", "h:65536", "h:1/x", "u@h:1", "h?:1", "h#:1", "h\r\n:1", "ä:1", "h:-1",
            "h :1",
        ] {
            assert_eq!(endpoint(bad, "/"), Err(ClientError::Address), "{bad}");
        }
    }
}
