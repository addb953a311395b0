//! Publications on their way: sent, acknowledged message by message, sent again when no answer comes.
//!
//! A batch is answered when the engine has acknowledged all its messages. A message is sent again with the
//! same id, which the engine recognizes for two minutes, so that a lost acknowledgement makes no second copy.
//! Nothing here waits or sends: the worker does, with what these functions return.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::Deserialize;
use tokio::time::{Duration, Instant};

use crate::request::{EngineError, PUBLISH_TIMEOUT, Publication};

/// Time without an acknowledgement after which a message is sent again; doubled each time, up to the second.
const RESEND: Duration = Duration::from_secs(1);
const RESEND_MAX: Duration = Duration::from_secs(4);

/// A batch of one topic.
#[derive(Debug)]
pub struct Batch {
    /// The topic.
    pub topic: Arc<str>,
    messages: Vec<Publication>,
    acknowledged: Vec<bool>,
    left: usize,
    /// Time at which it was last sent; `None` while its topic is not known to exist.
    sent: Option<Instant>,
    /// Time after that in which it is sent again.
    patience: Duration,
    deadline: Instant,
    trouble: Option<String>,
}

/// All batches that are not answered.
#[derive(Debug, Default)]
pub struct Publishing {
    batches: FxHashMap<u64, Batch>,
}

/// The engine's answer to one message.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is stored.
    Stored,
    /// Nobody answers for its subject: the topic's stream does not exist, or has no leader.
    Nobody,
    /// Not now.
    Later(String),
    /// Refused.
    Refused(String),
    /// Refused, because the topic is at its limit of bytes.
    Full,
}

/// Codes of answers that say "not now": no leader or no quorum; the same id is on its way already.
const NOT_NOW: [u32; 2] = [503, 409];

/// NATS' refusal at a stream's limit of bytes. Its code is that of "not now", but trying again helps nobody.
const MAXIMUM_BYTES: &str = "maximum bytes exceeded";

#[derive(Deserialize)]
struct Ack {
    error: Option<AckError>,
    /// The place in the stream; counted from 1.
    #[serde(default)]
    seq: u64,
}

#[derive(Deserialize)]
struct AckError {
    code: u32,
    #[serde(default)]
    description: String,
}

impl Answer {
    /// Reads an acknowledgement.
    pub fn parse(no_responder: bool, payload: &[u8]) -> Answer {
        if no_responder {
            return Answer::Nobody;
        }
        match serde_json::from_slice::<Ack>(payload) {
            // NATS 2.9 answers so to a repetition of what most servers do not have yet, and may never have.
            Ok(Ack { error: None, seq: 0 }) => Answer::Later("the message is on its way".to_owned()),
            Ok(Ack { error: None, .. }) => Answer::Stored,
            Ok(Ack { error: Some(error), .. }) if error.description == MAXIMUM_BYTES => Answer::Full,
            Ok(Ack { error: Some(error), .. }) if NOT_NOW.contains(&error.code) => {
                Answer::Later(error.description)
            }
            Ok(Ack { error: Some(error), .. }) => Answer::Refused(error.description),
            Err(e) => Answer::Later(format!("acknowledgement cannot be read: {e}")),
        }
    }
}

impl Batch {
    /// Messages that are stored, by their index.
    fn stored(&self) -> Vec<usize> {
        let stored = self.acknowledged.iter().enumerate().filter(|(_, stored)| **stored);
        stored.map(|(index, _)| index).collect()
    }
}

impl Publishing {
    /// Adds a batch, which is not sent yet.
    pub fn begin(&mut self, number: u64, topic: Arc<str>, messages: Vec<Publication>, now: Instant) {
        let batch = Batch {
            topic,
            acknowledged: vec![false; messages.len()],
            left: messages.len(),
            messages,
            sent: None,
            patience: RESEND,
            deadline: now + PUBLISH_TIMEOUT,
            trouble: None,
        };
        self.batches.insert(number, batch);
    }

    /// True if every batch was answered.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// The topic of a batch.
    pub fn topic(&self, number: u64) -> Option<Arc<str>> {
        self.batches.get(&number).map(|batch| Arc::clone(&batch.topic))
    }

    /// Messages of a batch to be sent now, each with its index.
    pub fn send(&mut self, number: u64, now: Instant) -> Vec<(usize, Publication)> {
        let Some(batch) = self.batches.get_mut(&number) else { return Vec::new() };
        if batch.sent.replace(now).is_some() {
            batch.patience = (batch.patience * 2).min(RESEND_MAX);
        }
        let open = batch.messages.iter().enumerate().filter(|(index, _)| !batch.acknowledged[*index]);
        open.map(|(index, message)| (index, message.clone())).collect()
    }

    /// Takes an answer. Returns the batch's outcome if it is known now, and true if the batch's topic may not
    /// exist.
    pub fn answered(
        &mut self,
        number: u64,
        index: usize,
        answer: Answer,
    ) -> (Option<Result<(), EngineError>>, bool) {
        let Some(batch) = self.batches.get_mut(&number) else { return (None, false) };
        match answer {
            Answer::Stored => {
                let Some(acknowledged) = batch.acknowledged.get_mut(index) else { return (None, false) };
                batch.left -= usize::from(!std::mem::replace(acknowledged, true));
                if batch.left > 0 {
                    return (None, false);
                }
                self.batches.remove(&number);
                (Some(Ok(())), false)
            }
            Answer::Nobody => {
                batch.trouble = Some("no server answers for the topic's stream".to_owned());
                batch.sent = None;
                (None, true)
            }
            Answer::Later(why) => {
                batch.trouble = Some(why);
                (None, false)
            }
            Answer::Refused(why) => {
                let stored = self.batches.remove(&number).map(|batch| batch.stored()).unwrap_or_default();
                (Some(Err(EngineError { text: format!("engine: {why}"), full: false, stored })), false)
            }
            Answer::Full => {
                let stored = self.batches.remove(&number).map(|batch| batch.stored()).unwrap_or_default();
                (Some(Err(EngineError { text: "topic is full".to_owned(), full: true, stored })), false)
            }
        }
    }

    /// Notes why the batches of a topic cannot be sent yet.
    pub fn trouble(&mut self, topic: &str, why: &str) {
        for batch in self.batches.values_mut().filter(|batch| *batch.topic == *topic) {
            batch.trouble = Some(why.to_owned());
        }
    }

    /// Gives a topic's batches up, because the engine refuses the topic. Returns their numbers.
    pub fn refuse(&mut self, topic: &str) -> Vec<u64> {
        let numbers: Vec<u64> = self.unanswered(topic).collect();
        numbers.iter().for_each(|number| drop(self.batches.remove(number)));
        numbers
    }

    /// Batches of a topic that were not sent yet.
    pub fn unsent(&self, topic: &str) -> Vec<u64> {
        let mut numbers: Vec<u64> =
            self.unanswered(topic).filter(|number| self.batches[number].sent.is_none()).collect();
        numbers.sort_unstable();
        numbers
    }

    fn unanswered(&self, topic: &str) -> impl Iterator<Item = u64> {
        self.batches.iter().filter(move |(_, batch)| *batch.topic == *topic).map(|(number, _)| *number)
    }

    /// Batches whose time is up, with the reason: they are given up.
    pub fn expire(&mut self, now: Instant) -> Vec<(u64, EngineError)> {
        let late: Vec<u64> = self.numbers(|batch| batch.deadline <= now);
        let why = |batch: Batch| {
            let trouble = batch.trouble.as_deref().unwrap_or("no acknowledgement");
            let text = format!("engine: {trouble} within {} s", PUBLISH_TIMEOUT.as_secs());
            EngineError { text, full: false, stored: batch.stored() }
        };
        late.into_iter().filter_map(|n| Some((n, why(self.batches.remove(&n)?)))).collect()
    }

    /// Batches to be sent again, or for the first time, in order.
    pub fn overdue(&self, now: Instant) -> Vec<u64> {
        let mut numbers = self.numbers(|batch| batch.sent.is_none_or(|sent| sent + batch.patience <= now));
        numbers.sort_unstable();
        numbers
    }

    fn numbers(&self, which: impl Fn(&Batch) -> bool) -> Vec<u64> {
        self.batches.iter().filter(|(_, batch)| which(batch)).map(|(number, _)| *number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(count: u64) -> (Publishing, Instant) {
        let mut publishing = Publishing::default();
        let now = Instant::now();
        let message = |id| Publication::new(id, bytes::Bytes::from_static(b"x"));
        publishing.begin(7, "t".into(), (0..count).map(message).collect(), now);
        (publishing, now)
    }

    #[test]
    fn a_batch_is_answered_once_all_its_messages_are_stored() {
        let (mut publishing, now) = batch(2);
        assert_eq!(publishing.unsent("t"), [7]);
        assert_eq!(publishing.send(7, now).len(), 2);
        assert_eq!(publishing.answered(7, 1, Answer::Stored), (None, false));
        assert_eq!(publishing.answered(7, 1, Answer::Stored), (None, false), "a repetition counts once");
        assert_eq!(publishing.overdue(now), [0; 0]);
        assert_eq!(publishing.overdue(now + RESEND), [7]);
        assert_eq!(publishing.send(7, now + RESEND).iter().map(|m| m.0).collect::<Vec<_>>(), [0]);
        assert_eq!(publishing.answered(7, 0, Answer::Stored), (Some(Ok(())), false));
        assert!(publishing.is_empty());
    }

    #[test]
    fn a_batch_is_given_up_in_time_and_says_why() {
        let (mut publishing, now) = batch(1);
        publishing.send(7, now);
        assert_eq!(publishing.answered(7, 0, Answer::Nobody), (None, true));
        assert_eq!(publishing.unsent("t"), [7], "to be sent once the topic exists");
        assert!(publishing.expire(now + PUBLISH_TIMEOUT - RESEND).is_empty());
        let given_up = publishing.expire(now + PUBLISH_TIMEOUT);
        assert_eq!(given_up[0].1.to_string(), "engine: no server answers for the topic's stream within 15 s");
        assert!(publishing.is_empty());
    }

    #[test]
    fn a_batch_that_fails_says_what_is_stored() {
        let (mut publishing, now) = batch(3);
        publishing.send(7, now);
        publishing.answered(7, 1, Answer::Stored);
        let (Some(Err(error)), _) = publishing.answered(7, 2, Answer::Full) else { panic!("no outcome") };
        assert_eq!((error.full, error.stored), (true, vec![1]));
    }

    #[test]
    fn acknowledgements_are_read() {
        let stored = br#"{"stream":"S","seq":1,"duplicate":true}"#;
        assert_eq!(Answer::parse(false, stored), Answer::Stored);
        for not_yet in [
            &br#"{"stream":"s","seq":0,"duplicate":true}"#[..],
            br#"{"error":{"code":409,"err_code":10158,"description":"duplicate message id is in process"}}"#,
        ] {
            assert!(matches!(Answer::parse(false, not_yet), Answer::Later(_)));
        }
        assert_eq!(Answer::parse(true, b""), Answer::Nobody);
        let later =
            br#"{"error":{"code":503,"err_code":10008,"description":"system temporarily unavailable"}}"#;
        assert_eq!(Answer::parse(false, later), Answer::Later("system temporarily unavailable".into()));
        let full = br#"{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"}}"#;
        assert_eq!(Answer::parse(false, full), Answer::Full);
        let sealed = br#"{"error":{"code":400,"description":"invalid operation on sealed stream"}}"#;
        assert_eq!(
            Answer::parse(false, sealed),
            Answer::Refused("invalid operation on sealed stream".into())
        );
        assert!(matches!(Answer::parse(false, b"{"), Answer::Later(_)));
    }
}
