//! Statistics of a topic and of each of its channels.
//!
//! The two tables below are the only definition of these statistics: `/metrics`, the page, `nuthatch help
//! stats`, and NSQ's `/stats` and statsd packets, in which a row has the places that stand behind it. The
//! queue keeps the figures itself and makes a [`TopicReport`] of each topic on request.

use crate::nsq::Places;
use crate::nsq::Shown::{Always, NotZero, OnRequest};

/// A table of figures that are kept elsewhere: the struct holds their values. Behind a row stand its places
/// in NSQ's renderings.
macro_rules! report_table {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            rows { $($field:ident: $kind:ident, $help:literal => $places:expr;)* }
            with { $($(#[$extra_meta:meta])* $extra:ident: $extra_type:ty,)* }
        }
    ) => {
        #[allow(clippy::doc_markdown, reason = "what is said of a row is also printed")]
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$extra_meta])* pub $extra: $extra_type,)*
            $(#[doc = $help] pub $field: u64,)*
        }

        impl $name {
            /// Name, kind and description of every value, in order.
            pub const ROWS: &'static [$crate::Row] = &[
                $($crate::Row {
                    name: stringify!($field), kind: $crate::Kind::$kind, help: $help, nutcracker: false,
                },)*
            ];

            /// Places of every value in NSQ's renderings, in the order of `ROWS`.
            pub(crate) const PLACES: &'static [$crate::nsq::Places] = &[$($places,)*];

            /// The values, in the order of `ROWS`.
            pub fn values(&self) -> Vec<u64> {
                vec![$(self.$field,)*]
            }

            /// Every row with its places in NSQ's renderings and its value, in the order of `ROWS`.
            pub fn figures(&self) -> impl Iterator<Item = $crate::nsq::Placed> + use<> {
                let rows = Self::ROWS.iter().zip(Self::PLACES);
                rows.zip(self.values()).map(|((row, places), value)| (row, places, value))
            }
        }
    };
}

report_table! {
    /// A topic, as of one turn of the queue.
    pub struct TopicReport {
        rows {
            depth: Gauge, "messages that wait in the topic for want of a channel"
                => Places::json("depth", Always).page(1, "depth", 5).statsd(3, "depth");
            backend_depth: Gauge, "messages of depth that nsqd would have on disk"
                => Places::json("backend_depth", Always).page(2, "be-depth", 5).statsd(4, "backend_depth");
            messages: Counter, "messages published"
                => Places::json("message_count", Always).page(3, "msgs", 8).statsd(1, "message_count");
            bytes: Counter, "bytes of the messages published"
                => Places::json("message_bytes", Always).statsd(2, "message_bytes");
            rejected: Counter, "messages refused because the topic was full"
                => Places::json("rejected_count", OnRequest);
            dropped: Counter, "messages dropped because the topic was full"
                => Places::json("dropped_count", OnRequest);
            stored_bytes: Gauge, "bytes of the topic's journal"
                => Places::json("stored_bytes", OnRequest);
            bytes_max: Gauge, "most bytes of the topic's journal; 0 for no limit of its own"
                => Places::json("bytes_max", OnRequest);
            paused: Gauge, "1 if the topic is paused"
                => Places::NONE;
            replicas: Gauge, "servers of the engine that keep the topic; 0 if it is local"
                => Places::json("replicas", NotZero);
            replicas_in_sync: Gauge, "those of them that have everything; 0 if it is local, or without a leader"
                => Places::NONE;
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
            depth: Gauge, "messages that wait for a consumer"
                => Places::json("depth", Always).page(1, "depth", 5).statsd(2, "depth");
            backend_depth: Gauge, "messages of depth that nsqd would have on disk"
                => Places::json("backend_depth", Always).page(2, "be-depth", 5).statsd(3, "backend_depth");
            in_flight: Gauge, "messages in consumers' hands"
                => Places::json("in_flight_count", Always).page(3, "inflt", 4).statsd(4, "in_flight_count");
            deferred: Gauge, "messages that wait for their time"
                => Places::json("deferred_count", Always).page(4, "def", 4).statsd(5, "deferred_count");
            messages: Counter, "messages that came into the channel"
                => Places::json("message_count", Always).page(7, "msgs", 8).statsd(1, "message_count");
            zone_local: Counter, "deliveries to consumers in the daemon's zone"
                => Places::json("zone_local_msg_count", NotZero);
            region_local: Counter, "deliveries to consumers in the daemon's region, outside its zone"
                => Places::json("region_local_msg_count", NotZero);
            elsewhere: Counter, "deliveries to consumers outside the daemon's zone and region"
                => Places::json("global_msg_count", NotZero);
            requeued: Counter, "messages given back"
                => Places::json("requeue_count", Always).page(5, "re-q", 5).statsd(6, "requeue_count");
            timed_out: Counter, "deliveries that ran into their timeout"
                => Places::json("timeout_count", Always).page(6, "timeout", 5).statsd(7, "timeout_count");
            consumers: Gauge, "consumers"
                => Places::json("client_count", Always).statsd(8, "clients");
            dead: Counter, "messages set aside after too many attempts"
                => Places::json("dead_count", OnRequest);
            expired: Counter, "messages dropped because they were too old"
                => Places::json("expired_count", OnRequest);
            dropped: Counter, "messages dropped because the topic was full"
                => Places::json("dropped_count", OnRequest);
            lost: Counter, "messages that can no longer be read from the disk"
                => Places::json("lost_count", OnRequest);
            finished: Counter, "messages finished"
                => Places::NONE;
            paused: Gauge, "1 if the channel is paused"
                => Places::NONE;
        }
        with {
            /// Its name.
            name: String,
        }
    }
}
