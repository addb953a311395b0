//! Messages in flight: delivered and not answered yet.
//!
//! A flight is found by message id (FIN, REQ, TOUCH) in one hash look-up, and is linked in its consumer's
//! line, a doubly linked list in order of deadline. A consumer's deadlines grow with each delivery, so that a
//! line stays in order by appending; only a TOUCH that hits its cap has to walk the list. Timeouts check only
//! the head of each line, and a lost consumer's line is returned without a search.
//!
//! Nothing here is allocated per message once the slab has grown to the channel's usual number in flight.

use net::Instant;
use rustc_hash::FxHashMap;

use crate::deferred::Waiting;
use crate::message::Position;

const NONE: u32 = u32::MAX;

/// A message in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flight {
    /// Its id.
    pub id: u64,
    /// Its record.
    pub at: Position,
    /// Deliveries, this one included.
    pub attempts: u16,
    /// Slot of the consumer that has it.
    pub consumer: u32,
    /// Time of its delivery.
    pub delivered: Instant,
    /// Time at which it times out.
    pub deadline: Instant,
    /// Time of its publication (wall, ns).
    pub timestamp: i64,
}

impl Flight {
    /// The message as it is returned.
    pub fn as_waiting(&self) -> Waiting {
        Waiting { at: self.at, id: self.id, attempts: self.attempts }
    }
}

/// One consumer's flights: the ends of its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    head: u32,
    tail: u32,
}

impl Default for Line {
    fn default() -> Self {
        Line { head: NONE, tail: NONE }
    }
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    flight: Flight,
    previous: u32,
    next: u32,
}

/// All flights of a channel.
#[derive(Debug, Default)]
pub struct InFlight {
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_id: FxHashMap<u64, u32>,
}

impl InFlight {
    /// Number of messages in flight.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The flight of a message.
    #[inline]
    pub fn get(&self, id: u64) -> Option<&Flight> {
        self.by_id.get(&id).map(|&slot| &self.slots[slot as usize].flight)
    }

    /// Adds a flight at its place in its consumer's line. The id must not be in flight yet.
    #[inline]
    pub fn insert(&mut self, flight: Flight, line: &mut Line) {
        let entry = Slot { flight, previous: NONE, next: NONE };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = entry;
                slot
            }
            None => {
                self.slots.push(entry);
                (self.slots.len() - 1) as u32
            }
        };
        let before = self.by_id.insert(flight.id, slot);
        debug_assert!(before.is_none(), "id is in flight already");
        self.link(slot, line);
    }

    /// Takes a message out, if the consumer in this slot has it. `line` must be the consumer's.
    #[inline]
    pub fn remove(&mut self, id: u64, consumer: u32, line: &mut Line) -> Option<Flight> {
        let slot = self.by_id.remove(&id)?;
        if self.slots[slot as usize].flight.consumer != consumer {
            self.by_id.insert(id, slot);
            return None;
        }
        self.unlink(slot, line);
        self.free.push(slot);
        Some(self.slots[slot as usize].flight)
    }

    /// Moves a message's deadline. `line` must be its consumer's.
    pub fn set_deadline(&mut self, id: u64, deadline: Instant, line: &mut Line) {
        if let Some(&slot) = self.by_id.get(&id) {
            self.unlink(slot, line);
            self.slots[slot as usize].flight.deadline = deadline;
            self.link(slot, line);
        }
    }

    /// The flight of a line with the earliest deadline.
    pub fn first(&self, line: &Line) -> Option<&Flight> {
        self.slots.get(line.head as usize).map(|slot| &slot.flight)
    }

    /// Every flight, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Flight> {
        self.by_id.values().map(|&slot| &self.slots[slot as usize].flight)
    }

    /// Removes all flights. Their owner must reset the lines.
    pub fn clear(&mut self) {
        *self = InFlight::default();
    }

    /// Updates record positions; `moved` maps an old one to the new one.
    pub fn relocate(&mut self, moved: impl Fn(Position) -> Option<Position>) {
        for &slot in self.by_id.values() {
            let at = &mut self.slots[slot as usize].flight.at;
            if let Some(to) = moved(*at) {
                *at = to;
            }
        }
    }

    fn link(&mut self, slot: u32, line: &mut Line) {
        let deadline = self.slots[slot as usize].flight.deadline;
        let mut previous = line.tail;
        while previous != NONE && self.slots[previous as usize].flight.deadline > deadline {
            previous = self.slots[previous as usize].previous;
        }
        let next = if previous == NONE {
            std::mem::replace(&mut line.head, slot)
        } else {
            std::mem::replace(&mut self.slots[previous as usize].next, slot)
        };
        if next == NONE {
            line.tail = slot;
        } else {
            self.slots[next as usize].previous = slot;
        }
        let entry = &mut self.slots[slot as usize];
        (entry.previous, entry.next) = (previous, next);
    }

    fn unlink(&mut self, slot: u32, line: &mut Line) {
        let Slot { previous, next, .. } = self.slots[slot as usize];
        if previous == NONE {
            line.head = next;
        } else {
            self.slots[previous as usize].next = next;
        }
        if next == NONE {
            line.tail = previous;
        } else {
            self.slots[next as usize].previous = previous;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flight(id: u64, deadline: u64) -> Flight {
        Flight {
            id,
            at: id,
            attempts: 1,
            consumer: 0,
            delivered: Instant(0),
            deadline: Instant(deadline),
            timestamp: 0,
        }
    }

    fn order(flights: &InFlight, line: Line) -> Vec<u64> {
        let mut ids = Vec::new();
        let mut slot = line.head;
        let mut previous = NONE;
        while slot != NONE {
            let entry = &flights.slots[slot as usize];
            assert_eq!(entry.previous, previous);
            ids.push(entry.flight.id);
            previous = slot;
            slot = entry.next;
        }
        assert_eq!(line.tail, previous);
        ids
    }

    #[test]
    fn a_line_stays_in_order_of_deadline() {
        let mut flights = InFlight::default();
        let mut line = Line::default();
        for (id, deadline) in [(1, 10), (2, 20), (3, 20), (4, 15)] {
            flights.insert(flight(id, deadline), &mut line);
        }
        assert_eq!(order(&flights, line), [1, 4, 2, 3]);
        flights.set_deadline(1, Instant(17), &mut line);
        assert_eq!(order(&flights, line), [4, 1, 2, 3]);
        assert_eq!(flights.remove(2, 1, &mut line), None, "somebody else has it");
        assert_eq!(flights.remove(2, 0, &mut line).map(|f| f.id), Some(2));
        assert_eq!(flights.remove(2, 0, &mut line), None);
        assert_eq!(order(&flights, line), [4, 1, 3]);
        assert_eq!(flights.first(&line).map(|f| f.id), Some(4));
        for id in [4, 1, 3] {
            flights.remove(id, 0, &mut line);
        }
        assert_eq!(line, Line::default());
        assert!(flights.is_empty() && flights.first(&line).is_none());
        flights.insert(flight(9, 1), &mut line);
        assert_eq!(flights.slots.len(), 4, "slots are used again");
    }
}
