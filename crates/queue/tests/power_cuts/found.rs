//! A queue found after a loss of power: read to the end, then used.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use journal::{Files, MemFiles};
use net::ConnId;
use nuthatch_queue::request::{Answer, Request};
use nuthatch_queue::{Clock, import};

use super::driver::{DELAY_MAX, options};
use super::harness::World;
use super::ledger::Fault;

/// Published after the restart.
pub const AFTER: &str = "after";

/// Result of reading and using the queue.
#[derive(Debug, Default, Clone)]
pub struct Found {
    /// Messages delivered, by topic and channel.
    channels: BTreeMap<(String, String), BTreeSet<String>>,
    /// Messages delivered before any time had passed.
    pub at_once: BTreeSet<String>,
    pub faults: Vec<Fault>,
    /// True if damage is reported to the operator.
    pub is_alarmed: bool,
}

impl Found {
    /// True if the channel has the message, possibly as a dead letter.
    pub fn has(&self, topic: &str, channel: &str, body: &str) -> bool {
        self.holds(topic, channel, body)
            || (topic, channel) == ("t", "c")
                && self.channels.iter().any(|((topic, _), bodies)| topic == "dead" && bodies.contains(body))
    }

    fn holds(&self, topic: &str, channel: &str, body: &str) -> bool {
        self.channels.get(&(topic.to_owned(), channel.to_owned())).is_some_and(|bodies| bodies.contains(body))
    }

    pub fn is_anywhere(&self, body: &str) -> bool {
        self.channels.values().any(|bodies| bodies.contains(body))
    }

    pub fn bodies(&self) -> impl Iterator<Item = &String> {
        self.channels.values().flatten()
    }
}

/// Opens the queue at the time `wall`, through `seen`.
pub fn look(files: &MemFiles, seen: Arc<dyn Files>, wall: i64) -> Found {
    match open(files, seen, wall) {
        Ok(world) => read(world),
        Err(error) => Found { faults: vec![Fault::Closed(error)], ..Found::default() },
    }
}

fn open(files: &MemFiles, seen: Arc<dyn Files>, wall: i64) -> Result<World, String> {
    let clock = Clock { now: net::Instant(1_000_000), wall: net::WallTime(wall) };
    import::run(&seen, &options(), clock).map_err(|e| e.to_string())?;
    World::open_through(files.clone(), seen, options(), wall).map_err(|e| e.to_string())
}

fn read(mut world: World) -> Found {
    let mut found = Found { is_alarmed: world.health().is_some(), ..Found::default() };
    let mut expected: BTreeMap<(String, String), u64> = BTreeMap::new();
    for (topic, channel) in channels(&mut world) {
        let (depth, in_flight, deferred) = world.counts(&topic, &channel);
        expected.insert((topic, channel), depth + in_flight + deferred);
    }
    let consumers: Vec<((String, String), ConnId)> = expected
        .keys()
        .map(|(topic, channel)| ((topic.clone(), channel.clone()), world.consumer(topic, channel, 2500)))
        .collect();
    let mut given: BTreeMap<(String, String), u64> = BTreeMap::new();
    for at_once in [true, false] {
        for (channel, consumer) in &consumers {
            for (_, _, body) in world.messages(*consumer) {
                let body = String::from_utf8_lossy(&body).into_owned();
                *given.entry(channel.clone()).or_default() += 1;
                if at_once {
                    found.at_once.insert(body.clone());
                }
                found.channels.entry(channel.clone()).or_default().insert(body);
            }
        }
        if at_once {
            world.advance(DELAY_MAX);
        }
    }
    for (channel, expected) in expected {
        let given = given.get(&channel).copied().unwrap_or_default();
        if given != expected {
            found.faults.push(Fault::Counts(format!("{channel:?}: {expected}, but {given} came")));
        }
    }
    go_on(&mut world, &consumers, &mut found);
    found
}

/// Every channel; a topic without one gets one.
fn channels(world: &mut World) -> Vec<(String, String)> {
    let Answer::Stats(snapshot) = world.ask(Request::Stats { topic: None, channel: None, clients: false })
    else {
        panic!("statistics")
    };
    let mut channels = Vec::new();
    for topic in snapshot.topics.expect("all") {
        for channel in &topic.channels {
            channels.push((topic.name.clone(), channel.name.clone()));
        }
        if topic.channels.is_empty() {
            let ask = Request::CreateChannel(topic.name.clone(), "look".into());
            assert!(matches!(world.ask(ask), Answer::Done));
            channels.push((topic.name.clone(), "look".into()));
        }
    }
    channels
}

fn go_on(world: &mut World, consumers: &[((String, String), ConnId)], found: &mut Found) {
    let producer = world.client();
    let topics: BTreeSet<&String> = consumers.iter().map(|((topic, _), _)| topic).collect();
    for topic in topics {
        world.publish(producer, topic, AFTER.as_bytes());
    }
    for (channel, consumer) in consumers {
        let came = world.messages(*consumer);
        if !came.iter().any(|(_, _, body)| body == AFTER.as_bytes()) {
            found.faults.push(Fault::Stuck(format!("{channel:?}")));
        }
    }
}
