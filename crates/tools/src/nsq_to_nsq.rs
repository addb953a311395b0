//! `nsq_to_nsq`: publishes the messages of topics again, at other nodes.

use client::Config;
use config::go_flags::{Exit, FlagSpec};
use wire::nsq::valid_name;

use crate::client_options::{consumer, consumer_config, producer, producer_config};
use crate::command_line::{Tool, Values, int, refuse, switch, text, texts};
use crate::sources::{LOOKUPD_HTTP, NSQD_TCP, Sources};

const TOOL: Tool = Tool::new("nsq_to_nsq", FLAGS);

const MODES: [&str; 3] = ["hostpool", "round-robin", "epsilon-greedy"];

const FLAGS: &[FlagSpec] = &[
    text("channel", "nsq_to_nsq", "nsq channel"),
    consumer(
        "option to passthrough to nsq.Consumer (may be given multiple times, see \
         http://godoc.org/github.com/nsqio/go-nsq#Config)",
    ),
    texts("destination-nsqd-tcp-address", "destination nsqd TCP address (may be given multiple times)"),
    text(
        "destination-topic",
        "",
        "use this destination topic for all consumed topics (default is consumed topic name)",
    ),
    LOOKUPD_HTTP,
    int("max-in-flight", "200", "max number of messages to allow in flight"),
    text(
        "mode",
        "hostpool",
        "the upstream request mode options: round-robin, hostpool (default), epsilon-greedy",
    ),
    NSQD_TCP,
    producer(
        "option to passthrough to nsq.Producer (may be given multiple times, see \
         http://godoc.org/github.com/nsqio/go-nsq#Config)",
    ),
    text("require-json-field", "", "for JSON messages: only pass messages that contain this field"),
    text(
        "require-json-value",
        "",
        "for JSON messages: only pass messages in which the required field has this value",
    ),
    int("status-every", "250", "the # of requests between logging status (per destination), 0 disables"),
    texts("topic", "nsq topic (may be given multiple times)"),
    switch("version", "print version string"),
    texts("whitelist-json-field", "for JSON messages: pass this field (may be given multiple times)"),
];

/// Runs the tool; `arguments` do not include its name.
///
/// # Errors
///
/// What to print, and how to exit.
pub fn main(arguments: &[String]) -> Result<(), Exit> {
    check(&TOOL.read(arguments)?)?;
    crate::not_yet(TOOL.name)
}

fn check(values: &Values) -> Result<(Sources, Config, Config), Exit> {
    let (topics, channel) = (values.texts("topic"), values.text("channel"));
    if topics.is_empty() || channel.is_empty() {
        return refuse("--topic and --channel are required");
    }
    let invalid = |name: &str| valid_name(name.as_bytes()).is_none();
    if topics.iter().any(|topic| invalid(topic)) {
        return refuse("--topic is invalid");
    }
    let destination = values.text("destination-topic");
    if !destination.is_empty() && invalid(destination) {
        return refuse("--destination-topic is invalid");
    }
    if invalid(channel) {
        return refuse("--channel is invalid");
    }
    let sources = Sources::of(values, NSQD_TCP.name, "")?;
    if values.texts("destination-nsqd-tcp-address").is_empty() {
        return refuse("--destination-nsqd-tcp-address required");
    }
    let mode = values.text("mode");
    if !MODES.contains(&mode) {
        return refuse(format!("invalid --mode value ({mode}), should be one of {}", MODES.join(", ")));
    }
    Ok((sources, consumer_config(TOOL.name, values)?, producer_config(TOOL.name, values)?))
}
