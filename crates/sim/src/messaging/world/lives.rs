//! Lives of the daemon: their starts, turns, disk jobs and ends.

use journal::files::{Fault, Operation};
use net::Instant;
use queue::Mail;
use queue::request::{Answer, Request};

use super::{Event, World};
use crate::messaging::daemon::Daemon;
use crate::messaging::scenario::End as LifeEnd;
use crate::messaging::tamper::Tamper;
use crate::network::End;
use crate::shard::Ready;

const EMFILE: i32 = 24;

impl World {
    pub(super) fn start(&mut self) {
        if self.daemon.is_some() {
            return;
        }
        self.life += 1;
        let starved = !self.healed && self.rng.one_in(12);
        if starved {
            let operation = self.rng.pick(&[Operation::Open, Operation::OpenDir]);
            let skip = self.rng.below(20);
            self.files.fail(Fault { operation, skip, times: 1, errno: EMFILE, torn: false });
        }
        if self.trace {
            for path in self.files.paths() {
                let bytes = self.files.content(&path).map_or(0, |content| content.len());
                eprintln!("           {} {bytes}", path.display());
            }
        }
        let started =
            Daemon::start(&self.files, &self.scenario.options, self.wall, &mut self.rng, &mut self.net);
        match started {
            Ok(daemon) => self.daemon = Some(daemon),
            Err(why) if starved => {
                if self.trace {
                    eprintln!("           {why}");
                }
                return self.start_again();
            }
            Err(why) => return self.oracle.fault(format!("the daemon does not start: {why}")),
        }
        self.files.clear_faults();
        if self.tamper == Some(Tamper::SegmentsKept) {
            self.files.fail(Fault {
                operation: Operation::Remove,
                skip: 0,
                times: u64::MAX,
                errno: EMFILE,
                torn: false,
            });
        }
        if let Some(mut snapshot) = self.statistics() {
            self.keep_ephemeral(&mut snapshot, self.tamper == Some(Tamper::EphemeralOutlives));
            let (now, wall, after) = (self.now(), self.wall_now(), self.ended);
            self.oracle.adopt(&snapshot, after, now, wall);
            self.adopt_settings(&snapshot);
        }
        self.check_damage_told();
        self.plan_turn(self.now());
    }

    /// Schedules a new start, as a supervisor does, after one that failed for lack of descriptors.
    fn start_again(&mut self) {
        self.oracle.report.failed_starts += 1;
        self.files.crash(journal::files::Crash::Process);
        self.after(1000, Event::Start);
    }

    /// Adopts settings that a power loss may have undone.
    fn adopt_settings(&mut self, snapshot: &queue::queue::Snapshot) {
        let (now, wall) = (self.now(), self.wall_now());
        for topic in snapshot.topics.as_deref().unwrap_or_default() {
            let settings = self.ask_now(Request::TopicSettings(topic.name.clone()));
            if let Some(Answer::TopicSettings(settings)) = settings {
                let told = self.tamper.map_or(settings, |tamper| tamper.distort_settings(settings));
                self.oracle.set_settings(&topic.name, told, now, wall);
            }
            for channel in &topic.channels {
                let settings =
                    self.ask_now(Request::ChannelSettings(topic.name.clone(), channel.name.clone()));
                if let Some(Answer::ChannelSettings(settings)) = settings {
                    self.oracle.set_max_attempts(&topic.name, &channel.name, settings.max_attempts);
                }
            }
        }
    }

    /// Sends a read-only request that is answered at once, between two turns.
    pub(super) fn ask_now(&mut self, request: Request) -> Option<Answer> {
        self.daemon.as_mut()?.ask(&mut self.net, request).lock().expect("one thread").take()
    }

    /// Requests statistics between two turns.
    pub(super) fn statistics(&mut self) -> Option<queue::queue::Snapshot> {
        let request = Request::Stats { topic: None, channel: None, clients: false };
        match self.ask_now(request) {
            Some(Answer::Stats(snapshot)) => Some(*snapshot),
            _ => None,
        }
    }

    pub(super) fn look(&mut self) {
        let now = self.now();
        if let Some(mut snapshot) = self.statistics() {
            self.pass_on();
            self.keep_ephemeral(&mut snapshot, self.tamper == Some(Tamper::EphemeralStays));
            if self.tamper == Some(Tamper::Miscounted) {
                snapshot.topics.iter_mut().flatten().for_each(|topic| topic.depth += 1);
            }
            self.oracle.check_counts(&snapshot, now);
        }
    }

    pub(super) fn make_ready(&mut self, ready: Ready) {
        let at = Instant(self.net.now.0 + self.rng.between(1, 100));
        if let Some(daemon) = &mut self.daemon {
            daemon.make_ready(ready);
            self.plan_turn(at);
        }
    }

    pub(super) fn plan_turn(&mut self, at: Instant) {
        let Some(daemon) = &mut self.daemon else { return };
        if daemon.shard.plan(at) {
            self.at(at, Event::Turn(self.life));
        }
    }

    pub(super) fn turn(&mut self) {
        let now = self.now();
        let Some(daemon) = self.daemon.as_mut().filter(|daemon| daemon.shard.turn_at == Some(now)) else {
            return;
        };
        daemon.shard.turn_at = None;
        daemon.shard.turn(&mut self.net);
        self.pass_on();
        let Some(daemon) = &self.daemon else { return };
        if daemon.has_stopped() {
            return self.end_life(LifeEnd::Stop);
        }
        if let Some(at) = daemon.shard.after_turn(now) {
            self.plan_turn(at.max(Instant(now.0 + 1)));
        }
    }

    pub(super) fn job(&mut self, worker: usize) {
        let Some(daemon) = &mut self.daemon else { return };
        let Some((done, more)) = daemon.workers.work(worker) else { return };
        let letter = daemon.letter(Mail::Done(done));
        self.make_ready(Ready::Mail(letter));
        if more {
            self.plan_job(worker);
        }
    }

    /// Ends a life, or requests its end.
    pub(super) fn end_life(&mut self, how: LifeEnd) {
        let Some(daemon) = &mut self.daemon else { return };
        if how == LifeEnd::Stop && !daemon.has_stopped() {
            if !std::mem::replace(&mut daemon.stopping, true) {
                self.oracle.excused = true;
                self.make_ready(Ready::Stop);
            }
            return;
        }
        self.check_disk();
        self.daemon = None;
        self.life += 1;
        self.files.crash(match how {
            LifeEnd::Power => journal::files::Crash::Power,
            LifeEnd::Kill | LifeEnd::Stop => journal::files::Crash::Process,
        });
        for session in self.sessions.iter_mut().filter(|session| !session.closed) {
            session.closed = true;
            match how {
                LifeEnd::Power => self.net.reset(session.link, End::Proxy),
                _ => self.net.close(session.link, End::Proxy),
            }
        }
        let now = self.now();
        self.oracle.crash(how, now);
        self.pending.clear();
        self.relieve();
        if !self.healed {
            self.rot();
        }
        self.ended = Some(how);
        let pause = self.rng.between(1000, 300_000);
        self.after(pause, Event::Start);
    }
}
