//! The answer to AUTH, and the request to the authorization server.
//!
//! nsqd sends the same four values either in a query string or as JSON, keys in alphabetical order.

use std::fmt;

use super::go::{write, write_json_string};
use crate::percent;

/// The body of AUTH. `Debug` hides it, and its memory is wiped on drop.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Secret {
        Secret(bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        std::hint::black_box(&self.0);
    }
}

/// The body of AUTH where it lies in the input. `Debug` hides it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretBytes<'a>(pub &'a [u8]);

impl fmt::Debug for SecretBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(…)")
    }
}

/// Request to an authorization server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuthRequest {
    /// Subject common name of the client's certificate, or "".
    pub common_name: String,
    /// The client's address without the port; "" on unix sockets.
    pub remote_ip: String,
    /// The secret the client sent with AUTH.
    pub secret: Secret,
    /// True if the client uses TLS.
    pub tls: bool,
}

impl AuthRequest {
    /// Appends the query string of a GET, without the question mark.
    pub fn write_query(&self, out: &mut Vec<u8>) {
        let common_name = percent::encode_query(self.common_name.as_bytes());
        let remote_ip = percent::encode_query(self.remote_ip.as_bytes());
        let secret = percent::encode_query(self.secret.bytes());
        let tls = self.tls;
        write(out, format_args!("common_name={common_name}&remote_ip={remote_ip}&secret={secret}&tls={tls}"));
    }

    /// Appends the JSON of a POST: each value a list of one string.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"common_name\":[");
        write_json_string(out, &self.common_name);
        out.extend_from_slice(b"],\"remote_ip\":[");
        write_json_string(out, &self.remote_ip);
        out.extend_from_slice(b"],\"secret\":[");
        write_json_string(out, &String::from_utf8_lossy(self.secret.bytes()));
        write(out, format_args!("],\"tls\":[\"{}\"]}}", self.tls));
    }
}

/// Appends the data of the response to a successful AUTH.
pub fn write_reply(out: &mut Vec<u8>, identity: &str, identity_url: &str, permission_count: usize) {
    out.extend_from_slice(b"{\"identity\":");
    write_json_string(out, identity);
    out.extend_from_slice(b",\"identity_url\":");
    write_json_string(out, identity_url);
    write(out, format_args!(",\"permission_count\":{permission_count}}}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let request = AuthRequest { secret: b"open sesame".to_vec().into(), ..AuthRequest::default() };
        let shown = format!("{request:?} {:?}", request.secret);
        assert!(shown.ends_with("Secret(…)") && !shown.contains("sesame"), "{shown}");
        assert!(!shown.contains("111, 112"), "nor as numbers: {shown}");
    }

    #[test]
    fn request_and_reply() {
        let request = AuthRequest {
            common_name: "é".into(),
            remote_ip: "127.0.0.1".into(),
            secret: b"s3 &cret\xff".to_vec().into(),
            tls: true,
        };
        let mut out = Vec::new();
        request.write_query(&mut out);
        assert_eq!(out, b"common_name=%C3%A9&remote_ip=127.0.0.1&secret=s3+%26cret%FF&tls=true");
        out.clear();
        request.write_json(&mut out);
        let json = "{\"common_name\":[\"é\"],\"remote_ip\":[\"127.0.0.1\"],\"secret\":[\"s3 \\u0026cret\u{fffd}\"],\"tls\":[\"true\"]}";
        assert_eq!(String::from_utf8(out).unwrap(), json);
        let mut out = Vec::new();
        write_reply(&mut out, "me", "http://x.example", 1);
        assert_eq!(out, br#"{"identity":"me","identity_url":"http://x.example","permission_count":1}"#);
    }
}
