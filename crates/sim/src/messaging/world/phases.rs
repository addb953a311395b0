//! The phases of a run.

use std::collections::BTreeMap;
use std::path::Path;

use journal::Files;
use net::Instant;
use queue::QueueError;
use queue::queue::Snapshot;
use queue::request::{Answer, Request};
use queue::settings::{Durability, TopicSettings};

use super::{Event, World};
use crate::messaging::client::{Client, Role};
use crate::messaging::names::{DEAD, is_ephemeral};
use crate::messaging::report::Report;
use crate::messaging::scenario::End as LifeEnd;
use crate::messaging::tamper::Tamper;

const SECOND: u64 = 1_000_000;
/// Time after which an idle topic has released everything unneeded.
const REST_US: u64 = 200 * SECOND;
/// Most bytes that may stay on the disk: the open segment, and a checkpoint.
const REST_BYTES: u64 = 80 << 10;

impl World {
    pub(crate) fn run(mut self) -> Result<Report, String> {
        self.set_up();
        self.complain()?;
        let chaos = self.scenario.chaos.as_micros() as u64;
        self.until(Instant(chaos))?;
        self.drain_ephemeral()?;
        self.heal()?;
        self.drain()?;
        if let Some(why) = self.oracle.missing(self.net.now) {
            return Err(why);
        }
        // The last FIN is written meanwhile.
        self.until(Instant(self.now().0 + SECOND / 10))?;
        self.end_life(LifeEnd::Kill);
        self.until(Instant(self.now().0 + 2 * SECOND))?;
        match self.statistics() {
            Some(snapshot) if left(&snapshot) > 0 => {
                let there: Vec<String> = places(&snapshot);
                Err(format!("messages are there that were finished: {}", there.join(", ")))
            }
            Some(_) => self.rest(),
            None => Err("the last life does not answer".to_owned()),
        }
    }

    fn set_up(&mut self) {
        self.files.create_dir(Path::new("/data")).expect("a new disk");
        self.files.sync_dir(Path::new("/")).expect("a new disk");
        self.leave_behind();
        self.take_over();
        while self.daemon.is_none() && self.oracle.faults.is_empty() {
            self.start();
        }
        self.create();
        let names: Vec<String> = self.scenario.topics.iter().map(|plan| plan.name.clone()).collect();
        for _ in 0..self.scenario.producers {
            self.add_client(Role::Producer(names.clone()));
        }
        for _ in 0..self.scenario.consumers {
            let plan = self.rng.below(self.scenario.topics.len() as u64) as usize;
            let plan = self.scenario.topics[plan].clone();
            let channel = plan.channels[self.rng.below(plan.channels.len() as u64) as usize].clone();
            let lasting = !is_ephemeral(&plan.name) && !is_ephemeral(&channel);
            let letters = self.scenario.max_attempts > 0 && self.rng.one_in(8) && lasting;
            self.add_client(Role::Consumer(if letters {
                (format!("{}.{channel}.dead", plan.name), "reader".to_owned())
            } else {
                (plan.name, channel)
            }));
        }
        self.plan_chaos();
    }

    /// Creates topics and channels planned upfront.
    fn create(&mut self) {
        for plan in self.scenario.topics.clone().into_iter().filter(|plan| plan.upfront) {
            let durability = match self.scenario.left_behind {
                None if !is_ephemeral(&plan.name) => self.rng.pick(&[
                    None,
                    None,
                    Some(Durability::Os),
                    Some(Durability::Fsync),
                    Some(Durability::Memory),
                ]),
                _ => None,
            };
            let mut asks = vec![Request::CreateTopic(plan.name.clone(), durability)];
            asks.extend(
                plan.channels.into_iter().map(|channel| Request::CreateChannel(plan.name.clone(), channel)),
            );
            for request in asks {
                let answer = self.order(request.clone(), Vec::new());
                let many = matches!(answer, Some(Answer::Refused(QueueError::TooManyChannelsOfTopic { .. })));
                if !many && !matches!(answer, Some(Answer::Done)) {
                    self.oracle.fault(format!("{request:?} was refused"));
                }
            }
        }
        if self.scenario.settings != TopicSettings::default() {
            self.limit();
        }
        if self.scenario.max_attempts > 0 {
            self.set_max_attempts(self.scenario.max_attempts);
        }
    }

    /// Sets the topics' settings.
    fn limit(&mut self) {
        for topic in self.live_topics() {
            let Some(Answer::TopicSettings(settings)) =
                self.ask_now(Request::TopicSettings(topic.name.clone()))
            else {
                continue;
            };
            let settings = TopicSettings { durability: settings.durability, ..self.scenario.settings };
            self.order(Request::ConfigureTopic(topic.name, settings), Vec::new());
        }
    }

    fn plan_chaos(&mut self) {
        let scenario = self.scenario.clone();
        let mut events: Vec<Event> = scenario.ends.into_iter().map(Event::End).collect();
        events.extend(scenario.troubles.into_iter().map(Event::Trouble));
        events.extend(scenario.steps.into_iter().map(Event::Step));
        events.extend((0..scenario.orders).map(|_| Event::Order));
        events.extend((0..10).map(|_| Event::Look));
        for event in events {
            let at = self.rng.below(scenario.chaos.as_micros() as u64);
            self.after(at, event);
        }
    }

    pub(super) fn add_client(&mut self, role: Role) {
        let rng = self.rng.fork();
        let arrive = self.rng.below(self.scenario.think_ms * 1000);
        self.clients.push(Client::new(role, &self.scenario, rng));
        self.after(arrive, Event::Connect(self.clients.len() - 1));
    }

    /// Checks that, some time after everything is finished, next to none of it is on the disk.
    fn rest(mut self) -> Result<Report, String> {
        let before = self.stored();
        self.until(Instant(self.now().0 + REST_US))?;
        for (topic, bytes) in self.stored() {
            let settings = self.ask_now(Request::TopicSettings(topic.clone()));
            if matches!(settings, Some(Answer::TopicSettings(settings)) if settings.retention_seconds > 0) {
                continue;
            }
            if bytes > REST_BYTES {
                return Err(format!("{bytes} bytes of topic {topic} are on the disk, and nobody needs them"));
            }
            self.oracle.report.emptied +=
                u64::from(before.get(&topic).is_some_and(|before| *before > REST_BYTES));
        }
        Ok(self.report())
    }

    /// Bytes on the disk per topic, except dead-letter topics and damaged segments that were set aside for
    /// the operator.
    fn stored(&self) -> BTreeMap<String, u64> {
        let mut stored = BTreeMap::new();
        for path in self.files.paths() {
            if path.extension().is_some_and(|extension| extension == "bad") {
                continue;
            }
            let topic = path.parent().and_then(Path::file_name).and_then(|dir| dir.to_str());
            let Some(topic) = topic.and_then(|dir| dir.strip_suffix(".topic")).filter(|t| !t.ends_with(DEAD))
            else {
                continue;
            };
            let bytes = self.files.content(&path).map_or(0, |content| content.len() as u64);
            *stored.entry(topic.to_owned()).or_default() += bytes;
        }
        stored
    }

    /// Ends chaos: clients leave, and a new life begins.
    fn heal(&mut self) -> Result<(), String> {
        self.healed = true;
        self.scenario.job_us_max = 10;
        self.clients.iter_mut().for_each(|client| client.vanish(&mut self.net));
        self.end_life(LifeEnd::Kill);
        self.until(Instant(self.now().0 + SECOND))?;
        self.resume();
        self.set_max_attempts(0);
        if self.scenario.settings.retention_seconds > 0 || self.tamper == Some(Tamper::ReplayForgotten) {
            self.replay_all();
        }
        self.redrive_all();
        self.complain()
    }

    /// Consumes and finishes everything.
    fn drain(&mut self) -> Result<(), String> {
        self.oracle.drain();
        for topic in self.live_topics() {
            let mut channels: Vec<String> = topic.channels.into_iter().map(|channel| channel.name).collect();
            if channels.is_empty() {
                channels.push("c0".to_owned());
            }
            for channel in channels {
                self.add_client(Role::Drain((topic.name.clone(), channel)));
            }
        }
        let patience = self.scenario.delay_ms_max * 1000 + 30 * SECOND;
        let end = Instant(self.now().0 + patience);
        while self.now() < end {
            self.until(Instant(self.now().0 + SECOND))?;
            self.look();
            self.redrive_all();
            self.complain()?;
            if self.statistics().is_some_and(|snapshot| left(&snapshot) == 0) {
                return Ok(());
            }
        }
        let why = self.oracle.missing(self.net.now).unwrap_or_else(|| "nothing is missing".to_owned());
        Err(format!("it is not drained after {} s: {why}", patience / SECOND))
    }
}

/// Depth, in flight and deferred of each channel, as text.
fn places(snapshot: &Snapshot) -> Vec<String> {
    let topics = snapshot.topics.as_deref().unwrap_or_default();
    let named = topics.iter().flat_map(|topic| topic.channels.iter().map(move |channel| (topic, channel)));
    let full = named.filter(|(_, channel)| channel.depth + channel.in_flight + channel.deferred > 0);
    let channels = full.map(|(topic, channel)| {
        format!(
            "{}/{} {} {} {}",
            topic.name, channel.name, channel.depth, channel.in_flight, channel.deferred
        )
    });
    let waiting = topics.iter().filter(|topic| topic.depth > 0);
    channels.chain(waiting.map(|topic| format!("{} {}", topic.name, topic.depth))).collect()
}

/// Messages held anywhere.
pub(super) fn left(snapshot: &Snapshot) -> u64 {
    let topics = snapshot.topics.as_deref().unwrap_or_default();
    // A reader of dead letters may have left some.
    let topics = topics.iter().filter(|topic| !topic.name.ends_with(DEAD));
    let of_channels = topics.clone().flat_map(|topic| &topic.channels);
    let in_channels: u64 =
        of_channels.map(|channel| channel.depth + channel.in_flight + channel.deferred).sum();
    in_channels + topics.map(|topic| topic.depth).sum::<u64>()
}
