//! `nsq_to_nsq`: republishes the messages of topics to other nodes.
//!
//! ```text
//! consumer of each topic ▸ filter ▸ one destination ▸ its OK ▸ finish        any failure: requeued, with a pause
//! ```
//! A message is finished once a destination has accepted it, so that none is lost; if the answer is lost, it
//! is published twice.

mod filter;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use client::{Config, Consumer, Message, Producer, PublishError};
use config::checked::LogLevel;
use config::go_flags::{Exit, FlagSpec, GoValues};
use tokio::task::JoinSet;
use wire::nsq::valid_name;

use crate::client_options::{self, consumer, consumer_config, producer, producer_config};
use crate::command_line::{Tool, int, refuse, switch, text, texts};
use crate::destinations::{Destinations, Mode, mode_of};
use crate::progress::{self, Backlog, Count};
use crate::signals::Stop;
use crate::sources::{LOOKUPD_HTTP, NSQD_TCP, Sources};
use crate::status::Status;
use filter::{Filter, Passage};

const TOOL: Tool = Tool::new("nsq_to_nsq", FLAGS);

const DESTINATION: &str = "destination-nsqd-tcp-address";

const FLAGS: &[FlagSpec] = &[
    text("channel", "nsq_to_nsq", "nsq channel"),
    consumer(
        "option to passthrough to nsq.Consumer (may be given multiple times, see \
         http://godoc.org/github.com/nsqio/go-nsq#Config)",
    ),
    texts(DESTINATION, "destination nsqd TCP address (may be given multiple times)"),
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

/// Checked settings.
struct Copying {
    topics: Vec<String>,
    channel: String,
    sources: Sources,
    consumer: Config,
    publisher: Publisher,
}

/// Republishes messages.
struct Publisher {
    /// Topic for all messages; empty to keep the original one.
    topic: String,
    filter: Filter,
    producers: Vec<(Producer, Status)>,
    destinations: Mutex<Destinations>,
    status: Status,
    /// Messages published successfully.
    count: Count,
}

/// Runs the tool; `arguments` do not include its name.
///
/// # Errors
///
/// Text to print and exit status.
pub fn main(arguments: &[String]) -> Result<(), Exit> {
    let values = TOOL.read(arguments)?;
    let (sources, consumer, producer, mode) = check(&values)?;
    let _log = crate::log::start("", LogLevel::Info)?;
    crate::block_on(async move {
        let publisher = match publisher(&values, &producer, mode) {
            Ok(publisher) => publisher,
            Err(exit) => return Ok(Err(exit)),
        };
        let topics = values.texts("topic").to_vec();
        let channel = values.text("channel").to_owned();
        Copying { topics, channel, sources, consumer, publisher }.run().await
    })
}

fn check(values: &GoValues) -> Result<(Sources, Config, Config, Mode), Exit> {
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
    if values.texts(DESTINATION).is_empty() {
        return refuse("--destination-nsqd-tcp-address required");
    }
    let mode = mode_of(values)?;
    let mut config = consumer_config(TOOL.name, values)?;
    if !client_options::is_given(values, "max_attempts") {
        config.max_attempts = 0;
    }
    Ok((sources, config, producer_config(TOOL.name, values)?, mode))
}

/// Builds the publisher. Needs a tokio runtime.
fn publisher(values: &GoValues, config: &Config, mode: Mode) -> Result<Publisher, Exit> {
    let every = values.int("status-every");
    let mut producers = Vec::new();
    for address in values.texts(DESTINATION) {
        let made = Producer::new(address, config.clone());
        let producer = made.or_else(|error| refuse(format!("failed creating producer {error}")))?;
        producers.push((producer, Status::new(address, every)));
    }
    Ok(Publisher {
        topic: values.text("destination-topic").to_owned(),
        filter: Filter {
            field: values.text("require-json-field").to_owned(),
            value: values.text("require-json-value").to_owned(),
            whitelist: values.texts("whitelist-json-field").to_vec(),
        },
        destinations: Mutex::new(Destinations::new(mode, producers.len())),
        producers,
        status: Status::new("aggregate", every),
        count: Count::default(),
    })
}

impl Copying {
    async fn run(self) -> io::Result<Result<(), Exit>> {
        let mut stop = Stop::new()?;
        if let Err(exit) = self.sources.reach(self.consumer.dial_timeout).await {
            return Ok(Err(exit));
        }
        let publisher = Arc::new(self.publisher);
        let backlog = Backlog::new(&self.sources, &self.channel);
        let progress = progress::show(TOOL.name, publisher.count.clone(), backlog, || self.topics.clone());
        let concurrency = usize::try_from(self.consumer.max_in_flight).unwrap_or(usize::MAX);
        let (mut controls, mut running) = (Vec::new(), JoinSet::new());
        for topic in &self.topics {
            let builder = Consumer::builder(topic, &self.channel).config(self.consumer.clone());
            let consumer = match self.sources.add_to(builder).start() {
                Ok(consumer) => consumer,
                Err(error) => return Ok(refuse(error.to_string())),
            };
            controls.push(consumer.control());
            let (publisher, topic) = (publisher.clone(), Arc::<str>::from(topic.as_str()));
            running.spawn(consumer.run(concurrency, move |message| {
                let (publisher, topic) = (publisher.clone(), topic.clone());
                async move { publisher.pass_on(&topic, &message).await }
            }));
        }
        let consumers = async { while running.join_next().await.is_some() {} };
        if stop.attend(consumers, progress, &controls).await {
            for (producer, _) in &publisher.producers {
                producer.stop().await;
            }
        }
        Ok(Ok(()))
    }
}

impl Publisher {
    /// Publishes a message at one destination, unless it is filtered out. `Ok` finishes it, `Err` requeues
    /// it.
    async fn pass_on(&self, topic: &str, message: &Message) -> Result<(), PublishError> {
        let body = match self.filter.apply(&message.body) {
            Passage::AsItIs => message.body.clone(),
            Passage::Changed(body) => body.into(),
            Passage::Dropped => return Ok(()),
        };
        let topic = if self.topic.is_empty() { topic } else { &self.topic };
        let begun = Instant::now();
        let index = self.destinations().choose(begun, client::random::fraction());
        let (producer, status) = &self.producers[index];
        let result = producer.publish(topic, body).await;
        let took = begun.elapsed();
        // an unpublishable message says nothing about the health of the destination
        let reached = !matches!(result, Err(PublishError::NotSent(_) | PublishError::Unanswered(_)));
        self.destinations().outcome(index, reached, took, Instant::now());
        status.took(took);
        self.status.took(took);
        self.count.add(u64::from(result.is_ok()));
        result
    }

    fn destinations(&self) -> std::sync::MutexGuard<'_, Destinations> {
        self.destinations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
