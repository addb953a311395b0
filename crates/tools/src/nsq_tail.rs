//! `nsq_tail`: prints the messages of topics as they arrive.
//!
//! ```text
//! consumer of each topic ─▶ one queue of messages ▸ filter ▸ standard output ▸ finish
//! ```
//! A message is finished once it is printed or filtered out. The last message that `-n` asks for is finished
//! too; any further ones go back to their channel.

mod filter;
mod from;

use std::io;
use std::time::Duration;

use client::{Config, Consumer, ConsumerControl, Message};
use config::checked::LogLevel;
use config::go_flags::{Exit, FlagSpec, GoValues};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::mpsc;
use wire::nsq::valid_name;

use crate::client_options::{CONSUMER_USAGE, consumer, consumer_config};
use crate::command_line::{Tool, int, refuse, switch, text, texts};
use crate::signals::Stop;
use crate::sources::{LOOKUPD_HTTP, NSQD_HTTP, NSQD_TCP, Sources};
use filter::Filter;
use from::From;

const TOOL: Tool = Tool::new("nsq_tail", FLAGS);

const FLAGS: &[FlagSpec] = &[
    text("channel", "", "NSQ channel"),
    consumer(CONSUMER_USAGE),
    texts(
        "field",
        "show only messages whose JSON has this field (name, a.b for one within another), or this value in it (name=value) \
         (may be given multiple times)",
    ).beyond(),
    text(
        "from",
        "",
        "where to begin: beginning, or a time (2026-01-31T12:00:00Z, or seconds since 1970); what is kept since then is \
         shown first (nuthatch only)",
    ).beyond(),
    LOOKUPD_HTTP,
    texts("match", "show only messages with this text in their body (may be given multiple times)").beyond(),
    int("max-in-flight", "200", "max number of messages to allow in flight"),
    int("n", "0", "total messages to show (will wait if starved)"),
    texts(
        "nsqd-http-address",
        "nsqd HTTP address for --from (may be given multiple times, default: the port after that of each \
         --nsqd-tcp-address)",
    ).beyond(),
    NSQD_TCP,
    switch("print-topic", "print topic name where message was received"),
    texts("topic", "NSQ topic (may be given multiple times)"),
    switch("version", "print version string"),
];

/// Time allowed for answers to messages at a stop.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Interval of the checks for a closed standard output.
const READER_INTERVAL: Duration = Duration::from_millis(250);

/// Most messages printed at a time.
const BATCH: usize = 64;

/// Checked settings.
struct Tail {
    topics: Vec<String>,
    channel: String,
    sources: Sources,
    config: Config,
    /// Messages to show; `None` for no limit.
    total: Option<u64>,
    print_topic: bool,
    filter: Filter,
    from: Option<From>,
}

/// Usage of the flags that NSQ's tool does not have and its usage text does not list.
pub fn beyond() -> String {
    TOOL.beyond()
}

/// Runs the tool; `arguments` do not include its name.
///
/// # Errors
///
/// Text to print and exit status.
pub fn main(arguments: &[String]) -> Result<(), Exit> {
    let tail = check(&TOOL.read(arguments)?)?;
    let _log = crate::log::start("", LogLevel::Info)?;
    crate::block_on(tail.run())
}

fn check(values: &GoValues) -> Result<Tail, Exit> {
    let sources = Sources::of(values, NSQD_TCP.name, "")?;
    let topics = values.texts("topic");
    if topics.is_empty() {
        return refuse("--topic required");
    }
    let total = u64::try_from(values.int("n")).ok().filter(|total| *total > 0);
    let mut config = consumer_config(TOOL.name, values)?;
    // Take no more messages than requested.
    let wanted = total.and_then(|total| u32::try_from(total).ok()).unwrap_or(u32::MAX);
    config.max_in_flight = config.max_in_flight.min(wanted);
    let from = From::of(values.text("from"), values.texts(NSQD_HTTP.name), &sources)?;
    let channel = match values.text("channel") {
        "" => passing_channel(),
        channel => channel.to_owned(),
    };
    if from.is_some() && !channel.ends_with("#ephemeral") {
        return refuse("--from is for an #ephemeral channel: it would move the others' place");
    }
    let filter = Filter::of(values.texts("match"), values.texts("field"))?;
    for topic in topics {
        crate::log_line(&format!("Adding consumer for topic: {topic}"));
        if valid_name(topic.as_bytes()).is_none() {
            return refuse("invalid topic name");
        }
        if valid_name(channel.as_bytes()).is_none() {
            return refuse("invalid channel name");
        }
    }
    let print_topic = values.switch("print-topic");
    Ok(Tail { topics: topics.to_vec(), channel, sources, config, total, print_topic, filter, from })
}

/// Name of a channel that disappears with its only consumer.
fn passing_channel() -> String {
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let number = (clock.subsec_nanos() ^ std::process::id()) % 999_999;
    format!("tail{number:06}#ephemeral")
}

impl Tail {
    async fn run(self) -> io::Result<Result<(), Exit>> {
        let mut stop = Stop::with_hang_up()?;
        if let Err(exit) = self.sources.reach(self.config.dial_timeout).await {
            return Ok(Err(exit));
        }
        if let Some(from) = &self.from
            && let Err(exit) = from.seek(&self.topics, &self.channel).await
        {
            return Ok(Err(exit));
        }
        let (sender, messages) = mpsc::channel(BATCH);
        let mut controls = Vec::new();
        for topic in &self.topics {
            match self.consume(topic, sender.clone()) {
                Ok(control) => controls.push(control),
                Err(exit) => return Ok(Err(exit)),
            }
        }
        drop(sender);
        let printing = self.print_all(messages, &controls);
        tokio::pin!(printing);
        tokio::select! {
            printed = &mut printing => return Ok(printed),
            () = stop.wait() => {}
            () = reader_gone() => {}
        }
        for control in &controls {
            control.stop(STOP_PATIENCE);
        }
        tokio::select! {
            printed = printing => Ok(printed),
            // A second signal, or a closed standard output.
            () = stop.wait() => Ok(Ok(())),
            () = tokio::time::sleep(STOP_PATIENCE) => Ok(Ok(())),
        }
    }

    /// Prints messages until the requested number is reached or the stream ends.
    async fn print_all(
        &self,
        mut messages: mpsc::Receiver<(String, Message)>,
        controls: &[ConsumerControl],
    ) -> Result<(), Exit> {
        let mut batch = Vec::new();
        let mut left = self.total.unwrap_or(u64::MAX);
        let mut result = Ok(());
        while messages.recv_many(&mut batch, BATCH).await > 0 {
            let mut lines = Vec::new();
            let mut done = Vec::new();
            for (topic, message) in batch.drain(..) {
                if left == 0 || result.is_err() {
                    give_back(&message);
                    continue;
                }
                left -= u64::from(self.add_line(&topic, &message, &mut lines));
                done.push(message);
            }
            // Standard output may block; heartbeats are answered meanwhile.
            let printed = tokio::task::spawn_blocking(move || crate::print(lines)).await;
            match printed.unwrap_or(Ok(())) {
                Ok(()) => {
                    for message in &done {
                        message.finish();
                    }
                }
                Err(exit) => {
                    done.iter().for_each(give_back);
                    result = Err(exit);
                }
            }
            if left == 0 || result.is_err() {
                for control in controls {
                    control.stop(STOP_PATIENCE);
                }
            }
        }
        result
    }

    /// Starts the consumer of a topic.
    fn consume(&self, topic: &str, sender: mpsc::Sender<(String, Message)>) -> Result<ConsumerControl, Exit> {
        let builder = Consumer::builder(topic, &self.channel).config(self.config.clone());
        let builder = self.sources.add_to(builder);
        let mut consumer = builder.start().or_else(|error| refuse(error.to_string()))?;
        let control = consumer.control();
        let topic = topic.to_owned();
        tokio::spawn(async move {
            while let Some(message) = consumer.next().await {
                if sender.send((topic.clone(), message)).await.is_err() {
                    return;
                }
            }
        });
        Ok(control)
    }

    /// Appends the line of a message; false if it is filtered out.
    fn add_line(&self, topic: &str, message: &Message, lines: &mut Vec<u8>) -> bool {
        if !self.filter.lets_through(&message.body) {
            return false;
        }
        if self.print_topic {
            lines.extend_from_slice(topic.as_bytes());
            lines.extend_from_slice(b" | ");
        }
        lines.extend_from_slice(&message.body);
        lines.push(b'\n');
        true
    }
}

/// Waits until standard output is closed, as after `| head`.
async fn reader_gone() {
    let mut every = tokio::time::interval(READER_INTERVAL);
    loop {
        every.tick().await;
        let out = io::stdout();
        let mut polled = [PollFd::new(&out, PollFlags::empty())];
        let found = poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
        if found.is_ok() && polled[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) {
            return;
        }
    }
}

/// Requeues a message without delay, for another consumer.
fn give_back(message: &Message) {
    message.requeue_without_backoff(Some(Duration::ZERO));
}

#[cfg(test)]
mod tests;
