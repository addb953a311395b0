//! Deliberate bugs, to verify that the oracle detects them.
//!
//! Each is simulated between the queue and the oracle, and looks to the oracle like a bug of the queue.

use std::time::Duration;

use queue::QueueOptions;
use queue::request::Request;
use queue::settings::{AtLimit, Durability, TopicSettings};

use super::command::Command;
use super::names::is_ephemeral;
use super::scenario::{End, Scenario};
use super::session::{Fact, SessionId};
use crate::rng::Rng;

/// A bug that the simulator can inject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tamper {
    /// A damaged message destroys a healthy one.
    DamageSpreads,
    /// A damaged segment header costs a message.
    HeaderCostsRecords,
    /// Damage is not reported.
    DamageUntold,
    /// A channel forgets a dead letter that is not yet on the device.
    LetterForgotten,
    /// Returned messages overtake waiting ones.
    Overtake,
    /// An OK is sent before the message is on the device.
    OkTooEarly,
    /// A deferred message is delivered before its due time.
    DueTooEarly,
    /// A message is delivered again although its FIN counted.
    FinForgotten,
    /// A message is in flight to two consumers.
    DeliveredTwice,
    /// A message that got its OK is not delivered.
    Dropped,
    /// An attempt is not counted.
    AttemptsForgotten,
    /// Statistics count one message too many.
    Miscounted,
    /// A message is delivered after its time to live.
    LivesTooLong,
    /// A message is dropped before its time.
    DiesTooEarly,
    /// A topic takes more than it may hold.
    LimitIgnored,
    /// A topic that should drop the oldest drops the newest.
    NewestDropped,
    /// Messages are not retained for replay.
    ReplayForgotten,
    /// Unneeded segments are not deleted.
    SegmentsKept,
    /// Messages of an ephemeral topic are written to a journal.
    EphemeralWritten,
    /// An ephemeral channel stays when its last consumer leaves.
    EphemeralStays,
    /// Ephemeral topics and channels survive a restart.
    EphemeralOutlives,
    /// Consumers of ephemeral channels receive nothing.
    EphemeralStuck,
    /// An ephemeral channel takes more than it may hold.
    EphemeralTooMuch,
    /// A publication to an ephemeral topic is refused.
    EphemeralRefused,
    /// Creations and publications are refused far below the memory limit.
    RefusedTooEarly,
    /// Memory exceeds its limit.
    MemoryExceeded,
    /// Memory of consumed messages is not released.
    MemoryKept,
    /// A topic exceeds its limit on channels.
    TooManyChannels,
}

impl Tamper {
    /// All deliberate bugs.
    pub const ALL: [Tamper; 28] = [
        Tamper::DamageSpreads,
        Tamper::HeaderCostsRecords,
        Tamper::DamageUntold,
        Tamper::LetterForgotten,
        Tamper::Overtake,
        Tamper::OkTooEarly,
        Tamper::DueTooEarly,
        Tamper::FinForgotten,
        Tamper::DeliveredTwice,
        Tamper::Dropped,
        Tamper::AttemptsForgotten,
        Tamper::Miscounted,
        Tamper::LivesTooLong,
        Tamper::DiesTooEarly,
        Tamper::LimitIgnored,
        Tamper::NewestDropped,
        Tamper::ReplayForgotten,
        Tamper::SegmentsKept,
        Tamper::EphemeralWritten,
        Tamper::EphemeralStays,
        Tamper::EphemeralOutlives,
        Tamper::EphemeralStuck,
        Tamper::EphemeralTooMuch,
        Tamper::EphemeralRefused,
        Tamper::RefusedTooEarly,
        Tamper::MemoryExceeded,
        Tamper::MemoryKept,
        Tamper::TooManyChannels,
    ];

    /// Words in the fault of the rule that should detect it, if other rules might too.
    pub fn words(self) -> &'static str {
        match self {
            Tamper::EphemeralWritten => "ephemeral, and on the disk",
            Tamper::EphemeralStays => "its last consumer is gone",
            Tamper::EphemeralOutlives => "ephemeral comes from nowhere",
            Tamper::EphemeralStuck => "owes message",
            Tamper::EphemeralTooMuch => "it may hold",
            Tamper::EphemeralRefused => "ephemeral was refused for no reason",
            Tamper::RefusedTooEarly => "although memory has room",
            Tamper::MemoryExceeded => "messages in memory take",
            Tamper::MemoryKept => "all that is there needs",
            Tamper::TooManyChannels => "channels, and may have",
            _ => "",
        }
    }

    /// Part of the names of files whose flushes do nothing.
    pub(crate) fn unflushed(self) -> Option<&'static str> {
        match self {
            Tamper::OkTooEarly => Some(""),
            Tamper::LetterForgotten => Some(super::names::DEAD),
            _ => None,
        }
    }
}

impl Tamper {
    /// Changes the scenario so that it gives opportunities.
    pub(crate) fn bend(self, scenario: &mut Scenario) {
        match self {
            Tamper::DamageSpreads | Tamper::HeaderCostsRecords | Tamper::DamageUntold => {
                (scenario.rot, scenario.ends) = (3, vec![End::Kill; 3]);
            }
            Tamper::LetterForgotten => {
                (scenario.max_attempts, scenario.ends) = (1, vec![End::Power; 3]);
                scenario.options.settings.durability = Durability::Fsync;
            }
            Tamper::OkTooEarly => {
                scenario.ends = vec![End::Power; 3];
                scenario.options.settings.durability = Durability::Fsync;
            }
            Tamper::LivesTooLong
            | Tamper::DiesTooEarly
            | Tamper::LimitIgnored
            | Tamper::NewestDropped
            | Tamper::ReplayForgotten => self.bend_limits(scenario),
            Tamper::EphemeralWritten
            | Tamper::EphemeralStays
            | Tamper::EphemeralOutlives
            | Tamper::EphemeralStuck
            | Tamper::EphemeralTooMuch
            | Tamper::EphemeralRefused => self.bend_ephemeral(scenario),
            Tamper::RefusedTooEarly
            | Tamper::MemoryExceeded
            | Tamper::MemoryKept
            | Tamper::TooManyChannels => {
                scenario.limit_memory(&mut Rng::new(scenario.think_ms));
            }
            Tamper::SegmentsKept => {
                (scenario.fill_max, scenario.messages, scenario.options.settings.max_bytes_per_file) =
                    (3000, 100, 8 << 10);
            }
            _ => {}
        }
    }

    fn bend_ephemeral(self, scenario: &mut Scenario) {
        if !scenario.has_ephemeral_topics() {
            scenario.add_ephemeral(&mut Rng::new(scenario.think_ms));
        }
        (scenario.orders, scenario.options.settings.mem_queue_size) = (0, 10_000);
        if self == Tamper::EphemeralOutlives {
            scenario.ends = vec![End::Kill; 3];
        }
    }

    /// Distorts the oracle's copy of the daemon's options.
    pub(crate) fn distort_options(self, options: &mut QueueOptions) {
        match self {
            Tamper::EphemeralTooMuch => options.settings.mem_queue_size = 1,
            Tamper::RefusedTooEarly => options.settings.max_memory_bytes *= 4,
            Tamper::MemoryExceeded => options.settings.max_memory_bytes /= 8,
            Tamper::TooManyChannels => options.settings.max_channels_per_topic = 1,
            _ => {}
        }
    }

    fn bend_limits(self, scenario: &mut Scenario) {
        let none = TopicSettings::default();
        let limit = match self {
            Tamper::LivesTooLong => TopicSettings { ttl_seconds: 60, ..none },
            Tamper::DiesTooEarly => TopicSettings { ttl_seconds: 1, ..none },
            Tamper::LimitIgnored => TopicSettings { bytes_max: 40_000, ..none },
            Tamper::NewestDropped => {
                TopicSettings { bytes_max: 1 << 20, at_limit: AtLimit::DropOldest, ..none }
            }
            _ => none,
        };
        (scenario.settings, scenario.steps) =
            (TopicSettings { retention_bytes: 1 << 40, ..limit }, Vec::new());
        scenario.topics.iter_mut().for_each(|topic| topic.upfront = true);
        if self == Tamper::ReplayForgotten {
            // Long enough for checkpoints, which release segments.
            (scenario.chaos, scenario.think_ms, scenario.ends) = (Duration::from_secs(150), 1500, Vec::new());
            (scenario.orders, scenario.options.settings.max_bytes_per_file) = (0, 1 << 10);
            // A channel without consumers would keep the segments.
            scenario.topics.truncate(1);
            scenario.topics[0].channels.truncate(1);
            (scenario.consumers, scenario.max_attempts, scenario.troubles) = (4, 0, Vec::new());
        }
    }

    /// Distorts the oracle's copy of a topic's settings.
    pub(crate) fn distort_settings(self, mut settings: TopicSettings) -> TopicSettings {
        match self {
            Tamper::LivesTooLong => settings.ttl_seconds = settings.ttl_seconds.min(1),
            Tamper::DiesTooEarly if settings.ttl_seconds > 0 => settings.ttl_seconds = 3600,
            Tamper::LimitIgnored => settings.bytes_max /= 40,
            Tamper::ReplayForgotten => settings.retention_seconds = 3600,
            _ => {}
        }
        settings
    }

    /// Distorts the oracle's view of an order.
    pub(crate) fn distort_order(self, request: Request) -> Request {
        match request {
            Request::ConfigureTopic(topic, settings) => {
                Request::ConfigureTopic(topic, self.distort_settings(settings))
            }
            request => request,
        }
    }

    /// Distorts the oracle's view of a client's command; returns the command to send instead, if it differs.
    pub(crate) fn distort_command(self, command: &mut Command) -> Option<Command> {
        let sent = command.clone();
        match (self, command) {
            (
                Tamper::DueTooEarly,
                Command::Publish { delay_ms: delay @ 1.., .. } | Command::Req(_, delay @ 1..),
            ) => {
                *delay += *delay / 2 + 20;
                Some(sent)
            }
            (Tamper::EphemeralWritten, Command::Publish { topic, .. }) if is_ephemeral(topic) => {
                let Command::Publish { uids, delay_ms, .. } = sent else { return None };
                Some(Command::Publish { topic: "written".to_owned(), uids, delay_ms })
            }
            (Tamper::EphemeralStuck, Command::Rdy(_)) => Some(Command::Nop),
            (Tamper::FinForgotten, Command::Fin(id)) if id.0[15].is_multiple_of(4) => Some(Command::Nop),
            (Tamper::Dropped, Command::Publish { uids, .. }) if uids.len() > 2 => {
                let Command::Publish { topic, uids, delay_ms } = sent else { return None };
                Some(Command::Publish { topic, uids: uids[1..].to_vec(), delay_ms })
            }
            (Tamper::NewestDropped, Command::Publish { uids, .. }) if uids.len() > 1 => {
                let Command::Publish { topic, mut uids, delay_ms } = sent else { return None };
                uids.pop();
                Some(Command::Publish { topic, uids, delay_ms })
            }
            _ => None,
        }
    }
}

/// Applies a deliberate bug to the oracle's view of a turn, given an opportunity.
pub(crate) fn distort(tamper: Tamper, facts: &mut Vec<(SessionId, Fact)>) {
    let delivered = |fact: &Fact| matches!(fact, Fact::Delivered(..));
    match tamper {
        Tamper::Overtake => {
            let again = facts.iter().position(|(_, fact)| matches!(fact, Fact::Delivered(_, 2.., _)));
            let Some(again) = again else { return };
            let (session, _) = facts[again];
            let first =
                |(s, fact): &(SessionId, Fact)| *s == session && matches!(fact, Fact::Delivered(_, 1, _));
            if let Some(fresh) = facts[..again].iter().position(first) {
                facts.swap(fresh, again);
            }
        }
        Tamper::DeliveredTwice => {
            if let Some(at) = facts.iter().position(|(_, fact)| delivered(fact)) {
                facts.insert(at, facts[at].clone());
            }
        }
        Tamper::EphemeralRefused => {
            for (_, fact) in facts {
                if let Fact::Answered(Command::Publish { topic, .. }, refusal) = fact
                    && is_ephemeral(topic)
                {
                    *refusal = Some("E_PUB_FAILED".to_owned());
                }
            }
        }
        Tamper::AttemptsForgotten => {
            for (_, fact) in facts {
                if let Fact::Delivered(_, attempts @ 2.., _) = fact {
                    *attempts = 1;
                }
            }
        }
        _ => {}
    }
}
