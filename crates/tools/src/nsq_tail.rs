//! `nsq_tail`: prints the messages of topics as they come.

use client::Config;
use config::go_flags::{Exit, FlagSpec};

use crate::client_options::{CONSUMER_USAGE, consumer, consumer_config};
use crate::command_line::{Tool, Values, int, refuse, switch, text, texts};
use crate::sources::{LOOKUPD_HTTP, NSQD_TCP, Sources};

const TOOL: Tool = Tool::new("nsq_tail", FLAGS);

const FLAGS: &[FlagSpec] = &[
    text("channel", "", "NSQ channel"),
    consumer(CONSUMER_USAGE),
    LOOKUPD_HTTP,
    int("max-in-flight", "200", "max number of messages to allow in flight"),
    int("n", "0", "total messages to show (will wait if starved)"),
    NSQD_TCP,
    switch("print-topic", "print topic name where message was received"),
    texts("topic", "NSQ topic (may be given multiple times)"),
    switch("version", "print version string"),
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

fn check(values: &Values) -> Result<(Sources, Config), Exit> {
    let sources = Sources::of(values, NSQD_TCP.name, "")?;
    if values.texts("topic").is_empty() {
        return refuse("--topic required");
    }
    Ok((sources, consumer_config(TOOL.name, values)?))
}
