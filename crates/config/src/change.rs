//! Differences between two configurations, and the time at which each takes effect.
//!
//! ```text
//! old, new ─▶ effective::sections ─▶ row by row of the options table ─▶ [Change]  a list for people
//!        ├──▶ pools, servers ─▶ added, removed, kept                               sets that a reload works on
//!        └──▶ in_force ─▶ the new one, except for changes that need a restart
//! ```
//! The list is empty if nothing has changed; another order of servers or listeners is no change. It is in
//! the order of the documentation, pools in their own. It holds no secret. A test fails if the comparison
//! omits a row of the options table.

mod difference;
mod in_force;
mod keys;
mod pool;
mod pools;
mod servers;
mod show;
mod user;

use self::difference::{options, presence};
use crate::checked::{Config, Listen};
use crate::effective::{self, Section};
use crate::options::{Applies, Scope};
use crate::setting::Setting;

pub use difference::{Change, Effect, Subject, What};
pub use in_force::in_force;
pub use keys::Share;
pub use pools::{Pools, pools};
pub use servers::{Servers, servers};

/// Lists the changes from `old` to `new`.
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

/// Addresses that a section listens on.
fn listeners(section: &Section) -> Vec<Listen> {
    let listens = section.settings().filter_map(|(_, value)| match value {
        Some(Setting::Listens(listens)) => Some(listens.clone()),
        _ => None,
    });
    listens.flatten().collect()
}

/// Settings of nsqd's and nsqadmin's faces that have no row in the table.
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
