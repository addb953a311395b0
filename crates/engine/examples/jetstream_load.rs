//! A client of NATS `JetStream` with async-nats and nothing else, for `cargo xtask bench engine`: it does on
//! one thread what a nuthatch does for a topic on the engine.
//!
//! ```text
//! jetstream_load publish SERVER STREAM SUBJECT MESSAGES IN_FLIGHT BYTES
//! jetstream_load consume SERVER STREAM CONSUMER MESSAGES BATCH
//! jetstream_load relay   SERVER STREAM CONSUMER MESSAGES BATCH
//! ```
//! `relay` is the least program whose consumers live on a thread of their own: what has arrived goes there,
//! and is acknowledged from there, in as large pieces as there are.
//!
//! Prints `READY`, waits for a line, does the work, and prints its seconds and its CPU seconds.

use std::collections::VecDeque;
use std::error::Error;
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, consumer::PullConsumer};
use async_nats::{HeaderMap, Subject};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Time after which the server ends a fetch.
const EXPIRES: Duration = Duration::from_secs(5);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match arguments.as_slice() {
            ["publish", server, _, subject, messages, in_flight, bytes] => {
                publish(server, subject, messages.parse()?, in_flight.parse()?, bytes.parse()?).await
            }
            ["consume", server, stream, consumer, messages, batch] => {
                consume(server, stream, consumer, messages.parse()?, batch.parse()?).await
            }
            ["relay", server, stream, consumer, messages, batch] => {
                relay(server, stream, consumer, messages.parse()?, batch.parse()?).await
            }
            _ => Err("see the source for its arguments".into()),
        }
    })
}

async fn publish(server: &str, subject: &str, messages: u64, in_flight: usize, bytes: usize) -> Result<()> {
    let context = jetstream::new(async_nats::connect(server).await?);
    let (body, run) = (Bytes::from(vec![b'x'; bytes]), std::process::id());
    let began = begin()?;
    let mut open = VecDeque::with_capacity(in_flight);
    for number in 0..messages {
        if open.len() == in_flight {
            acknowledged(&mut open).await?;
        }
        let mut headers = HeaderMap::new();
        headers.insert(async_nats::header::NATS_MESSAGE_ID, format!("{run:08x}{number:08x}"));
        let sent = context.publish_with_headers(subject.to_owned(), headers, body.clone()).await?;
        open.push_back(sent);
    }
    while !open.is_empty() {
        acknowledged(&mut open).await?;
    }
    end(began)
}

async fn acknowledged(open: &mut VecDeque<jetstream::context::PublishAckFuture>) -> Result<()> {
    if let Some(first) = open.pop_front() {
        first.await?;
    }
    Ok(())
}

async fn consume(server: &str, stream: &str, consumer: &str, messages: u64, batch: usize) -> Result<()> {
    let context = jetstream::new(async_nats::connect(server).await?);
    let consumer: PullConsumer = context.get_consumer_from_stream(consumer, stream).await?;
    let began = begin()?;
    let mut left = messages;
    while left > 0 {
        let mut fetched = consumer.batch().max_messages(batch).expires(EXPIRES).messages().await?;
        while left > 0
            && let Some(message) = fetched.next().await
        {
            message?.ack().await?;
            left -= 1;
        }
    }
    context.client().flush().await?;
    end(began)
}

async fn relay(server: &str, stream: &str, consumer: &str, messages: u64, batch: u64) -> Result<()> {
    let client = async_nats::connect(server).await?;
    let inbox = client.new_inbox();
    let mut arriving = client.subscribe(inbox.clone()).await?;
    let (there, arrived) = std::sync::mpsc::channel::<Vec<(Subject, Bytes)>>();
    let (back, mut finished) = tokio::sync::mpsc::unbounded_channel::<Vec<Subject>>();
    let consumers = std::thread::spawn(move || {
        for messages in arrived {
            let _ = back.send(messages.into_iter().map(|(reply, _)| reply).collect());
        }
    });
    let next = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}");
    let began = begin()?;
    let (mut asked, mut left) = (0, messages);
    while left > 0 {
        if asked <= batch / 2 {
            let body = format!("{{\"batch\":{},\"expires\":{}}}", batch - asked, EXPIRES.as_nanos());
            client.publish_with_reply(next.clone(), inbox.clone(), body.into()).await?;
            asked = batch;
        }
        tokio::select! {
            Some(first) = arriving.next() => {
                let mut piece = Vec::new();
                let mut message = Some(first);
                while let Some(one) = message {
                    if let (None, Some(reply)) = (one.status, one.reply) {
                        piece.push((reply, one.payload));
                    } else {
                        // A request has expired.
                        asked = 0;
                    }
                    message = arriving.next().now_or_never().flatten();
                }
                asked = asked.saturating_sub(piece.len() as u64);
                there.send(piece)?;
            }
            Some(replies) = finished.recv() => {
                left = left.saturating_sub(replies.len() as u64);
                for reply in replies {
                    client.publish(reply, "+ACK".into()).await?;
                }
            }
        }
    }
    client.flush().await?;
    end(began)?;
    drop(there);
    let _ = consumers.join();
    Ok(())
}

/// Waits for a line; the time and the CPU time then.
fn begin() -> Result<(Instant, f64)> {
    println!("READY");
    std::io::stdin().read_line(&mut String::new())?;
    Ok((Instant::now(), cpu_seconds()?))
}

fn end((since, before): (Instant, f64)) -> Result<()> {
    println!("{} {}", since.elapsed().as_secs_f64(), cpu_seconds()? - before);
    Ok(())
}

/// CPU seconds of all threads.
fn cpu_seconds() -> Result<f64> {
    let mut nanoseconds = 0.0;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let told = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        nanoseconds += told.split(' ').next().unwrap_or("").parse::<f64>()?;
    }
    Ok(nanoseconds / 1e9)
}
