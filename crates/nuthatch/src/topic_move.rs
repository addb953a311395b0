//! `nuthatch topic move`: move a live topic to where its messages are to be kept.
//!
//! It asks the HTTP API of the queue, and then waits until nothing of the topic is left at its old place.

use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;
use wire::percent::encode_query;

use crate::admin_client::{AdminAddress, AdminTrust};
use crate::stdout::show;

/// Time limit for the switch: each change at the engine, and an election there.
const PATIENCE: Duration = Duration::from_mins(2);
/// Pause between two looks at what is left.
const PAUSE: Duration = Duration::from_millis(250);

/// `nuthatch topic`.
#[derive(Debug, Args)]
pub struct TopicCommand {
    #[command(subcommand)]
    change: Change,
}

#[derive(Debug, Subcommand)]
enum Change {
    /// Move a live topic, with its channels and what waits in them; clients stay connected
    Move(Move),
}

#[derive(Debug, Args)]
struct Move {
    /// Name of the topic
    #[arg(value_name = "TOPIC")]
    topic: String,
    /// The place where it is to be kept
    #[arg(long, value_name = "STORAGE")]
    storage: Place,
    /// Do not wait until everything has been moved
    #[arg(long)]
    no_wait: bool,
    /// HTTP API of the queue: HOST:PORT, https://HOST:PORT or a path
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4151")]
    address: String,
    #[command(flatten)]
    trust: AdminTrust,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Place {
    /// The engine of the configuration
    Engine,
    /// The journal of the node
    Local,
}

/// Runs `nuthatch topic`.
pub fn main(options: &TopicCommand) -> ExitCode {
    let Change::Move(order) = &options.change;
    match carry_out(order) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("nuthatch: topic {} is not moved: {reason}", order.topic);
            ExitCode::FAILURE
        }
    }
}

fn carry_out(order: &Move) -> Result<(), String> {
    let api = AdminAddress::at(&*order.address, &order.trust);
    let storage = match order.storage {
        Place::Engine => "engine",
        Place::Local => "local",
    };
    let topic = encode_query(order.topic.as_bytes());
    request(&api, "POST", &format!("/topic/move?topic={topic}&storage={storage}"))?;
    show(format_args!("{}: publishers and consumers use the {storage} topic\n", order.topic));
    let mut told = 0;
    while !order.no_wait
        && let Some(left) = left(&api, &order.topic, order.storage)?
    {
        if left != told && left > 0 {
            show(format_args!("{}: {left} messages are left to be moved\n", order.topic));
        }
        told = left;
        sleep(PAUSE);
    }
    Ok(())
}

/// Messages that are still at the old place; `None` once it is gone.
fn left(api: &AdminAddress, topic: &str, to: Place) -> Result<Option<u64>, String> {
    let name = match to {
        Place::Engine => format!("{topic}.moving"),
        Place::Local => format!("{topic}.leaving"),
    };
    let path = format!("/stats?format=json&include_clients=false&topic={}", encode_query(name.as_bytes()));
    let stats = request(api, "GET", &path)?;
    let topics = stats.get("topics").and_then(Value::as_array);
    let Some(found) = topics.and_then(|topics| topics.iter().find(|topic| topic["topic_name"] == *name))
    else {
        return Ok(None);
    };
    let channels = found["channels"].as_array().into_iter().flatten();
    let waits = |channel: &Value| {
        let figures = ["depth", "in_flight_count", "deferred_count"];
        figures.iter().filter_map(|figure| channel[figure].as_u64()).sum::<u64>()
    };
    Ok(Some(found["depth"].as_u64().unwrap_or(0) + channels.map(waits).sum::<u64>()))
}

fn request(api: &AdminAddress, method: &str, path: &str) -> Result<Value, String> {
    let answer = api.request(method, path, PATIENCE).map_err(|why| why.replace("admin port", "HTTP API"))?;
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    if answer.code == 200 {
        return Ok(body);
    }
    let text = |key: &str| body[key].as_str().map(str::to_owned);
    let why = [text("message"), text("help")].into_iter().flatten().collect::<Vec<_>>().join(": ");
    Err(if why.is_empty() { format!("{} answers with status {}", api.shown(), answer.code) } else { why })
}
