//! The listeners of one loop, in places that the poll's tokens name.

use crate::Instant;
use crate::listener::{Listener, ListenerId};
use crate::options::ListenOptions;

/// The listeners of a loop. Their places are reused: an event for one that has gone asks its successor, which
/// is harmless.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    places: Vec<Option<Accepting>>,
    /// Nothing is listened on any more.
    closed: bool,
}

#[derive(Debug)]
pub(crate) struct Accepting {
    pub(crate) listener: Listener,
    pub(crate) leaving: Option<Leaving>,
}

/// Deadlines of a listener that goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaving {
    /// From then on an empty backlog stays empty.
    pub(crate) settled: Instant,
    /// Time at which it is closed whoever waits.
    pub(crate) until: Instant,
}

impl Listeners {
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn get(&self, place: usize) -> Option<&Accepting> {
        self.places.get(place)?.as_ref()
    }

    /// Sockets of an address.
    fn of(&mut self, id: ListenerId) -> impl Iterator<Item = &mut Accepting> {
        self.places.iter_mut().flatten().filter(move |accepting| accepting.listener.id() == id)
    }

    pub(crate) fn free_place(&self) -> usize {
        self.places.iter().position(Option::is_none).unwrap_or(self.places.len())
    }

    /// Puts a listener where [`Listeners::free_place`] said.
    pub(crate) fn put(&mut self, place: usize, listener: Listener) {
        let accepting = Some(Accepting { listener, leaving: None });
        match self.places.get_mut(place) {
            Some(free) => *free = accepting,
            None => self.places.push(accepting),
        }
    }

    /// Has the sockets of an address leave. False if none of them was staying.
    pub(crate) fn begin_leaving(&mut self, id: ListenerId, leaving: Leaving) -> bool {
        let mut any = false;
        for accepting in self.of(id).filter(|accepting| accepting.leaving.is_none()) {
            accepting.listener.socket.refuse_handshakes();
            accepting.leaving = Some(leaving);
            any = true;
        }
        any
    }

    /// Closes all. No more are taken.
    pub(crate) fn close_all(&mut self) {
        *self = Listeners { closed: true, ..Listeners::default() };
    }

    pub(crate) fn are_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn close(&mut self, place: usize) {
        self.places[place] = None;
    }

    pub(crate) fn set(&mut self, id: ListenerId, options: &ListenOptions) {
        for accepting in self.of(id) {
            if let Some(backlog) = options.backlog {
                accepting.listener.socket.set_backlog(backlog);
            }
            accepting.listener.options = options.clone();
        }
    }

    /// Closes our descriptors of all. More may be taken.
    pub(crate) fn leave_all(&mut self) {
        self.places.clear();
    }

    /// The next time at which one that leaves can be closed if it is empty. One that was not empty then is
    /// tried again as any other is.
    pub(crate) fn next_settled(&self, now: Instant) -> Option<Instant> {
        let leaving = self.places.iter().flatten().filter_map(|accepting| accepting.leaving);
        leaving.map(|leaving| leaving.settled).filter(|settled| *settled > now).min()
    }
}
