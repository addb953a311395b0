//! `nsq_tail`: prints the messages of topics as they come.
//!
//! ```text
//! consumer of each topic ─▶ one line of messages ▸ filter ▸ standard output ▸ finish
//! ```
//! A message is finished once it is printed, or filtered out. The last one that `-n` asks for is finished as well; what came
//! beyond it goes back to its channel.

mod filter;
mod from;

use std::io;
use std::time::Duration;

use client::{Config, Consumer, ConsumerControl, Message};
use config::checked::LogLevel;
use config::go_flags::{Exit, FlagSpec};
use tokio::sync::mpsc;
use wire::nsq::valid_name;

use crate::client_options::{CONSUMER_USAGE, consumer, consumer_config};
use crate::command_line::{Tool, Values, int, refuse, switch, text, texts};
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
    ),
    text(
        "from",
        "",
        "where to begin: beginning, or a time (2026-01-31T12:00:00Z, or seconds since 1970); what is kept since then is \
         shown first (nuthatch only)",
    ),
    LOOKUPD_HTTP,
    texts("match", "show only messages with this text in their body (may be given multiple times)"),
    int("max-in-flight", "200", "max number of messages to allow in flight"),
    int("n", "0", "total messages to show (will wait if starved)"),
    texts(
        "nsqd-http-address",
        "nsqd HTTP address for --from (may be given multiple times, default: the port after that of each \
         --nsqd-tcp-address)",
    ),
    NSQD_TCP,
    switch("print-topic", "print topic name where message was received"),
    texts("topic", "NSQ topic (may be given multiple times)"),
    switch("version", "print version string"),
];

/// How long messages may still be answered at a stop.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// What is to be shown, checked.
struct Tail {
    topics: Vec<String>,
    channel: String,
    sources: Sources,
    config: Config,
    /// Messages to show; none for no end.
    total: Option<u64>,
    print_topic: bool,
    filter: Filter,
    from: Option<From>,
}

/// Runs the tool; `arguments` do not include its name.
///
/// # Errors
///
/// What to print, and how to exit.
pub fn main(arguments: &[String]) -> Result<(), Exit> {
    let tail = check(&TOOL.read(arguments)?)?;
    let _log = crate::log::start("", LogLevel::Info)?;
    crate::block_on(tail.run())
}

fn check(values: &Values) -> Result<Tail, Exit> {
    let sources = Sources::of(values, NSQD_TCP.name, "")?;
    let topics = values.texts("topic");
    if topics.is_empty() {
        return refuse("--topic required");
    }
    let total = u64::try_from(values.int("n")).ok().filter(|total| *total > 0);
    let mut config = consumer_config(TOOL.name, values)?;
    // No more than is wanted.
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

/// A channel that goes with its only consumer.
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
        let (sender, mut messages) = mpsc::channel(1);
        let mut controls = Vec::new();
        for topic in &self.topics {
            match self.consume(topic, sender.clone()) {
                Ok(control) => controls.push(control),
                Err(exit) => return Ok(Err(exit)),
            }
        }
        drop(sender);
        let mut shown = 0;
        let mut stopping = false;
        let mut result = Ok(());
        loop {
            tokio::select! {
                next = messages.recv() => match next {
                    None => return Ok(result),
                    Some((_, message)) if stopping => {
                        message.requeue_without_backoff(Some(Duration::ZERO));
                    }
                    Some((topic, message)) => match self.show(&topic, &message) {
                        Ok(counts) => {
                            message.finish();
                            shown += u64::from(counts);
                            stopping = self.total.is_some_and(|total| shown >= total);
                        }
                        Err(exit) => {
                            message.requeue_without_backoff(Some(Duration::ZERO));
                            stopping = true;
                            result = Err(exit);
                        }
                    },
                },
                () = stop.wait() => {
                    if stopping {
                        return Ok(result);
                    }
                    stopping = true;
                }
            }
            if stopping {
                controls.iter().for_each(|control| control.stop(STOP_PATIENCE));
            }
        }
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

    /// Prints a message; false if it was filtered out.
    fn show(&self, topic: &str, message: &Message) -> Result<bool, Exit> {
        if !self.filter.lets_through(&message.body) {
            return Ok(false);
        }
        let mut line = Vec::with_capacity(message.body.len() + topic.len() + 4);
        if self.print_topic {
            line.extend_from_slice(topic.as_bytes());
            line.extend_from_slice(b" | ");
        }
        line.extend_from_slice(&message.body);
        line.push(b'\n');
        crate::print(line)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
