//! Conditions: present problems, by subject.
//!
//! Each condition has its own subject and ends only when that subject recovers, whatever else succeeds
//! meanwhile. The log gets a line when a condition begins, changes or ends, at most one a second for each.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use net::Instant;

use crate::clock::Clock;
use crate::registry::TopicKey;
use crate::snapshot;
use crate::topic::ChannelKey;

/// Conditions shown individually in the summary line.
const SHOWN_MAX: usize = 3;
/// Conditions shown individually in statistics.
const LISTED_MAX: usize = 20;
/// Time between two log lines about one subject.
const LINE_INTERVAL: Duration = Duration::from_secs(1);
/// Time a refused creation is remembered if it is not retried.
const CREATION_REMEMBERED: Duration = Duration::from_secs(10);
/// Refused creations remembered at a time: clients choose the names, so it needs a limit.
const CREATIONS_MAX: usize = 100;

/// Subject of a condition. Conditions are shown in this order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// The full disk.
    Disk,
    /// The engine.
    Engine,
    /// A topic's poisoned journal.
    Poisoned(TopicKey),
    /// A topic's journal: writing and flushing.
    Journal(TopicKey),
    /// Reading a channel's messages.
    Reading(TopicKey, ChannelKey),
    /// Setting aside a channel's dead letters.
    DeadLetters(TopicKey, ChannelKey),
    /// A topic's checkpoints.
    Checkpoint(TopicKey),
    /// Releasing segments of a topic that are no longer needed.
    Release(TopicKey),
    /// Deleting an ephemeral channel without consumers.
    Removal(TopicKey, ChannelKey),
    /// Deleting this directory of a deleted topic.
    Deletion(PathBuf),
    /// Creating the topic of this name, or a channel of it.
    Creation(String),
}

/// Subject of a condition, as shown to operators.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Whose {
    /// The topic's name.
    pub topic: String,
    /// The channel's name; empty if the subject is not a channel.
    pub channel: String,
    /// The problem's text names the topic already.
    pub named: bool,
}

#[derive(Debug)]
struct Condition {
    whose: Whose,
    /// The problem; `None` if the subject has recovered.
    why: Option<String>,
    /// Wall time (ns) at which the condition began.
    since: i64,
    /// Time it was last observed.
    seen: Instant,
    /// The problem as last logged.
    said: Option<String>,
    said_at: Instant,
}

/// Present conditions.
#[derive(Debug, Default)]
pub(super) struct Conditions(BTreeMap<Subject, Condition>);

impl Conditions {
    /// True if no condition is kept, not even a recently ended one.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes a problem of a subject.
    pub fn begin(&mut self, subject: Subject, whose: Whose, why: &str, clock: Clock) {
        let (now, since) = (clock.now, clock.wall.0);
        if matches!(subject, Subject::Creation(_)) && !self.may_remember(&subject) {
            return;
        }
        match self.0.get_mut(&subject) {
            Some(condition) => {
                condition.seen = now;
                if condition.why.is_none() {
                    condition.since = since;
                }
                if condition.why.as_deref() != Some(why) {
                    condition.why = Some(why.to_owned());
                    condition.whose = whose;
                    condition.say(&subject, now);
                }
            }
            None => {
                let why = Some(why.to_owned());
                let mut condition = Condition { whose, why, since, seen: now, said: None, said_at: now };
                condition.say_now(&subject, now);
                self.0.insert(subject, condition);
            }
        }
    }

    /// Notes that a subject has recovered.
    pub fn end(&mut self, subject: &Subject, now: Instant) {
        if let Some(condition) = self.0.get_mut(subject)
            && condition.why.take().is_some()
        {
            condition.say(subject, now);
        }
    }

    /// Forgets a subject without logging its end.
    pub fn forget(&mut self, subject: &Subject) {
        self.0.remove(subject);
    }

    /// Forgets a deleted topic.
    pub fn forget_topic(&mut self, key: TopicKey) {
        self.0.retain(|subject, _| subject.topic() != Some(key));
    }

    /// Forgets a deleted channel.
    pub fn forget_channel(&mut self, key: TopicKey, channel: ChannelKey) {
        self.0.retain(|subject, _| subject.channel() != Some((key, channel)));
    }

    /// Channels with a condition.
    pub fn channels(&self) -> Vec<(TopicKey, ChannelKey)> {
        self.0.keys().filter_map(Subject::channel).collect()
    }

    /// Logs conditions that are not logged yet and forgets those that ended a while ago. Called once a
    /// second.
    pub fn tick(&mut self, now: Instant) {
        for (subject, condition) in &mut self.0 {
            if matches!(subject, Subject::Creation(_)) && now.since(condition.seen) >= CREATION_REMEMBERED {
                condition.why = None;
            }
            condition.say(subject, now);
        }
        self.0.retain(|_, condition| {
            condition.why.is_some()
                || condition.said.is_some()
                || now.since(condition.said_at) < LINE_INTERVAL
        });
    }

    /// Present conditions, worst first, and their number.
    pub fn list(&self) -> (Vec<snapshot::Condition>, usize) {
        let wrong = || self.0.iter().filter_map(|(subject, c)| Some((subject, c, c.why.as_ref()?)));
        let shown = |(subject, condition, why): (&Subject, &Condition, &String)| snapshot::Condition {
            topic: condition.whose.topic.clone(),
            channel: condition.whose.channel.clone(),
            what: subject.event(),
            why: why.clone(),
            since: condition.since,
        };
        (wrong().take(LISTED_MAX).map(shown).collect(), wrong().count())
    }

    /// The present condition of a subject, if there is one, and since when (wall, ns).
    pub fn of(&self, subject: &Subject) -> Option<(String, i64)> {
        let condition = self.0.get(subject)?;
        Some((condition.why.clone()?, condition.since))
    }

    /// Present conditions, in one line.
    pub fn text(&self) -> Option<String> {
        let wrong = self.0.values().filter_map(|c| c.why.as_deref().map(|why| (c, why)));
        let mut shown: Vec<String> = Vec::new();
        let mut more = 0;
        for (condition, why) in wrong {
            if shown.len() < SHOWN_MAX {
                shown.push(format!(
                    "{}, since {}",
                    condition.whose.says(why),
                    snapshot::utc(condition.since)
                ));
            } else {
                more += 1;
            }
        }
        let mut text = shown.join("; ");
        if more > 0 {
            let _ = write!(text, "; and {more} more");
        }
        (!text.is_empty()).then_some(text)
    }

    fn may_remember(&self, subject: &Subject) -> bool {
        let creations = self.0.keys().filter(|subject| matches!(subject, Subject::Creation(_)));
        creations.count() < CREATIONS_MAX || self.0.contains_key(subject)
    }
}

impl Subject {
    /// The topic it belongs to.
    pub fn topic(&self) -> Option<TopicKey> {
        match self {
            Subject::Poisoned(key)
            | Subject::Journal(key)
            | Subject::Checkpoint(key)
            | Subject::Release(key) => Some(*key),
            _ => self.channel().map(|(key, _)| key),
        }
    }

    /// The channel it belongs to.
    pub fn channel(&self) -> Option<(TopicKey, ChannelKey)> {
        match self {
            Subject::Reading(key, channel)
            | Subject::DeadLetters(key, channel)
            | Subject::Removal(key, channel) => Some((*key, *channel)),
            _ => None,
        }
    }

    /// Text of the log line.
    fn event(&self) -> &'static str {
        match self {
            Subject::Disk => "the disk is full: publications are refused until consumers have made room",
            Subject::Engine => "the engine cannot be reached: its topics wait",
            Subject::Poisoned(_) => "journal is poisoned",
            Subject::Journal(_) => "journal refuses writes or cannot be flushed",
            Subject::Reading(..) => "messages cannot be read",
            Subject::DeadLetters(..) => "dead letters are refused",
            Subject::Checkpoint(_) => "checkpoints fail",
            Subject::Release(_) => "segments cannot be deleted",
            Subject::Removal(..) => "ephemeral channel cannot be deleted",
            Subject::Deletion(_) => "files of a deleted topic cannot be deleted",
            Subject::Creation(_) => "creation refused",
        }
    }
}

impl Whose {
    fn says(&self, why: &str) -> String {
        match (self.topic.as_str(), self.channel.as_str()) {
            ("", _) => why.to_owned(),
            _ if self.named => why.to_owned(),
            (topic, "") => format!("topic {topic}: {why}"),
            (topic, channel) => format!("channel {channel} of topic {topic}: {why}"),
        }
    }
}

impl Condition {
    /// Logs a condition, unless it is logged already or the subject had a line within the last second.
    fn say(&mut self, subject: &Subject, now: Instant) {
        if self.why != self.said && now.since(self.said_at) >= LINE_INTERVAL {
            self.say_now(subject, now);
        }
    }

    fn say_now(&mut self, subject: &Subject, now: Instant) {
        self.said.clone_from(&self.why);
        self.said_at = now;
        let (event, Whose { topic, channel, .. }) = (subject.event(), &self.whose);
        match &self.why {
            Some(error) => telemetry::error!(topic, channel, error, "{event}"),
            None if matches!(subject, Subject::Creation(_)) => {}
            None => telemetry::info!(topic, channel, "no longer: {event}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject::Deletion("/topics/t.deleted".into())
    }

    fn at(ms: u64) -> Instant {
        Instant(1_000_000_000_000) + Duration::from_millis(ms)
    }

    fn clock(ms: u64) -> Clock {
        Clock { now: at(ms), wall: net::WallTime(ms as i64 * 1_000_000) }
    }

    fn begin(conditions: &mut Conditions, why: &str, ms: u64) {
        conditions.begin(subject(), Whose { topic: "t".into(), ..Whose::default() }, why, clock(ms));
    }

    fn said(conditions: &Conditions) -> Option<&str> {
        conditions.0.get(&subject())?.said.as_deref()
    }

    #[test]
    fn the_log_has_one_line_a_second_and_the_last_one_is_true() {
        let mut conditions = Conditions::default();
        for ms in (0..10_000).step_by(100) {
            begin(&mut conditions, &format!("wrong at {ms}"), ms);
            assert_eq!(said(&conditions), Some(&*format!("wrong at {}", ms / 1000 * 1000)));
            assert_eq!(
                conditions.text(),
                Some(format!("topic t: wrong at {ms}, since 1970-01-01T00:00:0{}Z", ms / 1000))
            );
            conditions.end(&subject(), at(ms));
            assert!(said(&conditions).is_some());
            assert_eq!(conditions.text(), None);
        }
        conditions.tick(at(10_500));
        assert_eq!(said(&conditions), None, "that it is well");
        assert!(!conditions.is_empty());
        conditions.tick(at(11_600));
        assert!(conditions.is_empty());
    }

    #[test]
    fn the_worst_comes_first() {
        let mut conditions = Conditions::default();
        conditions.begin(Subject::Creation("c".into()), Whose::default(), "c", clock(0));
        conditions.begin(Subject::Disk, Whose::default(), "full", clock(0));
        begin(&mut conditions, "b", 0);
        let since = "since 1970-01-01T00:00:00Z";
        let both = format!("full, {since}; topic t: b, {since}; c, {since}");
        assert_eq!(conditions.text(), Some(both.clone()));
        conditions.begin(Subject::Creation("d".into()), Whose::default(), "d", clock(0));
        assert_eq!(conditions.text(), Some(format!("{both}; and 1 more")));
        let (list, count) = conditions.list();
        assert_eq!((list.len(), count), (4, 4));
        assert_eq!((&*list[1].topic, &*list[1].why, list[1].since), ("t", "b", 0));
    }
}
