//! The request for a change: fields of its body, and its sender.

use std::net::IpAddr;

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, HOST, USER_AGENT};
use axum::http::{HeaderMap, HeaderName, Uri};
use http::{Asked, Budget, HttpRefusal, Query, base64};
use serde::Deserialize;
use serde_json::{Deserializer, Map, Value};

/// Largest body of a change, bytes.
const BODY_BYTES_MAX: u64 = 64 << 10;

/// The body, read by the rules of Go's decoder: only its first value counts, keys match in any case, the last
/// duplicate wins.
#[derive(Debug)]
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    pub(crate) async fn read(
        budget: &Budget,
        from: &str,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Fields, HttpRefusal> {
        let body = budget.read(from, headers, body, BODY_BYTES_MAX).await;
        Fields::parse(&body.map_err(|fault| fault.refusal("BODY_TOO_BIG"))?.bytes)
    }

    fn parse(bytes: &[u8]) -> Result<Fields, HttpRefusal> {
        let bad = |why: String| HttpRefusal::said(axum::http::StatusCode::BAD_REQUEST, why);
        match Deserializer::from_slice(bytes).into_iter::<Value>().next() {
            None => Err(bad("EOF".into())),
            Some(Ok(Value::Object(fields))) => Ok(Fields(fields)),
            Some(Ok(Value::Null)) => Ok(Fields(Map::new())),
            Some(Ok(_)) => Err(bad("json: the body is to be an object".into())),
            Some(Err(error)) => Err(bad(format!("json: {error}"))),
        }
    }

    /// Text field; empty if it is missing.
    pub(crate) fn text(&self, name: &str) -> Result<String, HttpRefusal> {
        match self.0.iter().rfind(|(key, _)| key.eq_ignore_ascii_case(name)) {
            None | Some((_, Value::Null)) => Ok(String::new()),
            Some((_, Value::String(text))) => Ok(text.clone()),
            Some(_) => {
                let why = format!("json: {name} is to be a string");
                Err(HttpRefusal::said(axum::http::StatusCode::BAD_REQUEST, why))
            }
        }
    }
}

/// Fields of a submitted form.
pub(crate) async fn form(
    budget: &Budget,
    from: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Query, HttpRefusal> {
    let body = budget.read(from, headers, body, BODY_BYTES_MAX).await;
    let body = body.map_err(|fault| fault.refusal("BODY_TOO_BIG"))?;
    Query::parse(&String::from_utf8_lossy(&body.bytes)).map_err(|_| HttpRefusal::bad("INVALID_BODY"))
}

/// Sender of a change.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    /// Address and port.
    pub remote: String,
    /// True over TLS.
    pub tls: bool,
    /// Path and query.
    pub uri: Uri,
    /// Headers as sent.
    pub headers: HeaderMap,
}

impl Sender {
    pub(crate) fn of(asked: &Asked) -> Sender {
        Sender {
            remote: asked.link.remote.clone(),
            tls: asked.link.tls,
            uri: asked.uri.clone(),
            headers: asked.headers.clone(),
        }
    }

    /// Its address, if it is on another machine, or may be: a proxy in front says that it is.
    pub(crate) fn distant_host(&self) -> Option<String> {
        let proxied = ["forwarded", "via", "x-forwarded-for", "x-real-ip"];
        let is_proxied = proxied.iter().any(|name| self.headers.contains_key(*name));
        let host = self.host().trim_matches(['[', ']']);
        let is_local = host == "@" || host.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback());
        (is_proxied || !is_local).then(|| host.to_owned())
    }

    /// Its address without the port.
    pub(crate) fn host(&self) -> &str {
        self.remote.rsplit_once(':').map_or(&self.remote, |(host, _)| host)
    }

    fn header(&self, name: &HeaderName) -> String {
        self.headers
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .unwrap_or_default()
    }

    /// The client's User-Agent.
    pub(crate) fn user_agent(&self) -> String {
        self.header(&USER_AGENT)
    }

    /// The user of `Authorization: Basic`.
    pub(crate) fn basic_user(&self) -> String {
        let header = self.header(&AUTHORIZATION);
        let user = header
            .strip_prefix("Basic ")
            .and_then(base64::decode)
            .and_then(|both| String::from_utf8(both).ok());
        user.and_then(|both| both.split_once(':').map(|(user, _)| user.to_owned())).unwrap_or_default()
    }

    /// User for the log: the one named by the proxy in front, else that of `Authorization`.
    pub(crate) fn shown_user(&self, acl_header: &str) -> String {
        let told =
            self.headers.get(acl_header).map(|user| String::from_utf8_lossy(user.as_bytes()).into_owned());
        told.unwrap_or_else(|| self.basic_user())
    }

    /// The whole URL, to the extent known.
    pub(crate) fn url(&self) -> String {
        let secure =
            self.tls || self.headers.get("x-scheme").is_some_and(|scheme| scheme.as_bytes() == b"https");
        let scheme = if secure { "https" } else { "http" };
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        format!("{scheme}://{}{path}", self.header(&HOST))
    }
}

/// First value of a JSON list, or nothing.
pub(crate) fn json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_as_go_reads_them() {
        let topic = |body: &str| Fields::parse(body.as_bytes()).and_then(|fields| fields.text("topic")).ok();
        for (body, expected) in [
            (r#"{"topic":"t"}"#, Some("t")),
            (r#" {"Topic":"t"} junk"#, Some("t")),
            (r#"{"topic":null}"#, Some("")),
            (r#"{"other":[1]}"#, Some("")),
            ("null", Some("")),
            (r#"{"topic":"t","topic":"u"}"#, Some("u")),
            ("", None),
            ("  ", None),
            ("junk", None),
            ("[]", None),
            ("5", None),
            (r#"{"topic":5}"#, None),
            (r#"{"topic":"t""#, None),
        ] {
            assert_eq!(topic(body).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn users_and_addresses() {
        let mut headers = HeaderMap::new();
        headers.insert("host", "admin.example".parse().unwrap());
        headers.insert("authorization", "Basic am9lOnBhc3M=".parse().unwrap());
        let mut sender = Sender {
            remote: "1.2.3.4:5".into(),
            tls: false,
            uri: "/api/topics?x=1".parse().unwrap(),
            headers,
        };
        assert_eq!(
            (sender.basic_user(), sender.url()),
            ("joe".into(), "http://admin.example/api/topics?x=1".into())
        );
        sender.headers.insert("x-scheme", "https".parse().unwrap());
        for bad in ["Basic", "Basic !", "Bearer am9lOnBhc3M=", "Basic am9l"] {
            sender.headers.insert("authorization", bad.parse().unwrap());
            assert_eq!(sender.basic_user(), "", "{bad}");
        }
        assert_eq!(sender.url(), "https://admin.example/api/topics?x=1");
    }
}
