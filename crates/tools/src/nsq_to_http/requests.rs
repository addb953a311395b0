//! The HTTP request made of a message, and the check of its success.

use std::fmt;
use std::str::FromStr;

use axum::http::{HeaderName, HeaderValue, Method};
use bytes::Bytes;
use config::go_flags::Exit;
use config::nsqd::VERSION;
use http::client::{Call, Client, ClientError, without_secrets};
use wire::percent;

use crate::command_line::refuse;

/// Settings common to all requests.
pub(super) struct Requests {
    method: Method,
    /// Contains `%s` for a GET.
    addresses: Vec<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Reason a request failed.
#[derive(Debug)]
pub(super) struct Failed {
    address: String,
    why: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.why)
    }
}

impl Requests {
    /// Requests of a command line, where one of the lists of addresses is empty.
    ///
    /// # Errors
    ///
    /// An invalid header or address.
    pub(super) fn of(
        posts: &[String],
        gets: &[String],
        content_type: &str,
        headers: &[String],
    ) -> Result<Requests, Exit> {
        let posting = gets.is_empty();
        let mut known = vec![("User-Agent".to_owned(), format!("nsq_to_http v{VERSION}"))];
        if posting {
            known.push(("Content-Type".to_owned(), content_type.to_owned()));
        }
        for text in headers {
            let Some((name, value)) = header_of(text) else {
                return refuse("--header value format should be 'key=value'");
            };
            known.push((name.to_owned(), value.to_owned()));
        }
        let mut checked = Vec::new();
        for (name, value) in known {
            match (HeaderName::from_str(&name), HeaderValue::from_str(&value)) {
                (Ok(name), Ok(value)) => checked.push((name, value)),
                _ => return refuse(format!("no request can have this header: {name}: {value}")),
            }
        }
        let addresses = if posting { posts } else { gets }.to_vec();
        if let Some(bad) = addresses.iter().find(|address| !usable(address)) {
            return refuse(format!("invalid address {bad}: use http://HOST[:PORT]/PATH, or https"));
        }
        Ok(Requests { method: if posting { Method::POST } else { Method::GET }, addresses, headers: checked })
    }

    pub(super) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Sends a message to one of the addresses.
    pub(super) async fn send(&self, client: &Client, index: usize, body: Bytes) -> Result<(), Failed> {
        let address = &self.addresses[index];
        let failed = |why: String| Failed { address: without_secrets(address), why };
        let status = client
            .status(self.call(address, body))
            .await
            .map_err(|error: ClientError| failed(error.to_string()))?;
        let success = if self.method == Method::POST { status.is_success() } else { status.as_u16() == 200 };
        if success { Ok(()) } else { Err(failed(format!("got status code {}", status.as_u16()))) }
    }

    fn call(&self, address: &str, body: Bytes) -> Call {
        let call = if self.method == Method::POST {
            Call::post_bytes(address, body)
        } else {
            Call::get(address.replacen("%s", &percent::encode_query(&body), 1))
        };
        let call = call.with_credentials();
        self.headers.iter().fold(call, |call, (name, value)| call.header(name.clone(), value.clone()))
    }
}

fn usable(address: &str) -> bool {
    let rest = address.strip_prefix("http://").or_else(|| address.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?']) && !rest.contains(' '))
}

/// Name and value of `NAME: VALUE`.
fn header_of(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once(':')?;
    let (name, value) = (name.trim(), value.trim());
    (!name.is_empty() && !value.is_empty()).then_some((name, value))
}
