//! IDENTIFY: the client's request, its settlement, and the answer.
//!
//! [`Identify::parse`] reads the request, [`Identify::settle`] compares it with the server's [`Terms`], and
//! [`Settlement::write_reply`] writes the result. Zero always means "the server's choice" (or the result of
//! an earlier IDENTIFY on the connection). Order of checks and texts are nsqd's.

use super::Refusal;
use super::json::{self, key_is, set_bool, set_integer, set_string};

mod reply;
mod request;

pub use request::IdentifyReply;

/// The request, by its JSON names. Times are milliseconds; 0, false and "" mean absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identify {
    /// Name of the client.
    pub client_id: String,
    /// Host of the client, as it claims.
    pub hostname: String,
    /// Software of the client.
    pub user_agent: String,
    /// Topology region of the client.
    pub topology_region: String,
    /// Topology zone of the client.
    pub topology_zone: String,
    /// Requests a JSON answer, which TLS and compression require.
    pub feature_negotiation: bool,
    /// Requests TLS.
    pub tls_v1: bool,
    /// Requests snappy.
    pub snappy: bool,
    /// Requests deflate.
    pub deflate: bool,
    /// Deflate level; 0 and below mean 6.
    pub deflate_level: i64,
    /// Heartbeat interval; -1 for none.
    pub heartbeat_interval: i64,
    /// Most bytes buffered before sending; -1 for no buffering.
    pub output_buffer_size: i64,
    /// Longest time that bytes are buffered; -1 for no limit.
    pub output_buffer_timeout: i64,
    /// Percentage of messages to deliver.
    pub sample_rate: i32,
    /// Timeout of messages in flight to this client.
    pub msg_timeout: i64,
}

impl Identify {
    /// Parses the body of IDENTIFY by the rules of Go's JSON decoder.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal<'static>> {
        let mut it = Identify::default();
        json::members(body, |key, value| match () {
            () if key_is(key, "client_id") => set_string(&mut it.client_id, value),
            () if key_is(key, "hostname") => set_string(&mut it.hostname, value),
            () if key_is(key, "user_agent") => set_string(&mut it.user_agent, value),
            () if key_is(key, "topology_region") => set_string(&mut it.topology_region, value),
            () if key_is(key, "topology_zone") => set_string(&mut it.topology_zone, value),
            () if key_is(key, "feature_negotiation") => set_bool(&mut it.feature_negotiation, value),
            () if key_is(key, "tls_v1") => set_bool(&mut it.tls_v1, value),
            () if key_is(key, "snappy") => set_bool(&mut it.snappy, value),
            () if key_is(key, "deflate") => set_bool(&mut it.deflate, value),
            () if key_is(key, "deflate_level") => set_integer(&mut it.deflate_level, value),
            () if key_is(key, "heartbeat_interval") => set_integer(&mut it.heartbeat_interval, value),
            () if key_is(key, "output_buffer_size") => set_integer(&mut it.output_buffer_size, value),
            () if key_is(key, "output_buffer_timeout") => set_integer(&mut it.output_buffer_timeout, value),
            () if key_is(key, "sample_rate") => set_integer(&mut it.sample_rate, value),
            () if key_is(key, "msg_timeout") => set_integer(&mut it.msg_timeout, value),
            () => Ok(()),
        })
        .map_err(|json::Malformed| Refusal::IdentifyJson)?;
        Ok(it)
    }

    /// Settles the client's settings, starting from the `current` ones (at first [`Terms::settings`]).
    pub fn settle(&self, terms: &Terms, current: &Settings) -> Result<Settlement, Refusal<'static>> {
        let mut settings = *current;
        self.settle_heartbeat(terms, &mut settings)?;
        self.settle_output_buffer(terms, &mut settings)?;
        settings.sample_rate = match u8::try_from(self.sample_rate) {
            Ok(rate) if rate <= 99 => rate,
            _ => return Err(Refusal::IdentifyValue("sample rate", i64::from(self.sample_rate))),
        };
        if let Some(ms) = in_range(self.msg_timeout, 1_000, terms.msg_timeout_ms_max, "msg timeout")? {
            settings.msg_timeout_ms = ms;
        }
        Ok(Settlement { settings, upgrades: self.settle_upgrades(terms)? })
    }

    fn settle_heartbeat(&self, terms: &Terms, settings: &mut Settings) -> Result<(), Refusal<'static>> {
        if self.heartbeat_interval == -1 {
            settings.heartbeat_ms = None;
            return Ok(());
        }
        let max = terms.heartbeat_ms_max;
        if let Some(ms) = in_range(self.heartbeat_interval, 1_000, max, "heartbeat interval")? {
            settings.heartbeat_ms = Some(ms);
        }
        Ok(())
    }

    fn settle_output_buffer(&self, terms: &Terms, settings: &mut Settings) -> Result<(), Refusal<'static>> {
        if self.output_buffer_timeout == -1 {
            settings.output_buffer_ms = None;
        } else {
            let (min, max) = (terms.output_buffer_ms_min.max(1), terms.output_buffer_ms_max);
            let asked = in_range(self.output_buffer_timeout, min, max, "output buffer timeout")?;
            settings.output_buffer_ms = asked.or(settings.output_buffer_ms);
        }
        if self.output_buffer_size == -1 {
            settings.output_buffer_bytes = 1;
            settings.output_buffer_ms = None;
        } else {
            let asked =
                in_range(self.output_buffer_size, 64, terms.output_buffer_bytes_max, "output buffer size")?;
            settings.output_buffer_bytes = asked.unwrap_or(settings.output_buffer_bytes);
        }
        Ok(())
    }

    fn settle_upgrades(&self, terms: &Terms) -> Result<Option<Upgrades>, Refusal<'static>> {
        if !self.feature_negotiation {
            return Ok(None);
        }
        let upgrades = Upgrades {
            tls: self.tls_v1 && terms.tls,
            snappy: self.snappy && terms.snappy,
            deflate: self.deflate && terms.deflate,
            deflate_level: self.deflate_level_within(terms),
        };
        if upgrades.snappy && upgrades.deflate {
            return Err(Refusal::BothCompressions);
        }
        Ok(Some(upgrades))
    }

    /// Deflate level: the requested one counts only if deflate is granted; the answer always names one.
    fn deflate_level_within(&self, terms: &Terms) -> u32 {
        let asked =
            if self.deflate && terms.deflate && self.deflate_level > 0 { self.deflate_level } else { 6 };
        u32::try_from(asked).unwrap_or(u32::MAX).min(terms.deflate_level_max)
    }
}

/// `None` for 0; the value if it is within the limits.
fn in_range(value: i64, min: u64, max: u64, what: &'static str) -> Result<Option<u64>, Refusal<'static>> {
    match u64::try_from(value) {
        Ok(0) => Ok(None),
        Ok(value) if (min..=max).contains(&value) => Ok(Some(value)),
        _ => Err(Refusal::IdentifyValue(what, value)),
    }
}

/// Features and limits a server offers. Times are milliseconds; the defaults are nsqd's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Version to name in the answer.
    pub version: String,
    /// Largest RDY count.
    pub ready_max: u64,
    /// Heartbeat interval by default.
    pub heartbeat_ms: u64,
    /// Longest heartbeat interval.
    pub heartbeat_ms_max: u64,
    /// Message timeout by default.
    pub msg_timeout_ms: u64,
    /// Longest message timeout.
    pub msg_timeout_ms_max: u64,
    /// Output buffer by default.
    pub output_buffer_bytes: u64,
    /// Largest output buffer.
    pub output_buffer_bytes_max: u64,
    /// Output buffer timeout by default.
    pub output_buffer_ms: u64,
    /// Shortest output buffer timeout.
    pub output_buffer_ms_min: u64,
    /// Longest output buffer timeout.
    pub output_buffer_ms_max: u64,
    /// True if a certificate is configured.
    pub tls: bool,
    /// True if snappy is enabled.
    pub snappy: bool,
    /// True if deflate is enabled.
    pub deflate: bool,
    /// Highest deflate level, 1 to 9.
    pub deflate_level_max: u32,
    /// True if clients must AUTH.
    pub auth_required: bool,
    /// Topology region of the server.
    pub topology_region: String,
    /// Topology zone of the server.
    pub topology_zone: String,
}

impl Default for Terms {
    fn default() -> Self {
        Terms {
            version: String::from("1.3.0"),
            ready_max: 2_500,
            heartbeat_ms: 30_000,
            heartbeat_ms_max: 60_000,
            msg_timeout_ms: 60_000,
            msg_timeout_ms_max: 900_000,
            output_buffer_bytes: 16_384,
            output_buffer_bytes_max: 65_536,
            output_buffer_ms: 250,
            output_buffer_ms_min: 25,
            output_buffer_ms_max: 30_000,
            tls: false,
            snappy: true,
            deflate: true,
            deflate_level_max: 6,
            auth_required: false,
            topology_region: String::new(),
            topology_zone: String::new(),
        }
    }
}

impl Terms {
    /// Settings of a client that never sends IDENTIFY.
    pub fn settings(&self) -> Settings {
        Settings {
            heartbeat_ms: Some(self.heartbeat_ms),
            output_buffer_bytes: self.output_buffer_bytes,
            output_buffer_ms: Some(self.output_buffer_ms).filter(|ms| *ms > 0),
            sample_rate: 0,
            msg_timeout_ms: self.msg_timeout_ms,
        }
    }
}

/// Settings of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Heartbeat interval; none if they are off (which forbids SUB).
    pub heartbeat_ms: Option<u64>,
    /// Most bytes buffered before sending.
    pub output_buffer_bytes: u64,
    /// Longest time that bytes are buffered; none for no limit (or, with a buffer of one byte, no buffering).
    pub output_buffer_ms: Option<u64>,
    /// Percentage of messages to deliver, 1 to 99; 0 for all of them.
    pub sample_rate: u8,
    /// Timeout of messages in flight.
    pub msg_timeout_ms: u64,
}

/// The layers granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Upgrades {
    /// TLS follows the answer.
    pub tls: bool,
    /// Snappy, inside of TLS.
    pub snappy: bool,
    /// Deflate, inside of TLS; never together with snappy.
    pub deflate: bool,
    /// Deflate level; the answer names it even without deflate.
    pub deflate_level: u32,
}

/// The outcome of IDENTIFY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    /// The new settings.
    pub settings: Settings,
    /// Absent if the client did not negotiate: the answer is then `OK`.
    pub upgrades: Option<Upgrades>,
}

#[cfg(test)]
mod tests;
