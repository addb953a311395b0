//! `nsq_to_file`: writes the messages of topics to files, and finishes them once they are on the disk.
//!
//! ```text
//! options (command line, checked) ▸ run: topics, given or discovered ▸ topic: consumer, thread ▸ writer ▸ disk
//! ```
//! Record formats are in `record` and `encoder`, file names in `name`, durability in `writer`.

mod name;
mod record;
mod encoder;
mod disk;
mod writer;
mod topic;

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use client::Config;
use config::checked::LogLevel;
use config::go_flags::{Exit, FlagSpec, GoValues};
use http::client::Client;
use regex::Regex;
use telemetry::{debug, error, warn};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use wire::nsq::valid_name;

use crate::client_options::{CONSUMER_USAGE, consumer, consumer_config, is_given};
use crate::command_line::{Tool, duration, int, positive, refuse, switch, text, texts};
use crate::daemons::{self, lookupd};
use crate::progress::{self, Backlog, Count};
use crate::signals::{self, Stop};
use crate::sources::{LOOKUPD_HTTP, NSQD_TCP, Sources};
use encoder::Compression;
use name::{Format, Machine};
use record::Form;
use topic::{Common, Ended, NotStarted, Topic};
use writer::Plan;

/// NSQ's tool shows the name of another program in its usage text.
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
    text(
        "output-format",
        "raw",
        "what is written of a message: raw (its body), or jsonl (a line of JSON with timestamp, id, attempts and body)",
    ).beyond(),
    duration("rotate-interval", "0s", "rotate the file every duration"),
    int("rotate-size", "0", "rotate the file when it grows bigger than `rotate-size` bytes"),
    switch("skip-empty-files", "skip writing empty files"),
    duration("sync-interval", "30s", "sync file to disk every duration"),
    texts("topic", "nsq topic (may be given multiple times)"),
    text("topic-pattern", "", "only log topics matching the following pattern"),
    duration("topic-refresh", "1m0s", "how frequently the topic list should be refreshed"),
    switch("version", "print version string"),
    text("work-dir", "", "directory for in-progress files before moving to output-dir"),
    switch("zstd", "zstd output files.").beyond(),
    int("zstd-level", "3", "zstd compression level (1-19)").beyond(),
];

/// Time allowed for sending the last answers.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// Options for files, messages and the source of topics.
struct Options {
    common: Common,
    format: Format,
    topics: Vec<String>,
    pattern: Option<Regex>,
    refresh: Duration,
    http: Client,
    log_level: LogLevel,
    log_prefix: String,
}

/// Usage of the flags that NSQ's tool does not have and its usage text does not list.
pub fn beyond() -> String {
    TOOL.beyond()
}

/// Runs the tool; `arguments` do not include its name.
///
/// # Errors
///
/// Text to print and exit status.
pub fn main(arguments: &[String]) -> Result<(), Exit> {
    let options = check(&TOOL.read(arguments)?)?;
    let log = crate::log::start(&options.log_prefix, options.log_level)?;
    let prefix = options.log_prefix.clone();
    let ended = crate::block_on(run(options));
    drop(log);
    ended?.map_err(|why| crate::fatal(&prefix, &why))
}

fn check(values: &GoValues) -> Result<Options, Exit> {
    if values.text("channel").is_empty() {
        return refuse("--channel is required");
    }
    let connect_timeout = positive(values, "http-client-connect-timeout")?;
    let request_timeout = positive(values, "http-client-request-timeout")?;
    let sources = Sources::of(values, NSQD_TCP.name, ".")?;
    let compression = compression(values)?;
    let topics = values.texts("topic");
    if topics.is_empty() {
        if values.text("topic-pattern").is_empty() {
            return refuse("--topic or --topic-pattern required");
        }
        if let Sources::Nsqd(_) = sources {
            return refuse("--lookupd-http-address must be specified when no --topic specified");
        }
    }
    let Some(log_level) = LogLevel::of(values.text("log-level").as_bytes()) else {
        return refuse("--log-level is invalid");
    };
    let plan = plan(values, compression)?;
    let format = format(values, &plan);
    let pattern = pattern(values.text("topic-pattern"))?;
    let topics = allowed(topics, pattern.as_ref(), &format)?;
    let Some(form) = Form::of(values.text("output-format")) else {
        return refuse(format!(
            "invalid --output-format value ({}), should be raw or jsonl",
            values.text("output-format")
        ));
    };
    Ok(Options {
        common: Common {
            channel: values.text("channel").into(),
            sources,
            config: consumer_settings(values)?,
            plan,
            form,
            sync_interval: positive(values, "sync-interval")?,
            count: Count::default(),
            started: Instant::now(),
        },
        format,
        topics,
        pattern,
        refresh: positive(values, "topic-refresh")?,
        http: daemons::client(connect_timeout, request_timeout),
        log_level,
        log_prefix: values.text("log-prefix").into(),
    })
}

fn compression(values: &GoValues) -> Result<Compression, Exit> {
    let level = values.int("gzip-level");
    if !(1..=9).contains(&level) {
        return refuse(format!("invalid --gzip-level value ({level}), should be 1-9"));
    }
    let zstd_level = values.int("zstd-level");
    if !(1..=19).contains(&zstd_level) {
        return refuse(format!("invalid --zstd-level value ({zstd_level}), should be 1-19"));
    }
    match (values.switch("gzip"), values.switch("zstd")) {
        (true, true) => refuse("use --gzip or --zstd not both"),
        (true, false) => Ok(Compression::Gzip(level as u32)),
        (false, true) => Ok(Compression::Zstd(zstd_level as i32)),
        (false, false) => Ok(Compression::None),
    }
}

fn plan(values: &GoValues, compression: Compression) -> Result<Plan, Exit> {
    let output_directory = Path::new(values.text("output-dir")).to_owned();
    let work_directory = match values.text("work-dir") {
        "" => output_directory.clone(),
        directory => Path::new(directory).to_owned(),
    };
    let rotate_size = values.int("rotate-size");
    let Ok(rotate_bytes) = u64::try_from(rotate_size) else {
        return refuse(format!("invalid --rotate-size value ({rotate_size}), should not be negative"));
    };
    Ok(Plan {
        output_directory,
        work_directory,
        compression,
        rotate_bytes,
        rotate_interval: values.duration("rotate-interval"),
        skip_empty_files: values.switch("skip-empty-files"),
    })
}

fn format(values: &GoValues, plan: &Plan) -> Format {
    Format {
        filename: values.text("filename-format").into(),
        datetime: values.text("datetime-format").into(),
        host_identifier: values.text("host-identifier").into(),
        suffix: plan.compression.suffix(),
        revisions: plan.has_revisions(),
    }
}

fn pattern(text: &str) -> Result<Option<Regex>, Exit> {
    if text.is_empty() {
        return Ok(None);
    }
    match Regex::new(text) {
        Ok(pattern) => Ok(Some(pattern)),
        Err(error) => refuse(format!("invalid --topic-pattern value ({text}): {error}")),
    }
}

/// Topics of the command line that match the pattern. A topic that cannot work is refused at once: NSQ's tool
/// logs it and waits forever.
fn allowed(topics: &[String], pattern: Option<&Regex>, format: &Format) -> Result<Vec<String>, Exit> {
    let fits = |topic: &&String| pattern.is_none_or(|pattern| pattern.is_match(topic));
    let kept: Vec<String> = topics.iter().filter(fits).cloned().collect();
    if kept.is_empty() && !topics.is_empty() {
        return refuse("no --topic matches --topic-pattern");
    }
    let of = |topic: &str, why: &str| format!("couldn't create logger for new topic {topic}: {why}");
    if let Err(why) = format.check() {
        return refuse(kept.first().map_or(why.to_owned(), |topic| of(topic, why)));
    }
    match kept.iter().find(|topic| valid_name(topic.as_bytes()).is_none()) {
        Some(topic) => refuse(of(topic, "invalid topic name")),
        None => Ok(kept),
    }
}

/// Consumer settings. Messages have no attempt limit unless an option sets one: a message given up would be
/// finished unwritten.
fn consumer_settings(values: &GoValues) -> Result<Config, Exit> {
    let mut config = consumer_config(TOOL.name, values)?;
    if !is_given(values, "max_attempts") {
        config.max_attempts = 0;
    }
    Ok(config)
}

/// Writes until a signal arrives; an error is the reason for the last line of the log.
async fn run(options: Options) -> io::Result<Result<Result<(), String>, Exit>> {
    let mut stop = Stop::new()?;
    let mut hang_up = signals::hang_up()?;
    if let Err(why) = one_file_system(&options.common.plan) {
        return Ok(Ok(Err(why)));
    }
    let (sender, mut ended) = mpsc::unbounded_channel::<Ended>();
    let mut fleet = Fleet::new(options, sender);
    if let Err(why) = fleet.start_given() {
        return Ok(Ok(Err(why)));
    }
    let mut refresh = tokio::time::interval(fleet.refresh);
    refresh.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let progress = fleet.progress();
    tokio::pin!(progress);
    let result = loop {
        tokio::select! {
            () = stop.wait() => break Ok(()),
            _ = hang_up.recv() => fleet.hang_up(),
            _ = refresh.tick(), if fleet.discovers => fleet.discover().await,
            Some((topic, result)) = ended.recv() => {
                fleet.ended(&topic);
                if let Err(broken) = result {
                    break Err(format!("[{topic}] {}", broken.0));
                }
            }
            () = &mut progress => {}
        }
    };
    fleet.stop();
    while !fleet.topics.is_empty() {
        tokio::select! {
            // A second signal: unfinished messages are delivered again.
            () = stop.wait() => break,
            Some((topic, ended)) = ended.recv() => {
                fleet.ended(&topic);
                if let Err(broken) = ended {
                    error!("[{topic}] {}", broken.0);
                }
            }
        }
    }
    let closed = async {
        for forward in fleet.closing {
            let _ = forward.await;
        }
    };
    let _ = tokio::time::timeout(CLOSE_PATIENCE, closed).await;
    Ok(Ok(result))
}

/// Topics being written.
struct Fleet {
    common: Arc<Common>,
    format: Format,
    given: Vec<String>,
    discovers: bool,
    pattern: Option<Regex>,
    refresh: Duration,
    http: Client,
    machine: Machine,
    topics: BTreeMap<String, Topic>,
    /// Connections of topics that have ended, still closing.
    closing: Vec<JoinHandle<()>>,
    /// Topic names, shared with the progress display.
    names: Arc<Mutex<Vec<String>>>,
    ended: mpsc::UnboundedSender<Ended>,
}

impl Fleet {
    fn new(options: Options, ended: mpsc::UnboundedSender<Ended>) -> Fleet {
        Fleet {
            common: Arc::new(options.common),
            format: options.format,
            discovers: options.topics.is_empty(),
            given: options.topics,
            pattern: options.pattern,
            refresh: options.refresh,
            http: options.http,
            machine: Machine { hostname: config::nsqd::machine::hostname(), pid: std::process::id() },
            topics: BTreeMap::new(),
            closing: Vec::new(),
            names: Arc::default(),
            ended,
        }
    }

    fn progress(&self) -> impl Future<Output = ()> + use<> {
        let backlog = Backlog {
            client: self.http.clone(),
            sources: self.common.sources.clone(),
            channel: self.common.channel.clone(),
        };
        let (count, names) = (self.common.count.clone(), self.names.clone());
        async move {
            let topics = || names.lock().map(|names| names.clone()).unwrap_or_default();
            progress::show(TOOL.name, count, backlog, topics).await;
        }
    }

    fn start_given(&mut self) -> Result<(), String> {
        for topic in std::mem::take(&mut self.given) {
            self.start(&topic)
                .map_err(|why| format!("couldn't create logger for new topic {topic}: {why}"))?;
        }
        Ok(())
    }

    /// Starts a topic that is not yet being written.
    fn start(&mut self, topic: &str) -> Result<(), String> {
        if self.topics.contains_key(topic) {
            return Ok(());
        }
        let name = self.format.name(topic, &self.machine);
        let started = Topic::start(topic, name, &self.common, self.ended.clone());
        let started = started.map_err(|why| match why {
            NotStarted::Client(error) => error.to_string(),
            NotStarted::Thread(error) => error.to_string(),
        })?;
        self.topics.insert(topic.to_owned(), started);
        if let Ok(mut names) = self.names.lock() {
            names.push(topic.to_owned());
        }
        Ok(())
    }

    /// Queries the lookups for topics and starts new ones.
    async fn discover(&mut self) {
        let Sources::Lookupd(lookupds) = &self.common.sources else { return };
        let (topics, warnings) = lookupd::topics(&self.http, lookupds).await;
        for warning in warnings {
            warn!("could not retrieve topic list: {warning}");
        }
        for topic in topics {
            if self.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(&topic)) {
                debug!("skipping topic {topic} (it does not match the pattern)");
            } else if let Err(why) = self.start(&topic) {
                error!("couldn't create logger for new topic {topic}: {why}");
            }
        }
    }

    /// Removes a topic whose files are closed.
    fn ended(&mut self, topic: &str) {
        self.closing.extend(self.topics.remove(topic).map(|topic| topic.forward));
    }

    fn hang_up(&self) {
        self.topics.values().for_each(Topic::hang_up);
    }

    fn stop(&self) {
        self.topics.values().for_each(Topic::stop);
    }
}

/// Checks that both directories are on one file system: files get their final names as links.
fn one_file_system(plan: &Plan) -> Result<(), String> {
    let device = |directory: &Path| {
        let made = std::fs::create_dir_all(directory).and_then(|()| std::fs::metadata(directory));
        made.map(|found| found.dev()).map_err(|error| {
            format!(
                "unable to create dir {}: {}",
                directory.display(),
                config::nsqd::machine::error_text(&error)
            )
        })
    };
    if device(&plan.work_directory)? == device(&plan.output_directory)? {
        return Ok(());
    }
    Err(format!(
        "--work-dir ({}) and --output-dir ({}) must be on one file system",
        plan.work_directory.display(),
        plan.output_directory.display()
    ))
}

#[cfg(test)]
mod tests;
