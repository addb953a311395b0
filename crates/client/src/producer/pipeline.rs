//! The task behind a producer: connects when there is something to send, sends what is waiting, and pairs
//! answers with publications.
//!
//! ```text
//! jobs ▸ waiting ▸ [connect] ▸ sent ▸ answered        a lost connection: sent fails (Unanswered), waiting goes over the next one
//! ```
//! If the server cannot be reached, everything waiting fails at once ([`PublishError::NotSent`]); the next
//! attempt is made after a short pause, as soon as there is something to send.

use std::collections::VecDeque;
use std::time::Instant;

use telemetry::{debug, warn};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;
use wire::nsq::Command;
use wire::nsq::frame::{FrameType, HEARTBEAT, OK};

use super::window::Place;
use crate::error::PublishError;
use crate::link::{self, Frame, LinkError, NodeAddress, Profile, Transport};
use crate::retry::Retry;

/// Unsent bytes above which nothing more is queued on the socket.
const UNSENT_MAX: usize = 256 << 10;

/// Errors of the server's storage.
const STORING: [&str; 3] = ["E_PUB_FAILED", "E_MPUB_FAILED", "E_DPUB_FAILED"];

type Answer = oneshot::Sender<Result<(), PublishError>>;

/// A producer's request.
#[derive(Debug)]
pub(super) enum Job {
    Publish(Request),
    Ping(Answer),
    Stop(oneshot::Sender<()>),
}

/// A publication.
#[derive(Debug)]
pub(super) struct Request {
    /// The command, encoded.
    pub(super) bytes: Vec<u8>,
    pub(super) answer: Answer,
    pub(super) deadline: Instant,
    pub(super) _place: Place,
}

impl Request {
    fn fail(self, error: PublishError) {
        let _ = self.answer.send(Err(error));
    }
}

/// Runs until it is stopped, or all producers are dropped.
pub(super) async fn run(address: NodeAddress, profile: Profile, jobs: mpsc::UnboundedReceiver<Job>) {
    let retry = Retry::new(profile.config.max_reconnect_delay);
    let mut pipeline = Pipeline {
        address,
        profile,
        jobs,
        waiting: VecDeque::new(),
        sent: VecDeque::new(),
        pings: Vec::new(),
        stop: None,
        ended: false,
        retry,
        not_before: None,
        refused: false,
    };
    pipeline.run().await;
    if let Some(stop) = pipeline.stop {
        let _ = stop.send(());
    }
}

struct Pipeline {
    address: NodeAddress,
    profile: Profile,
    jobs: mpsc::UnboundedReceiver<Job>,
    /// Not sent yet.
    waiting: VecDeque<Request>,
    /// Sent, without an answer.
    sent: VecDeque<Request>,
    pings: Vec<Answer>,
    stop: Option<oneshot::Sender<()>>,
    /// No more jobs will come.
    ended: bool,
    retry: Retry,
    /// Earliest time of the next connect.
    not_before: Option<Instant>,
    /// The server has refused a publication, and closes the connection because of it: reconnect at once.
    refused: bool,
}

impl Pipeline {
    async fn run(&mut self) {
        loop {
            while self.waiting.is_empty() && self.pings.is_empty() {
                if self.ended {
                    return;
                }
                let job = self.jobs.recv().await;
                self.take(job);
            }
            self.pause().await;
            match link::open(&self.address, &self.profile).await {
                Ok((transport, _)) => self.over(transport).await,
                Err(error) => self.unreachable(&error),
            }
        }
    }

    /// Waits until the next connect is allowed, accepting jobs meanwhile.
    async fn pause(&mut self) {
        while let Some(until) = self.not_before.filter(|until| *until > Instant::now()) {
            tokio::select! {
                () = sleep_until(until.into()) => {}
                job = self.jobs.recv(), if !self.ended => self.take(job),
            }
        }
    }

    fn take(&mut self, job: Option<Job>) {
        match job {
            Some(Job::Publish(request)) => self.waiting.push_back(request),
            Some(Job::Ping(answer)) => self.pings.push(answer),
            Some(Job::Stop(done)) => {
                // later publications find the channel closed
                self.jobs.close();
                self.stop = Some(done);
            }
            None => self.ended = true,
        }
    }

    fn unreachable(&mut self, error: &LinkError) {
        warn!(nsqd = %self.address, %error, "nsqd cannot be reached");
        let error = PublishError::NotSent(error.to_string());
        self.waiting.drain(..).for_each(|request| request.fail(error.clone()));
        self.pings.drain(..).for_each(|answer| drop(answer.send(Err(error.clone()))));
        self.not_before = Some(Instant::now() + self.retry.wait());
    }

    /// Uses a connection until it ends.
    async fn over(&mut self, mut transport: Transport) {
        self.pings.drain(..).for_each(|answer| drop(answer.send(Ok(()))));
        let begun = Instant::now();
        let result = self.exchange(&mut transport).await;
        self.retry.ended(begun, Instant::now());
        let Err(error) = result else { return transport.finish().await };
        transport.close();
        if self.sent.is_empty() && self.waiting.is_empty() {
            self.refused = false;
            debug!(nsqd = %self.address, %error, "idle connection lost");
            return;
        }
        if std::mem::take(&mut self.refused) {
            debug!(nsqd = %self.address, %error, "publication refused");
            return;
        }
        warn!(nsqd = %self.address, %error, unanswered = self.sent.len(), "connection to nsqd lost");
        let text = error.to_string();
        self.sent.drain(..).for_each(|request| request.fail(PublishError::Unanswered(text.clone())));
        self.not_before = Some(Instant::now() + self.retry.wait());
    }

    async fn exchange(&mut self, transport: &mut Transport) -> Result<(), LinkError> {
        loop {
            while let Some(frame) = transport.next_frame()? {
                self.frame(transport, &frame)?;
            }
            self.send_waiting(transport);
            transport.write();
            if self.ended && self.waiting.is_empty() && self.sent.is_empty() {
                return Ok(());
            }
            let config = &self.profile.config;
            let heard = config.heartbeat_interval.is_some();
            // a server that is busy stops reading; the deadlines of publications limit how long that is
            // tolerated
            let limit =
                transport.deadline(heard, config.read_timeout, config.read_timeout.max(config.write_timeout));
            let due = self.sent.front().map(|request| request.deadline);
            let deadline = [limit, due].into_iter().flatten().min();
            let room = transport.unsent() < UNSENT_MAX && !self.ended;
            tokio::select! {
                turn = transport.turn(true) => turn?,
                job = self.jobs.recv(), if room => {
                    self.take(job);
                    self.take_more();
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now).into()), if deadline.is_some() => {
                    return Err(LinkError::Late("the server"));
                }
            }
        }
    }

    /// Takes the jobs already queued: they leave in one write.
    fn take_more(&mut self) {
        while let Ok(job) = self.jobs.try_recv() {
            self.take(Some(job));
        }
        self.pings.drain(..).for_each(|answer| drop(answer.send(Ok(()))));
    }

    fn send_waiting(&mut self, transport: &mut Transport) {
        while transport.unsent() < UNSENT_MAX {
            let Some(request) = self.waiting.pop_front() else { return };
            if request.deadline <= Instant::now() {
                request.fail(PublishError::NotSent("it took too long".into()));
            } else {
                transport.send(&request.bytes);
                self.sent.push_back(request);
            }
        }
    }

    fn frame(&mut self, transport: &mut Transport, frame: &Frame) -> Result<(), LinkError> {
        match frame.kind {
            FrameType::Response if *frame.data == *HEARTBEAT => transport.command(&Command::Nop),
            FrameType::Response if *frame.data == *OK => {
                let request = self.sent.pop_front();
                let request = request.ok_or_else(|| LinkError::Protocol("an OK for nothing".into()))?;
                let _ = request.answer.send(Ok(()));
            }
            FrameType::Error => return Err(self.refused(LinkError::server(&frame.data))),
            _ => return Err(LinkError::Protocol("a frame that answers no publication".into())),
        }
        Ok(())
    }

    /// Handles a refusal of the oldest publication, after which the server closes the connection. A refusal
    /// for its form or for lack of a right comes as the server reads it: it has read none of the others.
    /// After a storage failure it may have read others.
    fn refused(&mut self, error: LinkError) -> LinkError {
        let Some(request) = self.sent.pop_front() else { return error };
        let text = error.to_string();
        if STORING.iter().any(|code| text.starts_with(code)) {
            request.fail(PublishError::Failed(text));
        } else {
            request.fail(PublishError::Refused(text));
            self.refused = true;
            while let Some(request) = self.sent.pop_back() {
                self.waiting.push_front(request);
            }
        }
        error
    }
}
