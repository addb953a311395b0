//! The clients' knowledge about each message, and since when; times are lengths of the recorder's list.

use std::collections::{BTreeMap, BTreeSet};

use super::found::{AFTER, Found};

/// A message.
#[derive(Debug, Default, Clone)]
struct Message {
    topic: String,
    /// Wall time before which it must not be delivered.
    due: i64,
    /// Time of its publication; `None` if it existed before the run.
    sent: Option<usize>,
    /// Time of its OK.
    accepted: Option<usize>,
    /// Time since which it is on the device, as OK promises or later.
    safe: Option<usize>,
    /// Channels that must get it.
    channels: BTreeSet<String>,
    ends: BTreeMap<String, End>,
}

/// The end of a message's life in a channel.
#[derive(Debug, Clone, Copy)]
struct End {
    asked: usize,
    /// Time since which it is final.
    last: Option<usize>,
    /// Number of the deletion of the channel, which drops all of its messages or none.
    deletion: Option<usize>,
}

/// Messages, deletions and times of a run.
#[derive(Debug, Default)]
pub struct Ledger {
    messages: BTreeMap<String, Message>,
    deletions: usize,
    times: Vec<(usize, i64)>,
}

/// A fault found after a power cut.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The queue does not start.
    Closed(String),
    /// No channel that should get it has it any more.
    Lost(String),
    /// It was finished or deleted for good, and is back.
    CameBack(String),
    /// It was never sent.
    NotSent(String),
    /// It was delivered before its time.
    TooEarly(String),
    /// A part of something deleted is still there.
    HalfDeleted(String),
    /// A channel's counts disagree with its contents.
    Counts(String),
    /// A message published after the restart did not arrive.
    Stuck(String),
}

impl Ledger {
    /// Notes the time at this length of the list.
    pub fn note_time(&mut self, length: usize, wall: i64) {
        self.times.push((length, wall));
    }

    /// Time of the power cut; the latest one if time passed at that length.
    pub fn time_at(&self, cut: usize) -> i64 {
        let after = self.times.partition_point(|(length, _)| *length < cut);
        self.times.get(after).or(self.times.last()).map_or(0, |(_, wall)| *wall)
    }

    pub fn send(&mut self, topic: &str, body: &str, due: i64, length: usize) {
        let channels: &[&str] = match topic {
            "t" => &["c", "d", "passing"],
            _ => &["x"],
        };
        let message = Message {
            topic: topic.to_owned(),
            due,
            sent: Some(length),
            channels: channels.iter().map(|channel| (*channel).to_owned()).collect(),
            ..Message::default()
        };
        self.messages.insert(body.to_owned(), message);
    }

    /// Adds a message left by an nsqd.
    pub fn have(&mut self, topic: &str, channel: &str, body: &str) {
        let message = self.messages.entry(body.to_owned()).or_default();
        topic.clone_into(&mut message.topic);
        (message.accepted, message.safe) = (Some(0), Some(0));
        message.channels.insert(channel.to_owned());
    }

    pub fn accept(&mut self, body: &str, length: usize) {
        let message = self.messages.get_mut(body).expect("sent");
        message.accepted = Some(length);
        if message.topic != "os" {
            message.safe = Some(length);
        }
    }

    pub fn finish(&mut self, channel: &str, body: &str, length: usize) {
        let message = self.messages.get_mut(body).expect("sent");
        message.ends.entry(channel.to_owned()).or_insert(End { asked: length, last: None, deletion: None });
    }

    /// Notes the deletion of the channel, with its topic or without.
    pub fn delete(&mut self, topic: &str, channel: &str, length: usize) {
        self.deletions += 1;
        for message in self.messages.values_mut().filter(|message| message.topic == topic) {
            let end = End { asked: length, last: None, deletion: Some(self.deletions) };
            message.ends.entry(channel.to_owned()).or_insert(end);
        }
    }

    /// Notes that everything so far is on the device.
    pub fn settle(&mut self, length: usize) {
        for message in self.messages.values_mut() {
            if message.accepted.is_some() {
                message.safe.get_or_insert(length);
            }
            for end in message.ends.values_mut() {
                end.last.get_or_insert(length);
            }
        }
    }

    /// Faults in what was found after a power cut at `cut`; `killed` if only the process ended.
    pub fn judge(&self, cut: usize, killed: bool, found: &Found) -> Vec<Fault> {
        let mut faults = found.faults.clone();
        let mut deleted: BTreeMap<usize, [bool; 2]> = BTreeMap::new();
        for (body, message) in &self.messages {
            let promised = if killed { message.accepted } else { message.safe };
            let promised = promised.is_some_and(|since| since <= cut);
            for channel in &message.channels {
                let there = found.has(&message.topic, channel, body);
                let end = message.ends.get(channel);
                let asked = end.is_some_and(|end| end.asked <= cut);
                let last = end.and_then(|end| end.last).is_some_and(|last| last <= cut);
                let named = || format!("{} of {}/{channel}", short(body), message.topic);
                if promised && !asked && !there {
                    faults.push(Fault::Lost(named()));
                }
                if there && last {
                    faults.push(Fault::CameBack(named()));
                }
                if let Some(End { deletion: Some(number), asked, .. }) = end
                    && *asked <= cut
                    && message.safe.is_some_and(|safe| safe <= *asked)
                {
                    deleted.entry(*number).or_default()[usize::from(there)] = true;
                }
            }
            if found.is_anywhere(body) && message.sent.is_some_and(|sent| sent >= cut) {
                faults.push(Fault::NotSent(short(body)));
            }
            if found.at_once.contains(body) && message.due > self.time_at(cut) {
                faults.push(Fault::TooEarly(short(body)));
            }
        }
        let halves = deleted.iter().filter(|(_, seen)| **seen == [true, true]);
        faults.extend(halves.map(|(number, _)| Fault::HalfDeleted(format!("deletion {number}"))));
        let unknown = found.bodies().filter(|body| !self.messages.contains_key(*body) && *body != AFTER);
        faults.extend(unknown.map(|body| Fault::NotSent(short(body))));
        faults
    }
}

fn short(body: &str) -> String {
    body.trim_end_matches('.').to_owned()
}
