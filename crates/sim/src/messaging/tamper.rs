//! Deliberate bugs, to see that the oracle finds them.
//!
//! Each is made up between the queue and the oracle, and looks to the oracle as the queue's own would.

use queue::settings::Durability;

use super::command::Command;
use super::scenario::{End, Scenario};
use super::session::{Fact, SessionId};

/// A bug that the simulator can make up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tamper {
    /// A damaged message takes a healthy one with it.
    DamageSpreads,
    /// A channel forgets a dead letter that is not on the device yet.
    LetterForgotten,
    /// What comes back overtakes what waits.
    Overtake,
    /// An OK comes before the message is on the device.
    OkTooEarly,
    /// A deferred message comes before its time.
    DueTooEarly,
    /// A message comes again though its FIN counted.
    FinForgotten,
    /// A message is in two consumers' hands.
    DeliveredTwice,
    /// A message that got its OK is not delivered.
    Dropped,
    /// A count of attempts is not kept.
    AttemptsForgotten,
    /// Statistics count one message too many.
    Miscounted,
}

impl Tamper {
    /// Every one of them.
    pub const ALL: [Tamper; 10] = [
        Tamper::DamageSpreads,
        Tamper::LetterForgotten,
        Tamper::Overtake,
        Tamper::OkTooEarly,
        Tamper::DueTooEarly,
        Tamper::FinForgotten,
        Tamper::DeliveredTwice,
        Tamper::Dropped,
        Tamper::AttemptsForgotten,
        Tamper::Miscounted,
    ];

    /// The part of their names by which files are known whose flushes do nothing.
    pub(crate) fn unflushed(self) -> Option<&'static str> {
        match self {
            Tamper::OkTooEarly => Some(""),
            Tamper::LetterForgotten => Some(super::oracle::DEAD),
            _ => None,
        }
    }
}

impl Tamper {
    /// Makes sure that there are opportunities.
    pub(crate) fn bend(self, scenario: &mut Scenario) {
        match self {
            Tamper::DamageSpreads => {
                (scenario.rot, scenario.ends) = (3, vec![End::Kill; 3]);
            }
            Tamper::LetterForgotten => {
                (scenario.max_attempts, scenario.ends) = (1, vec![End::Power; 3]);
                scenario.options.durability = Durability::Fsync;
            }
            Tamper::OkTooEarly => {
                scenario.ends = vec![End::Power; 3];
                scenario.options.durability = Durability::Fsync;
            }
            _ => {}
        }
    }

    /// Distorts what the oracle is told of a command that a client sends; what is sent instead, if it is something else.
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
            (Tamper::FinForgotten, Command::Fin(id)) if id.0[15].is_multiple_of(4) => Some(Command::Nop),
            (Tamper::Dropped, Command::Publish { uids, .. }) if uids.len() > 2 => {
                let Command::Publish { topic, uids, delay_ms } = sent else { return None };
                Some(Command::Publish { topic, uids: uids[1..].to_vec(), delay_ms })
            }
            _ => None,
        }
    }
}

/// Applies a deliberate bug to what the oracle is told of a turn, if this is an opportunity.
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
