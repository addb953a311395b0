//! Requests to the HTTP API of a queue, and explanations of their failures.

use std::time::Duration;

use http::client::{Call, Client, ClientError, without_secrets};
use serde_json::Value;

use super::failure::Failure;
use crate::daemons::{self, escaped};

/// Default address of a queue.
const DEFAULT: &str = "127.0.0.1:4151";

/// Exit status when there is no answer.
const NOBODY: u8 = 3;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Timeout of a request; a redrive or a seek has to read the journal.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(2);

/// A queue's API.
#[derive(Debug)]
pub(super) struct Api {
    base: String,
    client: Client,
}

impl Api {
    pub(super) fn at(address: Option<String>) -> Api {
        let address = address.unwrap_or_else(|| DEFAULT.to_owned());
        let base = if address.contains("://") {
            address.trim_end_matches('/').to_owned()
        } else {
            format!("http://{address}")
        };
        Api { base, client: daemons::client(CONNECT_TIMEOUT, REQUEST_TIMEOUT) }
    }

    /// `/stats`, of one topic or of all.
    pub(super) async fn stats(&self, topic: Option<&str>) -> Result<Value, Failure> {
        let mut path =
            String::from("/stats?format=json&include_clients=false&include_mem=false&include_limits=true");
        if let Some(topic) = topic {
            path += &format!("&topic={}", escaped(topic));
        }
        self.send(Call::get(format!("{}{path}", self.base))).await
    }

    pub(super) async fn get(
        &self,
        of: &str,
        topic: &str,
        channel: Option<&str>,
        more: &[(&str, String)],
    ) -> Result<Value, Failure> {
        self.send(Call::get(format!("{}{}", self.base, path(of, topic, channel, more)))).await
    }

    pub(super) async fn post(
        &self,
        of: &str,
        topic: &str,
        channel: Option<&str>,
        more: &[(&str, String)],
    ) -> Result<Value, Failure> {
        self.send(Call::post_nothing(format!("{}{}", self.base, path(of, topic, channel, more)))).await
    }

    async fn send(&self, call: Call) -> Result<Value, Failure> {
        let base = without_secrets(&self.base);
        let reply =
            self.client.send(call.nsq().with_credentials()).await.map_err(|error| nobody(&base, &error))?;
        if reply.status.as_u16() != 200 {
            return Err(Failure::refused(refusal(reply.status.as_u16(), &reply.body)));
        }
        if reply.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&reply.body)
            .map_err(|_| Failure::refused(format!("{base} answers, but it is no queue: no JSON comes back")))
    }
}

fn nobody(base: &str, error: &ClientError) -> Failure {
    let help = "start one, or name its HTTP address with --address or in NUTHATCH_HTTP";
    Failure { status: NOBODY, text: format!("no queue answers at {base} ({error}): {help}") }
}

/// Text of a refusal: code, help, and an explanation of codes about names.
fn refusal(status: u16, body: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let Some(code) = answer["message"].as_str() else {
        return format!("refused with {status}: {}", String::from_utf8_lossy(body).trim());
    };
    let meaning = match code {
        "TOPIC_NOT_FOUND" => "there is no such topic; `nuthatch topics` lists them",
        "CHANNEL_NOT_FOUND" => "there is no such channel; `nuthatch channels` lists them",
        "INVALID_TOPIC" | "INVALID_ARG_TOPIC" => "not a name for a topic",
        "INVALID_CHANNEL" | "INVALID_ARG_CHANNEL" => "not a name for a channel",
        "NOT_FOUND" => "this queue cannot do it: it is no nuthatch",
        _ => answer["help"].as_str().unwrap_or("the queue refuses it"),
    };
    format!("{meaning} ({code})")
}

/// The path of a request with its query.
fn path(of: &str, topic: &str, channel: Option<&str>, more: &[(&str, String)]) -> String {
    let mut path = format!("{of}?topic={}", escaped(topic));
    if let Some(channel) = channel {
        path += &format!("&channel={}", escaped(channel));
    }
    for (name, value) in more {
        path += &format!("&{name}={}", escaped(value));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_words() {
        for (status, body, text) in [
            (
                404,
                r#"{"message":"TOPIC_NOT_FOUND"}"#,
                "there is no such topic; `nuthatch topics` lists them (TOPIC_NOT_FOUND)",
            ),
            (400, r#"{"message":"INVALID_ARG_TO","help":"to: beginning"}"#, "to: beginning (INVALID_ARG_TO)"),
            (503, r#"{"message":"BUSY"}"#, "the queue refuses it (BUSY)"),
            (502, "<html>\n", "refused with 502: <html>"),
        ] {
            assert_eq!(refusal(status, body.as_bytes()), text);
        }
    }

    #[test]
    fn addresses() {
        for (given, base) in [
            (None, "http://127.0.0.1:4151"),
            (Some("h:1"), "http://h:1"),
            (Some("http://u:p@h:1/"), "http://u:p@h:1"),
        ] {
            assert_eq!(Api::at(given.map(str::to_owned)).base, base);
        }
    }
}
