//! `[engine]`: the options table checks types and ranges, this file addresses and names.

use crate::checked::{Engine, EngineLogin};
use crate::fault::{Fault, Position};
use crate::setting::Setting;
use crate::values::Settings;

/// Longest prefix.
const PREFIX_BYTES_MAX: usize = 32;
/// Length of an nkey's seed.
const SEED_BYTES: usize = 58;

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
    let prefix = read.text("prefix").unwrap_or_default().to_owned();
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !(1..=PREFIX_BYTES_MAX).contains(&prefix.len()) || !prefix.bytes().all(is_plain) {
        let text = format!("\"{}\" cannot begin names of streams", prefix.escape_default());
        fail("prefix", text, "write up to 32 letters, digits, _ and -");
    }
    let tls = read.server_tls("tls");
    if tls.as_ref().is_some_and(|tls| tls.server_name.is_some()) {
        let help = "write that name in servers";
        fail("tls", "has server_name: the names in servers are those of the certificates".into(), help);
    }
    let login = login(read, &mut fail);
    Some(Engine {
        servers,
        forward_bytes_max: read.size("forward_bytes_max") as u64,
        replicas: usize::try_from(read.integer("replicas")).unwrap_or(1),
        prefix,
        tls,
        login,
    })
}

/// The login, of which there may be one.
fn login(read: &Settings, fail: &mut impl FnMut(&str, String, &str)) -> EngineLogin {
    let mut logins = Vec::new();
    if let Some(user) = read.text("user") {
        logins.push(("user", EngineLogin::User(user.to_owned(), read.secret("password"))));
    } else if read.written("password") || read.written("password_file") {
        fail("password", "has no effect without user".into(), "add user = \"...\"");
    }
    if let Some(seed) = read.secret("nkey") {
        if !is_seed(seed.reveal()) {
            let help = "a seed of a user is `SU` and 56 of A-Z and 2-7, as `nk -gen user` prints it";
            fail("nkey", "is no seed".into(), help);
        }
        logins.push(("nkey", EngineLogin::Nkey(seed)));
    }
    if let Some(path) = read.text("credentials_file") {
        logins.push(("credentials_file", EngineLogin::Credentials(path.into())));
    }
    if let [(one, _), (other, _), ..] = logins.as_slice() {
        fail(other, format!("and {one} are both written"), "remove one of them");
    }
    logins.into_iter().next().map_or(EngineLogin::Nobody, |(_, login)| login)
}

/// True for the seed of a user's nkey; whether its checksum is right is seen at the start.
fn is_seed(seed: &str) -> bool {
    let is_base32 = |b: u8| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b);
    seed.len() == SEED_BYTES && seed.starts_with("SU") && seed.bytes().all(is_base32)
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
    fn addresses_and_prefixes_are_checked() {
        let good = "servers = [\"a:4222\", \"nats://[::1]:4222\"]\n";
        assert_eq!(faults(good), [""; 0]);
        let engine = check(&format!("[queue]\n[engine]\n{good}"), 1).config.unwrap().engine.unwrap();
        assert_eq!(engine.servers, ["nats://a:4222", "nats://[::1]:4222"]);
        assert_eq!((engine.replicas, engine.prefix.as_str()), (3, "nuthatch"));
        assert_eq!(
            faults("servers = [\"a\", \"tls://a:1\"]\nprefix = \"a.b\"\n"),
            [
                "[engine]: servers has \"nats://a\", which is no address",
                "[engine]: servers has \"tls://a:1\", which is no address",
                "[engine]: prefix \"a.b\" cannot begin names of streams",
            ]
        );
    }

    #[test]
    fn an_engine_without_a_queue_gets_a_warning() {
        let report = check("[lookup]\n[engine]\nservers = \"a:1\"\n", 1);
        assert!(report.config.is_some());
        assert_eq!(report.faults[0].text, "[engine] has no effect without [queue]");
    }

    #[test]
    fn there_is_one_login() {
        let login = |lines: &str| faults(&format!("servers = \"a:1\"\n{lines}"));
        let seed = format!("nkey = \"SU{}\"\n", "A".repeat(56));
        assert_eq!(login(&seed), [""; 0]);
        assert_eq!(login("nkey = \"SUA\"\n"), ["[engine]: nkey is no seed"]);
        assert_eq!(login("password = \"p\"\n"), ["[engine]: password has no effect without user"]);
        assert_eq!(login(&format!("user = \"u\"\n{seed}")), ["[engine]: nkey and user are both written"]);
        assert_eq!(
            login("user = \"u\"\ncredentials_file = \"/c\"\n"),
            ["[engine]: credentials_file and user are both written"]
        );
        assert_eq!(login("tls = { server_name = \"n\" }\n").len(), 1);
    }

    #[test]
    fn topics_are_kept_where_the_first_rule_says() {
        let rules = "[[queue.topic]]\nmatch = \"orders.*\"\nstorage = \"engine\"\naccept = \"local\"\n\
            [[queue.topic]]\nmatch = \"orders.eu\"\nstorage = \"local\"\n[[queue.topic]]\nmatch = \"l*\"\nstorage = \"local\"\n";
        let text =
            |storage| format!("[queue]\nstorage = \"{storage}\"\n{rules}[engine]\nservers = \"a:1\"\n");
        let queue = check(&text("local"), 1).config.unwrap().queue.unwrap();
        let kept = |topic| queue.storage_of(topic).name();
        assert_eq!(
            ["orders.eu", "orders", "l", "e#ephemeral"].map(kept),
            ["engine", "local", "local", "local"]
        );
        assert!(queue.accepts_locally("orders.eu") && !queue.accepts_locally("l"));
        let queue = check(&text("engine"), 1).config.unwrap().queue.unwrap();
        let kept = |topic| queue.storage_of(topic).name();
        assert_eq!(["orders.eu", "x", "l", "e#ephemeral"].map(kept), ["engine", "engine", "local", "local"]);
    }

    #[test]
    fn rules_are_checked() {
        let report = check("[queue]\nstorage = \"engine\"\n", 1);
        assert_eq!(report.faults[0].text, "[queue]: topics are to be kept on the engine, and there is none");
        for (rule, wanted) in [
            ("match = \"\"", "match is empty"),
            ("match = \"a b\"", "match = \"a b\" matches no topic"),
            ("storage = \"local\"", "a rule has no match"),
            ("match = \"a\"\nother = 1", "unknown option other in a rule"),
        ] {
            let report = check(&format!("[queue]\n[[queue.topic]]\n{rule}\n"), 1);
            assert_eq!(report.faults[0].text, wanted);
        }
        assert!(check("[queue]\ntopic = \"a\"\n", 1).config.is_none());
    }
}
