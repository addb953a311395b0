//! `nsq_to_http`: makes an HTTP request of each message of a topic.

use client::Config;
use config::go_flags::{Exit, FlagSpec, GoKind, flag};

use crate::client_options::{CONSUMER_USAGE, consumer, consumer_config};
use crate::command_line::{Tool, Values, duration, int, refuse, switch, text, texts};
use crate::sources::{LOOKUPD_HTTP, NSQD_TCP, Sources};

const TOOL: Tool = Tool::new("nsq_to_http", FLAGS);

const CONTENT_TYPE: &str = "application/octet-stream";
const MODES: [&str; 3] = ["hostpool", "round-robin", "epsilon-greedy"];

const FLAGS: &[FlagSpec] = &[
    text("channel", "nsq_to_http", "nsq channel"),
    consumer(CONSUMER_USAGE),
    text("content-type", CONTENT_TYPE, "the Content-Type used for POST requests"),
    texts(
        "get",
        "HTTP address to make a GET request to. '%s' will be printf replaced with data (may be given multiple times)",
    ),
    texts("header", "Custom header for HTTP requests (may be given multiple times)"),
    duration("http-client-connect-timeout", "2s", "timeout for HTTP connect"),
    duration("http-client-request-timeout", "20s", "timeout for HTTP request"),
    LOOKUPD_HTTP,
    int("max-in-flight", "200", "max number of messages to allow in flight"),
    text(
        "mode",
        "hostpool",
        "the upstream request mode options: round-robin, hostpool (default), epsilon-greedy",
    ),
    int("n", "100", "number of concurrent publishers"),
    NSQD_TCP,
    texts(
        "post",
        "HTTP address to make a POST request to.  data will be in the body (may be given multiple times)",
    ),
    flag("sample", GoKind::Float, "1", "% of messages to publish (float b/w 0 -> 1)", ""),
    int("status-every", "250", "the # of requests between logging status (per handler), 0 disables"),
    text("topic", "", "nsq topic"),
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
    if values.text("topic").is_empty() || values.text("channel").is_empty() {
        return refuse("--topic and --channel are required");
    }
    let (posts, gets) = (values.texts("post"), values.texts("get"));
    let content_type = values.text("content-type");
    if content_type != CONTENT_TYPE {
        if posts.is_empty() {
            return refuse("--content-type only used with --post");
        }
        if content_type.is_empty() {
            return refuse("--content-type requires a value when used");
        }
    }
    let sources = Sources::of(values, NSQD_TCP.name, "")?;
    match (gets.is_empty(), posts.is_empty()) {
        (true, true) => return refuse("--get or --post required"),
        (false, false) => return refuse("use --get or --post not both"),
        _ => {}
    }
    if gets.iter().any(|address| address.matches("%s").count() != 1) {
        return refuse("invalid GET address - must be a printf string");
    }
    let mode = values.text("mode");
    if !MODES.contains(&mode) {
        return refuse(format!("invalid --mode value ({mode}), should be one of {}", MODES.join(", ")));
    }
    if !(0.0..=1.0).contains(&values.float("sample")) {
        return refuse("ERROR: --sample must be between 0.0 and 1.0");
    }
    values.positive("http-client-connect-timeout")?;
    values.positive("http-client-request-timeout")?;
    if values.texts("header").iter().any(|header| header_of(header).is_none()) {
        return refuse("--header value format should be 'key=value'");
    }
    Ok((sources, consumer_config(TOOL.name, values)?))
}

/// Name and value of `NAME: VALUE`.
fn header_of(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once(':')?;
    let (name, value) = (name.trim(), value.trim());
    (!name.is_empty() && !value.is_empty()).then_some((name, value))
}
