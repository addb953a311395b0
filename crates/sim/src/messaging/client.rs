//! A client: a producer that pipelines, or a consumer that finishes, requeues, touches, keeps or forgets its
//! messages. Either may stall, and vanish at any moment.

use std::time::Duration;

use bytes::BytesMut;
use net::Instant;

use super::body::Uid;
use super::command::{Command, Name};
use super::frames::{Frame, Frames, Id};
use super::scenario::Scenario;
use super::session::{Session, SessionId};
use super::tamper::Tamper;
use crate::network::{End, LinkId, Network, Read};
use crate::rng::Rng;

/// Purpose of a client, with the topics or the channel that it uses.
#[derive(Debug, Clone)]
pub(crate) enum Role {
    Producer(Vec<String>),
    Consumer(Name),
    /// Finishes everything at once.
    Drain(Name),
}

/// An action that a client plans.
#[derive(Debug, Clone)]
enum Plan {
    Publish,
    Settle(Id),
    Ready,
    Close,
    Vanish,
}

/// Surroundings of a client that is woken.
pub(crate) struct Around<'a> {
    pub(crate) net: &'a mut Network,
    pub(crate) sessions: &'a mut [Session],
    pub(crate) scenario: &'a Scenario,
    pub(crate) uid: &'a mut Uid,
    pub(crate) tamper: Option<Tamper>,
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) role: Role,
    /// Its connection, while it has one.
    pub(crate) session: Option<SessionId>,
    /// Time of its next wake-up.
    pub(crate) wake_at: Option<Instant>,
    rng: Rng,
    link: LinkId,
    out: BytesMut,
    frames: Frames,
    plans: Vec<(Instant, Plan)>,
    /// Time until which it reads nothing.
    stalled: Instant,
    /// Publications in progress.
    pipelined: u64,
    /// Messages still to publish.
    left: u64,
}

impl Client {
    pub(crate) fn new(role: Role, scenario: &Scenario, mut rng: Rng) -> Client {
        let left = scenario.messages / 2 + rng.below(scenario.messages);
        Client {
            role,
            session: None,
            wake_at: None,
            rng,
            link: 0,
            out: BytesMut::new(),
            frames: Frames::default(),
            plans: Vec::new(),
            stalled: Instant(0),
            pipelined: 0,
            left,
        }
    }

    pub(crate) fn drains(&self) -> bool {
        matches!(self.role, Role::Drain(_))
    }

    /// Introduces the client on a new connection.
    pub(crate) fn connected(&mut self, session: SessionId, link: LinkId, around: &mut Around<'_>) {
        self.session = Some(session);
        self.link = link;
        self.out.clear();
        self.frames = Frames::default();
        self.plans.clear();
        self.pipelined = 0;
        self.send(Command::Magic, around);
        if self.rng.one_in(2) && !self.drains() {
            let timeout = self.rng.between(100, 6000);
            self.send(Command::Identify(timeout), around);
        }
        match self.role.clone() {
            Role::Producer(_) => self.plan(Plan::Publish, around),
            Role::Consumer(name) => {
                self.send(Command::Sub(name), around);
                self.plan(Plan::Ready, around);
            }
            Role::Drain(name) => {
                self.send(Command::Sub(name), around);
                // When memory is short, clients with much unread output are closed.
                let little = around.scenario.is_short_of_memory();
                self.send(Command::Rdy(if little { 10 } else { 2500 }), around);
            }
        }
        if !self.drains() && self.rng.one_in(3) {
            let end = if self.rng.one_in(3) { Plan::Close } else { Plan::Vanish };
            let after = self.rng.between(0, around.scenario.think_ms * 20);
            self.plans.push((around.net.now + Duration::from_millis(after), end));
        }
    }

    fn plan(&mut self, plan: Plan, around: &Around<'_>) {
        let after = self.rng.below(around.scenario.think_ms * 1000);
        self.plans.push((around.net.now + Duration::from_micros(after), plan));
    }

    fn send(&mut self, command: Command, around: &mut Around<'_>) {
        let Some(session) = self.session else { return };
        let mut command = command;
        let instead = around.tamper.and_then(|tamper| tamper.distort_command(&mut command));
        let bytes = instead.as_ref().unwrap_or(&command).bytes(around.scenario.fill_max);
        self.out.extend_from_slice(&bytes);
        around.sessions[session].sends(command, bytes.len());
    }

    /// Resets the connection.
    pub(crate) fn vanish(&mut self, net: &mut Network) {
        if self.session.take().is_some() {
            net.reset(self.link, End::Peer);
        }
    }

    /// Does everything that is due. Returns the time of its next wake-up.
    pub(crate) fn wake(&mut self, around: &mut Around<'_>) -> Option<Instant> {
        self.session?;
        let now = around.net.now;
        if self.stalled <= now && !self.read(around) {
            around.net.close(self.link, End::Peer);
            self.session = None;
            return None;
        }
        let due: Vec<Plan> = self.plans.extract_if(.., |(at, _)| *at <= now).map(|(_, plan)| plan).collect();
        for plan in due {
            self.carry_out(plan, around);
            self.session?;
        }
        if !self.out.is_empty() {
            match around.net.write(self.link, End::Peer, &self.out) {
                Ok(taken) => drop(self.out.split_to(taken)),
                Err(()) => {
                    self.session = None;
                    return None;
                }
            }
        }
        let stalled = (self.stalled > now).then_some(self.stalled);
        self.plans.iter().map(|(at, _)| *at).chain(stalled).min()
    }

    /// Reads frames; false if the connection is gone.
    fn read(&mut self, around: &mut Around<'_>) -> bool {
        loop {
            match around.net.read(self.link, End::Peer, 64 << 10) {
                Read::Bytes(bytes) => {
                    for frame in self.frames.take(&bytes) {
                        self.receive(frame, around);
                    }
                }
                Read::Dry => return true,
                Read::End | Read::Reset => return false,
            }
        }
    }

    fn receive(&mut self, frame: Frame, around: &mut Around<'_>) {
        match frame {
            frame if frame.is_heartbeat() => self.send(Command::Nop, around),
            Frame::Response(_) => self.pipelined = self.pipelined.saturating_sub(1),
            Frame::Message { id, .. } if self.drains() => self.send(Command::Fin(id), around),
            Frame::Message { id, .. } => {
                if self.rng.one_in(2) {
                    self.settle(id, around);
                } else {
                    self.plan(Plan::Settle(id), around);
                }
                if self.rng.one_in(40) {
                    let stall = self.rng.below(around.scenario.think_ms * 10);
                    self.stalled = around.net.now + Duration::from_millis(stall);
                }
            }
            _ => {}
        }
    }

    fn carry_out(&mut self, plan: Plan, around: &mut Around<'_>) {
        match plan {
            Plan::Publish => self.publish(around),
            Plan::Settle(id) => self.settle(id, around),
            Plan::Ready => {
                let count = self.rng.pick(&[0, 1, 1, 2, 5, 50, 2500]);
                self.send(Command::Rdy(count), around);
                if self.rng.one_in(3) {
                    self.plan(Plan::Ready, around);
                } else if count == 0 {
                    self.send(Command::Rdy(3), around);
                }
            }
            Plan::Close => self.send(Command::Cls, around),
            Plan::Vanish if self.rng.one_in(2) => self.vanish(around.net),
            Plan::Vanish => {
                around.net.close(self.link, End::Peer);
                self.session = None;
            }
        }
    }

    fn publish(&mut self, around: &mut Around<'_>) {
        let Role::Producer(topics) = self.role.clone() else { return };
        let burst = if self.rng.one_in(3) { self.rng.between(1, 12) } else { 1 };
        for _ in 0..burst {
            if self.left == 0 || self.pipelined > 50 {
                break;
            }
            let topic = topics[self.rng.below(topics.len() as u64) as usize].clone();
            let count = if self.rng.one_in(5) { self.rng.between(2, 6) } else { 1 };
            let uids = (0..count)
                .map(|_| {
                    *around.uid += 1;
                    *around.uid
                })
                .collect();
            let delayed = count == 1 && self.rng.one_in(6);
            let delay_ms = if delayed { self.rng.between(1, around.scenario.delay_ms_max) } else { 0 };
            self.send(Command::Publish { topic, uids, delay_ms }, around);
            self.pipelined += 1;
            self.left = self.left.saturating_sub(count);
        }
        if self.left > 0 {
            self.plan(Plan::Publish, around);
        }
    }

    /// Decides what to do with a message.
    fn settle(&mut self, id: Id, around: &mut Around<'_>) {
        let delay = self.rng.between(1, around.scenario.delay_ms_max);
        match self.rng.below(20) {
            0..11 => self.send(Command::Fin(id), around),
            11..13 => self.send(Command::Req(id, 0), around),
            13..15 => self.send(Command::Req(id, delay), around),
            15 => {
                self.send(Command::Fin(id), around);
                self.send(Command::Fin(id), around);
            }
            16..18 => {
                self.send(Command::Touch(id), around);
                self.plan(Plan::Settle(id), around);
            }
            18 => self.plan(Plan::Settle(id), around),
            // Forget it.
            _ => {}
        }
    }
}
