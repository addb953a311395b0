//! Counters of a topic and of each of its channels.
//!
//! The two tables below are the only definition of these statistics. The queue keeps the figures itself and
//! makes a [`TopicReport`] of each topic on request.

use crate::table::report_table;

report_table! {
    /// A topic, as of one turn of the queue.
    pub struct TopicReport {
        rows {
            messages: Counter, "messages published";
            depth: Gauge, "messages that wait in the topic for want of a channel";
            stored_bytes: Gauge, "bytes of the topic's journal";
            rejected: Counter, "messages refused because the topic was full";
            dropped: Counter, "messages dropped because the topic was full";
            paused: Gauge, "1 if the topic is paused";
        }
        with {
            /// Its name.
            name: String,
            /// Its channels, sorted by name.
            channels: Vec<ChannelReport>,
        }
    }
}

report_table! {
    /// A channel of a topic.
    pub struct ChannelReport {
        rows {
            messages: Counter, "messages that came into the channel";
            depth: Gauge, "messages that wait for a consumer";
            in_flight: Gauge, "messages in consumers' hands";
            deferred: Gauge, "messages that wait for their time";
            consumers: Gauge, "consumers";
            paused: Gauge, "1 if the channel is paused";
            finished: Counter, "messages finished";
            requeued: Counter, "messages given back";
            timed_out: Counter, "deliveries that ran into their timeout";
            dead: Counter, "messages set aside after too many attempts";
            expired: Counter, "messages dropped because they were too old";
            dropped: Counter, "messages dropped because the topic was full";
            lost: Counter, "messages that can no longer be read from the disk";
        }
        with {
            /// Its name.
            name: String,
        }
    }
}
