//! Refusals of the queue, as statuses and codes of HTTP.

use ::http::HttpRefusal;
use axum::http::StatusCode;

use crate::error::QueueError;

/// A limit that somebody has set has a code of its own; a disk that refuses has nsqd's, which is that of a
/// daemon that stops, and the truth beside it. The log has it as well: as a condition of the topic's, not for
/// each request.
impl From<QueueError> for HttpRefusal {
    fn from(error: QueueError) -> HttpRefusal {
        let unavailable = |code| HttpRefusal::new(StatusCode::SERVICE_UNAVAILABLE, code);
        let refusal = match &error {
            QueueError::NoTopic => return HttpRefusal::missing("TOPIC_NOT_FOUND"),
            QueueError::NoChannel => return HttpRefusal::missing("CHANNEL_NOT_FOUND"),
            QueueError::TopicFull => unavailable("TOPIC_FULL"),
            QueueError::TooManyDeferred { .. } => unavailable("TOO_MANY_DEFERRED"),
            QueueError::TooManyTopics { .. } => unavailable("TOO_MANY_TOPICS"),
            QueueError::TooManyChannels { .. } | QueueError::TooManyChannelsOfTopic { .. } => {
                unavailable("TOO_MANY_CHANNELS")
            }
            QueueError::MemoryFull { .. } => unavailable("MEMORY_FULL"),
            QueueError::DurabilityIsFixed { .. } => HttpRefusal::bad("DURABILITY_IS_FIXED"),
            QueueError::InUse { .. } => HttpRefusal::new(StatusCode::CONFLICT, "IN_USE"),
            QueueError::Exiting => return HttpRefusal::EXITING,
            QueueError::Journal(_) => HttpRefusal::EXITING,
        };
        refusal.help(error.to_string())
    }
}
