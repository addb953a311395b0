//! Retention: finished messages stay at the engine for a time.
//!
//! ```text
//!                     ~kept~41                 ~kept~42 begins here
//!  stream:  ──────────●───────────────────────●──────────────────────▶ now
//!                     └── retention and a bit ─┴────── retention ─────┘
//! ```
//! A stream with interest retention keeps what some consumer has not acknowledged. So a hidden consumer that
//! nobody reads begins where retention does, and is replaced by a later one now and then. Name and beginning
//! follow from the time alone: all nodes do the same, and none has to be chosen.

use std::time::SystemTime;

use async_nats::jetstream::consumer::{DeliverPolicy, Info, pull};
use tokio::time::Duration;

use super::changes;
use super::fault::Fault;
use super::hub::Hub;
use crate::request::Heeded;

/// Beginning of the names of the hidden consumers.
const PREFIX: &str = "~kept~";
/// Parts of the retention after which the consumer is replaced.
const PARTS: u64 = 10;
/// Shortest and longest time (s) between two replacements.
const PERIOD_MIN: u64 = 5;
const PERIOD_MAX: u64 = 3600;

/// Moves the beginning of what is kept of a topic. Called every few seconds.
pub async fn tend(hub: &Hub, topic: &str, consumers: &[Info]) -> Result<(), Fault> {
    // Finished messages of a topic that has become local are not taken along.
    let settings = hub.settings(topic, None).filter(|_| !hub.is_local(topic));
    let heeded = settings.map(|settings| Heeded::of(&settings)).unwrap_or_default();
    let stream = hub.names.stream(topic);
    let wanted = (heeded.retention_seconds > 0).then(|| kept(heeded.retention_seconds, now()));
    let all = || consumers.iter().filter(|info| info.name.starts_with(PREFIX));
    if let Some((name, from)) = &wanted
        && !all().any(|info| info.name == *name)
    {
        let start_time = (SystemTime::UNIX_EPOCH + Duration::from_secs(*from)).into();
        let deliver_policy = DeliverPolicy::ByStartTime { start_time };
        changes::create_consumer(hub, &stream, pull::Config { deliver_policy, ..changes::durable(name) })
            .await?;
    }
    for info in all().filter(|info| wanted.as_ref().is_none_or(|(name, _)| info.name != *name)) {
        changes::delete_consumer(hub, &stream, &info.name).await?;
    }
    Ok(())
}

/// The hidden consumer at this time, and the time at which it begins (s since 1970).
fn kept(retention: u64, now: u64) -> (String, u64) {
    let period = (retention / PARTS).clamp(PERIOD_MIN, PERIOD_MAX);
    let number = now / period;
    (format!("{PREFIX}{period}~{number}"), (number * period).saturating_sub(retention))
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_nodes_keep_the_same_and_never_too_little() {
        for (retention, now) in [(1, 1000), (100, 1009), (7 * 86_400, 1_700_000_000)] {
            let (name, from) = kept(retention, now);
            assert!(from + retention <= now, "{name} begins within retention");
            assert!(now - from <= retention + PERIOD_MAX.min(retention / PARTS).max(PERIOD_MIN));
        }
        assert_eq!(kept(100, 1000), kept(100, 1009));
        assert_ne!(kept(100, 1000).0, kept(100, 1010).0);
        assert_ne!(kept(100, 1000).0, kept(1000, 1000).0, "another retention begins elsewhere");
    }
}
