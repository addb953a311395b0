//! The commands with one key that a user may run, with what each does to its key: prepared when the user is
//! built, so that nearly every request costs one look into a table.
//!
//! A command that is not here may be allowed all the same: by its first argument, or because what it does to
//! its keys depends on its arguments. [`crate::User::verdict`] knows.

use std::fmt;

use wire::redis::Command;
use wire::redis::command::{IDS_MAX, KeySpec, Side, Sides, all};

use crate::command_rules::CommandRules;

/// Use of its only key by each allowed command, by the command's id; `None` if it has to be asked for in
/// full.
pub(crate) struct OneKey(Box<[Option<Side>; IDS_MAX]>);

impl OneKey {
    /// The table of these rules.
    pub(crate) fn of(rules: &CommandRules) -> OneKey {
        let mut sides = Box::new([None; IDS_MAX]);
        for command in all().iter().flat_map(|command| std::iter::once(command).chain(command.subcommands)) {
            if let (FIRST, Sides::Fixed { first, .. }) = (command.keys, command.sides)
                && rules.allow(command, None)
                && let Some(side) = sides.get_mut(usize::from(command.id))
            {
                *side = Some(first);
            }
        }
        OneKey(sides)
    }

    /// Use that an allowed command makes of its only key.
    #[inline]
    pub(crate) fn side(&self, command: &Command) -> Option<Side> {
        self.0.get(usize::from(command.id)).copied().flatten()
    }
}

impl fmt::Debug for OneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OneKey({} commands)", self.0.iter().flatten().count())
    }
}

/// The argument after the name is the only key.
pub(crate) const FIRST: KeySpec = KeySpec::Range { first: 1, last: 1, step: 1 };
