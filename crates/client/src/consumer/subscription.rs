//! One node: connect, subscribe, read and answer; reconnect when the connection is lost.
//!
//! ```text
//! keep ▸ session ▸ open, subscribe ▸ run: take (answers, RDY, CLS) ▸ frames ▸ deliver ▸ wait
//! ```
//! One task per node. It reads only while its messages fit into the consumer's queue.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use telemetry::{debug, info, warn};
use tokio::sync::mpsc;
use tokio::time::{sleep, sleep_until};
use wire::nsq::Command;
use wire::nsq::frame::{CLOSE_WAIT, FrameType, HEARTBEAT, MessageData};

use super::hub::{Hub, Stop};
use super::line::Line;
use super::ticket::Delivery;
use crate::link::{self, Frame, LinkError, NodeAddress, Transport};
use crate::message::Message;
use crate::retry::Retry;

/// Errors about a message that the server has meanwhile taken back: no reason to disconnect.
const HARMLESS: [&[u8]; 3] = [b"E_FIN_FAILED", b"E_REQ_FAILED", b"E_TOUCH_FAILED"];

/// Keeps a node connected until the consumer ends, or the node is no longer named.
pub(super) async fn keep(hub: Arc<Hub>, address: NodeAddress, queue: mpsc::Sender<Message>) {
    let name = address.to_string();
    let mut retry = Retry::new(hub.profile.config.max_reconnect_delay);
    loop {
        let begun = Instant::now();
        let mut stood = false;
        match session(&hub, &address, &queue, &mut stood).await {
            Ok(()) => return,
            Err(error) => {
                warn!(topic = %hub.topic, channel = %hub.channel, nsqd = %name, %error, "connection to nsqd lost");
            }
        }
        if hub.stopping() != Stop::No || !hub.worth_trying(&name) {
            return;
        }
        if stood {
            hub.lost.notify_one();
        }
        retry.ended(begun, Instant::now());
        tokio::select! {
            () = sleep(retry.wait()) => {}
            () = hub.stopped() => return,
        }
    }
}

/// Runs one connection. `Ok` if the consumer ends; `stood` is set once it is subscribed.
async fn session(
    hub: &Arc<Hub>,
    address: &NodeAddress,
    queue: &mpsc::Sender<Message>,
    stood: &mut bool,
) -> Result<(), LinkError> {
    let opening = async {
        let (mut transport, reply) = link::open(address, &hub.profile).await?;
        let patience = hub.profile.config.read_timeout;
        link::subscribe(&mut transport, &hub.topic, &hub.channel, patience).await?;
        Ok::<_, LinkError>((transport, reply))
    };
    let (transport, reply) = tokio::select! {
        opened = opening => opened?,
        () = hub.stopped() => return Ok(()),
    };
    let milliseconds = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    let (timeout, timeout_max) = (milliseconds(reply.msg_timeout), milliseconds(reply.max_msg_timeout));
    let line = Arc::new(Line::new(hub.next_id(), address.to_string(), timeout, timeout_max));
    info!(topic = %hub.topic, channel = %hub.channel, nsqd = %address, version = %reply.version, "subscribed");
    *stood = true;
    hub.joined(line.clone(), u32::try_from(reply.max_rdy_count).unwrap_or(0));
    if hub.stopping() != Stop::No {
        line.close();
    }
    let mut session = Session {
        hub: hub.clone(),
        line: line.clone(),
        transport,
        held: VecDeque::new(),
        closing: false,
        close_wait: false,
    };
    let result = session.run(queue).await;
    hub.left(&line);
    match result {
        Ok(()) => session.transport.finish().await,
        Err(_) => session.transport.close(),
    }
    result
}

struct Session {
    hub: Arc<Hub>,
    line: Arc<Line>,
    transport: Transport,
    /// Messages without room in the queue.
    held: VecDeque<Message>,
    /// CLS was sent.
    closing: bool,
    /// True once CLS was answered.
    close_wait: bool,
}

impl Session {
    async fn run(&mut self, queue: &mpsc::Sender<Message>) -> Result<(), LinkError> {
        loop {
            self.say();
            self.take_frames()?;
            self.deliver(queue);
            self.transport.write();
            if self.done() {
                return Ok(());
            }
            let reads = self.held.is_empty();
            let config = &self.hub.profile.config;
            let limit = self.transport.deadline(reads, config.read_timeout, config.write_timeout);
            let deadline = [limit, self.patience()].into_iter().flatten().min();
            tokio::select! {
                turn = self.transport.turn(reads) => turn?,
                () = self.line.woken() => {}
                room = queue.reserve(), if !reads => match room {
                    Ok(room) => if let Some(message) = self.held.pop_front() { room.send(message) },
                    Err(_) => return Ok(()),
                },
                () = sleep_until(deadline.unwrap_or_else(Instant::now).into()), if deadline.is_some() => {
                    self.give_up_waiting(limit)?;
                }
            }
            if !reads && self.held.is_empty() {
                self.transport.resume();
            }
        }
    }

    /// Sends the line's pending output.
    fn say(&mut self) {
        let taken = self.line.take();
        if !taken.bytes.is_empty() {
            self.transport.send(&taken.bytes);
        }
        if taken.close && !self.closing {
            self.closing = true;
            self.transport.command(&Command::Cls);
        }
    }

    /// Reads every complete frame.
    fn take_frames(&mut self) -> Result<(), LinkError> {
        let before = self.held.len();
        let mut result = Ok(());
        while result.is_ok() {
            match self.transport.next_frame() {
                Ok(Some(frame)) => result = self.frame(frame),
                Ok(None) => break,
                Err(error) => result = Err(error),
            }
        }
        let count = u32::try_from(self.held.len() - before).unwrap_or(u32::MAX);
        if count > 0 {
            self.hub.received(&self.line, count);
        }
        result
    }

    fn frame(&mut self, frame: Frame) -> Result<(), LinkError> {
        match frame.kind {
            FrameType::Message => self.message(&frame),
            FrameType::Response if *frame.data == *HEARTBEAT => {
                self.transport.command(&Command::Nop);
                Ok(())
            }
            FrameType::Response => {
                self.close_wait |= *frame.data == *CLOSE_WAIT;
                Ok(())
            }
            FrameType::Error => {
                let error = LinkError::server(&frame.data);
                if HARMLESS.iter().any(|code| frame.data.starts_with(code)) {
                    debug!(nsqd = %self.line.address, %error, "late response from nsqd");
                    return Ok(());
                }
                Err(error)
            }
        }
    }

    fn message(&mut self, frame: &Frame) -> Result<(), LinkError> {
        let Some(data) = MessageData::parse(&frame.data) else {
            return Err(LinkError::Protocol("a message frame that is too short".into()));
        };
        let body = frame.data.slice_ref(data.body);
        let (hub, line) = (self.hub.clone(), self.line.clone());
        let ticket = Delivery::new(hub, line, data.id, data.attempts, Instant::now());
        self.held.push_back(Message {
            body,
            id: data.id,
            attempts: data.attempts,
            timestamp_ns: data.timestamp_ns,
            ticket: Arc::new(ticket),
        });
        Ok(())
    }

    /// Moves messages to the queue while there is room.
    fn deliver(&mut self, queue: &mpsc::Sender<Message>) {
        while let Some(message) = self.held.pop_front() {
            match queue.try_send(message) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(message)) => {
                    self.held.push_front(message);
                    return;
                }
                // the consumer is gone: the message is requeued as it is dropped
                Err(mpsc::error::TrySendError::Closed(_)) => {}
            }
        }
    }

    /// True once the close is complete after CLS.
    fn done(&self) -> bool {
        self.close_wait
            && self.held.is_empty()
            && self.transport.unsent() == 0
            && self.hub.in_flight_on(&self.line) == 0
            && !self.line.has_more()
    }

    fn patience(&self) -> Option<Instant> {
        match self.hub.stopping() {
            Stop::Until(until) => Some(until),
            Stop::No => None,
        }
    }

    /// Handles a passed deadline: the shutdown's is fine, the connection's is an error.
    fn give_up_waiting(&mut self, limit: Option<Instant>) -> Result<(), LinkError> {
        let now = Instant::now();
        if self.patience().is_some_and(|until| until <= now) {
            let unanswered = self.hub.in_flight_on(&self.line);
            if unanswered > 0 {
                warn!(nsqd = %self.line.address, unanswered, "stopped with messages in flight");
            }
            (self.close_wait, self.closing) = (true, true);
            self.held.clear();
            self.hub.left(&self.line);
            return Ok(());
        }
        if limit.is_some_and(|limit| limit <= now) {
            return Err(LinkError::Late("the server"));
        }
        Ok(())
    }
}
