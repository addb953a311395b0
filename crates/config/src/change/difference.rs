//! One difference between two configurations: its owner, its content, its effect, and when it applies.
//!
//! Differences of options come from rows of the options table; every row is compared. `show` has their texts.

use super::Share;
use crate::checked::{Listen, PoolListen, Server, Target};
use crate::effective::Section;
use crate::options::{Applies, OptionSpec, Scope};
use crate::setting::Setting;

/// A change.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Owner of the change.
    pub subject: Subject,
    /// The difference.
    pub what: What,
    /// Consequence for keys or clients, beyond the difference itself.
    pub effect: Option<Effect>,
    /// Time at which it takes effect.
    pub applies: Applies,
}

/// Owner of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The process.
    Process,
    /// A section that exists once.
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
    /// Added, with these listeners.
    Added(Vec<Listen>),
    /// Removed.
    Removed,
    /// Settings without a row in the options table.
    Settings,
    /// The content of a user's password file.
    PasswordFile,
    /// An option has another value. None: not set.
    Option {
        /// Name of the option.
        name: &'static str,
        /// Its old value.
        old: Option<Setting>,
        /// Its new value.
        new: Option<Setting>,
    },
    /// The pool has another listener.
    ListenerAdded(PoolListen),
    /// The pool has lost a listener.
    ListenerRemoved(PoolListen),
    /// A new server.
    ServerAdded(Server),
    /// A removed server.
    ServerRemoved(Server),
    /// A server of the same name has another address: no keys move.
    ServerMoved {
        /// Name in the ring.
        server: String,
        /// Its old address.
        old: Target,
        /// Its new address.
        new: Target,
    },
    /// A server has another weight.
    ServerWeight {
        /// Name in the ring.
        server: String,
        /// Its old weight.
        old: u32,
        /// Its new weight.
        new: u32,
    },
    /// A server's own password has changed, or was added or removed.
    ServerPassword {
        /// Name in the ring.
        server: String,
    },
    /// The password file of a server has changed, or was added or removed.
    ServerPasswordFile {
        /// Name in the ring.
        server: String,
    },
    /// All changes of the pool's ring together; only present if there are several.
    Ring,
}

/// Consequence of a change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Effect {
    /// Keys move to another server.
    KeysMove(Share),
    /// Keys that hold the characters of the old or the new hash tag may move to another server.
    TaggedKeysMove,
    /// The clients of the pool are disconnected, once they have their pending replies.
    ClientsClosed,
}

/// A difference without further effect.
pub(super) fn presence(subject: Subject, what: What, applies: Applies) -> Change {
    Change { subject, what, effect: None, applies }
}

/// Options with different values in the two sections.
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
