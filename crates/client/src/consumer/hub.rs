//! State shared by the tasks of a consumer: connections, the flow of messages, counters.
//!
//! Every event passes through the flow under one lock that is never held across an await; the resulting
//! orders go to the lines at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use super::flow::{Flow, LinkId, Orders, Outcome};
use super::line::Line;
use super::stats::ConsumerStats;
use crate::link::Profile;
use crate::random;

/// Most nodes that a consumer connects to.
const NODES_MAX: usize = 4_096;

/// State of a consumer's shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Running.
    No,
    /// Deadline for answers to messages in flight.
    Until(Instant),
}

/// A node known to the consumer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Node {
    /// Named by the user, so always retried.
    pub(super) named: bool,
    /// Named by a lookupd in the last round that all answered.
    pub(super) listed: bool,
}

/// State shared by the tasks.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(super) topic: String,
    pub(super) channel: String,
    pub(super) profile: Profile,
    state: Mutex<State>,
    stop: watch::Sender<Stop>,
    /// The flow's deadline may have moved.
    pace: Notify,
    /// A node is lost: lookupds may know its new address.
    pub(super) lost: Notify,
    received: AtomicU64,
    finished: AtomicU64,
    requeued: AtomicU64,
    given_up: AtomicU64,
}

#[derive(Debug)]
struct State {
    flow: Flow,
    lines: HashMap<LinkId, Arc<Line>>,
    nodes: HashMap<String, Node>,
    next_id: LinkId,
}

impl Hub {
    pub(super) fn new(topic: String, channel: String, profile: Profile) -> Arc<Hub> {
        let flow = Flow::new(&profile.config);
        Arc::new(Hub {
            topic,
            channel,
            profile,
            state: Mutex::new(State { flow, lines: HashMap::new(), nodes: HashMap::new(), next_id: 0 }),
            stop: watch::Sender::new(Stop::No),
            pace: Notify::new(),
            lost: Notify::new(),
            received: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            requeued: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies an event to the flow, and passes on the resulting orders.
    fn change(&self, event: impl FnOnce(&mut Flow, Instant) -> Orders) {
        let now = Instant::now();
        let mut state = self.state();
        let before = state.flow.deadline();
        for (id, count) in event(&mut state.flow, now) {
            if let Some(line) = state.lines.get(&id) {
                line.ready(count);
            }
        }
        let moved = state.flow.deadline() != before;
        drop(state);
        if moved {
            self.pace.notify_one();
        }
    }

    /// An id for a new connection.
    pub(super) fn next_id(&self) -> LinkId {
        let mut state = self.state();
        state.next_id += 1;
        state.next_id
    }

    /// Records a subscribed connection.
    pub(super) fn joined(&self, line: Arc<Line>, ready_max: u32) {
        let id = line.id;
        self.state().lines.insert(id, line);
        self.change(|flow, now| flow.joined(id, ready_max, now));
    }

    /// Records a closed connection.
    pub(super) fn left(&self, line: &Line) {
        line.gone();
        self.state().lines.remove(&line.id);
        self.change(|flow, now| flow.left(line.id, now));
    }

    /// Records received messages.
    pub(super) fn received(&self, line: &Line, count: u32) {
        self.received.fetch_add(count.into(), Ordering::Relaxed);
        self.change(|flow, now| {
            flow.received(line.id, count, now);
            Orders::new()
        });
    }

    /// Records a finished message.
    pub(super) fn answered(&self, line: &Line, outcome: Outcome) {
        self.finished.fetch_add(1, Ordering::Relaxed);
        self.outcome(line, outcome);
    }

    /// Records a requeued message.
    pub(super) fn requeued(&self, line: &Line, outcome: Outcome) {
        self.requeued.fetch_add(1, Ordering::Relaxed);
        self.outcome(line, outcome);
    }

    /// Records a message left to the server's timeout.
    pub(super) fn forgotten(&self, line: &Line) {
        self.outcome(line, Outcome::Neutral);
    }

    fn outcome(&self, line: &Line, outcome: Outcome) {
        self.change(|flow, now| flow.answered(line.id, outcome, now, random::fraction()));
        // a closing connection waits for its last answer
        if self.stopping() != Stop::No {
            line.nudge();
        }
    }

    /// Records a message given up.
    pub(super) fn gave_up(&self) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
    }

    /// Unanswered messages of a connection.
    pub(super) fn in_flight_on(&self, line: &Line) -> u32 {
        self.state().flow.in_flight_on(line.id)
    }

    /// Changes `max_in_flight`.
    pub(super) fn limit(&self, max_in_flight: u32) {
        self.change(|flow, now| flow.limit(max_in_flight, now));
    }

    /// The requeue delay of a failed message.
    pub(super) fn requeue_delay(&self, attempts: u16) -> Duration {
        let config = &self.profile.config;
        config.default_requeue_delay.saturating_mul(attempts.into()).min(config.max_requeue_delay)
    }

    /// Begins the shutdown.
    pub(super) fn stop(&self, patience: Duration) {
        let until = Instant::now() + patience;
        self.stop.send_modify(|stop| {
            *stop = match *stop {
                Stop::Until(before) => Stop::Until(before.min(until)),
                Stop::No => Stop::Until(until),
            }
        });
        let mut state = self.state();
        state.flow.stop();
        state.lines.values().for_each(|line| line.close());
    }

    /// State of the shutdown.
    pub(super) fn stopping(&self) -> Stop {
        *self.stop.borrow()
    }

    /// Waits until the shutdown begins.
    pub(super) async fn stopped(&self) {
        let _ = self.stop.subscribe().wait_for(|stop| *stop != Stop::No).await;
    }

    /// Updates a node. True if it is new and needs a task. New nodes above the limit are ignored.
    pub(super) fn note(&self, address: &str, change: impl FnOnce(&mut Node)) -> bool {
        let mut state = self.state();
        if let Some(node) = state.nodes.get_mut(address) {
            change(node);
            return false;
        }
        let room = state.nodes.len() < NODES_MAX;
        if room {
            change(state.nodes.entry(address.to_owned()).or_default());
        }
        room
    }

    /// Records that all lookupds have answered, with these addresses.
    pub(super) fn listed(&self, addresses: &[String]) {
        for (address, node) in &mut self.state().nodes {
            node.listed = addresses.contains(address);
        }
    }

    /// True if a node without a connection must be retried; otherwise it is forgotten.
    pub(super) fn worth_trying(&self, address: &str) -> bool {
        let mut state = self.state();
        let worth = state.nodes.get(address).is_some_and(|node| node.named || node.listed);
        if !worth {
            state.nodes.remove(address);
        }
        worth
    }

    /// Runs the flow's clock until the shutdown begins.
    pub(super) async fn keep_pace(&self) {
        let ticks = async {
            loop {
                let deadline = self.state().flow.deadline();
                match deadline {
                    None => self.pace.notified().await,
                    Some(at) => tokio::select! {
                        () = tokio::time::sleep_until(at.into()) => self.change(Flow::tick),
                        () = self.pace.notified() => {}
                    },
                }
            }
        };
        tokio::select! {
            () = ticks => {}
            () = self.stopped() => {}
        }
    }

    pub(super) fn stats(&self) -> ConsumerStats {
        let state = self.state();
        ConsumerStats {
            connections: state.flow.connections(),
            in_flight: state.flow.in_flight(),
            received: self.received.load(Ordering::Relaxed),
            finished: self.finished.load(Ordering::Relaxed),
            requeued: self.requeued.load(Ordering::Relaxed),
            given_up: self.given_up.load(Ordering::Relaxed),
            backoff_level: state.flow.backoff_level(),
            starved: state.flow.starved(),
        }
    }
}
