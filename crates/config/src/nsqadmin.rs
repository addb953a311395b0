//! nsqadmin's settings: checked, from its flags and file.

mod cidr;
mod flags;

use std::path::PathBuf;

pub use self::cidr::Cidr;
use self::flags::FLAGS;
use crate::checked::Listen;
pub use crate::checked::{Graphite, HttpClient, Nsqadmin};
use crate::go_flags::{self, GoValues, number};
use crate::log_level::LogLevel;
use crate::nsq_program::Program;
use crate::nsqd::go_listen;

/// Environment variable with the admin ports of the fleet's nuthatches.
pub const ADMINS_OPTION: &str = "NUTHATCH_FLEET_ADMINS";

/// nsqadmin and its flags.
pub const PROGRAM: Program =
    Program { name: "nsqadmin", flags: FLAGS, show_default: go_flags::shown_default };

/// Least severe level that is logged, and the prefix of log lines.
pub fn logging(values: &GoValues) -> (LogLevel, String) {
    (go_flags::level_of(values.text("log-level")), values.text("log-prefix").to_owned())
}

/// Checks resolved values, except the listening address.
///
/// # Errors
///
/// nsqadmin's error, which precedes the first line of its log.
pub fn check(values: &GoValues) -> Result<Nsqadmin, String> {
    check_with(values, Vec::new())
}

/// Checks resolved values together with admin ports of nuthatches, which the environment names: with them no
/// queue is needed.
///
/// # Errors
///
/// nsqadmin's error, or the fault of an address.
pub fn check_with(values: &GoValues, admins: Vec<String>) -> Result<Nsqadmin, String> {
    for address in &admins {
        let bare = address.strip_prefix("https://").unwrap_or(address);
        address_fault(bare).map_or(Ok(()), |fault| Err(format!("{ADMINS_OPTION} ({address}) - {fault}")))?;
    }
    let (lookups, nsqds) =
        (values.texts("lookupd-http-address").to_vec(), values.texts("nsqd-http-address").to_vec());
    match (lookups.is_empty(), nsqds.is_empty()) {
        (true, true) if admins.is_empty() => {
            return Err("--nsqd-http-address or --lookupd-http-address required".into());
        }
        (false, false) => return Err("use --nsqd-http-address or --lookupd-http-address not both".into()),
        _ => {}
    }
    let client = http_client(values)?;
    for (flag, addresses) in [("lookupd-http-address", &lookups), ("nsqd-http-address", &nsqds)] {
        for address in addresses {
            address_fault(address)
                .map_or(Ok(()), |fault| Err(format!("failed to resolve --{flag} ({address}) - {fault}")))?;
        }
    }
    let config_from = match values.text("allow-config-from-cidr") {
        "" => None,
        range => Some(Cidr::parse(range).ok_or_else(|| {
            format!("failed to parse --allow-config-from-cidr ({range}) - invalid CIDR address: {range}")
        })?),
    };
    Ok(Nsqadmin {
        http: Listen::Tcp { host: String::new(), port: 0 },
        base_path: clean(values.text("base-path")),
        lookups,
        nsqds,
        admins,
        client,
        graphite: Graphite {
            url: values.text("graphite-url").into(),
            proxied: values.switch("proxy-graphite"),
            statsd_prefix: values.text("statsd-prefix").to_owned(),
            counter_format: values.text("statsd-counter-format").to_owned(),
            gauge_format: values.text("statsd-gauge-format").to_owned(),
            statsd_interval: values.duration("statsd-interval"),
        },
        config_from,
        notification_endpoint: values.text("notification-http-endpoint").into(),
        acl_header: values.text("acl-http-header").to_owned(),
        admin_users: values.texts("admin-user").to_vec(),
        http_names: Vec::new(),
        flags: values.clone(),
    })
}

/// The listening address.
///
/// # Errors
///
/// nsqadmin's error, which follows the first line of its log.
pub fn listen(values: &GoValues) -> Result<Listen, String> {
    let address = values.text("http-address");
    go_listen(address).map_err(|reason| format!("listen ({address}) failed - {reason}"))
}

fn http_client(values: &GoValues) -> Result<HttpClient, String> {
    let file = |flag| Some(values.text(flag)).filter(|path| !path.is_empty()).map(PathBuf::from);
    let identity = match (file("http-client-tls-cert"), file("http-client-tls-key")) {
        (Some(_), None) => {
            return Err("--http-client-tls-key must be specified with --http-client-tls-cert".into());
        }
        (None, Some(_)) => {
            return Err("--http-client-tls-cert must be specified with --http-client-tls-key".into());
        }
        (certificate, key) => certificate.zip(key),
    };
    Ok(HttpClient {
        connect_timeout: values.duration("http-client-connect-timeout"),
        request_timeout: values.duration("http-client-request-timeout"),
        insecure: values.switch("http-client-tls-insecure-skip-verify"),
        root_ca: file("http-client-tls-root-ca-file"),
        identity,
    })
}

/// Go's error for an address, without resolving its name.
fn address_fault(address: &str) -> Option<String> {
    let wrong = |what: &str| Some(format!("address {address}: {what}"));
    if address.is_empty() {
        return None;
    }
    let Some((host, port)) = address.rsplit_once(':') else { return wrong("missing port in address") };
    match host.strip_prefix('[') {
        Some(_) if address.ends_with(']') => return wrong("missing port in address"),
        Some(inner) if !inner.ends_with(']') => return wrong("missing ']' in address"),
        None if host.contains(':') => return wrong("too many colons in address"),
        _ => {}
    }
    match number::integer(port) {
        Ok(0..=65_535) => None,
        _ if port.is_empty() => None,
        Ok(_) => Some(format!("address {port}: invalid port")),
        Err(_) => Some(format!("lookup tcp/{port}: unknown port")),
    }
}

/// A base path in its shortest form.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn settings(arguments: &[&str]) -> Result<Nsqadmin, String> {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        check(&PROGRAM.from_arguments(&arguments).unwrap())
    }

    #[test]
    fn every_flag_has_a_valid_default() {
        let given = settings(&["-lookupd-http-address", "a:1", "--lookupd-http-address=b:2"]).unwrap();
        assert_eq!(given.lookups, ["a:1", "b:2"]);
        assert_eq!(given.base_path, "/");
        assert_eq!(given.acl_header, "X-Forwarded-User");
        assert_eq!(given.graphite.statsd_interval, Duration::from_mins(1));
        assert_eq!(given.client.connect_timeout, Duration::from_secs(2));
        assert_eq!(given.client.request_timeout, Duration::from_secs(5));
        assert!(given.config_from.unwrap().contains("127.5.5.5".parse().unwrap()));
        assert_eq!(logging(&given.flags), (LogLevel::Info, "[nsqadmin] ".into()));
        assert!(listen(&given.flags).is_ok());
    }

    #[test]
    fn refusals() {
        const L: &str = "-lookupd-http-address=127.0.0.1:1";
        for (arguments, reason) in [
            (&[][..], "--nsqd-http-address or --lookupd-http-address required"),
            (&[L, "-nsqd-http-address=a:1"], "use --nsqd-http-address or --lookupd-http-address not both"),
            (
                &[L, "-http-client-tls-cert=x"],
                "--http-client-tls-key must be specified with --http-client-tls-cert",
            ),
            (
                &[L, "-http-client-tls-key=x"],
                "--http-client-tls-cert must be specified with --http-client-tls-key",
            ),
            (
                &["-lookupd-http-address=h"],
                "failed to resolve --lookupd-http-address (h) - address h: missing port in address",
            ),
            (
                &["-nsqd-http-address=::1:5"],
                "failed to resolve --nsqd-http-address (::1:5) - address ::1:5: too many colons in address",
            ),
            (
                &["-nsqd-http-address=h:99999"],
                "failed to resolve --nsqd-http-address (h:99999) - address 99999: invalid port",
            ),
            (
                &[L, "-allow-config-from-cidr=junk"],
                "failed to parse --allow-config-from-cidr (junk) - invalid CIDR address: junk",
            ),
        ] {
            assert_eq!(settings(arguments).unwrap_err(), reason);
        }
    }

    #[test]
    fn base_paths() {
        for (given, path) in [
            ("", "/"),
            ("/", "/"),
            ("sub", "/sub"),
            ("/sub/", "/sub"),
            ("//a/./b/../c//", "/a/c"),
            ("..", "/"),
        ] {
            assert_eq!(clean(given), path, "{given}");
        }
    }
}
