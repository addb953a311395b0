//! Facts about a delivery, from the subject that it is acknowledged to (NATS ADR-15).
//!
//! ```text
//! $JS.ACK.<stream>.<consumer>.<deliveries>.<stream sequence>.<consumer sequence>.<ns>.<pending>
//! $JS.ACK.<domain>.<account>.<stream>.<consumer>.<the same>[.<anything>]
//! ```
//! Names have no dots. The reader of async-nats takes a message with a whole client of its own, and goes over
//! calendar dates: a fifth of what a delivery costs.

const PREFIX: &str = "$JS.ACK.";
/// Tokens behind the prefix in the short form, and those that the long form has in front of them.
const TOKENS: usize = 7;
const DOMAIN_TOKENS: usize = 2;

/// Facts about a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Deliveries of this message to this consumer, this one included.
    pub count: u64,
    /// Number of the message in its stream.
    pub sequence: u64,
    /// Time it was stored (wall, ns).
    pub stored: i64,
}

impl Delivery {
    /// Reads the subject; `None` if it is not one of `JetStream`'s.
    pub fn of(subject: &str) -> Option<Delivery> {
        let tokens = subject.strip_prefix(PREFIX)?;
        let dots = tokens.bytes().filter(|byte| *byte == b'.').count();
        let skipped = match dots + 1 {
            TOKENS => 0,
            more if more >= TOKENS + DOMAIN_TOKENS => DOMAIN_TOKENS,
            _ => return None,
        };
        let mut tokens = tokens.split('.').skip(skipped + 2);
        let count = tokens.next()?.parse().ok()?;
        let sequence = tokens.next()?.parse().ok()?;
        let stored = tokens.nth(1)?.parse().ok()?;
        Some(Delivery { count, sequence, stored })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let wanted = Some(Delivery { count: 2, sequence: 1007, stored: 1_620_143_312_000_000_001 });
        for subject in [
            "$JS.ACK.stream.consumer.2.1007.33.1620143312000000001.9",
            "$JS.ACK._.hash.stream.consumer.2.1007.33.1620143312000000001.9",
            "$JS.ACK.hub.hash.stream.consumer.2.1007.33.1620143312000000001.9.token",
            "$JS.ACK.hub.hash.stream.consumer.2.1007.33.1620143312000000001.9.token.more",
        ] {
            assert_eq!(Delivery::of(subject), wanted, "{subject}");
        }
    }

    #[test]
    fn other_subjects_are_not_read() {
        for subject in [
            "",
            "_INBOX.a.b",
            "$JS.ACK.",
            "$JS.ACK.stream.consumer.2.1007.33.1620143312000000001",
            "$JS.ACK.hash.stream.consumer.2.1007.33.1620143312000000001.9",
            "$JS.ACK.stream.consumer.x.1007.33.1620143312000000001.9",
            "$JS.ACK.stream.consumer.2.-1.33.1620143312000000001.9",
            "$JS.ACK.stream.consumer.2.1007.33..9",
            "$JS.ACK.stream.consumer.2.1007.33.99999999999999999999.9",
        ] {
            assert_eq!(Delivery::of(subject), None, "{subject}");
        }
    }
}
