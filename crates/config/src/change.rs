//! The step from one configuration to the next: what changes, and when it takes effect.
//!
//! ```text
//! old, new ─▶ effective::sections ─▶ row by row of the options table ─▶ [Change]  a list that a person can read
//!        ├──▶ pools, servers ─▶ who comes, goes, stays                             sets that a reload works on
//!        └──▶ in_force ─▶ the new one, but for what needs a restart
//! ```
//! The list is empty if nothing has changed; servers and listeners in another order are no change. Its order is that of
//! the documentation, pools in their own. No secret is in it. A row of the options table that the comparison forgot
//! would fail a test here.

mod in_force;
mod keys;
mod pool;
mod sets;
mod show;
mod user;

use crate::checked::{Config, Listen, Server, Target};
use crate::effective::{self, Section};
use crate::options::{Applies, OptionSpec, Scope};
use crate::setting::Setting;

pub use in_force::in_force;
pub use keys::Share;
pub use sets::{Pools, Servers, pools, servers};

/// One thing that changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Owner of what changes.
    pub subject: Subject,
    /// The difference.
    pub what: What,
    /// Consequence for keys or clients, beyond what the difference says itself.
    pub effect: Option<Effect>,
    /// Time at which it takes effect.
    pub applies: Applies,
}

/// Owner of what changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The process.
    Process,
    /// A section that there is once.
    Section(Scope),
    /// A pool, by its name.
    Pool(String),
    /// A user, by its name.
    User(String),
    /// nsqadmin.
    Nsqadmin,
}

/// A difference.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// It was not there. The listeners that it has.
    Added(Vec<Listen>),
    /// It is no longer there.
    Removed,
    /// Settings that no option has a row for.
    Settings,
    /// The content of a user's password file.
    PasswordFile,
    /// An option has another value. None: it is not set.
    Option {
        /// Name of the option.
        name: &'static str,
        /// Its value until now.
        old: Option<Setting>,
        /// Its value from now on.
        new: Option<Setting>,
    },
    /// The pool listens in one more place.
    ListenerAdded(Listen),
    /// The pool listens in one place less.
    ListenerRemoved(Listen),
    /// A server that was not there.
    ServerAdded(Server),
    /// A server that is no longer there.
    ServerRemoved(Server),
    /// A server of the same name has another address: no keys move.
    ServerMoved {
        /// Name in the ring.
        server: String,
        /// Its address until now.
        old: Target,
        /// Its address from now on.
        new: Target,
    },
    /// A server has another weight.
    ServerWeight {
        /// Name in the ring.
        server: String,
        /// Its weight until now.
        old: u32,
        /// Its weight from now on.
        new: u32,
    },
    /// A server's own password is another one, or it has one now, or none any more.
    ServerPassword {
        /// Name in the ring.
        server: String,
    },
    /// The password of a server is in another file, or in one now, or in none any more.
    ServerPasswordFile {
        /// Name in the ring.
        server: String,
    },
    /// All changes of the pool's ring together; only if there are several.
    Ring,
}

/// Consequence of a change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Effect {
    /// Keys are on another server from now on.
    KeysMove(Share),
    /// Keys that hold the characters of the old hash tag or of the new one may be on another server from now on.
    TaggedKeysMove,
    /// The clients of the pool are disconnected, after what they are owed.
    ClientsClosed,
}

/// Lists what changes from `old` to `new`.
pub fn changes(old: &Config, new: &Config) -> Vec<Change> {
    let (before, after) = (effective::sections(old), effective::sections(new));
    let mut changes = Vec::new();
    for scope in Scope::ALL.iter().copied() {
        if scope == Scope::Pool {
            pool::changes(old, new, &mut changes);
            continue;
        }
        if scope == Scope::User {
            user::changes(old, new, &mut changes);
            continue;
        }
        let subject = if scope == Scope::Process { Subject::Process } else { Subject::Section(scope) };
        let section =
            |sections: &'_ [Section]| sections.iter().find(|section| section.scope == scope).cloned();
        match (section(&before), section(&after)) {
            (Some(old), Some(new)) => changes.extend(options(&subject, &old, &new)),
            (None, Some(new)) => {
                changes.push(presence(subject, What::Added(listeners(&new)), scope.presence_applies()));
            }
            (Some(_), None) => changes.push(presence(subject, What::Removed, scope.presence_applies())),
            (None, None) => {}
        }
    }
    changes.extend(without_rows(old, new));
    changes
}

fn presence(subject: Subject, what: What, applies: Applies) -> Change {
    Change { subject, what, effect: None, applies }
}

/// Options of which the two sections have different values.
fn options<'a>(
    subject: &'a Subject,
    old: &'a Section,
    new: &'a Section,
) -> impl Iterator<Item = Change> + 'a {
    new.settings()
        .filter(|(option, value)| old.get(option.name) != *value)
        .map(move |(option, value)| of_option(subject.clone(), option, old.get(option.name), value))
}

fn of_option(subject: Subject, option: &OptionSpec, old: Option<&Setting>, new: Option<&Setting>) -> Change {
    let what = What::Option { name: option.name, old: old.cloned(), new: new.cloned() };
    Change { subject, what, effect: None, applies: option.applies }
}

/// Places that a section listens on.
fn listeners(section: &Section) -> Vec<Listen> {
    let listens = section.settings().filter_map(|(_, value)| match value {
        Some(Setting::Listens(listens)) => Some(listens.clone()),
        _ => None,
    });
    listens.flatten().collect()
}

/// Settings of nsqd's and nsqadmin's faces that no row of the table is for.
fn without_rows(old: &Config, new: &Config) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut differ = |subject, differ: bool| {
        changes.extend(differ.then(|| presence(subject, What::Settings, Applies::Restart)));
    };
    if let (Some(old), Some(new)) = (&old.queue, &new.queue) {
        let rowless = |flag: &&str| !Scope::Queue.options().any(|option| option.nsqd == Some(*flag));
        let mut flags = new.nsqd_flags.keys().filter(|flag| rowless(flag));
        differ(
            Subject::Section(Scope::Queue),
            flags.any(|flag| old.nsqd_flags.get(flag) != new.nsqd_flags.get(flag)),
        );
    }
    match (&old.nsqadmin, &new.nsqadmin) {
        (Some(old), Some(new)) => differ(Subject::Nsqadmin, old != new),
        (None, Some(new)) => {
            changes.push(presence(Subject::Nsqadmin, What::Added(vec![new.http.clone()]), Applies::Restart));
        }
        (Some(_), None) => changes.push(presence(Subject::Nsqadmin, What::Removed, Applies::Restart)),
        (None, None) => {}
    }
    changes
}

#[cfg(test)]
mod tests;
