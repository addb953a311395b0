//! `to_nsq`: publishes standard input, or files, split at a delimiter.
//!
//! ```text
//! input ▸ rate ▸ window of publications, each to every nsqd ▸ answers in order ▸ [progress, for --resume]
//! ```
//! The first failed publication ends the run, which then reports how many were published.

mod input;
mod resume;

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use client::{Config, Producer, PublishError, Receipt};
use config::go_flags::{Exit, FlagSpec, GoValues};
use tokio::time::{sleep_until, timeout};

use crate::client_options::{producer, producer_config};
use crate::command_line::{Tool, int, refuse, text, texts};
use crate::progress::grouped;
use crate::signals::{STOP_PATIENCE, Stop};
use input::{Piece, Source};
use resume::Resume;

/// The tool has no `-version`.
const TOOL: Tool = Tool::new("to_nsq", FLAGS);

/// Most messages without an answer.
const WINDOW: usize = 1_000;
const FLAGS: &[FlagSpec] = &[
    text("delimiter", "\n", "character to split input from stdin"),
    texts("nsqd-tcp-address", "destination nsqd TCP address (may be given multiple times)"),
    producer(
        "option to passthrough to nsq.Producer (may be given multiple times, \
         http://godoc.org/github.com/nsqio/go-nsq#Config)",
    ),
    text("resume", "", "file that keeps how far each of the files behind the flags was published").beyond(),
    int("rate", "0", "Throttle messages to n/second. 0 to disable"),
    text("topic", "", "NSQ topic to publish to"),
];

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
    let (values, files) = TOOL.read_all(arguments)?;
    let config = check(&values)?;
    let resume = resume(&values, &files)?;
    let offset = |file: &String| resume.as_ref().map_or(0, |resume| resume.offset(file));
    let mut sources: Vec<Source> =
        files.iter().map(|file| Source::File(file.clone(), offset(file))).collect();
    if sources.is_empty() {
        sources.push(Source::StandardInput);
    }
    let total = total_bytes(&sources);
    crate::block_on(async move {
        let producers = match producers(&values, &config) {
            Ok(producers) => producers,
            Err(exit) => return Ok(Err(exit)),
        };
        let publishing = Publishing {
            topic: values.text("topic").to_owned(),
            producers,
            pace: Pace::new(values.int("rate")),
            pending: VecDeque::new(),
            sources,
            resume,
            published: 0,
            shown: Shown { total, ..Shown::default() },
        };
        publishing.run(values.text("delimiter").as_bytes()[0]).await
    })
}

fn check(values: &GoValues) -> Result<Config, Exit> {
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

fn resume(values: &GoValues, files: &[String]) -> Result<Option<Resume>, Exit> {
    match values.text("resume") {
        "" => Ok(None),
        _ if files.is_empty() => refuse("--resume is for files: name them behind the flags"),
        path => Resume::load(path).map_or_else(refuse, |resume| Ok(Some(resume))),
    }
}

/// Producers of the given addresses, without duplicates. Needs a tokio runtime.
fn producers(values: &GoValues, config: &Config) -> Result<Vec<Producer>, Exit> {
    let mut made: Vec<Producer> = Vec::new();
    for address in values.texts("nsqd-tcp-address") {
        match Producer::new(address, config.clone()) {
            Ok(producer) if made.iter().any(|other| other.address() == producer.address()) => {}
            Ok(producer) => made.push(producer),
            Err(error) => return refuse(format!("failed to create nsq.Producer - {error}")),
        }
    }
    Ok(made)
}

/// Bytes still to be read, if known.
fn total_bytes(sources: &[Source]) -> Option<u64> {
    let length = |source: &Source| match source {
        Source::File(path, from) => std::fs::metadata(path).ok().map(|file| file.len().saturating_sub(*from)),
        Source::StandardInput => None,
    };
    sources.iter().map(length).sum()
}

/// A run of the tool.
struct Publishing {
    topic: String,
    producers: Vec<Producer>,
    pace: Pace,
    /// Messages sent but not fully answered.
    pending: VecDeque<Pending>,
    sources: Vec<Source>,
    resume: Option<Resume>,
    published: u64,
    shown: Shown,
}

struct Pending {
    receipts: VecDeque<(usize, Receipt)>,
    source: usize,
    end: u64,
    bytes: u64,
}

impl Publishing {
    async fn run(mut self, delimiter: u8) -> io::Result<Result<(), Exit>> {
        let mut stop = Stop::new()?;
        let mut pieces = input::read(self.sources.clone(), delimiter);
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        let mut result = Ok(());
        let mut reading = true;
        while reading && result.is_ok() {
            result = tokio::select! {
                next = pieces.recv() => match next {
                    Some(Ok(pieces)) => tokio::select! {
                        sent = self.send_all(pieces) => sent,
                        () = stop.wait() => { reading = false; Ok(()) }
                    },
                    Some(Err(why)) => Err(why),
                    None => { reading = false; Ok(()) }
                },
                answered = self.answer(), if !self.pending.is_empty() => answered,
                _ = tick.tick() => self.note(),
                () = stop.wait() => { reading = false; Ok(()) }
            };
        }
        let ending = async {
            while result.is_ok() && !self.pending.is_empty() {
                result = self.answer().await;
            }
        };
        tokio::select! {
            _ = timeout(STOP_PATIENCE, ending) => {}
            // a second signal ends it at once
            () = stop.wait() => {}
        }
        if result.is_ok() && !self.pending.is_empty() {
            result = Err(format!("no answer to {} messages", self.pending.len()));
        }
        Shown::clear();
        let saved = self.save();
        let failed = result.and(saved).err();
        match failed {
            Some(why) => Ok(refuse(format!("{why} ({} messages were published before)", self.published))),
            None => {
                for producer in &self.producers {
                    producer.stop().await;
                }
                Ok(Ok(()))
            }
        }
    }

    /// Sends messages at the allowed pace, and waits for answers while the window is full.
    async fn send_all(&mut self, pieces: Vec<Piece>) -> Result<(), String> {
        for piece in pieces {
            self.pace.wait().await;
            while self.pending.len() >= WINDOW {
                self.answer().await?;
            }
            let mut receipts = VecDeque::new();
            let bytes = piece.body.len() as u64 + 1;
            let body = bytes::Bytes::from(piece.body);
            for (index, producer) in self.producers.iter().enumerate() {
                let sent = producer.send(&self.topic, body.clone()).await;
                let receipt = sent.map_err(|error| failed(producer, &error))?;
                receipts.push_back((index, receipt));
            }
            self.pending.push_back(Pending { receipts, source: piece.source, end: piece.end, bytes });
            if self.shown.due() {
                self.note()?;
            }
        }
        Ok(())
    }

    /// Waits for the answers to the oldest message. Cancel-safe.
    async fn answer(&mut self) -> Result<(), String> {
        let Some(oldest) = self.pending.front_mut() else { return Ok(()) };
        while let Some((index, receipt)) = oldest.receipts.front_mut() {
            let answered = receipt.await;
            let index = *index;
            oldest.receipts.pop_front();
            answered.map_err(|error| failed(&self.producers[index], &error))?;
        }
        self.published += 1;
        self.shown.bytes += oldest.bytes;
        if let (Some(resume), Source::File(path, _)) = (&mut self.resume, &self.sources[oldest.source]) {
            resume.advance(path, oldest.end);
        }
        self.pending.pop_front();
        Ok(())
    }

    /// Updates the --resume file and the terminal line, once a second.
    fn note(&mut self) -> Result<(), String> {
        self.shown.line(self.published);
        self.save()
    }

    fn save(&mut self) -> Result<(), String> {
        self.resume.as_mut().map_or(Ok(()), Resume::save)
    }
}

fn failed(producer: &Producer, error: &PublishError) -> String {
    format!("{}: {error}", producer.address())
}

/// Rate limit in messages per second, with a burst of up to one second.
#[derive(Debug)]
struct Pace {
    interval: Option<Duration>,
    next: Instant,
}

impl Pace {
    fn new(rate: i64) -> Pace {
        let rate = u32::try_from(rate).ok().filter(|rate| *rate > 0);
        if let Some(rate) = rate {
            crate::log_line(&format!("Throttling messages rate to max:{rate}/second"));
        }
        Pace { interval: rate.map(|rate| Duration::from_secs(1) / rate), next: Instant::now() }
    }

    async fn wait(&mut self) {
        let Some(interval) = self.interval else { return };
        let now = Instant::now();
        let earliest = now.checked_sub(Duration::from_secs(1)).unwrap_or(now);
        self.next = self.next.max(earliest);
        if self.next > now {
            sleep_until(self.next.into()).await;
        }
        self.next += interval;
    }
}

/// Progress line on a terminal.
#[derive(Debug, Default)]
struct Shown {
    total: Option<u64>,
    bytes: u64,
    before: u64,
    last: Option<Instant>,
}

impl Shown {
    fn due(&self) -> bool {
        self.last.is_some_and(|last| last.elapsed() >= Duration::from_secs(1))
    }

    fn line(&mut self, published: u64) {
        let seconds = self.last.map_or(1.0, |last| last.elapsed().as_secs_f64().max(0.1));
        let rate = (published - self.before) as f64 / seconds;
        (self.last, self.before) = (Some(Instant::now()), published);
        if io::stderr().is_terminal() {
            let left = self.total.map_or(String::new(), |total| {
                format!(", {} %", (self.bytes * 100).checked_div(total).unwrap_or(100).min(100))
            });
            let (count, rate) = (grouped(published), grouped(rate as u64));
            let _ = write!(io::stderr(), "\r\x1b[Kto_nsq: {count} messages, {rate}/s{left}\r");
        }
    }

    fn clear() {
        if io::stderr().is_terminal() {
            let _ = write!(io::stderr(), "\x1b[K");
        }
    }
}
