//! A load on a queue: producers with a window of unanswered messages, and the consumers of one channel.
//!
//! ```text
//! producers ─ send ─▶ OK: published, time from sending to OK
//! queue ─ delivery ─▶ FIN: delivered, time from publication to delivery
//! ```
//! A body begins with the number of this run and its send time. Messages of other runs are finished and not
//! counted.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use client::{Config, Consumer, Producer, PublishError, Receipt};
use telemetry::HistogramRecorder;
use tokio::task::{JoinHandle, LocalSet};

use super::common::Common;
use super::meter::Meter;
use super::report::Report;
use crate::operator::Failure;

/// Channel of the consumers.
const CHANNEL: &str = "bench";
/// The run ends when no delivery has arrived for this long.
const QUIET: Duration = Duration::from_secs(3);
/// Bytes of a body before the padding.
const HEAD: usize = 16;

/// Options of a load on a queue.
#[derive(Debug, Args)]
pub struct Queue {
    /// nsqd's TCP address of the queue
    #[arg(long, short = 'a', value_name = "HOST:PORT", default_value = "127.0.0.1:4150")]
    address: String,
    /// Topic that is published to
    #[arg(long, default_value = "nuthatch_bench")]
    topic: String,
    /// Connections that publish
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    producers: u64,
    /// Connections that consume; 0 only publishes
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(0..=1_000))]
    consumers: u64,
    /// Messages of a producer that have not got their OK, at most
    #[arg(long, short = 'w', default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    window: u64,
    /// Messages of a consumer in flight, at most
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=2_500))]
    max_in_flight: u64,
    /// Bytes of a message
    #[arg(long, short = 'd', default_value_t = 200, value_parser = clap::value_parser!(u64).range(HEAD as u64..=1 << 20))]
    message_bytes: u64,
    #[command(flatten)]
    common: Common,
}

/// Counts of one direction.
#[derive(Debug, Default)]
struct Counts {
    done: u64,
    errors: u64,
    /// Time of the last one since the start.
    last: Duration,
    latency: HistogramRecorder,
}

impl Counts {
    fn add(&mut self, took: Duration, at: Duration) {
        self.done += 1;
        self.last = at;
        self.latency.record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }
}

/// State shared by producers and consumers; all run on one thread.
#[derive(Debug)]
struct Run {
    number: u64,
    start: Instant,
    published: RefCell<Counts>,
    delivered: RefCell<Counts>,
}

impl Run {
    fn new() -> Rc<Run> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let number = now.as_nanos() as u64 ^ u64::from(std::process::id()) << 32;
        Rc::new(Run {
            number,
            start: Instant::now(),
            published: RefCell::default(),
            delivered: RefCell::default(),
        })
    }

    fn body(&self, bytes: usize) -> Vec<u8> {
        let mut body = vec![b'x'; bytes.max(HEAD)];
        body[..8].copy_from_slice(&self.number.to_be_bytes());
        body[8..HEAD].copy_from_slice(&(self.start.elapsed().as_nanos() as u64).to_be_bytes());
        body
    }

    /// Counts a delivery that belongs to this run.
    fn receive(&self, body: &[u8]) {
        let number =
            |range: std::ops::Range<usize>| Some(u64::from_be_bytes(body.get(range)?.try_into().ok()?));
        if let (Some(run), Some(sent)) = (number(0..8), number(8..HEAD))
            && run == self.number
        {
            let now = self.start.elapsed();
            self.delivered.borrow_mut().add(now.saturating_sub(Duration::from_nanos(sent)), now);
        }
    }
}

impl Queue {
    pub(super) fn common(&self) -> Common {
        self.common
    }

    /// Closing line for people.
    pub(super) fn note(&self) -> String {
        format!("the topic {} stays: nuthatch delete {}\n", self.topic, self.topic)
    }

    /// Runs the load.
    pub(super) fn run(&self) -> Result<Vec<Report>, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::refused(format!("cannot start: {error}")))?;
        let run = LocalSet::new().block_on(&runtime, self.drive())?;
        runtime.shutdown_background();
        Ok(self.reports(&run))
    }

    async fn drive(&self) -> Result<Rc<Run>, Failure> {
        let run = Run::new();
        let producers = self.producers()?;
        // The first answer proves that the queue is reachable, before anything is counted.
        producers[0]
            .ping()
            .await
            .map_err(|error| Failure::refused(format!("no queue answers at {}: {error}", self.address)))?;
        let consumers = self.consume(&run)?;
        let publishing: Vec<JoinHandle<()>> = producers
            .into_iter()
            .map(|producer| {
                let (run, topic, bytes) = (run.clone(), self.topic.clone(), self.message_bytes as usize);
                let (window, time) = (self.window as usize, self.common.time());
                tokio::task::spawn_local(
                    async move { publish(producer, &run, &topic, bytes, window, time).await },
                )
            })
            .collect();
        let mut meter = Meter::default();
        let mut every = tokio::time::interval(Duration::from_secs(1));
        while !publishing.iter().all(JoinHandle::is_finished) {
            every.tick().await;
            meter.show("messages", run.published.borrow().done, run.start.elapsed(), self.common.time());
        }
        while self.consumers > 0 && Queue::awaits_deliveries(&run) {
            every.tick().await;
            meter.show(
                "messages delivered",
                run.delivered.borrow().done,
                run.start.elapsed(),
                self.common.time(),
            );
        }
        Meter::end();
        for consumer in consumers {
            consumer.abort();
        }
        Ok(run)
    }

    fn producers(&self) -> Result<Vec<Producer>, Failure> {
        (0..self.producers)
            .map(|_| {
                Producer::new(self.address.clone(), Config::new())
                    .map_err(|error| Failure::refused(error.to_string()))
            })
            .collect()
    }

    fn consume(&self, run: &Rc<Run>) -> Result<Vec<JoinHandle<()>>, Failure> {
        let start = |_| {
            let config = Config { max_in_flight: self.max_in_flight as u32, ..Config::new() };
            let builder =
                Consumer::builder(self.topic.clone(), CHANNEL).config(config).nsqd(self.address.clone());
            let mut consumer = builder.start().map_err(|error| Failure::refused(error.to_string()))?;
            let run = run.clone();
            Ok(tokio::task::spawn_local(async move {
                while let Some(message) = consumer.next().await {
                    run.receive(&message.body);
                    message.finish();
                }
            }))
        };
        (0..self.consumers).map(start).collect()
    }

    fn awaits_deliveries(run: &Run) -> bool {
        let (published, delivered) = (run.published.borrow(), run.delivered.borrow());
        let since = published.last.max(delivered.last);
        delivered.done < published.done && run.start.elapsed().saturating_sub(since) < QUIET
    }

    fn reports(&self, run: &Run) -> Vec<Report> {
        let report = |title: String, counts: &RefCell<Counts>| {
            let counts = counts.borrow();
            let (count, errors, time) = (counts.done, counts.errors, counts.last);
            Report { title, what: "messages", count, errors, time, latency: counts.latency.snapshot() }
        };
        let at = format!("{}, topic {}, {} bytes", self.address, self.topic, self.message_bytes);
        let published = format!(
            "published at {at}: {} producers, {} messages on their way each",
            self.producers, self.window
        );
        let delivered = format!("delivered: {} consumers, from publication to delivery", self.consumers);
        let mut reports = vec![report(published, &run.published)];
        if self.consumers > 0 {
            reports.push(report(delivered, &run.delivered));
        }
        reports
    }
}

/// Publishes until the time is up, then waits for the outstanding answers.
async fn publish(producer: Producer, run: &Run, topic: &str, bytes: usize, window: usize, time: Duration) {
    let mut on_their_way: VecDeque<(Instant, Receipt)> = VecDeque::with_capacity(window);
    while run.start.elapsed() < time {
        if on_their_way.len() >= window
            && let Some((sent, receipt)) = on_their_way.pop_front()
        {
            answered(run, sent, receipt.await);
        }
        match producer.send(topic, run.body(bytes)).await {
            Ok(receipt) => on_their_way.push_back((Instant::now(), receipt)),
            Err(error) => {
                answered(run, Instant::now(), Err(error));
                // Do not retry an unreachable queue in a busy loop.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    for (sent, receipt) in on_their_way {
        answered(run, sent, receipt.await);
    }
    producer.stop().await;
}

fn answered(run: &Run, sent: Instant, answer: Result<(), PublishError>) {
    let mut published = run.published.borrow_mut();
    match answer {
        Ok(()) => published.add(sent.elapsed(), run.start.elapsed()),
        Err(_) => published.errors += 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_other_runs_are_not_counted() {
        let run = Run::new();
        run.receive(&run.body(20));
        run.receive(&run.body(0));
        for body in [&b""[..], b"short", &[0; 16]] {
            run.receive(body);
        }
        assert_eq!(run.delivered.borrow().done, 2);
    }
}
