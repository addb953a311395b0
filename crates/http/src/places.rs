//! Connection places: a listener serves a limited number at once, and when all are taken, connections waiting
//! for their client make room for new ones.
//!
//! A connection that is owed an answer keeps its place: its request is complete, and the rest is our work. Of
//! the others, the address with most connections gives up the one that has been idle for longest. So idle
//! connections, slow heads and bodies, and unread answers cannot shut others out. If all are owed answers, a
//! new connection waits for the first of them.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// The places of a listener. Only one task takes them, see [`Places::take`].
#[derive(Debug)]
pub struct Places {
    places_max: usize,
    taken: Mutex<HashMap<u64, Activity>>,
    /// Counter of moves: the lowest number has been idle for longest.
    moves: AtomicU64,
    /// Signalled when a place is free, or no longer owed an answer.
    changed: Notify,
}

/// A taken place; dropping it frees it.
#[derive(Debug)]
pub struct Place {
    id: u64,
    activity: Activity,
}

/// Activity of a place's connection: its last move of bytes, and whether an answer is owed.
#[derive(Debug, Clone)]
pub struct Activity(Arc<State>);

#[derive(Debug)]
struct State {
    places: Arc<Places>,
    /// The client's address, without its port.
    address: String,
    moved: AtomicU64,
    owing: AtomicBool,
    /// The connection must make room.
    leaving: AtomicBool,
    leave: Notify,
}

/// An answer that may be owed; dropping it ends that.
#[derive(Debug)]
pub struct OwedAnswer(Activity);

impl Places {
    /// A set of `places_max` free places.
    pub fn new(places_max: usize) -> Arc<Places> {
        Arc::new(Places {
            places_max,
            taken: Mutex::default(),
            moves: AtomicU64::new(0),
            changed: Notify::new(),
        })
    }

    /// Takes a place for a client at `address`, as soon as there is one; other connections make room for it.
    /// Only one task may wait here.
    pub async fn take(self: &Arc<Places>, address: &str) -> Place {
        loop {
            if let Some(place) = self.try_take(address) {
                return place;
            }
            self.make_room(address);
            self.changed.notified().await;
        }
    }

    /// Waits until all places are free. Not while another task waits in [`Places::take`].
    pub async fn all_free(&self) {
        while !self.taken().is_empty() {
            self.changed.notified().await;
        }
    }

    /// Waits until no connection is owed an answer, or has just come and said nothing yet.
    pub async fn all_answered(&self) {
        while self.taken().iter().any(|(id, activity)| activity.is_awaited(*id)) {
            self.changed.notified().await;
        }
    }

    fn try_take(self: &Arc<Places>, address: &str) -> Option<Place> {
        let mut taken = self.taken();
        if taken.len() >= self.places_max {
            return None;
        }
        let id = self.next_move();
        let activity = Activity(Arc::new(State {
            places: Arc::clone(self),
            address: address.to_owned(),
            moved: AtomicU64::new(id),
            owing: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            leave: Notify::new(),
        }));
        taken.insert(id, activity.clone());
        Some(Place { id, activity })
    }

    /// Signals one connection to leave, unless one is leaving already.
    fn make_room(&self, newcomer: &str) {
        let taken = self.taken();
        if taken.values().any(|activity| activity.0.leaving.load(Ordering::Relaxed)) {
            return;
        }
        let waiting = || taken.values().filter(|activity| !activity.0.owing.load(Ordering::Relaxed));
        let mut of_address = HashMap::from([(newcomer, 1_usize)]);
        for activity in waiting() {
            *of_address.entry(&activity.0.address).or_default() += 1;
        }
        let many = |activity: &Activity| of_address.get(&*activity.0.address).copied().unwrap_or(0);
        let longest = |activity: &Activity| std::cmp::Reverse(activity.0.moved.load(Ordering::Relaxed));
        if let Some(activity) = waiting().max_by_key(|activity| (many(activity), longest(activity))) {
            activity.0.leaving.store(true, Ordering::Relaxed);
            activity.0.leave.notify_one();
        }
    }

    fn next_move(&self) -> u64 {
        self.moves.fetch_add(1, Ordering::Relaxed)
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<u64, Activity>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The activity of this place's connection.
    pub fn activity(&self) -> Activity {
        self.activity.clone()
    }

    /// Runs `work` until it is done or must make room; then the place is free.
    pub async fn hold(self, work: impl Future<Output = ()>) {
        tokio::select! {
            biased;
            () = self.activity.0.leave.notified() => {}
            () = work => {}
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let places = &self.activity.0.places;
        places.taken().remove(&self.id);
        places.changed.notify_one();
    }
}

impl Activity {
    /// Marks the connection as owed an answer.
    pub fn begin_answer(&self) {
        self.0.owing.store(true, Ordering::Relaxed);
    }

    /// A guard that clears the mark when dropped.
    pub fn answering(&self) -> OwedAnswer {
        OwedAnswer(self.clone())
    }

    /// True if an answer is owed, or no byte has moved since the place `id` was taken.
    fn is_awaited(&self, id: u64) -> bool {
        self.0.owing.load(Ordering::Relaxed) || self.0.moved.load(Ordering::Relaxed) == id
    }

    fn moved(&self) {
        self.0.moved.store(self.0.places.next_move(), Ordering::Relaxed);
    }
}

impl Drop for OwedAnswer {
    fn drop(&mut self) {
        let OwedAnswer(activity) = self;
        activity.moved();
        activity.0.owing.store(false, Ordering::Relaxed);
        activity.0.places.changed.notify_one();
    }
}

/// A socket that records when its bytes move.
#[derive(Debug)]
pub struct Tracked<S> {
    socket: S,
    activity: Activity,
}

impl<S> Tracked<S> {
    /// Wraps the socket of the connection with this activity.
    pub fn new(socket: S, activity: Activity) -> Tracked<S> {
        Tracked { socket, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tracked<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.moved();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tracked<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write(context, bytes);
        if matches!(polled, Poll::Ready(Ok(1..))) {
            self.activity.moved();
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Place {
        fn leaves(&self) -> bool {
            self.activity.0.leaving.load(Ordering::Relaxed)
        }
    }

    fn taken(places: &Arc<Places>, addresses: &[&str]) -> Vec<Place> {
        addresses.iter().map(|address| places.try_take(address).unwrap()).collect()
    }

    fn who_leaves(taken: &[Place]) -> Vec<usize> {
        (0..taken.len()).filter(|at| taken[*at].leaves()).collect()
    }

    #[test]
    fn the_one_that_has_not_moved_for_longest_makes_room() {
        let places = Places::new(3);
        let taken = taken(&places, &["a", "a", "a"]);
        assert!(places.try_take("a").is_none());
        taken[0].activity().moved();
        places.make_room("a");
        assert_eq!(who_leaves(&taken), [1]);
        places.make_room("a");
        assert_eq!(who_leaves(&taken), [1], "one is enough");
    }

    #[test]
    fn the_address_that_has_most_makes_room() {
        let places = Places::new(5);
        let taken = taken(&places, &["a", "b", "b", "c", "c"]);
        places.make_room("c");
        assert_eq!(who_leaves(&taken), [3], "the new one counts");
    }

    #[test]
    fn whoever_is_owed_an_answer_stays_until_it_is_settled() {
        let places = Places::new(2);
        let taken = taken(&places, &["a", "a"]);
        let answering: Vec<OwedAnswer> = taken.iter().map(|place| place.activity().answering()).collect();
        for place in &taken {
            place.activity().begin_answer();
        }
        places.make_room("a");
        assert!(who_leaves(&taken).is_empty());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut taking = Box::pin(places.take("a"));
            assert!(
                std::future::poll_fn(|context| Poll::Ready(taking.as_mut().poll(context))).await.is_pending()
            );
            drop(answering);
            let mut taken = taken.into_iter();
            let (first, second) = (taken.next().unwrap(), taken.next().unwrap());
            let ends = tokio::join!(taking, first.hold(std::future::pending()));
            assert!(!ends.0.leaves() && !second.leaves());
        });
    }
}
