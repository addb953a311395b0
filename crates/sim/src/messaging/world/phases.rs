//! The phases of a run.

use net::Instant;
use queue::ask::{Answer, Ask};
use queue::queue::Snapshot;

use super::{Event, World};
use crate::messaging::client::{Client, Role};
use crate::messaging::report::Report;
use crate::messaging::scenario::End as LifeEnd;

const SECOND: u64 = 1_000_000;

impl World {
    pub(crate) fn run(mut self) -> Result<Report, String> {
        self.set_up();
        self.complain()?;
        let chaos = self.scenario.chaos.as_micros() as u64;
        self.until(Instant(chaos))?;
        self.heal()?;
        self.drain()?;
        if let Some(why) = self.oracle.missing() {
            return Err(why);
        }
        // A FIN is written a moment after it came.
        self.until(Instant(self.now().0 + SECOND))?;
        self.end_life(LifeEnd::Kill);
        self.until(Instant(self.now().0 + 2 * SECOND))?;
        match self.statistics() {
            Some(snapshot) if left(&snapshot) > 0 => {
                Err(format!("{} messages are there that were finished", left(&snapshot)))
            }
            Some(_) => Ok(self.report()),
            None => Err("the last life does not answer".to_owned()),
        }
    }

    fn set_up(&mut self) {
        self.start();
        for plan in self.scenario.topics.clone().into_iter().filter(|plan| plan.upfront) {
            self.order(Ask::CreateTopic(plan.name.clone(), None));
            for channel in plan.channels {
                self.order(Ask::CreateChannel(plan.name.clone(), channel));
            }
        }
        let names: Vec<String> = self.scenario.topics.iter().map(|plan| plan.name.clone()).collect();
        for _ in 0..self.scenario.producers {
            self.add_client(Role::Producer(names.clone()));
        }
        for _ in 0..self.scenario.consumers {
            let plan = self.rng.below(self.scenario.topics.len() as u64) as usize;
            let plan = self.scenario.topics[plan].clone();
            let channel = plan.channels[self.rng.below(plan.channels.len() as u64) as usize].clone();
            self.add_client(Role::Consumer((plan.name, channel)));
        }
        let chaos = self.scenario.chaos.as_micros() as u64;
        for how in self.scenario.ends.clone() {
            let at = self.rng.below(chaos);
            self.after(at, Event::End(how));
        }
        for _ in 0..10 {
            let at = self.rng.below(chaos);
            self.after(at, Event::Look);
        }
    }

    fn add_client(&mut self, role: Role) {
        let rng = self.rng.fork();
        let arrive = self.rng.below(self.scenario.think_ms * 1000);
        self.clients.push(Client::new(role, &self.scenario, rng));
        self.after(arrive, Event::Connect(self.clients.len() - 1));
    }

    /// Does something that is answered at once, between two turns.
    pub(super) fn order(&mut self, ask: Ask) {
        let (now, wall) = (self.now(), self.wall_now());
        let Some(daemon) = &mut self.daemon else { return };
        let answer = daemon.ask_now(&mut self.net, ask.clone());
        self.pass_on();
        self.oracle.ordered(&ask, answer.as_ref(), now, wall);
        self.plan_turn(Instant(now.0 + 1));
        if let Some(Answer::Refused(why)) = answer {
            self.oracle.fault(format!("{ask:?} was refused: {why}"));
        }
    }

    /// Nothing goes wrong any more: clients go, and a new life begins.
    fn heal(&mut self) -> Result<(), String> {
        self.healed = true;
        self.scenario.job_us_max = 10;
        self.clients.iter_mut().for_each(|client| client.vanish(&mut self.net));
        self.end_life(LifeEnd::Kill);
        self.until(Instant(self.now().0 + SECOND))
    }

    /// Everything is consumed and finished.
    fn drain(&mut self) -> Result<(), String> {
        let Some(snapshot) = self.statistics() else { return Err("the daemon does not answer".to_owned()) };
        for topic in snapshot.topics.unwrap_or_default() {
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
            self.complain()?;
            if self.statistics().is_some_and(|snapshot| left(&snapshot) == 0) {
                return Ok(());
            }
        }
        let why = self.oracle.missing().unwrap_or_else(|| "nothing is missing".to_owned());
        Err(format!("it is not drained after {} s: {why}", patience / SECOND))
    }
}

/// Messages that are somewhere.
fn left(snapshot: &Snapshot) -> u64 {
    let topics = snapshot.topics.as_deref().unwrap_or_default();
    let of_channels = topics.iter().flat_map(|topic| &topic.channels);
    let in_channels: u64 =
        of_channels.map(|channel| channel.depth + channel.in_flight + channel.deferred).sum();
    in_channels + topics.iter().map(|topic| topic.depth).sum::<u64>()
}
