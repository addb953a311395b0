//! The fleet as reported by its daemons: all are queried at once, and their answers are merged.
//!
//! Producers come from the lookups, or from the queues themselves if no lookup is configured; statistics from
//! every producer. Failures are warnings as long as one daemon answers. Failure texts are those of nsqadmin.

mod actions;
mod ask;
mod failures;
mod latency;
mod names;
mod own;
mod pools;
mod pool_changes;
mod pool_source;
mod producers;
mod request;
mod stats;

use std::sync::Arc;

pub use self::actions::{Change, Letters};
pub use self::ask::{Told, Upstreams};
pub use self::latency::Latency;
pub use self::names::Inactive;
pub use self::own::{OwnAnswer, OwnQueue};
pub use self::pool_changes::{LogLevelChange, ServerChange};
pub use self::pool_source::PoolsOfNode;
pub use self::pools::NodePools;
pub use self::producers::{Producer, ProducerTopic};
pub use self::request::DaemonRequest;
pub use self::stats::{
    ChannelStats, ClientStats, Publisher, Stats, TopicStats, channel_of, counts, topic_of,
};

/// A merged answer, with a line for each failure on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Gathered<T> {
    /// The answer.
    pub value: T,
    /// Failures, in the order of the addresses.
    pub warnings: Vec<String>,
}

/// Reason that no daemon answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable(pub String);

/// Result of a query to the fleet.
pub type Outcome<T> = Result<Gathered<T>, Unavailable>;

/// Addresses of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Addresses {
    /// HTTP addresses of lookups, queried if there are any.
    pub lookups: Vec<String>,
    /// HTTP addresses of queues.
    pub nsqds: Vec<String>,
    /// Admin ports of nuthatches.
    pub admins: Vec<String>,
}

/// A fleet at its current addresses.
#[derive(Debug, Clone)]
pub struct Fleet {
    upstreams: Upstreams,
    at: Arc<Addresses>,
}

/// Kind of daemon, with its name in nsqadmin's texts.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Lookup,
    Queue,
}

impl Fleet {
    /// The fleet at these addresses.
    pub fn new(upstreams: Upstreams, at: Arc<Addresses>) -> Fleet {
        Fleet { upstreams, at }
    }

    /// Access to its daemons.
    pub fn upstreams(&self) -> &Upstreams {
        &self.upstreams
    }

    /// True if producers come from lookups.
    pub fn has_lookups(&self) -> bool {
        !self.at.lookups.is_empty()
    }

    /// Number of lookups; a producer should be registered with each.
    pub fn lookups(&self) -> usize {
        self.at.lookups.len()
    }

    fn topic_fleet(&self) -> (Kind, &[String]) {
        if self.has_lookups() { (Kind::Lookup, &self.at.lookups) } else { (Kind::Queue, &self.at.nsqds) }
    }
}

/// Separates answers from failures; an error if there are only failures.
fn sift<T>(kind: Kind, answers: Vec<Result<T, String>>) -> Outcome<Vec<T>> {
    let asked = answers.len();
    let mut value = Vec::with_capacity(asked);
    let mut warnings = Vec::new();
    for answer in answers {
        match answer {
            Ok(answer) => value.push(answer),
            Err(warning) => warnings.push(warning),
        }
    }
    if warnings.len() == asked {
        let kind = match kind {
            Kind::Lookup => "nsqlookupd",
            Kind::Queue => "nsqd",
        };
        return Err(Unavailable(format!("failed to query any {kind}: {}", warnings.join("\n"))));
    }
    Ok(Gathered { value, warnings })
}

impl<T> Gathered<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Gathered<U> {
        Gathered { value: change(self.value), warnings: self.warnings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_a_warning_while_somebody_answers() {
        let failed = |why: &str| Err(why.to_owned());
        assert_eq!(
            sift(Kind::Queue, vec![Ok(1), failed("a"), Ok(2), failed("b")]),
            Ok(Gathered { value: vec![1, 2], warnings: vec!["a".into(), "b".into()] })
        );
        assert_eq!(
            sift::<i32>(Kind::Queue, vec![failed("a"), failed("b")]),
            Err(Unavailable("failed to query any nsqd: a\nb".into()))
        );
        assert_eq!(
            sift::<i32>(Kind::Lookup, vec![]),
            Err(Unavailable("failed to query any nsqlookupd: ".into())),
            "as nsqadmin, which takes nobody for all of them"
        );
    }
}
