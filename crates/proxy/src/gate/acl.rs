//! `ACL WHOAMI`, `CAT`, `USERS`, `LIST` and `GETUSER`. Passwords are omitted, and so are their digests.
//!
//! A pool without users shows one, `default`, with all rights, as a Redis without rules does.

use access::User;
use wire::redis::command::{all, categories};
use wire::redis::encode::{self, Version};
use wire::redis::{Args, Local};

use super::Gate;
use crate::client::Session;
use crate::subcommand;

/// Answers a subcommand of `ACL`; `args` begin with its name. `has_password`: the pool has a password and no
/// users.
pub(crate) fn answer(
    gate: &Gate,
    session: &Session,
    has_password: bool,
    (local, mut args): (Local, Args<'_>),
    out: &mut Vec<u8>,
) {
    let mut next = || args.next().map(|argument| argument.bytes());
    let (name, first, more) = (next().unwrap_or_default(), next(), next());
    match local {
        Local::AclWhoami => {
            let name = session.user.as_ref().map_or("default", |user| user.name());
            encode::bulk(out, name.as_bytes());
        }
        Local::AclCat if more.is_some() => subcommand::write_unknown(name, "ACL", out),
        Local::AclCat => cat(first, out),
        Local::AclUsers if gate.needs_login => {
            bulks(gate.book.users().map(|user| user.name().as_bytes().to_vec()), out);
        }
        Local::AclUsers => bulks([b"default".to_vec()].into_iter(), out),
        Local::AclList if gate.needs_login => bulks(gate.book.users().map(|user| user.line()), out),
        Local::AclList => {
            let password: &[u8] = if has_password { b"" } else { b" nopass" };
            bulks([[b"user default on", password, b" ~* &* +@all"].concat()].into_iter(), out);
        }
        _ => get_user(gate, has_password, first.unwrap_or_default(), session.version(), out),
    }
}

fn cat(category: Option<&[u8]>, out: &mut Vec<u8>) {
    let Some(wanted) = category else {
        return bulks(categories().iter().map(|name| name.as_bytes().to_vec()), out);
    };
    let Some(wanted) = categories().iter().find(|name| name.as_bytes().eq_ignore_ascii_case(wanted)) else {
        let shown = &wanted[..wanted.len().min(128)];
        return encode::error(out, &[b"ERR Unknown category '", shown, b"'"].concat());
    };
    let commands = all().iter().flat_map(|command| std::iter::once(command).chain(command.subcommands));
    let of_it = commands.filter(|command| command.categories().any(|name| name == *wanted));
    let names: Vec<Vec<u8>> = of_it.map(|command| command.name.as_bytes().to_vec()).collect();
    bulks(names.into_iter(), out);
}

fn get_user(gate: &Gate, has_password: bool, name: &[u8], version: Version, out: &mut Vec<u8>) {
    let user = gate.book.user(name);
    match user {
        Some(user) => write_user(user, version, out),
        None if !gate.needs_login && name == b"default" => {
            let flags: &[&str] = if has_password { &["on"] } else { &["on", "nopass"] };
            write_rights(flags, (b"+@all", b"~*", b"&*"), version, out);
        }
        None => encode::null(out, version),
    }
}

fn write_user(user: &User, version: Version, out: &mut Vec<u8>) {
    let (commands, keys, channels) = (user.commands().shown(), user.keys().shown(), user.channels_shown());
    write_rights(&["on"], (commands.as_bytes(), &keys, &channels), version, out);
}

fn write_rights(
    flags: &[&str],
    (commands, keys, channels): (&[u8], &[u8], &[u8]),
    version: Version,
    out: &mut Vec<u8>,
) {
    encode::map(out, 6, version);
    encode::bulk(out, b"flags");
    bulks(flags.iter().map(|flag| flag.as_bytes().to_vec()), out);
    encode::bulk(out, b"passwords");
    encode::array(out, 0);
    for (name, value) in [("commands", commands), ("keys", keys), ("channels", channels)] {
        encode::bulk(out, name.as_bytes());
        encode::bulk(out, value);
    }
    encode::bulk(out, b"selectors");
    encode::array(out, 0);
}

fn bulks(items: impl ExactSizeIterator<Item = Vec<u8>>, out: &mut Vec<u8>) {
    encode::array(out, items.len());
    items.for_each(|item| encode::bulk(out, &item));
}
