//! `[engine]`: the options table checks types and ranges, this file addresses and names.

use crate::checked::Engine;
use crate::fault::{Fault, Position};
use crate::setting::Setting;
use crate::values::Settings;

/// Longest prefix.
const PREFIX_BYTES_MAX: usize = 32;
/// Longest glob of a topic.
const GLOB_BYTES_MAX: usize = 1024;

/// Assembles the section as read. None if a value is missing; then there are faults.
pub(super) fn assemble(read: &Settings, at: Option<Position>, faults: &mut Vec<Fault>) -> Option<Engine> {
    let mut fail = |option: &str, text: String, help: &str| {
        let text = format!("[engine]: {option} {text}");
        faults.push(Fault::error(read.place(option).or(at), text, help));
    };
    let texts = |option| match read.get(option) {
        Some(Setting::Texts(texts)) => Some(texts.clone()),
        _ => None,
    };
    let servers: Vec<String> = texts("servers")?.iter().map(|text| with_scheme(text)).collect();
    for server in servers.iter().filter(|server| !is_address(server)) {
        fail(
            "servers",
            format!("has \"{}\", which is no address", server.escape_default()),
            "write nats://HOST:PORT",
        );
    }
    let topics = texts("topics")?;
    let is_glob = |glob: &String| {
        (1..=GLOB_BYTES_MAX).contains(&glob.len()) && glob.bytes().all(|b| b.is_ascii_graphic())
    };
    for glob in topics.iter().filter(|glob| !is_glob(glob)) {
        let text = format!("has \"{}\", which matches no topic", glob.escape_default());
        fail("topics", text, "write names of topics, with * and ?");
    }
    let prefix = read.text("prefix").unwrap_or_default().to_owned();
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !(1..=PREFIX_BYTES_MAX).contains(&prefix.len()) || !prefix.bytes().all(is_plain) {
        let text = format!("\"{}\" cannot begin names of streams", prefix.escape_default());
        fail("prefix", text, "write up to 32 letters, digits, _ and -");
    }
    Some(Engine {
        servers,
        topics,
        accept_locally: read.text("accept") == Some("local"),
        forward_bytes_max: read.size("forward_bytes_max") as u64,
        replicas: usize::try_from(read.integer("replicas")).unwrap_or(1),
        prefix,
        user: read.text("user").map(str::to_owned),
        password: read.secret("password"),
    })
}

fn with_scheme(server: &str) -> String {
    if server.contains("://") { server.to_owned() } else { format!("nats://{server}") }
}

/// True for `nats://HOST:PORT`.
fn is_address(server: &str) -> bool {
    let address = server.strip_prefix("nats://").and_then(|rest| rest.rsplit_once(':'));
    address.is_some_and(|(host, port)| {
        let is_host = !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && !b"/@,".contains(&b));
        is_host && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

#[cfg(test)]
mod tests {
    use crate::native::check;

    #[track_caller]
    fn faults(section: &str) -> Vec<String> {
        let report = check(&format!("[queue]\n[engine]\n{section}"), 1);
        report.faults.iter().map(|fault| fault.text.clone()).collect()
    }

    #[test]
    fn addresses_topics_and_prefixes_are_checked() {
        let good = "servers = [\"a:4222\", \"nats://[::1]:4222\"]\ntopics = \"orders.*\"\n";
        assert_eq!(faults(good), [""; 0]);
        let engine = check(&format!("[queue]\n[engine]\n{good}"), 1).config.unwrap().engine.unwrap();
        assert_eq!(engine.servers, ["nats://a:4222", "nats://[::1]:4222"]);
        assert_eq!((engine.replicas, engine.prefix.as_str()), (3, "nuthatch"));
        assert!(engine.globs()[0].matches(b"orders.eu") && !engine.globs()[0].matches(b"order"));
        assert_eq!(
            faults("servers = [\"a\", \"tls://a:1\"]\ntopics = [\"\"]\nprefix = \"a.b\"\n"),
            [
                "[engine]: servers has \"nats://a\", which is no address",
                "[engine]: servers has \"tls://a:1\", which is no address",
                "[engine]: topics has \"\", which matches no topic",
                "[engine]: prefix \"a.b\" cannot begin names of streams",
            ]
        );
    }

    #[test]
    fn an_engine_without_a_queue_gets_a_warning() {
        let report = check("[lookup]\n[engine]\nservers = \"a:1\"\ntopics = \"t\"\n", 1);
        assert!(report.config.is_some());
        assert_eq!(report.faults[0].text, "[engine] has no effect without [queue]");
    }
}
