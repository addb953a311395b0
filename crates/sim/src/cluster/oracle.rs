//! The rules, checked at the end of a run against all data:
//!
//! - a list holds each number once, each client's in its order, and each acknowledged one in its place;
//! - both pushes of a transaction stand next to each other, or neither is there; and neither, if its client
//!   was told that it was not executed, because of an error or since a watched key had changed;
//! - a watched number has no value that two clients were told they had written, and none between is missing;
//! - an element of a queue is popped once, those of each client in their order, and none is lost but where a
//!   client that waited for it has gone or got an error;
//! - a counter has returned each value once, and has counted what was acknowledged, and no more than was
//!   sent.
//!
//! Rules about single replies are checked by [`super::client`]: a text is that of its key, never missing,
//! never older than what its writer knows; nothing fails that need not; every request has a reply.

use std::collections::{BTreeMap, BTreeSet};

use super::client::Client;
use super::keys::{self, of_number};
use super::store::{Store, Value};

/// Checks what clients were told against what there is.
pub(super) fn check(store: &Store, clients: &[Client]) -> Result<(), String> {
    let list_of = |key: &[u8]| match store.data.get(key) {
        Some(Value::List(list)) => list.clone(),
        _ => Vec::new(),
    };
    let count_of = |key: &[u8]| match store.data.get(key) {
        Some(Value::Count(count)) => *count,
        _ => 0,
    };
    for tag in 0..keys::SLOTS {
        let list = list_of(&keys::list(tag));
        check_order(tag, &list)?;
        check_pushes(tag, &list, clients)?;
        check_counter(tag, count_of(&keys::counter(tag)), clients)?;
        check_watched(tag, count_of(&keys::watched(tag)), clients)?;
        let popped = store.popped.get(&keys::queue(tag)).map_or(&[][..], Vec::as_slice);
        let waiting = list_of(&keys::queue(tag));
        check_order(tag, &[popped, &waiting].concat())?;
        check_queue(tag, &waiting, clients)?;
    }
    Ok(())
}

fn check_watched(tag: usize, last: u64, clients: &[Client]) -> Result<(), String> {
    let swaps = clients.iter().filter_map(|client| client.swaps.get(&tag));
    let mut written: Vec<u64> = swaps.flatten().copied().collect();
    written.sort_unstable();
    let is_twice = written.windows(2).any(|pair| pair[0] == pair[1]);
    if is_twice || written.last().is_some_and(|number| *number > last) {
        return Err(format!(
            "watched number {tag} is {last}, and clients were told they had written {written:?}"
        ));
    }
    Ok(())
}

fn check_queue(tag: usize, waiting: &[u64], clients: &[Client]) -> Result<(), String> {
    let of = |all: fn(&Client) -> &BTreeMap<usize, Vec<u64>>| -> Vec<u64> {
        clients.iter().filter_map(|client| all(client).get(&tag)).flatten().copied().collect()
    };
    let (given, got) = (of(|client| &client.queues.given), of(|client| &client.queues.got));
    let distinct: BTreeSet<u64> = got.iter().chain(waiting).copied().collect();
    if distinct.len() < got.len() + waiting.len() {
        return Err(format!("queue {tag}: an element was popped twice: {got:?}, and {waiting:?} wait"));
    }
    let lost: Vec<u64> = given.iter().filter(|number| !distinct.contains(number)).copied().collect();
    let unsure: usize = clients.iter().filter_map(|client| client.queues.unsure.get(&tag)).sum();
    if lost.len() > unsure {
        return Err(format!("queue {tag}: {lost:?} have reached nobody, and {unsure} requests got no reply"));
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
        if pushed.is_absent && at.is_some() {
            return Err(format!("list {tag}: {} was not executed, as its client was told", pushed.number));
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
