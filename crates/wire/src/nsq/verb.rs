//! The commands of V2 and the states in which each may be sent.
//!
//! One table, used by the scanner's checks and the error texts.

/// State of a connection. The numbers are those of `/stats`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum ClientState {
    /// Not subscribed (yet).
    #[default]
    Init = 0,
    /// Never seen by clients; kept for the numbering.
    Disconnected = 1,
    /// Never seen by clients; kept for the numbering.
    Connected = 2,
    /// After SUB.
    Subscribed = 3,
    /// After CLS: no more deliveries; FIN, REQ and TOUCH still count.
    Closing = 4,
}

/// A command's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Client metadata and feature negotiation.
    Identify,
    /// The secret for the authorization server.
    Auth,
    /// Subscribes to a channel.
    Sub,
    /// Sets the window of messages in flight.
    Rdy,
    /// Finishes a message.
    Fin,
    /// Requeues a message.
    Req,
    /// Restarts a message's timeout.
    Touch,
    /// Begins a clean close.
    Cls,
    /// Nothing; counts as a sign of life.
    Nop,
    /// Publishes one message.
    Pub,
    /// Publishes several messages.
    Mpub,
    /// Publishes one message with a delay.
    Dpub,
}

/// States in which a command is accepted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Before SUB.
    Init,
    /// After SUB and before CLS.
    Subscribed,
    /// After SUB, before or after CLS.
    Attached,
    /// At any time.
    Always,
}

/// The one list of commands.
const TABLE: [(Verb, &str, When); 12] = [
    (Verb::Identify, "IDENTIFY", When::Init),
    (Verb::Auth, "AUTH", When::Init),
    (Verb::Sub, "SUB", When::Init),
    (Verb::Rdy, "RDY", When::Subscribed),
    (Verb::Fin, "FIN", When::Attached),
    (Verb::Req, "REQ", When::Attached),
    (Verb::Touch, "TOUCH", When::Attached),
    (Verb::Cls, "CLS", When::Subscribed),
    (Verb::Nop, "NOP", When::Always),
    (Verb::Pub, "PUB", When::Always),
    (Verb::Mpub, "MPUB", When::Always),
    (Verb::Dpub, "DPUB", When::Always),
];

impl Verb {
    /// All commands.
    pub fn all() -> impl Iterator<Item = Verb> {
        TABLE.iter().map(|(verb, ..)| *verb)
    }

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        TABLE[self as usize].1
    }

    /// The command with this name; names are case-sensitive.
    pub fn named(word: &[u8]) -> Option<Verb> {
        Some(match word {
            b"FIN" => Verb::Fin,
            b"PUB" => Verb::Pub,
            b"MPUB" => Verb::Mpub,
            b"RDY" => Verb::Rdy,
            b"REQ" => Verb::Req,
            b"TOUCH" => Verb::Touch,
            b"NOP" => Verb::Nop,
            b"DPUB" => Verb::Dpub,
            b"SUB" => Verb::Sub,
            b"CLS" => Verb::Cls,
            b"IDENTIFY" => Verb::Identify,
            b"AUTH" => Verb::Auth,
            _ => return None,
        })
    }

    /// True if the command is accepted in this state.
    pub fn allowed(self, state: ClientState) -> bool {
        match TABLE[self as usize].2 {
            When::Init => state == ClientState::Init,
            When::Subscribed => state == ClientState::Subscribed,
            When::Attached => matches!(state, ClientState::Subscribed | ClientState::Closing),
            When::Always => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_in_order_and_complete() {
        for (index, verb) in Verb::all().enumerate() {
            assert_eq!(verb as usize, index);
            assert_eq!(Verb::named(verb.name().as_bytes()), Some(verb));
        }
        assert_eq!(Verb::all().count(), 12);
        assert_eq!(Verb::named(b"pub"), None);
        assert_eq!(Verb::named(b""), None);
    }
}
