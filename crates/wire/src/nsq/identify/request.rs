//! IDENTIFY as a client sends it, and the client's reading of the answer.
//!
//! All fields are sent, with their values: a server takes 0, false and "" as absent. `short_id` and `long_id`
//! are the names that old servers know for `client_id` and `hostname`.

use super::Identify;
use crate::nsq::go::{write, write_json_string};
use crate::nsq::json::{self, key_is, set_bool, set_integer, set_string};

impl Identify {
    /// Appends the JSON of the request.
    pub fn write(&self, out: &mut Vec<u8>) {
        let texts = [
            ("{\"client_id\":", &self.client_id),
            (",\"hostname\":", &self.hostname),
            (",\"short_id\":", &self.client_id),
            (",\"long_id\":", &self.hostname),
            (",\"user_agent\":", &self.user_agent),
            (",\"topology_region\":", &self.topology_region),
            (",\"topology_zone\":", &self.topology_zone),
        ];
        for (key, value) in texts {
            out.extend_from_slice(key.as_bytes());
            write_json_string(out, value);
        }
        write(out, format_args!(",\"feature_negotiation\":{}", self.feature_negotiation));
        write(out, format_args!(",\"tls_v1\":{},\"snappy\":{}", self.tls_v1, self.snappy));
        write(out, format_args!(",\"deflate\":{},\"deflate_level\":{}", self.deflate, self.deflate_level));
        write(out, format_args!(",\"heartbeat_interval\":{}", self.heartbeat_interval));
        write(out, format_args!(",\"output_buffer_size\":{}", self.output_buffer_size));
        write(out, format_args!(",\"output_buffer_timeout\":{}", self.output_buffer_timeout));
        write(out, format_args!(",\"sample_rate\":{}", self.sample_rate));
        write(out, format_args!(",\"msg_timeout\":{}}}", self.msg_timeout));
    }
}

/// The answer to IDENTIFY, as the client needs it. Times are milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentifyReply {
    /// Largest RDY count.
    pub max_rdy_count: i64,
    /// Version of the server.
    pub version: String,
    /// Longest timeout that TOUCH can give a message.
    pub max_msg_timeout: i64,
    /// Message timeout.
    pub msg_timeout: i64,
    /// TLS follows.
    pub tls_v1: bool,
    /// Deflate follows.
    pub deflate: bool,
    /// Its level.
    pub deflate_level: i64,
    /// Snappy follows.
    pub snappy: bool,
    /// AUTH must follow.
    pub auth_required: bool,
}

impl Default for IdentifyReply {
    /// Settings with a server that answers `OK`: nsqd's defaults, and no upgrades.
    fn default() -> Self {
        IdentifyReply {
            max_rdy_count: 2_500,
            version: String::new(),
            max_msg_timeout: 900_000,
            msg_timeout: 60_000,
            tls_v1: false,
            deflate: false,
            deflate_level: 6,
            snappy: false,
            auth_required: false,
        }
    }
}

impl IdentifyReply {
    /// Parses the data of the response frame. `None` if it is neither JSON of this shape nor `OK`.
    pub fn parse(data: &[u8]) -> Option<IdentifyReply> {
        let mut it = IdentifyReply::default();
        if data.first() != Some(&b'{') {
            return (data == crate::nsq::frame::OK).then_some(it);
        }
        json::members(data, |key, value| match () {
            () if key_is(key, "max_rdy_count") => set_integer(&mut it.max_rdy_count, value),
            () if key_is(key, "version") => set_string(&mut it.version, value),
            () if key_is(key, "max_msg_timeout") => set_integer(&mut it.max_msg_timeout, value),
            () if key_is(key, "msg_timeout") => set_integer(&mut it.msg_timeout, value),
            () if key_is(key, "tls_v1") => set_bool(&mut it.tls_v1, value),
            () if key_is(key, "deflate") => set_bool(&mut it.deflate, value),
            () if key_is(key, "deflate_level") => set_integer(&mut it.deflate_level, value),
            () if key_is(key, "snappy") => set_bool(&mut it.snappy, value),
            () if key_is(key, "auth_required") => set_bool(&mut it.auth_required, value),
            () => Ok(()),
        })
        .ok()?;
        Some(it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nsq::identify::Terms;

    #[test]
    fn what_a_client_writes_a_server_reads() {
        let request = Identify {
            client_id: "me".into(),
            hostname: "host \"x\"".into(),
            user_agent: "test/1".into(),
            topology_region: "r".into(),
            topology_zone: "z".into(),
            feature_negotiation: true,
            tls_v1: true,
            snappy: true,
            deflate: false,
            deflate_level: 3,
            heartbeat_interval: -1,
            output_buffer_size: 64,
            output_buffer_timeout: 25,
            sample_rate: 7,
            msg_timeout: 1_000,
        };
        let mut body = Vec::new();
        request.write(&mut body);
        assert_eq!(Identify::parse(&body), Ok(request));
    }

    #[test]
    fn what_a_server_writes_a_client_reads() {
        let terms = Terms { tls: true, auth_required: true, ..Terms::default() };
        let request =
            Identify { feature_negotiation: true, tls_v1: true, snappy: true, ..Identify::default() };
        let mut data = Vec::new();
        request.settle(&terms, &terms.settings()).unwrap().write_reply(&terms, &mut data);
        let reply = IdentifyReply::parse(&data).unwrap();
        let expected = IdentifyReply {
            version: terms.version.clone(),
            tls_v1: true,
            snappy: true,
            auth_required: true,
            ..IdentifyReply::default()
        };
        assert_eq!(reply, expected);
        assert_eq!(IdentifyReply::parse(b"OK"), Some(IdentifyReply::default()));
        for bad in [&b""[..], b"KO", b"{", b"{\"tls_v1\":1}", b"{\"max_rdy_count\":\"x\"}"] {
            assert_eq!(IdentifyReply::parse(bad), None, "{}", bad.escape_ascii());
        }
    }
}
