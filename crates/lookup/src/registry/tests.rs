//! The rules one by one, then all together against a model that is only a list of facts.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const SECOND: i64 = 1_000_000_000;

fn node(address: &str) -> Node {
    Node {
        broadcast_address: address.into(),
        http_port: 4151,
        tcp_port: 4150,
        version: "1.3.0".into(),
        ..Node::default()
    }
}

fn add(registry: &mut Registry, name: &str, now: i64) -> ProducerKey {
    registry.add_producer(format!("{name}:1"), node(name), now)
}

fn found(registry: &Registry, topic: &str, now: i64) -> Option<(Vec<String>, Vec<String>)> {
    let found = registry.lookup(topic, now, Lifetimes::default())?;
    let producers = found.producers.iter().map(|producer| producer.node.broadcast_address.clone());
    Some((found.channels.iter().map(ToString::to_string).collect(), producers.collect()))
}

fn names(list: &[Arc<str>]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

#[test]
fn a_channel_is_registered_with_its_topic_and_names_outlive_producers() {
    let mut registry = Registry::default();
    let key = add(&mut registry, "a", 0);
    registry.register(key, "t", Some("c")).unwrap();
    assert_eq!(found(&registry, "t", 0), Some((vec!["c".into()], vec!["a".into()])));
    assert_eq!(found(&registry, "u", 0), None);
    registry.remove_producer(key);
    assert_eq!(found(&registry, "t", 0), Some((vec!["c".into()], vec![])));
    assert_eq!(registry.counts(), (0, 1, 1));
}

#[test]
fn an_ephemeral_topic_that_is_unregistered_goes_and_its_channels_stay() {
    let mut registry = Registry::default();
    let key = add(&mut registry, "a", 0);
    registry.register(key, "t", Some("c#ephemeral")).unwrap();
    registry.register(key, "e#ephemeral", Some("d")).unwrap();
    registry.unregister(key, "t", Some("c#ephemeral"));
    registry.unregister(key, "e#ephemeral", None);
    assert_eq!(names(&registry.topics()), ["t"]);
    assert_eq!(names(&registry.channels("t")), [""; 0]);
    assert_eq!(found(&registry, "e#ephemeral", 0), None);
    assert_eq!(names(&registry.channels("e#ephemeral")), ["d"]);
    assert!(registry.delete_channel("e#ephemeral", "d"));
    assert_eq!(registry.counts(), (1, 1, 0));
}

#[test]
fn the_silent_are_left_out_and_come_back() {
    let mut registry = Registry::default();
    let key = add(&mut registry, "a", 0);
    registry.register(key, "t", None).unwrap();
    let last = Lifetimes::default();
    assert_eq!(found(&registry, "t", 300 * SECOND).unwrap().1, ["a"]);
    assert_eq!(found(&registry, "t", 301 * SECOND).unwrap().1, [""; 0]);
    assert_eq!(registry.nodes(301 * SECOND, last), []);
    registry.heard(key, 302 * SECOND);
    assert_eq!(found(&registry, "t", 303 * SECOND).unwrap().1, ["a"]);
    // A clock set back makes no producer inactive.
    assert_eq!(found(&registry, "t", 0).unwrap().1, ["a"]);
}

#[test]
fn a_tombstone_hides_one_node_for_one_topic_for_a_while() {
    let mut registry = Registry::default();
    let (a, b) = (add(&mut registry, "a", 0), add(&mut registry, "b", 0));
    for key in [a, b] {
        registry.register(key, "t", None).unwrap();
        registry.register(key, "u", None).unwrap();
    }
    registry.tombstone("t", "a:4151", 0);
    registry.tombstone("t", "nobody:4151", 0);
    registry.tombstone("nothing", "a:4151", 0);
    assert_eq!(found(&registry, "t", 44 * SECOND).unwrap().1, ["b"]);
    assert_eq!(found(&registry, "u", 0).unwrap().1, ["a", "b"]);
    let nodes = registry.nodes(0, Lifetimes::default());
    assert_eq!(nodes[0].topics, [("t".into(), true), ("u".into(), false)]);
    registry.register(a, "t", None).unwrap();
    assert_eq!(found(&registry, "t", 44 * SECOND).unwrap().1, ["b"], "registering again changes nothing");
    assert_eq!(found(&registry, "t", 45 * SECOND).unwrap().1, ["a", "b"]);
}

#[test]
fn what_is_deleted_is_known_again_with_the_next_registration() {
    let mut registry = Registry::default();
    let key = add(&mut registry, "a", 0);
    registry.register(key, "t", Some("c")).unwrap();
    registry.delete_topic("*");
    assert_eq!(registry.counts(), (1, 1, 1), "no name stands for all");
    registry.delete_topic("t");
    assert_eq!(registry.counts(), (1, 0, 0));
    assert_eq!(registry.nodes(0, Lifetimes::default())[0].topics, []);
    assert!(!registry.delete_channel("t", "c"));
    registry.register(key, "t", None).unwrap();
    assert_eq!(found(&registry, "t", 0), Some((vec![], vec!["a".into()])));
}

#[test]
fn limits_hold_and_heal() {
    let mut registry = Registry::new(Limits { names_max: 3, registrations_max: 2 });
    let (a, b) = (add(&mut registry, "a", 0), add(&mut registry, "b", 0));
    registry.register(a, "t", Some("c")).unwrap();
    assert_eq!(registry.register(a, "u", None), Err(Full::Registrations(2)));
    registry.register(a, "t", Some("c")).unwrap();
    assert_eq!(registry.register(b, "v", None), Err(Full::Names(3)), "the refused one is known");
    assert_eq!(registry.create_channel("t", "d"), Err(Full::Names(3)));
    registry.delete_topic("u");
    registry.register(b, "v", None).unwrap();
}

/// An event.
#[derive(Debug, Clone)]
enum Step {
    Add,
    Remove(usize),
    Register(usize, usize, Option<usize>),
    Unregister(usize, usize, Option<usize>),
    Create(usize, Option<usize>),
    Delete(usize, Option<usize>),
    Tombstone(usize, usize),
    Heard(usize),
    Wait(i64),
}

const TOPICS: [&str; 3] = ["t", "u", "e#ephemeral"];
const CHANNELS: [&str; 3] = ["c", "d", "f#ephemeral"];

fn step() -> impl Strategy<Value = Step> {
    let (who, topic, channel) = (0..4_usize, 0..3_usize, prop::option::of(0..3_usize));
    prop_oneof![
        Just(Step::Add),
        who.clone().prop_map(Step::Remove),
        (who.clone(), topic.clone(), channel.clone()).prop_map(|(p, t, c)| Step::Register(p, t, c)),
        (who.clone(), topic.clone(), channel.clone()).prop_map(|(p, t, c)| Step::Register(p, t, c)),
        (who.clone(), topic.clone(), channel.clone()).prop_map(|(p, t, c)| Step::Unregister(p, t, c)),
        (topic.clone(), channel.clone()).prop_map(|(t, c)| Step::Create(t, c)),
        (topic.clone(), channel).prop_map(|(t, c)| Step::Delete(t, c)),
        (topic, who.clone()).prop_map(|(t, p)| Step::Tombstone(t, p)),
        who.prop_map(Step::Heard),
        (1..200_i64).prop_map(Step::Wait),
    ]
}

/// Sets of facts, each searched from end to end.
#[derive(Debug, Default)]
struct Model {
    /// Key, remote address, last sign of life.
    producers: Vec<(ProducerKey, String, i64)>,
    topics: BTreeSet<&'static str>,
    channels: BTreeSet<(&'static str, &'static str)>,
    has_topic: Vec<(ProducerKey, &'static str, Option<i64>)>,
    has_channel: BTreeSet<(ProducerKey, &'static str, &'static str)>,
}

impl Model {
    fn register(&mut self, key: ProducerKey, topic: &'static str, channel: Option<&'static str>) {
        self.topics.insert(topic);
        if !self.has_topic.iter().any(|(its, name, _)| (*its, *name) == (key, topic)) {
            self.has_topic.push((key, topic, None));
        }
        if let Some(channel) = channel {
            self.channels.insert((topic, channel));
            self.has_channel.insert((key, topic, channel));
        }
    }

    fn unregister(&mut self, key: ProducerKey, topic: &'static str, channel: Option<&'static str>) {
        if let Some(channel) = channel {
            self.has_channel.remove(&(key, topic, channel));
            let left = self.has_channel.iter().any(|(_, t, c)| (*t, *c) == (topic, channel));
            if is_ephemeral(channel) && !left {
                self.channels.remove(&(topic, channel));
            }
            return;
        }
        self.has_channel.retain(|(its, name, _)| (*its, *name) != (key, topic));
        self.has_topic.retain(|(its, name, _)| (*its, *name) != (key, topic));
        if is_ephemeral(topic) && !self.has_topic.iter().any(|(_, name, _)| *name == topic) {
            self.topics.remove(topic);
        }
    }

    fn delete(&mut self, topic: &'static str, channel: Option<&'static str>) {
        self.channels.retain(|(t, c)| *t != topic || channel.is_some_and(|channel| *c != channel));
        self.has_channel.retain(|(_, t, c)| *t != topic || channel.is_some_and(|channel| *c != channel));
        if channel.is_none() {
            self.topics.remove(topic);
            self.has_topic.retain(|(_, name, _)| *name != topic);
        }
    }

    fn lookup(&self, topic: &'static str, now: i64) -> Option<(Vec<String>, Vec<String>)> {
        self.topics.get(topic)?;
        let channels = self.channels.iter().filter(|(t, _)| *t == topic).map(|(_, c)| (*c).to_owned());
        let producers = self.producers.iter().filter(|(key, _, heard)| {
            now - heard <= 300 * SECOND
                && self.has_topic.iter().any(|(its, name, tombstone)| {
                    (*its, *name) == (*key, topic) && tombstone.is_none_or(|at| now - at >= 45 * SECOND)
                })
        });
        Some((channels.collect(), producers.map(|(_, name, _)| name.clone()).collect()))
    }
}

proptest! {
    #[test]
    fn the_registry_is_as_a_list_of_facts(steps in prop::collection::vec(step(), 1..80)) {
        let (mut registry, mut model, mut now, mut made) = (Registry::default(), Model::default(), 0, 0);
        for step in steps {
            let key = |model: &Model, at: usize| model.producers.get(at).map(|(key, ..)| *key);
            match step {
                Step::Add if model.producers.len() < 4 => {
                    made += 1;
                    let name = format!("n{made}");
                    let key = add(&mut registry, &name, now);
                    model.producers.push((key, name, now));
                }
                Step::Remove(at) if at < model.producers.len() => {
                    let (key, ..) = model.producers.remove(at);
                    registry.remove_producer(key);
                    model.has_topic.retain(|(its, ..)| *its != key);
                    model.has_channel.retain(|(its, ..)| *its != key);
                }
                Step::Register(at, t, c) => if let Some(key) = key(&model, at) {
                    let channel = c.map(|c| CHANNELS[c]);
                    registry.register(key, TOPICS[t], channel).unwrap();
                    model.register(key, TOPICS[t], channel);
                },
                Step::Unregister(at, t, c) => if let Some(key) = key(&model, at) {
                    let channel = c.map(|c| CHANNELS[c]);
                    registry.unregister(key, TOPICS[t], channel);
                    model.unregister(key, TOPICS[t], channel);
                },
                Step::Create(t, None) => {
                    registry.create_topic(TOPICS[t]).unwrap();
                    model.topics.insert(TOPICS[t]);
                }
                Step::Create(t, Some(c)) => {
                    registry.create_channel(TOPICS[t], CHANNELS[c]).unwrap();
                    model.topics.insert(TOPICS[t]);
                    model.channels.insert((TOPICS[t], CHANNELS[c]));
                }
                Step::Delete(t, c) => {
                    let channel = c.map(|c| CHANNELS[c]);
                    match channel {
                        None => registry.delete_topic(TOPICS[t]),
                        Some(channel) => {
                            let there = model.channels.contains(&(TOPICS[t], channel));
                            prop_assert_eq!(registry.delete_channel(TOPICS[t], channel), there);
                        }
                    }
                    model.delete(TOPICS[t], channel);
                }
                Step::Tombstone(t, at) => if let Some((key, name, _)) = model.producers.get(at) {
                    registry.tombstone(TOPICS[t], &format!("{name}:4151"), now);
                    for (its, topic, tombstone) in &mut model.has_topic {
                        if (*its, *topic) == (*key, TOPICS[t]) {
                            *tombstone = Some(now);
                        }
                    }
                },
                Step::Heard(at) => if let Some((key, _, heard)) = model.producers.get_mut(at) {
                    registry.heard(*key, now);
                    *heard = now;
                },
                Step::Wait(seconds) => now += seconds * SECOND,
                Step::Add | Step::Remove(_) => {}
            }
            prop_assert_eq!(names(&registry.topics()), model.topics.iter().copied().collect::<Vec<_>>());
            for topic in TOPICS {
                prop_assert_eq!(found(&registry, topic, now), model.lookup(topic, now));
                let channels: Vec<&str> =
                    model.channels.iter().filter(|(t, _)| *t == topic).map(|(_, c)| *c).collect();
                prop_assert_eq!(names(&registry.channels(topic)), channels);
            }
            let nodes = registry.nodes(now, Lifetimes::default());
            let active = model.producers.iter().filter(|(_, _, heard)| now - heard <= 300 * SECOND);
            prop_assert_eq!(nodes.len(), active.count());
        }
        // Removing everything leaves nothing behind.
        for (key, ..) in &model.producers {
            registry.remove_producer(*key);
        }
        for topic in &TOPICS { registry.delete_topic(topic); }
        prop_assert_eq!(registry.counts(), (0, 0, 0));
        prop_assert_eq!(registry.registrations(), vec![]);
    }
}
