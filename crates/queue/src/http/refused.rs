//! The queue's refusals, as HTTP statuses and codes.

use ::http::HttpRefusal;
use axum::http::StatusCode;

use crate::error::QueueError;

/// Configured limits have their own codes. A disk failure has nsqd's code, that of a stopping daemon, with
/// the real reason beside it; the reason is also logged, once per condition of the topic and not for each
/// request.
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
            QueueError::Engine(_) => unavailable("ENGINE"),
            QueueError::TooLargeForEngine { .. } => {
                HttpRefusal::new(StatusCode::PAYLOAD_TOO_LARGE, "MSG_TOO_BIG")
            }
            QueueError::NoEngine => HttpRefusal::bad("NO_ENGINE"),
            QueueError::StorageIsFixed { .. } => HttpRefusal::bad("STORAGE_IS_FIXED"),
            QueueError::NotOnEngine(_) => HttpRefusal::bad("NOT_ON_ENGINE"),
            QueueError::Exiting => return HttpRefusal::EXITING,
            QueueError::Journal(_) => HttpRefusal::EXITING,
        };
        refusal.help(error.to_string())
    }
}
