//! One difference between two configurations: whose it is, what it is, its effect, and when it takes effect.
//!
//! Differences of options come from rows of the options table; a row that exists is compared. How they read
//! is in `show`.

use super::Share;
use crate::checked::{Listen, PoolListen, Server, Target};
use crate::effective::Section;
use crate::options::{Applies, OptionSpec, Scope};
use crate::setting::Setting;

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
    ListenerAdded(PoolListen),
    /// The pool listens in one place less.
    ListenerRemoved(PoolListen),
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
    /// Keys that hold the characters of the old hash tag or of the new one may be on another server from now
    /// on.
    TaggedKeysMove,
    /// The clients of the pool are disconnected, after what they are owed.
    ClientsClosed,
}

/// A difference without a further effect.
pub(super) fn presence(subject: Subject, what: What, applies: Applies) -> Change {
    Change { subject, what, effect: None, applies }
}

/// Options of which the two sections have different values.
pub(super) fn options<'a>(
    subject: &'a Subject,
    old: &'a Section,
    new: &'a Section,
) -> impl Iterator<Item = Change> + 'a {
    new.settings()
        .filter(|(option, value)| old.get(option.name) != *value)
        .map(move |(option, value)| of_option(subject.clone(), option, old.get(option.name), value))
}

pub(super) fn of_option(
    subject: Subject,
    option: &OptionSpec,
    old: Option<&Setting>,
    new: Option<&Setting>,
) -> Change {
    let what = What::Option { name: option.name, old: old.cloned(), new: new.cloned() };
    Change { subject, what, effect: None, applies: option.applies }
}
