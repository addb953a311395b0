//! `nsq_to_http`: sends each message of a topic as an HTTP request.
//!
//! ```text
//! consumer ▸ sample ▸ one address ▸ POST of the body, or GET with it in the URL ▸ finish       any failure: requeued, with a pause
//! ```
//! A POST succeeds with any 2xx, a GET with 200. A message is finished once its request has succeeded; if the
//! answer is lost, it is sent again.

mod requests;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use client::{Config, Consumer, Message};
use config::checked::LogLevel;
use config::go_flags::{Exit, FlagSpec, GoKind, GoValues, flag};
use http::client::{Client, Limits};
use telemetry::warn;

use crate::client_options::{self, CONSUMER_USAGE, consumer, consumer_config};
use crate::command_line::{Tool, duration, int, positive, refuse, switch, text, texts};
use crate::destinations::{Destinations, mode_of};
use crate::progress::{self, Backlog, Count};
use crate::signals::Stop;
use crate::sources::{LOOKUPD_HTTP, NSQD_TCP, Sources};
use crate::status::Status;
use requests::{Failed, Requests};

const TOOL: Tool = Tool::new("nsq_to_http", FLAGS);

const CONTENT_TYPE: &str = "application/octet-stream";
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

/// Checked settings.
struct Posting {
    topic: String,
    channel: String,
    sources: Sources,
    config: Config,
    concurrency: usize,
    publisher: Publisher,
}

/// Sends messages as requests.
struct Publisher {
    client: Client,
    requests: Requests,
    /// Share of messages that are sent; the others are finished unsent.
    sample: f64,
    destinations: Mutex<Destinations>,
    statuses: Vec<Status>,
    status: Status,
    /// Messages sent successfully.
    count: Count,
}

/// Runs the tool; `arguments` do not include its name.
///
/// # Errors
///
/// Text to print and exit status.
pub fn main(arguments: &[String]) -> Result<(), Exit> {
    let posting = check(&TOOL.read(arguments)?)?;
    let _log = crate::log::start("", LogLevel::Info)?;
    crate::block_on(posting.run())
}

fn check(values: &GoValues) -> Result<Posting, Exit> {
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
    let mode = mode_of(values)?;
    let concurrency = match usize::try_from(values.int("n")) {
        Ok(count) if count > 0 => count,
        _ => return refuse(format!("invalid --n value ({}), should be at least 1", values.int("n"))),
    };
    if !(0.0..=1.0).contains(&values.float("sample")) {
        return refuse("ERROR: --sample must be between 0.0 and 1.0");
    }
    let limits = Limits {
        connect_timeout: positive(values, "http-client-connect-timeout")?,
        request_timeout: positive(values, "http-client-request-timeout")?,
        ..Limits::default()
    };
    let requests = Requests::of(posts, gets, content_type, values.texts("header"))?;
    let mut config = consumer_config(TOOL.name, values)?;
    if !client_options::is_given(values, "max_attempts") {
        config.max_attempts = 0;
    }
    let every = values.int("status-every");
    let addresses = requests.addresses();
    Ok(Posting {
        topic: values.text("topic").to_owned(),
        channel: values.text("channel").to_owned(),
        sources,
        config,
        concurrency,
        publisher: Publisher {
            client: client(limits, addresses, concurrency)?,
            sample: values.float("sample"),
            destinations: Mutex::new(Destinations::new(mode, addresses.len())),
            statuses: addresses.iter().map(|address| Status::new(address, every)).collect(),
            status: Status::new("aggregate", every),
            count: Count::default(),
            requests,
        },
    })
}

/// A client; it loads the system's certificate authorities if an address needs them.
fn client(limits: Limits, addresses: &[String], concurrency: usize) -> Result<Client, Exit> {
    if !addresses.iter().any(|address| address.starts_with("https:")) {
        return Ok(Client::keeping(limits, None, concurrency));
    }
    let roots = net::tls::system_roots();
    let roots =
        roots.map_or_else(|| refuse("no certificate authorities on this system: set SSL_CERT_FILE"), Ok)?;
    match net::tls::client_config(&roots, None, net::tls::MinVersion::Tls12) {
        Ok(tls) => Ok(Client::keeping(limits, Some(tls), concurrency)),
        Err(error) => refuse(format!("TLS cannot be set up: {error}")),
    }
}

impl Posting {
    async fn run(self) -> io::Result<Result<(), Exit>> {
        let mut stop = Stop::new()?;
        if let Err(exit) = self.sources.reach(self.config.dial_timeout).await {
            return Ok(Err(exit));
        }
        let in_flight = self.config.max_in_flight;
        if usize::try_from(in_flight).is_ok_and(|in_flight| in_flight < self.concurrency) {
            warn!(
                max_in_flight = in_flight,
                n = self.concurrency,
                "--max-in-flight allows fewer parallel requests than --n"
            );
        }
        let backlog = Backlog::new(&self.sources, &self.channel);
        let topics = vec![self.topic.clone()];
        let progress = progress::show(TOOL.name, self.publisher.count.clone(), backlog, || topics.clone());
        let builder = Consumer::builder(&self.topic, &self.channel).config(self.config);
        let consumer = match self.sources.add_to(builder).start() {
            Ok(consumer) => consumer,
            Err(error) => return Ok(refuse(error.to_string())),
        };
        let control = consumer.control();
        let publisher = Arc::new(self.publisher);
        let running = consumer.run(self.concurrency, move |message| {
            let publisher = publisher.clone();
            async move { publisher.send(&message).await }
        });
        stop.attend(running, progress, &[control]).await;
        Ok(Ok(()))
    }
}

impl Publisher {
    /// Sends a message to one address. `Ok` finishes it, `Err` requeues it.
    async fn send(&self, message: &Message) -> Result<(), Failed> {
        if self.sample < 1.0 && client::random::fraction() > self.sample {
            return Ok(());
        }
        let begun = Instant::now();
        let index = self.destinations().choose(begun, client::random::fraction());
        let result = self.requests.send(&self.client, index, message.body.clone()).await;
        let took = begun.elapsed();
        self.destinations().outcome(index, result.is_ok(), took, Instant::now());
        self.statuses[index].took(took);
        self.status.took(took);
        self.count.add(u64::from(result.is_ok()));
        result
    }

    fn destinations(&self) -> MutexGuard<'_, Destinations> {
        self.destinations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
