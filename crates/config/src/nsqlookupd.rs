//! nsqlookupd's settings: checked, from its flags and file. `[lookup]` of the
//! native file has its own options.

use crate::checked::{Listen, Lookup};
use crate::go_flags::{self, FlagSpec, GoKind, GoValues, flag};
use crate::log_level::LogLevel;
use crate::nsq_program::Program;
use crate::nsqd::{go_listen, machine};

/// nsqlookupd and its flags.
pub const PROGRAM: Program = Program { name: "nsqlookupd", flags: FLAGS, show_default };

/// Usage texts, defaults and field names are nsqlookupd's. Rows are in the order of the usage text.
const FLAGS: &[FlagSpec] = &[
    flag(
        "broadcast-address",
        GoKind::Text,
        "",
        "address of this lookupd node, (default to the OS hostname)",
        "BroadcastAddress",
    ),
    flag("config", GoKind::Text, "", "path to config file", "Config").no_key(),
    flag(
        "http-address",
        GoKind::Text,
        "0.0.0.0:4161",
        "<addr>:<port> to listen on for HTTP clients",
        "HTTPAddress",
    ),
    flag(
        "inactive-producer-timeout",
        GoKind::Duration,
        "5m0s",
        "duration of time a producer will remain in the active list since its last ping",
        "InactiveProducerTimeout",
    ),
    flag(
        "log-level",
        GoKind::LogLevel,
        "INFO",
        "set log verbosity: debug, info, warn, error, or fatal",
        "LogLevel",
    ),
    flag("log-prefix", GoKind::Text, "[nsqlookupd] ", "log message prefix", "LogPrefix"),
    flag(
        "tcp-address",
        GoKind::Text,
        "0.0.0.0:4160",
        "<addr>:<port> to listen on for TCP clients",
        "TCPAddress",
    ),
    flag(
        "tombstone-lifetime",
        GoKind::Duration,
        "45s",
        "duration of time a producer will remain tombstoned if registration remains",
        "TombstoneLifetime",
    ),
    flag("verbose", GoKind::Bool, "false", "[deprecated] has no effect, use --log-level", "Verbose").no_key(),
    flag("version", GoKind::Bool, "false", "print version string", "Version").no_key(),
];

/// Settings that only this face has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manner {
    /// Least severe level that is logged.
    pub log_level: LogLevel,
    /// Prefix of each log line.
    pub log_prefix: String,
}

fn show_default(flag: &FlagSpec) -> String {
    match flag.name {
        "broadcast-address" => machine::hostname(),
        _ => flag.default.to_owned(),
    }
}

/// Log settings.
pub fn manner(values: &GoValues) -> Manner {
    Manner {
        log_level: go_flags::level_of(values.text("log-level")),
        log_prefix: values.text("log-prefix").to_owned(),
    }
}

/// Checks resolved values.
///
/// # Errors
///
/// nsqlookupd's error, which follows the first line of its log.
pub fn check(values: &GoValues) -> Result<Lookup, String> {
    let listen = |flag: &str| -> Result<Listen, String> {
        let address = values.text(flag);
        go_listen(address).map_err(|reason| format!("listen ({address}) failed - {reason}"))
    };
    Ok(Lookup {
        tcp: listen("tcp-address")?,
        http: listen("http-address")?,
        broadcast_address: values.text("broadcast-address").to_owned(),
        inactive_producer_timeout: values.duration("inactive-producer-timeout"),
        tombstone_lifetime: values.duration("tombstone-lifetime"),
        ..Lookup::default()
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::go_flags::GoValue;

    #[test]
    fn every_flag_has_a_valid_default() {
        let values = PROGRAM.resolve(GoValues::new(), GoValues::new());
        let lookup = check(&values).unwrap();
        assert_eq!(lookup.tcp, Listen::Tcp { host: machine::any_address().into(), port: 4160 });
        assert_eq!(lookup.http, Listen::Tcp { host: machine::any_address().into(), port: 4161 });
        assert_eq!(lookup.inactive_producer_timeout, Duration::from_mins(5));
        assert_eq!(lookup.tombstone_lifetime, Duration::from_secs(45));
        assert_eq!(manner(&values).log_prefix, "[nsqlookupd] ");
        for (address, reason) in [
            ("127.0.0.1:99999", "listen (127.0.0.1:99999) failed - listen tcp: address 99999: invalid port"),
            ("", "listen () failed - listen unix : bind: invalid argument"),
        ] {
            let given = GoValues::from([("tcp-address", GoValue::Text(address.into()))]);
            assert_eq!(check(&PROGRAM.resolve(given, GoValues::new())), Err(reason.to_owned()));
        }
    }
}
