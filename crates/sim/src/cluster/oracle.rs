//! The rules, checked at the end of a run against all data:
//!
//! - a list holds each number once, each client's in its order, and each acknowledged one in its place;
//! - both pushes of a transaction stand next to each other, or neither is there;
//! - a counter has returned each value once, and has counted what was acknowledged, and no more than was
//!   sent.
//!
//! Rules about single replies are checked by [`super::client`]: a text is that of its key, never missing,
//! never older than what its writer knows; nothing fails that need not; every request has a reply.

use std::collections::{BTreeMap, BTreeSet};

use super::client::Client;
use super::keys::{self, of_number};
use super::store::Value;

/// Checks what clients were told against what there is.
pub(super) fn check(data: &BTreeMap<Vec<u8>, Value>, clients: &[Client]) -> Result<(), String> {
    for tag in 0..keys::SLOTS {
        let empty = Vec::new();
        let list = match data.get(&keys::list(tag)) {
            Some(Value::List(list)) => list,
            _ => &empty,
        };
        check_order(tag, list)?;
        check_pushes(tag, list, clients)?;
        let count = match data.get(&keys::counter(tag)) {
            Some(Value::Count(count)) => *count,
            _ => 0,
        };
        check_counter(tag, count, clients)?;
    }
    Ok(())
}

fn check_order(tag: usize, list: &[u64]) -> Result<(), String> {
    let mut last: BTreeMap<u64, u64> = BTreeMap::new();
    for number in list {
        let before = last.insert(of_number(*number), *number);
        if before.is_some_and(|before| before >= *number) {
            return Err(format!("list {tag} has {number} after {before:?}"));
        }
    }
    Ok(())
}

fn check_pushes(tag: usize, list: &[u64], clients: &[Client]) -> Result<(), String> {
    let places: BTreeMap<u64, usize> = list.iter().enumerate().map(|(at, number)| (*number, at)).collect();
    for pushed in clients.iter().flat_map(|client| &client.pushed).filter(|pushed| pushed.tag == tag) {
        let at = places.get(&pushed.number).copied();
        if let Some(place) = pushed.place
            && at.map(|at| at + 1) != Some(place)
        {
            return Err(format!(
                "list {tag}: {} was acknowledged at {place} and is at {at:?}",
                pushed.number
            ));
        }
        let next = pushed.next.map(|next| places.get(&next).copied());
        if next.is_some_and(|next| next != at.map(|at| at + 1)) {
            return Err(format!("list {tag}: a transaction was torn at {}", pushed.number));
        }
    }
    Ok(())
}

fn check_counter(tag: usize, count: u64, clients: &[Client]) -> Result<(), String> {
    let counts: Vec<&(Vec<u64>, usize)> =
        clients.iter().filter_map(|client| client.counts.get(&tag)).collect();
    let values: Vec<u64> = counts.iter().flat_map(|counts| counts.0.iter().copied()).collect();
    let distinct: BTreeSet<u64> = values.iter().copied().collect();
    if distinct.len() < values.len() {
        return Err(format!("counter {tag} has returned a value twice: {values:?}"));
    }
    let (acknowledged, unsure) =
        (values.len() as u64, counts.iter().map(|counts| counts.1 as u64).sum::<u64>());
    if count < acknowledged
        || count > acknowledged + unsure
        || distinct.last().is_some_and(|last| *last > count)
    {
        return Err(format!(
            "counter {tag} is {count} after {acknowledged} increments and {unsure} unsure ones"
        ));
    }
    Ok(())
}
