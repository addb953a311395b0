//! Elements by chance: `SRANDMEMBER`, `HRANDFIELD`, `ZRANDMEMBER`.

use std::collections::HashSet;

use wire::redis::{Version, encode};

use super::call::Call;
use super::fault::Fault;
use super::integer::integer;
use crate::store::Store;

/// Most elements that one reply repeats: a negative count asks for more than there are.
const REPEATS_MAX: u64 = 1 << 20;

/// The count of such a command.
pub(super) struct Throws {
    /// Negative: with repetitions.
    pub(super) count: i64,
    /// `WITHVALUES`, `WITHSCORES`.
    pub(super) with_more: bool,
}

impl Throws {
    /// Parses `key [count [WITHSOMETHING]]`; None without a count.
    pub(super) fn parse(call: &Call<'_>, word: &[u8]) -> Result<Option<Throws>, Fault> {
        let with_more = match call.args {
            [_, _] => return Ok(None),
            [_, _, _] => false,
            [_, _, _, option] if option.eq_ignore_ascii_case(word) => true,
            _ => {
                integer(call.arg(2))?;
                return Err(Fault::Syntax);
            }
        };
        let count = integer(call.arg(2))?;
        let limit = if with_more { i64::MAX / 2 } else { i64::MAX };
        if !(-limit..=limit).contains(&count) {
            return Err(Fault::OUT_OF_RANGE);
        }
        Ok(Some(Throws { count, with_more }))
    }
}

/// Chooses indexes below `len`: `count` different ones, or, if it is negative, as many with repetitions.
pub(super) fn choose(store: &mut Store, len: usize, count: i64) -> Result<Vec<usize>, Fault> {
    let wanted = count.unsigned_abs();
    if len == 0 {
        return Ok(Vec::new());
    }
    if count < 0 {
        if wanted > REPEATS_MAX {
            return Err(Fault::OUT_OF_RANGE);
        }
        return Ok((0..wanted).map(|_| store.below(len)).collect());
    }
    if wanted >= len as u64 {
        return Ok((0..len).collect());
    }
    let wanted = wanted as usize;
    if wanted * 3 > len {
        // A shuffle of all, cut short.
        let mut all: Vec<usize> = (0..len).collect();
        for at in 0..wanted {
            let other = at + store.below(len - at);
            all.swap(at, other);
        }
        all.truncate(wanted);
        return Ok(all);
    }
    let (mut chosen, mut seen) = (Vec::with_capacity(wanted), HashSet::with_capacity(wanted));
    while chosen.len() < wanted {
        let at = store.below(len);
        if seen.insert(at) {
            chosen.push(at);
        }
    }
    Ok(chosen)
}

/// The head of a reply of these many elements, each `with_more` if so: pairs in RESP3.
pub(super) fn write_head(out: &mut Vec<u8>, elements: usize, with_more: bool, version: Version) {
    let flat = if with_more && version == Version::Resp2 { 2 * elements } else { elements };
    encode::array(out, flat);
}

/// The head of a pair, where pairs have one.
pub(super) fn write_pair_head(out: &mut Vec<u8>, with_more: bool, version: Version) {
    if with_more && version == Version::Resp3 {
        encode::array(out, 2);
    }
}
