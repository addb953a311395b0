//! Fetches of one channel: requests for its next messages, and what comes of them.
//!
//! All requests of a channel share a subscription. The server fills the oldest request first and reports how
//! many messages one lacks when it expires; a request that is lost with the channel's leader ends by a
//! deadline kept here. Ending the subscription ends the requests: the server gives nothing to an inbox
//! without interest.

use std::collections::VecDeque;
use std::sync::Arc;

use async_nats::{Message, StatusCode, Subscriber};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep, sleep_until, timeout};

use super::changes;
use super::delivery::Delivery;
use super::headers;
use super::hub::Hub;
use crate::names::is_ephemeral;
use crate::request::{Arrival, Completion, Handle, Publication};

/// Time after which the server ends a request.
const EXPIRES: Duration = Duration::from_secs(5);
/// Time after that in which it is believed lost.
const SLACK: Duration = Duration::from_secs(1);
/// Most messages in one completion.
const ARRIVALS_MAX: usize = 256;
/// Pause after a refused request.
const REFUSED_PAUSE: Duration = Duration::from_millis(500);
/// Time of the request that makes the server look at the others.
const CLEARING: Duration = Duration::from_millis(20);
/// Time for telling the server that fetching ends.
const STOP: Duration = Duration::from_millis(500);
/// Time for messages on their way when fetching ends.
const DRAIN: Duration = Duration::from_secs(2);

/// Handle of a channel's fetches, which end when it is dropped.
#[derive(Debug)]
pub struct Fetching {
    counts: mpsc::UnboundedSender<u32>,
    task: JoinHandle<()>,
    unsubscribed: oneshot::Receiver<()>,
}

impl Fetching {
    /// Starts the channel's task.
    pub fn start(hub: Hub, topic: Arc<str>, channel: Arc<str>) -> Fetching {
        let (counts, asked) = mpsc::unbounded_channel();
        let (ended, unsubscribed) = oneshot::channel();
        let task = tokio::spawn(run(hub, topic, channel, asked, ended));
        Fetching { counts, task, unsubscribed }
    }

    /// Ends the fetches: messages returned after this do not come back through them.
    pub async fn stop(self) -> JoinHandle<()> {
        drop(self.counts);
        let _ = timeout(STOP, self.unsubscribed).await;
        self.task
    }

    /// Asks for this many more messages.
    pub fn fetch(&mut self, count: u32) {
        let _ = self.counts.send(count);
    }
}

struct Task {
    hub: Hub,
    topic: Arc<str>,
    channel: Arc<str>,
    inbox: String,
    /// Requests that are not over: their deadline, and messages that may still come.
    requests: VecDeque<(Instant, u32)>,
}

async fn run(
    hub: Hub,
    topic: Arc<str>,
    channel: Arc<str>,
    mut asked: mpsc::UnboundedReceiver<u32>,
    ended: oneshot::Sender<()>,
) {
    let inbox = hub.client.new_inbox();
    let Ok(mut messages) = hub.client.subscribe(inbox.clone()).await else { return };
    let mut task = Task { hub, topic, channel, inbox, requests: VecDeque::new() };
    loop {
        let deadline = task.requests.front().map(|request| request.0);
        tokio::select! {
            count = asked.recv() => match count {
                Some(count) => task.request(count).await,
                None => break,
            },
            message = messages.next() => match message {
                Some(message) => task.take(message, &mut messages).await,
                None => return,
            },
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => task.lost(),
        }
    }
    let _ = messages.drain().await;
    let _ = timeout(STOP, task.clear()).await;
    let _ = ended.send(());
    let rest = async {
        while let Some(message) = messages.next().await {
            task.give_back(message).await;
        }
    };
    let _ = timeout(DRAIN, rest).await;
}

impl Task {
    async fn request(&mut self, count: u32) {
        self.requests.push_back((Instant::now() + EXPIRES + SLACK, count));
        // One that is not sent ends by its deadline.
        let _ = timeout(EXPIRES, self.send(self.inbox.clone(), count, EXPIRES)).await;
    }

    async fn send(&self, inbox: String, count: u32, expires: Duration) {
        let (stream, consumer) = (self.hub.names.stream(&self.topic), self.hub.names.consumer(&self.channel));
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}");
        let body = format!("{{\"batch\":{count},\"expires\":{}}}", expires.as_nanos());
        let _ = self.hub.client.publish_with_reply(subject, inbox, body.into()).await;
    }

    /// Makes the server forget requests whose inbox is gone. It looks when the next one comes; NATS 2.9 that
    /// finds them only when a returned message is to be delivered mislays that message until `ACK_WAIT`.
    async fn clear(&self) {
        let inbox = self.hub.client.new_inbox();
        let Ok(mut answers) = self.hub.client.subscribe(inbox.clone()).await else { return };
        self.send(inbox, 1, CLEARING).await;
        if let Some(message) = answers.next().await {
            self.give_back(message).await;
        }
    }

    async fn give_back(&self, message: Message) {
        if let (None, Some(reply)) = (message.status, message.reply) {
            let _ = self.hub.client.publish(reply, "-NAK".into()).await;
        }
    }

    /// Takes a message and those that have arrived behind it.
    async fn take(&mut self, first: Message, messages: &mut Subscriber) {
        let mut arrivals = Vec::new();
        let mut next = Some(first);
        while let Some(message) = next {
            match message.status {
                None | Some(StatusCode::OK) => {
                    self.count(1);
                    arrivals.extend(arrival(message));
                }
                Some(status) => {
                    self.deliver(&mut arrivals);
                    self.ended(status, &message).await;
                }
            }
            next =
                if arrivals.len() < ARRIVALS_MAX { messages.next().now_or_never().flatten() } else { None };
        }
        self.deliver(&mut arrivals);
    }

    fn deliver(&self, arrivals: &mut Vec<Arrival>) {
        if !arrivals.is_empty() {
            let (topic, channel) = (Arc::clone(&self.topic), Arc::clone(&self.channel));
            self.hub.report(Completion::Arrived { topic, channel, messages: std::mem::take(arrivals) });
        }
    }

    /// Takes a status: a request is over, or all of them.
    async fn ended(&mut self, status: StatusCode, message: &Message) {
        if status == StatusCode::TIMEOUT {
            let lacking = message.headers.as_ref().and_then(|headers| headers.get("Nats-Pending-Messages"));
            let lacking = lacking.and_then(|count| count.as_str().parse().ok());
            let count = lacking.unwrap_or_else(|| self.requests.front().map_or(0, |request| request.1));
            return self.unfilled(count);
        }
        if status == StatusCode::IDLE_HEARTBEAT {
            return;
        }
        sleep(REFUSED_PAUSE).await;
        if is_ephemeral(&self.channel) {
            // The server removes it after a while without a connection.
            let _ = changes::create_channel(&self.hub, &self.topic, &self.channel).await;
        }
        self.unfilled(u32::MAX);
    }

    /// Ends the first request, whose deadline has passed.
    fn lost(&mut self) {
        let count = self.requests.front().map_or(0, |request| request.1);
        self.unfilled(count);
        if self.requests.front().is_some_and(|request| request.0 <= Instant::now()) {
            self.requests.pop_front();
        }
    }

    fn unfilled(&mut self, count: u32) {
        let count = self.count(count);
        if count > 0 {
            let (topic, channel) = (Arc::clone(&self.topic), Arc::clone(&self.channel));
            self.hub.report(Completion::Unfilled { topic, channel, count });
        }
    }

    /// Takes this many messages from the requests; returns how many there were.
    fn count(&mut self, count: u32) -> u32 {
        let mut left = count;
        while left > 0
            && let Some((_, open)) = self.requests.front_mut()
        {
            let taken = left.min(*open);
            *open -= taken;
            left -= taken;
            if *open == 0 {
                self.requests.pop_front();
            }
        }
        count - left
    }
}

/// Reads a delivery; `None` if it is not one of `JetStream`'s.
pub fn arrival(message: Message) -> Option<Arrival> {
    let reply = message.reply.as_ref()?;
    let delivery = Delivery::of(reply)?;
    let handle = Handle(bytes::Bytes::copy_from_slice(reply.as_bytes()));
    let attempts = u16::try_from(delivery.count.saturating_sub(1)).unwrap_or(u16::MAX);
    let Publication { id, published, only, origin, body, .. } =
        headers::read(message.headers.as_ref(), delivery.sequence, delivery.stored, message.payload);
    Some(Arrival { id, timestamp: published, attempts, handle, only, origin, body })
}
