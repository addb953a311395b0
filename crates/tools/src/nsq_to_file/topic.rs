//! A topic being written: its consumer, and the thread that owns its files.
//!
//! ```text
//! consumer ─messages─▶ forward ─orders─▶ thread: writer ▸ disk ─▶ finish, requeue
//! ```
//! Files are written on a thread of their own, since a sync can block for long. At most `max_in_flight`
//! orders are queued, because no more messages are unanswered.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SendError, Sender};
use std::time::{Duration, Instant};

use client::{Config, Consumer, ConsumerControl, Message, StartError};
use jiff::ZonedDateTime;
use telemetry::{debug, error, info, warn};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use super::disk::System;
use super::name::Name;
use super::record::{Form, Known};
use super::writer::{Broken, Moment, Notice, Outcome, Plan, Writer};
use crate::progress::Count;
use crate::signals::STOP_PATIENCE;
use crate::sources::Sources;

/// Requeue delay of a message when the disk is full. The client's backoff decides when others are tried.
const FULL_DELAY: Duration = Duration::from_secs(5);

/// Interval between log lines about a full disk.
const FULL_LOG_INTERVAL: Duration = Duration::from_secs(10);

/// State shared by all topics.
#[derive(Debug)]
pub(super) struct Common {
    pub channel: String,
    pub sources: Sources,
    pub config: Config,
    pub plan: Plan,
    pub form: Form,
    pub sync_interval: Duration,
    pub count: Count,
    pub started: Instant,
}

/// Topic that ended, and its result.
pub(super) type Ended = (String, Result<(), Broken>);

/// A handle to a topic.
#[derive(Debug)]
pub(super) struct Topic {
    orders: Sender<Order>,
    control: ConsumerControl,
    /// Task that ends when the connections are closed.
    pub forward: JoinHandle<()>,
}

#[derive(Debug)]
enum Order {
    Message(Message),
    /// Close the file; the next message opens a new one.
    HangUp,
    /// Sync every message at once.
    Hurry,
    /// No more orders follow.
    End,
}

/// Reason a topic did not start.
#[derive(Debug)]
pub(super) enum NotStarted {
    Client(StartError),
    Thread(io::Error),
}

impl Topic {
    /// Starts writing `topic`; its result is sent to `ended`.
    pub(super) fn start(
        topic: &str,
        name: Name,
        common: &Arc<Common>,
        ended: UnboundedSender<Ended>,
    ) -> Result<Topic, NotStarted> {
        let builder = Consumer::builder(topic, &common.channel).config(common.config.clone());
        let builder = common.sources.add_to(builder);
        let mut consumer = builder.start().map_err(NotStarted::Client)?;
        let control = consumer.control();
        let (sender, orders) = mpsc::channel();
        let keeper = Keeper {
            label: format!("[{topic}/{}]", common.channel),
            common: common.clone(),
            control: control.clone(),
            writer: Writer::new(System, common.plan.clone(), name),
            record: Vec::new(),
            sync_by: None,
            hurry: false,
            full_logged: None,
            full: false,
        };
        let topic = topic.to_owned();
        std::thread::Builder::new()
            .name("nsq_to_file".into())
            .spawn(move || {
                let _ = ended.send((topic, keeper.run(&orders)));
            })
            .map_err(NotStarted::Thread)?;
        let to_thread = sender.clone();
        let forward = tokio::spawn(async move {
            while let Some(message) = consumer.next().await {
                // The thread has ended if it accepts no more.
                if let Err(SendError(Order::Message(message))) = to_thread.send(Order::Message(message)) {
                    give_back(&message);
                }
            }
            let _ = to_thread.send(Order::End);
        });
        Ok(Topic { orders: sender, control, forward })
    }

    /// Closes the file.
    pub(super) fn hang_up(&self) {
        let _ = self.orders.send(Order::HangUp);
    }

    /// Stops cleanly: delivered messages are written, synced and finished.
    pub(super) fn stop(&self) {
        let _ = self.orders.send(Order::Hurry);
        self.control.stop(STOP_PATIENCE);
    }
}

/// Requeues a message without delay.
fn give_back(message: &Message) {
    message.requeue_without_backoff(Some(Duration::ZERO));
}

/// State of the writer thread.
struct Keeper {
    label: String,
    common: Arc<Common>,
    control: ConsumerControl,
    writer: Writer<System, Message>,
    /// Reusable buffer for a record.
    record: Vec<u8>,
    /// Deadline for syncing pending messages before their server delivers them again.
    sync_by: Option<Instant>,
    hurry: bool,
    full_logged: Option<Instant>,
    full: bool,
}

impl Keeper {
    /// Writes until the orders end. If the disk is broken, unfinished messages are requeued.
    fn run(mut self, orders: &Receiver<Order>) -> Result<(), Broken> {
        let result = self.write_all(orders);
        if result.is_err() {
            self.control.stop(STOP_PATIENCE);
            self.settle();
            self.writer.pending().iter().for_each(give_back);
            for order in orders.try_iter() {
                if let Order::Message(message) = order {
                    give_back(&message);
                }
            }
        }
        result
    }

    fn write_all(&mut self, orders: &Receiver<Order>) -> Result<(), Broken> {
        let mut tick = Instant::now() + self.common.sync_interval;
        loop {
            let wake = self.sync_by.map_or(tick, |by| by.min(tick));
            let mut next = orders.recv_timeout(wake.saturating_duration_since(Instant::now()));
            let now = self.now();
            loop {
                match next {
                    Ok(Order::Message(message)) => self.write(message, &now)?,
                    Ok(Order::HangUp) => self.writer.close()?,
                    Ok(Order::Hurry) => self.hurry = true,
                    Ok(Order::End) | Err(RecvTimeoutError::Disconnected) => {
                        self.writer.close()?;
                        self.settle();
                        return Ok(());
                    }
                    Err(RecvTimeoutError::Timeout) => break,
                }
                if self.writer.pending().len() >= self.common.config.max_in_flight as usize {
                    break;
                }
                next = orders.try_recv().map_err(|_| RecvTimeoutError::Timeout);
            }
            if Instant::now() >= tick {
                self.writer.tick(&now)?;
                tick = Instant::now() + self.common.sync_interval;
            } else if self.sync_due() {
                self.writer.sync()?;
            } else {
                self.writer.flush()?;
            }
            self.settle();
        }
    }

    fn now(&self) -> Moment {
        Moment { elapsed: self.common.started.elapsed(), wall: ZonedDateTime::now() }
    }

    fn write(&mut self, message: Message, now: &Moment) -> Result<(), Broken> {
        self.record.clear();
        let known = Known {
            body: &message.body,
            id: &message.id,
            timestamp_ns: message.timestamp_ns,
            attempts: message.attempts,
        };
        self.common.form.append(known, &mut self.record);
        // Leave a fifth of the message's time for the sync and the answer.
        let left = message.deadline().saturating_duration_since(Instant::now());
        let by = Instant::now() + left.mul_f64(0.8);
        self.sync_by = Some(self.sync_by.map_or(by, |earlier| earlier.min(by)));
        self.writer.message(&self.record, message, now)
    }

    fn sync_due(&self) -> bool {
        let pending = self.writer.pending().len();
        pending > 0
            && (self.hurry
                || pending >= self.common.config.max_in_flight as usize
                || self.sync_by.is_some_and(|by| Instant::now() >= by)
                || self.control.stats().starved)
    }

    /// Answers messages, and logs notices.
    fn settle(&mut self) {
        let Outcome { done, failed, notices } = self.writer.take();
        if self.writer.pending().is_empty() {
            self.sync_by = None;
        }
        for message in &done {
            message.finish();
        }
        for message in &failed {
            message.requeue(Some(FULL_DELAY));
        }
        self.common.count.add(done.len() as u64);
        if !done.is_empty() {
            debug!("{} synced {} records to disk", self.label, done.len());
            if std::mem::take(&mut self.full) {
                self.full_logged = None;
                info!("{} there is room on the disk again", self.label);
            }
        }
        for notice in notices {
            self.log(notice);
        }
    }

    fn log(&mut self, notice: Notice) {
        let label = &self.label;
        match notice {
            Notice::Opened(path) => debug!("{label} opening {}", path.display()),
            Notice::Exists(path) => warn!("{label} file already exists: {}", path.display()),
            Notice::Moved(from, to) => debug!("{label} moved {} to {}", from.display(), to.display()),
            Notice::Full(why, messages) => {
                self.full = true;
                if self.full_logged.is_none_or(|then| then.elapsed() >= FULL_LOG_INTERVAL) {
                    self.full_logged = Some(Instant::now());
                    error!(
                        "{label} {why}; {messages} messages requeued, free some space and they are written"
                    );
                }
            }
        }
    }
}
