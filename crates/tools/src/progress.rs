//! Progress of long work: a terminal line, rewritten every second, with rate, total and remaining messages.
//!
//! Written to standard error only if it is a terminal, so that pipes and logs stay clean.

use std::io::{IsTerminal, Write, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::client::Client;

use crate::daemons::{self, lookupd, stats};
use crate::sources::Sources;

/// Messages completed; clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Count(Arc<AtomicU64>);

impl Count {
    pub(crate) fn add(&self, messages: u64) {
        self.0.fetch_add(messages, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Source of the number of remaining messages.
#[derive(Debug, Clone)]
pub(crate) struct Backlog {
    pub client: Client,
    pub sources: Sources,
    pub channel: String,
}

/// Shows `tool`'s progress until the future is dropped. The backlog is that of `topics`. Without a backlog,
/// or with only TCP addresses known, the remaining count is not shown.
pub(crate) async fn show(tool: &str, count: Count, backlog: Backlog, topics: impl Fn() -> Vec<String>) {
    if !stderr().is_terminal() {
        return std::future::pending().await;
    }
    let mut every = tokio::time::interval(Duration::from_secs(1));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    every.tick().await;
    let mut before = count.get();
    loop {
        every.tick().await;
        let now = count.get();
        let left = backlog.left(&topics()).await;
        let line = line(tool, now, now - before, left);
        before = now;
        // Leave the cursor at the start, so that a log line overwrites this one.
        let _ = write!(stderr(), "\r\x1b[K{line}\r");
    }
}

fn line(tool: &str, total: u64, rate: u64, left: Option<i64>) -> String {
    let left = left.map_or(String::new(), |left| format!(", {} left", grouped(left.unsigned_abs())));
    format!("{tool}: {} messages, {}/s{left}", grouped(total), grouped(rate))
}

/// Formats a number with thousands separators.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

impl Backlog {
    /// Backlog of a channel, queried with short timeouts so that it does not delay the display.
    pub(crate) fn new(sources: &Sources, channel: &str) -> Backlog {
        let client = daemons::client(Duration::from_secs(1), Duration::from_secs(2));
        Backlog { client, sources: sources.clone(), channel: channel.to_owned() }
    }

    /// Depth of the channel of these topics, over all nodes that the lookups know.
    async fn left(&self, topics: &[String]) -> Option<i64> {
        let Sources::Lookupd(lookupds) = &self.sources else { return None };
        let mut left = None;
        for topic in topics {
            let nodes = lookupd::nodes(&self.client, lookupds, topic).await;
            let nodes: Vec<String> = nodes.answers.into_iter().map(|(node, ())| node).collect();
            let answers = stats::channel(&self.client, &nodes, topic, &self.channel).await.answers;
            for channel in answers.into_iter().filter_map(|(_, channel)| channel) {
                *left.get_or_insert(0) += channel.depth + channel.in_flight_count + channel.deferred_count;
            }
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        assert_eq!(line("t", 1_234_567, 999, None), "t: 1,234,567 messages, 999/s");
        assert_eq!(line("t", 12, 0, Some(1_000)), "t: 12 messages, 0/s, 1,000 left");
    }
}
