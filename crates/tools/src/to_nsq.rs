//! `to_nsq`: publishes standard input, split at a delimiter.

use client::Config;
use config::go_flags::{Exit, FlagSpec};

use crate::client_options::{producer, producer_config};
use crate::command_line::{Tool, Values, int, refuse, text, texts};

/// It has no `-version`.
const TOOL: Tool = Tool::new("to_nsq", FLAGS);

const FLAGS: &[FlagSpec] = &[
    text("delimiter", "\n", "character to split input from stdin"),
    texts("nsqd-tcp-address", "destination nsqd TCP address (may be given multiple times)"),
    producer(
        "option to passthrough to nsq.Producer (may be given multiple times, \
         http://godoc.org/github.com/nsqio/go-nsq#Config)",
    ),
    int("rate", "0", "Throttle messages to n/second. 0 to disable"),
    text("topic", "", "NSQ topic to publish to"),
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

fn check(values: &Values) -> Result<Config, Exit> {
    if values.text("topic").is_empty() {
        return refuse("--topic required");
    }
    if values.text("delimiter").len() != 1 {
        return refuse("--delimiter must be a single byte");
    }
    if values.texts("nsqd-tcp-address").is_empty() {
        return refuse("--nsqd-tcp-address required");
    }
    producer_config(TOOL.name, values)
}
