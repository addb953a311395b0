//! Findings of opening a journal: records read, bytes cut off, damage.

use crate::Damage;

/// Findings of opening a journal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Records passed to the caller.
    pub records: u64,
    /// Bytes of them, record headers included.
    pub bytes: u64,
    /// Bytes of a torn tail that were cut off.
    pub truncated_bytes: u64,
    /// Unreadable stretches, at most [`DAMAGE_LISTED_MAX`].
    pub damage: Vec<Damage>,
    /// Number of all unreadable stretches.
    pub damages: u64,
}

/// Most stretches of damage listed individually.
pub const DAMAGE_LISTED_MAX: usize = 100;

impl Recovered {
    /// Counts a stretch of damage, and lists it if there is room.
    pub fn note(&mut self, damage: Damage) {
        self.damages += 1;
        if self.damage.len() < DAMAGE_LISTED_MAX {
            self.damage.push(damage);
        }
    }
}
