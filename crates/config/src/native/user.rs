//! `[user.NAME]`: from settings to [`User`]. Faults found by [`access::Book::check`] are
//! reported at the option that causes them.

use std::path::Path;

use access::{AdminRole, Book, PasswordSpec, UserSpec};

use super::sections::Sections;
use crate::checked::User;
use crate::fault::{Fault, Position, errors};
use crate::options::Scope;
use crate::secret_file::{self, Problem};
use crate::suggest;
use crate::values::{self, Settings};

/// Checks all users; those with faults are omitted.
pub(super) fn check(sections: &Sections<'_>, faults: &mut Vec<Fault>) -> Vec<User> {
    let mut users = Vec::new();
    for (name, at, entries) in &sections.users {
        let section = format!("[user.{name}]");
        let before = errors(faults);
        let read = values::read(Scope::User, &section, *at, entries, faults);
        pools(&section, &read, sections, faults);
        let user = assemble(name, &section, &read, faults);
        if read.faulty || errors(faults) > before {
            continue;
        }
        for fault in Book::check(std::slice::from_ref(&user.spec)) {
            let place = read.place(fault.option).unwrap_or(*at);
            let option = if fault.option.is_empty() { "" } else { &format!("{}: ", fault.option) };
            faults.push(Fault::error(Some(place), format!("{section}: {option}{}", fault.why), ""));
        }
        if errors(faults) == before {
            doubts(&section, *at, &read, &user, faults);
            users.push(user);
        }
    }
    users.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
    let specs: Vec<UserSpec> = users.iter().map(|user| user.spec.clone()).collect();
    for fault in Book::check(&specs) {
        faults.push(Fault::error(None, fault.to_string(), ""));
    }
    users
}

/// Reports pools that a user names but the file does not have.
fn pools(section: &str, read: &Settings, sections: &Sections<'_>, faults: &mut Vec<Fault>) {
    let known = || sections.pools.iter().map(|(name, ..)| *name);
    for pool in read.texts("pools").iter().filter(|pool| !known().any(|name| name == *pool)) {
        let help = match suggest::nearest(pool, known()) {
            Some(name) => format!("did you mean {name}?"),
            None => "name pools of this file".into(),
        };
        let text = format!("{section}: there is no pool {}", pool.escape_debug());
        faults.push(Fault::error(read.place("pools"), text, help));
    }
}

fn assemble(name: &str, section: &str, read: &Settings, faults: &mut Vec<Fault>) -> User {
    let revealed = |option| read.secrets(option).iter().map(|secret| secret.reveal().to_owned());
    let mut passwords: Vec<PasswordSpec> = revealed("password_sha256").map(PasswordSpec::Sha256).collect();
    passwords.extend(revealed("password_argon2").map(PasswordSpec::Argon2));
    if let Some(file) = read.text("password_file") {
        passwords.extend(password(section, Path::new(file), read.place("password_file"), faults));
    }
    let spec = UserSpec {
        name: name.to_owned(),
        passwords,
        certificates: read.texts("certificate").to_vec(),
        pools: read.texts("pools").to_vec(),
        keys: read.texts("keys").to_vec(),
        commands: read.texts("commands").to_vec(),
        channels: read.texts("channels").to_vec(),
        publish: read.texts("publish").to_vec(),
        consume: read.texts("consume").to_vec(),
        admin: read.text("admin").and_then(AdminRole::parse).unwrap_or_default(),
        limit_requests: read.rate("limit_requests"),
        limit_connections: read.integer_if_set("limit_connections").map(|most| most as u32),
    };
    User { spec, password_file: read.text("password_file").map(Into::into) }
}

/// The password in a file. None if it is unusable, which adds a fault.
fn password(
    section: &str,
    path: &Path,
    at: Option<Position>,
    faults: &mut Vec<Fault>,
) -> Option<PasswordSpec> {
    let text = |problem: &Problem| format!("{section}: password_file {}", problem.text);
    match secret_file::read(path) {
        Ok(content) => {
            faults.extend(content.exposed.map(|it| Fault::warning(at, text(&it), it.help)));
            PasswordSpec::plain(&content.secret).ok()
        }
        Err(problem) => {
            faults.push(Fault::error(at, text(&problem), problem.help));
            None
        }
    }
}

/// Legal but probably unintended settings of a user.
fn doubts(section: &str, at: Position, read: &Settings, user: &User, faults: &mut Vec<Fault>) {
    let mut warn = |option: &str, text: &str, help: &str| {
        let place = read.place(option).or(Some(at));
        faults.push(Fault::warning(place, format!("{section}: {text}"), help));
    };
    let spec = &user.spec;
    if !spec.pools.is_empty() && spec.commands.is_empty() {
        warn(
            "pools",
            "it may log in to pools and run no command",
            "add commands = [\"+@all\", \"-@dangerous\"]",
        );
    } else if !spec.pools.is_empty() && spec.keys.is_empty() {
        warn("pools", "it may log in to pools and touch no key", "add keys = [\"*\"], or the keys it needs");
    }
    if spec.pools.is_empty() && !(spec.keys.is_empty() && spec.commands.is_empty()) {
        warn("keys", "it has keys or commands, and no pool to use them in", "add pools = [...]");
    }
    let has_rights = !spec.pools.is_empty() || !spec.publish.is_empty() || !spec.consume.is_empty();
    if !has_rights && spec.admin == AdminRole::None {
        warn("", "it may do nothing", "add pools, publish, consume or admin");
    }
    if withholds_scripts(spec) && !spec.commands.iter().any(|rule| rule.starts_with("-@scripting")) {
        warn(
            "commands",
            "scripts (EVAL, FCALL) are withheld, since they can do more on their server than this user may",
            "add \"+@scripting\" to allow them all the same, or \"-@scripting\" to say so",
        );
    }
}

fn withholds_scripts(spec: &UserSpec) -> bool {
    let book = Book::build(std::slice::from_ref(spec));
    book.is_ok_and(|book| book.users().any(|user| user.scripts_withheld()))
}

#[cfg(test)]
mod tests;
