//! Messaging: topics, channels, delivery, the NSQ protocol's commands.
