//! The listeners of one loop, in the places named by poll tokens.

use crate::Instant;
use crate::listener::{Listener, ListenerId};
use crate::options::ListenOptions;

/// The listeners of a loop. Places are reused: an event for a removed listener polls its successor, which is
/// harmless.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    places: Vec<Option<Accepting>>,
    /// Listening has ended.
    closed: bool,
}

#[derive(Debug)]
pub(crate) struct Accepting {
    pub(crate) listener: Listener,
    pub(crate) leaving: Option<Leaving>,
}

/// Deadlines of a leaving listener.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaving {
    /// Time after which an empty backlog stays empty.
    pub(crate) settled: Instant,
    /// Time at which it is closed even with clients waiting.
    pub(crate) until: Instant,
}

impl Listeners {
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn get(&self, place: usize) -> Option<&Accepting> {
        self.places.get(place)?.as_ref()
    }

    /// All sockets of an address.
    fn of(&mut self, id: ListenerId) -> impl Iterator<Item = &mut Accepting> {
        self.places.iter_mut().flatten().filter(move |accepting| accepting.listener.id() == id)
    }

    pub(crate) fn free_place(&self) -> usize {
        self.places.iter().position(Option::is_none).unwrap_or(self.places.len())
    }

    /// Puts a listener in the place from [`Listeners::free_place`].
    pub(crate) fn put(&mut self, place: usize, listener: Listener) {
        let accepting = Some(Accepting { listener, leaving: None });
        match self.places.get_mut(place) {
            Some(free) => *free = accepting,
            None => self.places.push(accepting),
        }
    }

    /// Makes the sockets of an address leave. False if all of them were leaving already.
    pub(crate) fn begin_leaving(&mut self, id: ListenerId, leaving: Leaving) -> bool {
        let mut any = false;
        for accepting in self.of(id).filter(|accepting| accepting.leaving.is_none()) {
            accepting.listener.socket.refuse_handshakes();
            accepting.leaving = Some(leaving);
            any = true;
        }
        any
    }

    /// Closes all listeners. No more are accepted.
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

    /// Closes our descriptors of all listeners. More may be added.
    pub(crate) fn leave_all(&mut self) {
        self.places.clear();
    }

    /// The next time at which a leaving listener can be closed if it is empty. One that was not empty then is
    /// retried after each accept, as any other.
    pub(crate) fn next_settled(&self, now: Instant) -> Option<Instant> {
        let leaving = self.places.iter().flatten().filter_map(|accepting| accepting.leaving);
        leaving.map(|leaving| leaving.settled).filter(|settled| *settled > now).min()
    }
}
