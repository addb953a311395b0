//! Lookup of a command by name in a few nanoseconds: a table of slots filled at compile time.
//!
//! The hash key is the name's first eight and last eight bytes with the case bit cleared, plus its length;
//! collisions go to the next slot.

use super::Command;
use super::table::TABLE;

const SLOTS: usize = 1024;
const EMPTY: u16 = u16::MAX;
static INDEX: [u16; SLOTS] = index();
/// The caseless ends of each name, which tell it from any other name of its length; (0, 0) if they do not.
static ENDS: [(u64, u64); TABLE.len()] = all_ends();

/// All commands, in alphabetical order.
pub fn all() -> &'static [Command] {
    &TABLE
}

/// The command of that name, ASCII case ignored. Containers only: `object`, not `object|encoding`.
#[inline]
pub fn lookup(name: &[u8]) -> Option<&'static Command> {
    let ends = caseless_ends(name);
    let mut slot = slot(ends, name.len());
    loop {
        let row = INDEX[slot] as usize;
        let command = TABLE.get(row)?;
        let same = if ENDS[row] == (0, 0) {
            name.eq_ignore_ascii_case(command.name.as_bytes())
        } else {
            ENDS[row] == ends && command.name.len() == name.len()
        };
        if same {
            return Some(command);
        }
        slot = (slot + 1) % SLOTS;
    }
}

/// The command or subcommand with this whole name in lower case: `get`, `object|encoding`.
pub fn named(name: &str) -> Option<&'static Command> {
    match name.split_once('|') {
        None => lookup(name.as_bytes()),
        Some((container, own)) => lookup(container.as_bytes())?.subcommand(own.as_bytes()),
    }
}

const fn index() -> [u16; SLOTS] {
    let mut index = [EMPTY; SLOTS];
    let mut row = 0;
    while row < TABLE.len() {
        let name = TABLE[row].name.as_bytes();
        let mut slot = slot(caseless_ends(name), name.len());
        while index[slot] != EMPTY {
            slot = (slot + 1) % SLOTS;
        }
        index[slot] = row as u16;
        row += 1;
    }
    index
}

const fn all_ends() -> [(u64, u64); TABLE.len()] {
    let mut ends = [(0, 0); TABLE.len()];
    let mut row = 0;
    while row < TABLE.len() {
        let name = TABLE[row].name.as_bytes();
        // Without its case bit a letter is no other byte's equal but its own capital's.
        if name.len() <= 16 && has_letters_only(name) {
            ends[row] = caseless_ends(name);
        }
        row += 1;
    }
    ends
}

const fn has_letters_only(name: &[u8]) -> bool {
    let mut at = 0;
    while at < name.len() {
        if !name[at].is_ascii_alphabetic() {
            return false;
        }
        at += 1;
    }
    true
}

#[inline]
const fn slot((front, back): (u64, u64), len: usize) -> usize {
    let mixed = front ^ back.rotate_left(29) ^ len as u64;
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SLOTS.trailing_zeros())) as usize
}

/// The ends of `name` with the case bit of every byte cleared.
#[inline]
const fn caseless_ends(name: &[u8]) -> (u64, u64) {
    const CASELESS: u64 = 0xdfdf_dfdf_dfdf_dfdf;
    let (front, back) = ends(name);
    (front & CASELESS, back & CASELESS)
}

/// The first and the last bytes of `name` as numbers; they overlap in names shorter than 16 bytes.
#[inline]
const fn ends(name: &[u8]) -> (u64, u64) {
    if let (Some(front), Some(back)) = (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (u64::from_le_bytes(*front), u64::from_le_bytes(*back))
    } else if let (Some(front), Some(back)) = (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        (u32::from_le_bytes(*front) as u64, u32::from_le_bytes(*back) as u64)
    } else if let (Some(front), Some(back)) = (name.first_chunk::<2>(), name.last_chunk::<2>()) {
        (u16::from_le_bytes(*front) as u64, u16::from_le_bytes(*back) as u64)
    } else if let Some(only) = name.first_chunk::<1>() {
        (only[0] as u64, 0)
    } else {
        (0, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_any_case() {
        for command in &TABLE {
            let upper = command.name.to_ascii_uppercase();
            let mixed: String = upper
                .chars()
                .enumerate()
                .map(|(i, c)| if i % 2 == 0 { c.to_ascii_lowercase() } else { c })
                .collect();
            for name in [command.name, &upper, &mixed] {
                assert_eq!(lookup(name.as_bytes()).map(|c| c.name), Some(command.name));
            }
        }
    }

    #[test]
    fn no_other_name() {
        let long = vec![b'g'; 100_000];
        for name in
            [&b""[..], b"g", b"ge", b"gett", b"get\0", b"\x07et", b"GE\xd4", b"object|encoding", &long]
        {
            assert_eq!(lookup(name), None, "{}", name.escape_ascii());
        }
        for command in &TABLE {
            for other in [format!("{}x", command.name), format!("x{}", command.name)] {
                assert!(lookup(other.as_bytes()).is_none_or(|found| found.name == other));
            }
            let damaged: Vec<u8> = command.name.bytes().map(|b| b ^ 0x80).collect();
            assert_eq!(lookup(&damaged), None);
        }
    }
}
