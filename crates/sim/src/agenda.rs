//! Future events, in order of simulated time; the seed orders events of the same time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use net::Instant;

#[derive(Debug)]
struct Due<E> {
    at: Instant,
    lot: u64,
    event: E,
}

impl<E> PartialEq for Due<E> {
    fn eq(&self, other: &Due<E>) -> bool {
        (self.at, self.lot) == (other.at, other.lot)
    }
}

impl<E> Eq for Due<E> {}

impl<E> Ord for Due<E> {
    fn cmp(&self, other: &Due<E>) -> std::cmp::Ordering {
        (self.at, self.lot).cmp(&(other.at, other.lot))
    }
}

impl<E> PartialOrd for Due<E> {
    fn partial_cmp(&self, other: &Due<E>) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The queue of events.
#[derive(Debug)]
pub(crate) struct Agenda<E> {
    heap: BinaryHeap<Reverse<Due<E>>>,
}

impl<E> Agenda<E> {
    pub(crate) fn new() -> Agenda<E> {
        Agenda { heap: BinaryHeap::new() }
    }

    /// Adds an event; `lot` orders events of the same time.
    pub(crate) fn add(&mut self, at: Instant, lot: u64, event: E) {
        self.heap.push(Reverse(Due { at, lot, event }));
    }

    /// Time of the next event.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(due)| due.at)
    }

    /// Takes the next event, with its time.
    pub(crate) fn pop(&mut self) -> Option<(Instant, E)> {
        self.heap.pop().map(|Reverse(due)| (due.at, due.event))
    }
}
