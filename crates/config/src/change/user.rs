//! Users added and removed, and changes of their options.

use super::difference::{Change, Subject, What, options, presence};
use crate::checked::{Config, User};
use crate::effective;
use crate::options::Scope;

/// Removed users, then added and changed ones in the order of the new configuration.
pub(super) fn changes(old: &Config, new: &Config, changes: &mut Vec<Change>) {
    let applies = Scope::User.presence_applies();
    let find = |config: &'_ Config, user: &User| {
        config.users.iter().find(|other| other.spec.name == user.spec.name).cloned()
    };
    let subject = |user: &User| Subject::User(user.spec.name.clone());
    for user in old.users.iter().filter(|user| find(new, user).is_none()) {
        changes.push(presence(subject(user), What::Removed, applies));
    }
    for user in &new.users {
        let Some(before) = find(old, user) else {
            changes.push(presence(subject(user), What::Added(Vec::new()), applies));
            continue;
        };
        let known = changes.len();
        changes.extend(options(&subject(user), &effective::user(&before), &effective::user(user)));
        if changes.len() == known && before != *user {
            changes.push(presence(subject(user), What::PasswordFile, applies));
        }
    }
}
