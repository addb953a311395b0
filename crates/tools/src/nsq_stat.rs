//! `nsq_stat`: the numbers of a channel summed over all nodes, a line per interval.
//!
//! Rates are summed over the nodes that answered twice in a row, so that a node that joins or leaves shows no
//! jump. A node that does not answer costs a warning on standard error; the tool ends only when no node
//! answers.

mod report;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use config::go_flags::{Exit, FlagSpec, GoValues};
use http::client::Client;

use crate::command_line::{Tool, duration, positive, refuse, switch, text, texts};
use crate::daemons::stats::Channel;
use crate::daemons::{self, lookupd, stats};
use crate::signals::Stop;
use crate::sources::{LOOKUPD_HTTP, NSQD_HTTP, Sources};
use report::{Report, headers};

const TOOL: Tool = Tool::new("nsq_stat", FLAGS);

const FLAGS: &[FlagSpec] = &[
    text("channel", "", "NSQ channel"),
    texts("count", "number of reports").checked(count),
    duration("http-client-connect-timeout", "2s", "timeout for HTTP connect"),
    duration("http-client-request-timeout", "5s", "timeout for HTTP request"),
    duration("interval", "2s", "duration of time between polling/printing output"),
    LOOKUPD_HTTP,
    NSQD_HTTP,
    text("topic", "", "NSQ topic"),
    switch("version", "print version"),
];

/// Lines between two headers.
const LINES_PER_HEADER: u64 = 25;

/// Checked settings.
struct Watch {
    topic: String,
    channel: String,
    interval: Duration,
    /// Lines to print; `None` for no limit.
    count: Option<u64>,
    sources: Sources,
    client: Client,
}

/// Runs the tool; `arguments` do not include its name.
///
/// # Errors
///
/// Text to print and exit status.
pub fn main(arguments: &[String]) -> Result<(), Exit> {
    let watch = check(&TOOL.read(arguments)?)?;
    crate::block_on(async {
        let mut stop = Stop::with_hang_up()?;
        tokio::select! {
            ended = watch.run() => Ok(ended),
            () = stop.wait() => Ok(Ok(())),
        }
    })
}

fn check(values: &GoValues) -> Result<Watch, Exit> {
    let (topic, channel) = (values.text("topic"), values.text("channel"));
    if topic.is_empty() || channel.is_empty() {
        return refuse("--topic and --channel are required");
    }
    let interval = positive(values, "interval")?;
    let connect_timeout = positive(values, "http-client-connect-timeout")?;
    let request_timeout = positive(values, "http-client-request-timeout")?;
    let count = match values.texts("count").last().map(|text| count(text)) {
        None => None,
        Some(Ok(())) => values.texts("count").last().and_then(|text| text.parse::<i32>().ok()),
        Some(Err(reason)) => return refuse(reason),
    };
    if count.is_some_and(|count| count <= 0) {
        return refuse("--count should be positive");
    }
    let sources = Sources::of(values, NSQD_HTTP.name, "")?;
    for flag in [NSQD_HTTP.name, LOOKUPD_HTTP.name] {
        if values.texts(flag).iter().any(|address| address.starts_with("http")) {
            return refuse(format!("--{flag} error - address should not contain scheme"));
        }
    }
    Ok(Watch {
        topic: topic.into(),
        channel: channel.into(),
        interval,
        count: count.map(|count| u64::from(count.unsigned_abs())),
        sources,
        client: daemons::client(connect_timeout, request_timeout),
    })
}

/// Checks a number of reports, with the error texts of Go's `strconv.ParseInt`.
fn count(text: &str) -> Result<(), String> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let reason = if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        "invalid syntax"
    } else if text.parse::<i32>().is_err() {
        "value out of range"
    } else {
        return Ok(());
    };
    Err(format!("strconv.ParseInt: parsing {}: {reason}", config::go_flags::number::quote(text)))
}

impl Watch {
    /// Polls and prints until `count` lines have been printed.
    async fn run(&self) -> Result<(), Exit> {
        let mut ticks = tokio::time::interval(self.interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut before: Option<(Instant, BTreeMap<String, Channel>)> = None;
        let mut poll = 0;
        while self.count.is_none_or(|count| poll <= count) {
            ticks.tick().await;
            let now = Instant::now();
            let nodes = self.poll().await?;
            if poll % LINES_PER_HEADER == 0 {
                crate::print(headers())?;
            }
            if let Some((then, earlier)) = &before {
                let elapsed = now.duration_since(*then);
                crate::print(Report::new(earlier, &nodes, self.interval, elapsed).line())?;
            }
            before = Some((now, nodes));
            poll += 1;
        }
        Ok(())
    }

    /// The channel's numbers by node.
    async fn poll(&self) -> Result<BTreeMap<String, Channel>, Exit> {
        let nodes = match &self.sources {
            Sources::Nsqd(addresses) => addresses.clone(),
            Sources::Lookupd(lookupds) => self.nodes(lookupds).await?,
        };
        let polled = stats::channel(&self.client, &nodes, &self.topic, &self.channel).await;
        if polled.answers.is_empty() && !polled.warnings.is_empty() {
            return refuse(format!("ERROR: failed to get nsqd stats - {}", polled.warnings.join(", ")));
        }
        warn(&polled.warnings);
        let nodes: BTreeMap<String, Channel> = polled
            .answers
            .into_iter()
            .filter_map(|(node, channel)| channel.map(|channel| (node, channel)))
            .collect();
        if nodes.is_empty() {
            return refuse(format!(
                "ERROR: failed to find channel({}) in stats metadata for topic({})",
                self.channel, self.topic
            ));
        }
        Ok(nodes)
    }

    async fn nodes(&self, lookupds: &[String]) -> Result<Vec<String>, Exit> {
        let found = lookupd::nodes(&self.client, lookupds, &self.topic).await;
        if found.warnings.len() == lookupds.len() {
            return refuse(format!("ERROR: failed to get topic producers - {}", found.warnings.join(", ")));
        }
        warn(&found.warnings);
        Ok(found.answers.into_iter().map(|(address, ())| address).collect())
    }
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        crate::log_line(&format!("WARNING: {warning}"));
    }
}

#[cfg(test)]
mod tests;
