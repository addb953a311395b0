//! What the queue does not do, in statuses and codes of HTTP.

use ::http::Refusal;
use axum::http::StatusCode;

use crate::error::QueueError;

/// A limit that somebody has set has a code of its own; a disk that refuses is to nsqd's clients the same as a daemon that stops.
impl From<QueueError> for Refusal {
    fn from(error: QueueError) -> Refusal {
        let unavailable = |code| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, code);
        let refusal = match &error {
            QueueError::NoTopic => return Refusal::missing("TOPIC_NOT_FOUND"),
            QueueError::NoChannel => return Refusal::missing("CHANNEL_NOT_FOUND"),
            QueueError::TopicFull => unavailable("TOPIC_FULL"),
            QueueError::TooManyDeferred { .. } => unavailable("TOO_MANY_DEFERRED"),
            QueueError::TooManyTopics { .. } => unavailable("TOO_MANY_TOPICS"),
            QueueError::TooManyChannels { .. } | QueueError::TooManyChannelsOfTopic { .. } => {
                unavailable("TOO_MANY_CHANNELS")
            }
            QueueError::MemoryFull { .. } => unavailable("MEMORY_FULL"),
            QueueError::DurabilityIsFixed { .. } => Refusal::bad("DURABILITY_IS_FIXED"),
            QueueError::InUse(_) | QueueError::Exiting | QueueError::Journal(_) => {
                telemetry::warn!(%error, "a request over HTTP was refused");
                return Refusal::EXITING;
            }
        };
        refusal.help(error.to_string())
    }
}
