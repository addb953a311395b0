//! `nsq_to_file`: writes the messages of topics to files, and finishes them once they are on the disk.

use client::Config;
use config::go_flags::{Exit, FlagSpec};

use crate::client_options::{CONSUMER_USAGE, consumer, consumer_config};
use crate::command_line::{Tool, Values, duration, int, refuse, switch, text, texts};
use crate::sources::{LOOKUPD_HTTP, NSQD_TCP, Sources};

/// The usage text of NSQ's tool has the name of another one.
const TOOL: Tool = Tool { usage_name: "nsqd", ..Tool::new("nsq_to_file", FLAGS) };

const FLAGS: &[FlagSpec] = &[
    text("channel", "nsq_to_file", "nsq channel"),
    consumer(CONSUMER_USAGE),
    text("datetime-format", "%Y-%m-%d_%H", "strftime compatible format for <DATETIME> in filename format"),
    text(
        "filename-format",
        "<TOPIC>.<HOST><REV>.<DATETIME>.log",
        "output filename format (<TOPIC>, <HOST>, <PID>, <DATETIME>, <REV> are replaced. <REV> is increased when file \
         already exists)",
    ),
    switch("gzip", "gzip output files."),
    int("gzip-level", "6", "gzip compression level (1-9, 1=BestSpeed, 9=BestCompression)"),
    text(
        "host-identifier",
        "",
        "value to output in log filename in place of hostname. <SHORT_HOST> and <HOSTNAME> are valid replacement tokens",
    ),
    duration("http-client-connect-timeout", "2s", "timeout for HTTP connect"),
    duration("http-client-request-timeout", "5s", "timeout for HTTP request"),
    text("log-level", "info", "set log verbosity: debug, info, warn, error, or fatal"),
    text("log-prefix", "[nsq_to_file] ", "log message prefix"),
    LOOKUPD_HTTP,
    int("max-in-flight", "200", "max number of messages to allow in flight"),
    NSQD_TCP,
    text("output-dir", "/tmp", "directory to write output files to"),
    duration("rotate-interval", "0s", "rotate the file every duration"),
    int("rotate-size", "0", "rotate the file when it grows bigger than `rotate-size` bytes"),
    switch("skip-empty-files", "skip writing empty files"),
    duration("sync-interval", "30s", "sync file to disk every duration"),
    texts("topic", "nsq topic (may be given multiple times)"),
    text("topic-pattern", "", "only log topics matching the following pattern"),
    duration("topic-refresh", "1m0s", "how frequently the topic list should be refreshed"),
    switch("version", "print version string"),
    text("work-dir", "", "directory for in-progress files before moving to output-dir"),
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
    if values.text("channel").is_empty() {
        return refuse("--channel is required");
    }
    values.positive("http-client-connect-timeout")?;
    values.positive("http-client-request-timeout")?;
    let sources = Sources::of(values, NSQD_TCP.name, ".")?;
    let level = values.int("gzip-level");
    if !(1..=9).contains(&level) {
        return refuse(format!("invalid --gzip-level value ({level}), should be 1-9"));
    }
    if values.texts("topic").is_empty() {
        if values.text("topic-pattern").is_empty() {
            return refuse("--topic or --topic-pattern required");
        }
        if let Sources::Nsqd(_) = sources {
            return refuse("--lookupd-http-address must be specified when no --topic specified");
        }
    }
    Ok((sources, consumer_config(TOOL.name, values)?))
}
