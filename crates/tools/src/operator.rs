//! Operator commands: inspect and control topics and channels of a queue over its HTTP API.
//!
//! ```text
//! nuthatch topics … ▸ Operator (clap) ▸ request ▸ api ▸ answer ▸ table for people | --json for scripts
//! ```
//! Exit statuses: 0 done; 1 the queue refused, with the reason; 2 wrong command line; 3 no answer at the
//! address.

mod failure;
mod api;
mod table;
mod show;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use api::Api;
pub use failure::Failure;

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Operator {
    /// List topics: what waits, what came so far, who reads them
    Topics {
        /// Only these
        topics: Vec<String>,
        /// The daemon to ask, and the form of the answer
        #[command(flatten)]
        at: At,
    },
    /// List channels: what waits, is in flight, deferred, and who reads them
    Channels {
        /// Only those of this topic
        topic: Option<String>,
        /// The daemon to ask, and the form of the answer
        #[command(flatten)]
        at: At,
    },
    /// Look at messages without consuming them
    Peek {
        /// The topic
        topic: String,
        /// A channel of it; without one, what waits in the topic itself
        channel: Option<String>,
        /// The messages of the channel
        #[arg(long, value_enum, default_value_t = What::Queued, requires = "channel")]
        what: What,
        /// Number of messages, 1000 at most
        #[arg(short = 'n', long, default_value_t = 10)]
        count: u32,
        /// The daemon to ask, and the form of the answer
        #[command(flatten)]
        at: At,
    },
    /// Bring dead letters back to the channel that gave them up
    Redrive {
        /// The topic
        topic: String,
        /// The channel that gave them up
        channel: String,
        /// Number of messages; all if it is left out
        #[arg(short = 'n', long)]
        count: Option<u32>,
        /// Only those that died from this time on: seconds since 1970, or as 2026-01-31T12:00:00Z
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// Only those that died before this time
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
        /// The daemon to ask, and the form of the answer
        #[command(flatten)]
        at: At,
    },
    /// Stop deliveries of a channel, or the flow from a topic to its channels
    Pause(Target),
    /// Let the deliveries of a channel, or the flow from a topic, go on
    Unpause(Target),
    /// Throw away what waits in a channel, or in a topic that has none
    Empty(Target),
    /// Delete a channel, or a topic with all its channels
    Delete(Target),
    /// Let a channel read from another place on
    Seek {
        /// The topic
        topic: String,
        /// The channel
        channel: String,
        /// beginning, end, seconds since 1970, or a time as 2026-01-31T12:00:00Z
        to: String,
        /// The daemon to ask, and the form of the answer
        #[command(flatten)]
        at: At,
    },
}

/// A topic, or one of its channels.
#[derive(Debug, Args)]
pub struct Target {
    /// The topic
    topic: String,
    /// A channel of it; without one, the topic itself
    channel: Option<String>,
    #[command(flatten)]
    at: At,
}

/// The daemon to ask, and the form of the answer.
#[derive(Debug, Args)]
pub struct At {
    #[allow(clippy::doc_markdown, reason = "it is the text of --help")]
    /// HTTP address of the queue [default: $NUTHATCH_HTTP, else 127.0.0.1:4151]
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<String>,
    /// Print JSON, as the API has it
    #[arg(long)]
    json: bool,
}

/// Messages of a channel.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum What {
    /// Messages that wait
    Queued,
    /// Messages that wait for their time
    Deferred,
    /// Messages that were delivered and are not finished
    InFlight,
    /// Messages that were given up
    Dead,
}

/// Executes the command and prints the answer.
///
/// # Errors
///
/// Text for standard error, and the exit status.
pub fn run(operator: Operator) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::refused(format!("cannot start: {error}")))?;
    let text = runtime.block_on(operator.answer())?;
    // A closed pipe is not an error.
    match crate::print(text) {
        Ok(()) => Ok(()),
        Err(exit) if exit.text().is_empty() => Ok(()),
        Err(exit) => Err(Failure::refused(exit.text())),
    }
}

impl Operator {
    /// Sends the request and formats the answer.
    async fn answer(&self) -> Result<String, Failure> {
        match self {
            Operator::Topics { topics, at } => {
                let found = show::topics(at.api().stats(single(topics)).await?, topics)?;
                Ok(if at.json { json(&Value::Array(found)) } else { show::topic_table(&found) })
            }
            Operator::Channels { topic, at } => {
                let found = show::channels(at.api().stats(topic.as_deref()).await?, topic.as_deref())?;
                Ok(if at.json { json(&Value::Array(found)) } else { show::channel_table(&found) })
            }
            Operator::Peek { topic, channel, what, count, at } => {
                let count = [("count", count.to_string())];
                let answer = match channel {
                    None => at.api().get("/topic/peek", topic, None, &count).await?,
                    Some(channel) => {
                        let what = what.to_possible_value().map(|value| value.get_name().to_owned());
                        let [count] = count;
                        let more = [count, ("what", what.unwrap_or_default())];
                        at.api().get("/channel/peek", topic, Some(channel), &more).await?
                    }
                };
                Ok(if at.json { json(&answer["messages"]) } else { show::message_table(&answer["messages"]) })
            }
            Operator::Redrive { topic, channel, count, since, until, at } => {
                let count = count.map(|count| count.to_string());
                let options = [("count", &count), ("since", since), ("until", until)];
                let more: Vec<_> =
                    options.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
                let answer = at.api().post("/channel/redrive", topic, Some(channel), &more).await?;
                let count = &answer["count"];
                Ok(at.say(&answer, || format!("{count} dead letters brought back to {topic}/{channel}")))
            }
            Operator::Pause(target) => target.act("pause", "paused").await,
            Operator::Unpause(target) => target.act("unpause", "goes on").await,
            Operator::Empty(target) => target.act("empty", "emptied").await,
            Operator::Delete(target) => target.act("delete", "deleted").await,
            Operator::Seek { topic, channel, to, at } => {
                let more = [("to", to.clone())];
                let answer = at.api().post("/channel/seek", topic, Some(channel), &more).await?;
                Ok(at.say(&answer, || show::sought(topic, channel, &answer)))
            }
        }
    }
}

/// The name, if there is exactly one.
fn single(names: &[String]) -> Option<&str> {
    match names {
        [name] => Some(name),
        _ => None,
    }
}

fn json(value: &Value) -> String {
    format!("{value:#}\n")
}

impl At {
    fn api(&self) -> Api {
        let environment = || std::env::var("NUTHATCH_HTTP").ok().filter(|address| !address.is_empty());
        Api::at(self.address.clone().or_else(environment))
    }

    /// The API's answer as JSON, or `words`.
    fn say(&self, answer: &Value, words: impl FnOnce() -> String) -> String {
        if self.json { json(answer) } else { words() + "\n" }
    }
}

impl Target {
    async fn act(&self, verb: &str, done: &str) -> Result<String, Failure> {
        let Target { topic, channel, at } = self;
        let (kind, name) = match channel {
            None => ("topic", topic.clone()),
            Some(channel) => ("channel", format!("{topic}/{channel}")),
        };
        at.api().post(&format!("/{kind}/{verb}"), topic, channel.as_deref(), &[]).await?;
        let answer = serde_json::json!({ "topic": topic, "channel": channel, "done": verb });
        Ok(at.say(&answer, || format!("{kind} {name} {done}")))
    }
}

#[cfg(test)]
mod tests;
