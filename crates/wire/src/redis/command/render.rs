//! Output of the table: the replies to `COMMAND` and its subcommands, and the rows of the documentation.
//!
//! `COMMAND` shows only commands that are served, so that client libraries which query it do not try others.

use bytes::BufMut;

use super::{Command, KeySpec, Local, Merge, Permit, Proxied, Reason, all, flags, lookup};
use crate::redis::args::Args;
use crate::redis::encode::{self, Version};
use crate::redis::glob_matches;

/// Appends the reply to `COMMAND …`; `args` begins with the word `COMMAND`. For requests routed to
/// [`super::Local::Command`], which have a valid number of arguments.
pub fn command_reply(mut args: Args<'_>, version: Version, out: &mut impl BufMut) {
    args.next();
    let Some(subcommand) = args.next() else { return infos(&served(all()), version, out) };
    let any_named = args.count_left() > 0;
    match subcommand.bytes().to_ascii_lowercase().as_slice() {
        b"count" => encode::integer(out, served(all()).len() as i64),
        b"list" => list(args, out),
        b"info" if any_named => named_infos(args, version, out),
        b"info" => infos(&served(all()), version, out),
        b"docs" if any_named => {
            docs(&args.filter_map(|name| find(name.bytes())).collect::<Vec<_>>(), version, out);
        }
        b"docs" => docs(&served(all()), version, out),
        b"getkeys" => get_keys(args, out),
        _ => encode::error(out, b"ERR syntax error"),
    }
}

fn served(commands: &'static [Command]) -> Vec<&'static Command> {
    commands.iter().filter(|command| command.is_served()).collect()
}

/// A served command by its name, including `object|encoding`.
fn find(name: &[u8]) -> Option<&'static Command> {
    let command = match memchr::memchr(b'|', name) {
        None => lookup(name),
        Some(bar) => lookup(&name[..bar]).and_then(|container| container.subcommand(&name[bar + 1..])),
    };
    command.filter(|command| command.is_served())
}

/// `COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN glob]`, subcommands included.
fn list(mut filter: Args<'_>, out: &mut impl BufMut) {
    let commands: Vec<_> = served(all()).into_iter().flat_map(with_subcommands).collect();
    let listed: Vec<_> = match (filter.next(), filter.next(), filter.next(), filter.next()) {
        (None, ..) => commands,
        (Some(word), Some(by), Some(what), None) if word.is("filterby") => {
            let wanted = |command: &&Command| match () {
                () if by.is("pattern") => glob_matches(what.bytes(), command.name.as_bytes()),
                () if by.is("aclcat") => command.categories().any(|category| what.is(category)),
                // commands here belong to no module
                () => false,
            };
            if !(by.is("pattern") || by.is("aclcat") || by.is("module")) {
                return encode::error(out, b"ERR syntax error");
            }
            commands.into_iter().filter(wanted).collect()
        }
        _ => return encode::error(out, b"ERR syntax error"),
    };
    encode::array(out, listed.len());
    for command in &listed {
        encode::bulk(out, command.name.as_bytes());
    }
}

fn with_subcommands(command: &'static Command) -> impl Iterator<Item = &'static Command> {
    std::iter::once(command).chain(served(command.subcommands))
}

fn infos(commands: &[&'static Command], version: Version, out: &mut impl BufMut) {
    encode::array(out, commands.len());
    for command in commands {
        info(command, version, out);
    }
}

fn named_infos(names: Args<'_>, version: Version, out: &mut impl BufMut) {
    encode::array(out, names.count_left());
    names.for_each(|name| match find(name.bytes()) {
        Some(command) => info(command, version, out),
        None => encode::null_array(out, version),
    });
}

/// The ten fields of Redis 7. Tips and key specifications are empty: nothing here depends on them.
fn info(command: &'static Command, version: Version, out: &mut impl BufMut) {
    encode::array(out, 10);
    encode::bulk(out, command.name.as_bytes());
    encode::integer(out, command.arity.into());
    let names = || flags::NAMES.iter().filter(|(flag, _)| command.flags & flag != 0);
    encode::set(out, names().count(), version);
    names().for_each(|(_, name)| encode::simple(out, name.as_bytes()));
    let (first, last, step) = command.keys.first_last_step();
    for n in [first, last, step] {
        encode::integer(out, n);
    }
    encode::set(out, command.categories().count(), version);
    command.categories().for_each(|category| encode::simple(out, format!("@{category}").as_bytes()));
    encode::array(out, 0);
    encode::array(out, 0);
    infos(&served(command.subcommands), version, out);
}

fn docs(commands: &[&'static Command], version: Version, out: &mut impl BufMut) {
    encode::map(out, commands.len(), version);
    for command in commands {
        encode::bulk(out, command.name.as_bytes());
        let subcommands = served(command.subcommands);
        encode::map(out, if subcommands.is_empty() { 3 } else { 4 }, version);
        let summary = command.proxied_text();
        for (field, text) in
            [("summary", summary.as_str()), ("since", command.since), ("group", command.group)]
        {
            encode::bulk(out, field.as_bytes());
            encode::bulk(out, text.as_bytes());
        }
        if !subcommands.is_empty() {
            encode::bulk(out, b"subcommands");
            docs(&subcommands, version, out);
        }
    }
}

/// `COMMAND GETKEYS name argument…`, for commands that are served; the errors are Redis'.
fn get_keys(args: Args<'_>, out: &mut impl BufMut) {
    let mut words = args;
    let container = words.next().and_then(|name| lookup(name.bytes()));
    let sub = words.next().and_then(|name| container?.subcommand(name.bytes()));
    let keys = match sub.or(container).filter(|command| command.is_served()) {
        None => Err("ERR Invalid command specified"),
        Some(command) if command.keys == KeySpec::None => Err("ERR The command has no key arguments"),
        Some(command) if !command.takes(args.count_left()) => {
            Err("ERR Invalid number of arguments specified for command")
        }
        Some(command) => match command.keys.find(args) {
            Ok(keys) => Ok(Some(keys)),
            Err(_) if command.flags & flags::NO_MANDATORY_KEYS != 0 => Ok(None),
            Err(_) => Err("ERR Invalid arguments specified for command"),
        },
    };
    match keys {
        Err(text) => encode::error(out, text.as_bytes()),
        Ok(None) => encode::array(out, 0),
        Ok(Some(keys)) => {
            encode::array(out, keys.count_left());
            keys.for_each(|key| out.put_slice(key.encoded()));
        }
    }
}

/// One line of the table of commands in the documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocsRow {
    /// The command in upper case, with its subcommand: `OBJECT ENCODING`.
    pub command: String,
    /// Positions of its keys; empty if it has none.
    pub keys: &'static str,
    /// Treatment by the proxy.
    pub proxied: String,
    /// True if a lost request may be resent.
    pub retry_safe: bool,
}

/// The table for the documentation: all commands in alphabetical order, and the subcommands of containers
/// that are partly served.
pub fn docs_rows() -> Vec<DocsRow> {
    let with_subcommands = |command: &'static Command| {
        let parts = if command.is_served() { command.subcommands } else { &[] };
        let own = (parts.is_empty() || command.arity == -1).then_some(command);
        own.into_iter().chain(parts)
    };
    let row = |command: &'static Command| DocsRow {
        command: command.name.to_ascii_uppercase().replace('|', " "),
        keys: command.keys.text(),
        proxied: command.proxied_text(),
        retry_safe: command.retry_safe(),
    };
    all().iter().flat_map(with_subcommands).map(row).collect()
}

/// One line of the table of commands by topology: those that are not simply forwarded by their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopologyRow {
    /// The command in upper case, with its subcommand.
    pub command: String,
    /// Treatment in a pool with one server.
    pub one: String,
    /// Treatment in a pool with several servers.
    pub several: String,
    /// Word of `allow` that it needs; empty if none.
    pub allow: &'static str,
}

/// The table of commands by topology, in alphabetical order; refused commands are left out.
pub fn topology_rows() -> Vec<TopologyRow> {
    let is_plain = |command: &&Command| {
        matches!(command.proxied, Proxied::Forward | Proxied::Local(_) | Proxied::Refused(_))
    };
    let rows = all().iter().flat_map(|command| std::iter::once(command).chain(command.subcommands));
    let row = |command: &'static Command| TopologyRow {
        command: command.name.to_ascii_uppercase().replace('|', " "),
        one: command.proxied.with_one_server().into(),
        several: match command.proxied {
            Proxied::Only(reason) => format!("refused: {}", reason.text()),
            _ => command.routing_text(),
        },
        allow: command.permit.name(),
    };
    rows.filter(|command| !is_plain(command)).map(row).collect()
}

impl Proxied {
    fn with_one_server(self) -> &'static str {
        match self {
            Proxied::Block => "forwarded, over a connection for this client",
            Proxied::Subscribe => "served, over one subscription for all clients",
            Proxied::Only(Reason::Replicas) => "served: the server is asked how far its replicas are",
            _ => "forwarded",
        }
    }
}

impl Command {
    fn proxied_text(&self) -> String {
        match self.permit {
            Permit::Always => self.routing_text(),
            permit => format!("with `allow = [\"{}\"]` {}", permit.name(), self.routing_text()),
        }
    }

    fn routing_text(&self) -> String {
        match self.proxied {
            Proxied::Forward => "forwarded to the server of its keys".into(),
            Proxied::Split(merge) => format!("split by server, {}", merge.text()),
            Proxied::Every(merge) => format!("sent to every server, {}", merge.text()),
            Proxied::Any => "sent to any server".into(),
            Proxied::Only(reason) => {
                format!("sent to the server of a pool with one; otherwise refused: {}", reason.why())
            }
            Proxied::Scan => "sent to one server after another; the cursor says which".into(),
            Proxied::Channel => "forwarded to the server of the channel".into(),
            Proxied::Subscribe => "served, over one subscription for all clients at the server of each channel (a pattern: at all servers)".into(),
            Proxied::Block => "forwarded to the server of its keys, over a connection for this client".into(),
            Proxied::Local(Local::Watch) => {
                "forwarded to the server of its keys, over a connection for this client until EXEC".into()
            }
            Proxied::Local(Local::Multi) => "collects requests up to EXEC".into(),
            Proxied::Local(Local::Exec) => {
                "sent to the server of all keys, with the collected requests".into()
            }
            Proxied::Local(_) => "answered by the proxy".into(),
            Proxied::Refused(_) if self.is_served() => "served in part".into(),
            Proxied::Refused(reason) if self.stateful => {
                format!("refused and the client closed: {}", reason.text())
            }
            Proxied::Refused(reason) => format!("refused: {}", reason.text()),
        }
    }
}

impl Merge {
    fn text(self) -> &'static str {
        match self {
            Merge::Values => "values put together in order",
            Merge::Sum => "replies added",
            Merge::AllOk => "OK if all parts are",
            Merge::AnyOk => "OK if any is",
            Merge::Lists => "lists put together",
            Merge::Some => "any that is not null",
            Merge::Same => "the reply that all give",
            Merge::Least => "the least reply for each argument",
            Merge::Union => "lists put together, each element once",
            Merge::ChannelCounts | Merge::ShardCounts => "subscribers added",
            Merge::Greatest => "the greatest reply",
        }
    }
}

impl KeySpec {
    fn text(self) -> &'static str {
        match self {
            KeySpec::None => "",
            KeySpec::Range { step: 2, .. } => "every second argument",
            KeySpec::Range { first: 1, last: 1, .. } => "argument 1",
            KeySpec::Range { first: 1, last: 2, .. } => "arguments 1 and 2",
            KeySpec::Range { first: 1, last: -1, .. } => "all arguments",
            KeySpec::Range { last: -2, .. } => "all arguments but the last",
            KeySpec::Range { first: 2, last: 2, .. } => "argument 2",
            KeySpec::Range { .. } => "all arguments from 2",
            KeySpec::Numkeys { .. } => "counted by numkeys",
            KeySpec::NumkeysAndDestination { .. } => "argument 1 and those counted by numkeys",
            KeySpec::Sort => "argument 1 and that of STORE",
            KeySpec::Georadius => "argument 1 and that of STORE or STOREDIST",
            KeySpec::Streams => "after STREAMS",
            KeySpec::Migrate => "argument 3, or those after KEYS",
        }
    }
}
