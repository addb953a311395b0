//! The value of an option, of the type given in the options table.
//!
//! It has two text forms: [`Setting::toml`] reads back as the same value, unless it is a secret; `Display` is
//! for people, in lists of changes.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use access::Rate;

use crate::checked::{
    ClientCertificate, Listen, Server, Target, TlsToClients, TlsToServers, TopicRule, WrittenListen,
};
use crate::endpoint::{self, show_listen, show_server, show_target};
use crate::quantity::{show_duration, show_size};
use crate::secret::Secret;
use crate::variables;

/// A value of an option.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A duration.
    Duration(Duration),
    /// Off instead of a duration.
    Off,
    /// Bytes.
    Size(u64),
    /// A text, a path or a word.
    Text(String),
    /// A text that is never shown.
    Secret(Secret),
    /// Texts that are never shown.
    Secrets(Vec<Secret>),
    /// Events in time.
    Rate(Rate),
    /// The two characters of a hash tag.
    HashTag([u8; 2]),
    /// Listening addresses.
    Listens(Vec<Listen>),
    /// Listeners of a pool.
    WrittenListens(Vec<WrittenListen>),
    /// TLS towards clients.
    Tls(TlsToClients),
    /// TLS towards servers.
    ServerTls(TlsToServers),
    /// The servers of a pool.
    Servers(Vec<Server>),
    /// Rules for topics.
    Topics(Vec<TopicRule>),
    /// An address to connect to.
    Target(Target),
    /// Texts.
    Texts(Vec<String>),
    /// Numbers above 0, at most 1.
    Quantiles(Vec<f64>),
}

impl Setting {
    /// A text setting, unless the text is empty.
    pub fn text(text: impl Into<String>) -> Option<Setting> {
        Some(text.into()).filter(|text| !text.is_empty()).map(Setting::Text)
    }

    /// The value in TOML.
    pub fn toml(&self) -> String {
        match self {
            Setting::Bool(value) => value.to_string(),
            Setting::Integer(value) => value.to_string(),
            Setting::Duration(value) => quoted(&show_duration(*value)),
            Setting::Off => quoted("off"),
            Setting::Size(bytes) => quoted(&show_size(*bytes)),
            Setting::Text(text) => quoted(text),
            Setting::Secret(secret) => quoted(&secret.to_string()),
            Setting::Secrets(secrets) => list(secrets.iter().map(|secret| quoted(&secret.to_string()))),
            Setting::Rate(rate) => quoted(&rate.to_string()),
            Setting::HashTag(tag) => quoted(&tag.map(char::from).iter().collect::<String>()),
            Setting::Listens(listens) => match listens.as_slice() {
                [listen] => quoted(&show_listen(listen)),
                listens => list(listens.iter().map(|listen| quoted(&show_listen(listen)))),
            },
            Setting::WrittenListens(listens) => match listens.as_slice() {
                [listen] => listener_toml(listen),
                listens => list(listens.iter().map(listener_toml)),
            },
            Setting::Tls(tls) => to_clients_toml(tls),
            Setting::ServerTls(tls) => to_servers_toml(tls),
            Setting::Servers(servers) => servers_toml(servers.iter().map(|server| {
                let own = server.password.as_ref().filter(|password| password.file().is_none());
                server_toml(server, own.map(|password| quoted(&password.to_string())))
            })),
            Setting::Topics(rules) => servers_toml(rules.iter().map(topic_toml)),
            Setting::Target(target) => quoted(&show_target(target)),
            Setting::Texts(texts) => list(texts.iter().map(|text| quoted(text))),
            Setting::Quantiles(numbers) => list(numbers.iter().map(|number| format!("{number:?}"))),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Duration(value) => f.write_str(&show_duration(*value)),
            Setting::Off => f.write_str("off"),
            Setting::Size(bytes) => f.write_str(&show_size(*bytes)),
            Setting::Secret(secret) => fmt::Display::fmt(secret, f),
            Setting::Secrets(_) => f.write_str(HIDDEN),
            Setting::Rate(rate) => fmt::Display::fmt(rate, f),
            Setting::Text(text) if holds_secret(text) => f.write_str(HIDDEN),
            Setting::Text(text) => f.write_str(&plain(text)),
            Setting::Listens(listens) => {
                let listens: Vec<String> = listens.iter().map(|listen| plain(&show_listen(listen))).collect();
                f.write_str(&listens.join(", "))
            }
            Setting::WrittenListens(listens) => {
                let shown = |listen: &WrittenListen| match listen.tls {
                    Some(true) => format!("{} with tls", plain(&show_listen(&listen.address))),
                    _ => plain(&show_listen(&listen.address)),
                };
                f.write_str(&listens.iter().map(shown).collect::<Vec<_>>().join(", "))
            }
            Setting::Servers(servers) => {
                let servers: Vec<String> = servers.iter().map(|server| plain(&show_server(server))).collect();
                f.write_str(&servers.join(", "))
            }
            Setting::Topics(rules) => f.write_str(&list(rules.iter().map(topic_toml))),
            Setting::Target(target) => f.write_str(&plain(&show_target(target))),
            Setting::HashTag(tag) => f.write_str(&plain(&tag.map(char::from).iter().collect::<String>())),
            Setting::Texts(texts) => {
                let shown = |text: &String| if holds_secret(text) { HIDDEN.into() } else { quoted(text) };
                f.write_str(&list(texts.iter().map(shown)))
            }
            other => f.write_str(&other.toml()),
        }
    }
}

/// Servers or rules in TOML, one per line.
pub(crate) fn servers_toml(servers: impl Iterator<Item = String>) -> String {
    let lines: String = servers.map(|server| format!("    {server},\n")).collect();
    format!("[\n{lines}]")
}

/// A server in TOML: a text if that is complete, or else a table. `password` is its password
/// in TOML, unless it is in a file.
pub(crate) fn server_toml(server: &Server, password: Option<String>) -> String {
    let text = show_server(server);
    if endpoint::server(&text).as_ref() == Ok(server) {
        return quoted(&text);
    }
    let mut fields = vec![format!("address = {}", quoted(&show_target(&server.target)))];
    if server.weight != 1 {
        fields.push(format!("weight = {}", server.weight));
    }
    if server.identity != endpoint::identity(&server.target) {
        fields.push(format!("name = {}", quoted(&server.identity)));
    }
    fields.extend(password.map(|password| format!("password = {password}")));
    let file = server.password.as_ref().and_then(Secret::file);
    fields.extend(file.map(|file| format!("password_file = {}", quoted(&file.display().to_string()))));
    format!("{{ {} }}", fields.join(", "))
}

/// A rule for topics in TOML.
fn topic_toml(rule: &TopicRule) -> String {
    let mut fields = vec![format!("match = {}", quoted(&rule.text()))];
    fields.extend(rule.storage.map(|storage| format!("storage = {}", quoted(storage.name()))));
    fields.push(format!("accept = {}", quoted(if rule.accept_locally { "local" } else { "engine" })));
    format!("{{ {} }}", fields.join(", "))
}

/// A listener in TOML.
fn listener_toml(listen: &WrittenListen) -> String {
    let address = quoted(&show_listen(&listen.address));
    match listen.tls {
        None => address,
        Some(tls) => format!("{{ address = {address}, tls = {tls} }}"),
    }
}

/// The table `tls` in TOML.
fn to_clients_toml(tls: &TlsToClients) -> String {
    let mut fields = vec![field("cert", &tls.cert), field("key", &tls.key)];
    fields.extend(tls.client_ca.as_ref().map(|ca| field("client_ca", ca)));
    if tls.client_auth != ClientCertificate::None || tls.client_ca.is_some() {
        fields.push(format!("client_auth = {}", quoted(tls.client_auth.name())));
    }
    if !tls.client_names.is_empty() {
        let names: Vec<String> = tls.client_names.iter().map(|name| quoted(name)).collect();
        fields.push(format!("client_names = [{}]", names.join(", ")));
    }
    fields.push(format!("min_version = {}", quoted(tls.min_version.spoken_name())));
    format!("{{ {} }}", fields.join(", "))
}

/// The table `server_tls` in TOML.
fn to_servers_toml(tls: &TlsToServers) -> String {
    let mut fields = Vec::from_iter(tls.ca.as_ref().map(|ca| field("ca", ca)));
    if let Some((cert, key)) = &tls.identity {
        fields.extend([field("cert", cert), field("key", key)]);
    }
    fields.extend(tls.server_name.as_ref().map(|name| format!("server_name = {}", quoted(name))));
    fields.push(format!("min_version = {}", quoted(tls.min_version.spoken_name())));
    format!("{{ {} }}", fields.join(", "))
}

fn field(name: &str, path: &Path) -> String {
    format!("{name} = {}", quoted(&path.display().to_string()))
}

/// Shown in place of a secret.
const HIDDEN: &str = "(hidden)";

/// True for an address that may hold a password: a URL with a user or a query.
pub(crate) fn holds_secret(text: &str) -> bool {
    text.contains("://") && text.contains(['@', '?'])
}

/// A text for people: only quoted if it would be ambiguous otherwise.
pub(crate) fn plain(text: &str) -> String {
    let is_plain =
        !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "-_./:%+@~[]{}()<>$".contains(c));
    if is_plain { text.into() } else { verbatim(text) }
}

/// A list in TOML.
pub(crate) fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// A text as a TOML value, with `${` escaped, so that no variable is expanded.
pub(crate) fn quoted(text: &str) -> String {
    verbatim(&variables::escape(text))
}

/// A text in TOML, with its variables left in place.
pub(crate) fn verbatim(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}

/// A key in TOML, quoted if necessary.
pub(crate) fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    if bare { name.into() } else { verbatim(name) }
}
