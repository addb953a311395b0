//! Statistics for statsd, in nsqd's names and order. Pure: numbers in, packets out; the caller has the
//! socket.
//!
//! ```text
//! nsq.host_4151.topic.orders.message_count:12|c        difference since the last push
//! nsq.host_4151.topic.orders.channel.mail.depth:3|g    value
//! ```
//! nsqd sends a negative difference when a topic was deleted and created again; here a counter that decreased
//! is counted from zero.

use std::collections::HashMap;
use std::time::Duration;

use telemetry::render::statsd::Packets;
use telemetry::{Kind, nsq};
use wire::nsq::is_ephemeral;

use crate::queue::{ChannelStats, TopicStats};
use ::http::client::host_port;

/// Memory of the process under the names that nsqd's dashboards know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Objects on the heap.
    pub heap_objects: u64,
    /// Free bytes of the heap.
    pub heap_idle_bytes: u64,
    /// Bytes of the heap in use.
    pub heap_in_use_bytes: u64,
    /// Bytes returned to the system.
    pub heap_released_bytes: u64,
    /// Longest pauses of a garbage collector, microseconds: the 100th, 99th and 95th percentile.
    pub gc_pause_usec: [u64; 3],
    /// Size of the heap at which a collector runs.
    pub next_gc_bytes: u64,
    /// Runs of a collector.
    pub gc_runs: u64,
}

impl Memory {
    /// All values but the number of collector runs, which is a counter: in nsqd's order and under its names.
    pub(crate) fn gauges(&self) -> [(&'static str, u64); 8] {
        let [longest, p99, p95] = self.gc_pause_usec;
        [
            ("heap_objects", self.heap_objects),
            ("heap_idle_bytes", self.heap_idle_bytes),
            ("heap_in_use_bytes", self.heap_in_use_bytes),
            ("heap_released_bytes", self.heap_released_bytes),
            ("gc_pause_usec_100", longest),
            ("gc_pause_usec_99", p99),
            ("gc_pause_usec_95", p95),
            ("next_gc_bytes", self.next_gc_bytes),
        ]
    }
}

/// Renders snapshots and remembers the last counters.
#[derive(Debug)]
pub struct Statsd {
    prefix: String,
    packet_bytes_max: usize,
    exclude_ephemeral: bool,
    last: HashMap<Key, u64>,
}

/// A counter: topic, channel (or ""), name.
type Key = (String, String, &'static str);

impl Statsd {
    /// `prefix` comes from [`prefix`]; `packet_bytes_max` is `statsd-udp-packet-size`.
    pub fn new(prefix: String, packet_bytes_max: usize, exclude_ephemeral: bool) -> Statsd {
        Statsd { prefix, packet_bytes_max, exclude_ephemeral, last: HashMap::new() }
    }

    /// The packets of one push, each to be sent on its own. `memory` is `None` if `statsd-mem-stats` is off.
    pub fn render(&mut self, topics: &[TopicStats], memory: Option<&Memory>) -> Vec<Vec<u8>> {
        let last = std::mem::take(&mut self.last);
        let packets = Packets::new(&self.prefix, self.packet_bytes_max);
        let mut push = Push { packets, last, next: HashMap::new() };
        for topic in topics.iter().filter(|topic| self.included(&topic.name)) {
            push.topic(topic);
            for channel in topic.channels.iter().filter(|channel| self.included(&channel.name)) {
                push.channel(&topic.name, channel);
            }
        }
        if let Some(memory) = memory {
            push.memory(memory);
        }
        self.last = push.next;
        push.packets.finish()
    }

    fn included(&self, name: &str) -> bool {
        !(self.exclude_ephemeral && is_ephemeral(name))
    }
}

/// A push under construction.
struct Push {
    packets: Packets,
    last: HashMap<Key, u64>,
    next: HashMap<Key, u64>,
}

impl Push {
    fn topic(&mut self, topic: &TopicStats) {
        let base = format!("topic.{}", topic.name);
        self.figures(&base, (&topic.name, ""), topic.row().figures());
        self.latency(&base, &topic.latency.1);
    }

    fn channel(&mut self, topic: &str, channel: &ChannelStats) {
        let base = format!("topic.{topic}.channel.{}", channel.name);
        self.figures(&base, (topic, &channel.name), channel.row().figures());
        self.latency(&base, &channel.latency.1);
    }

    fn figures(
        &mut self,
        base: &str,
        (topic, channel): (&str, &str),
        figures: impl Iterator<Item = nsq::Placed>,
    ) {
        for (kind, name, value) in nsq::for_statsd(figures) {
            match kind {
                Kind::Counter => self.counter(base, (topic.to_owned(), channel.to_owned(), name), value),
                _ => self.gauge(base, name, value),
            }
        }
    }

    fn memory(&mut self, memory: &Memory) {
        for (name, value) in memory.gauges() {
            self.gauge("mem", name, value);
        }
        self.counter("mem", (String::new(), String::new(), "gc_runs"), memory.gc_runs);
    }

    fn counter(&mut self, base: &str, key: Key, value: u64) {
        let before = self.last.get(&key).copied().unwrap_or(0);
        let difference = value.checked_sub(before).unwrap_or(value);
        self.packets.counter(&format!("{base}.{}", key.2), i64::try_from(difference).unwrap_or(i64::MAX));
        self.next.insert(key, value);
    }

    fn gauge(&mut self, base: &str, name: &str, value: u64) {
        self.packets.gauge(&format!("{base}.{name}"), i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// Percentiles are named without decimals: 0.999 is `_100`, as in nsqd, whose dashboards query these
    /// names.
    fn latency(&mut self, base: &str, latency: &[(f64, u64)]) {
        for (share, ns) in latency {
            self.gauge(base, &format!("e2e_processing_latency_{:.0}", share * 100.0), *ns);
        }
    }
}

/// Prefix of all names: `statsd-prefix`, with `%s` replaced by the broadcast address and HTTP port, their `.`
/// and `:` as `_`. Ends with a dot (an empty prefix stays empty).
pub fn prefix(pattern: &str, broadcast_address: &str, http_port: u16) -> String {
    let host = host_port(broadcast_address, http_port);
    let mut prefix = pattern.replace("%s", &host.replace(['.', ':'], "_"));
    if !prefix.is_empty() && !prefix.ends_with('.') {
        prefix.push('.');
    }
    prefix
}

/// The pause between two of `packets` packets that spreads them over the interval minus its last second.
pub fn gap(interval: Duration, packets: usize) -> Duration {
    let packets = u32::try_from(packets.max(1)).unwrap_or(u32::MAX);
    interval.saturating_sub(Duration::from_secs(1)) / packets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Counters;

    fn topic(name: &str, channels: Vec<ChannelStats>) -> TopicStats {
        TopicStats {
            name: name.into(),
            messages: 10,
            bytes: 200,
            depth: 3,
            backend_depth: 1,
            latency: (5, vec![(1.0, 9_000), (0.999, 8_000), (0.95, 7_000)]),
            channels,
            ..TopicStats::default()
        }
    }

    fn channel(name: &str) -> ChannelStats {
        ChannelStats {
            name: name.into(),
            counters: Counters { messages: 7, requeued: 1, timed_out: 2, ..Counters::default() },
            depth: 4,
            backend_depth: 5,
            in_flight: 6,
            deferred: 8,
            client_count: 9,
            latency: (1, vec![(0.5, 1)]),
            ..ChannelStats::default()
        }
    }

    fn lines(statsd: &mut Statsd, topics: &[TopicStats], memory: Option<&Memory>) -> Vec<String> {
        String::from_utf8(statsd.render(topics, memory).concat())
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn names_in_order() {
        let mut statsd = Statsd::new("p.".into(), 508, false);
        let memory = Memory { heap_objects: 1, gc_pause_usec: [2, 3, 4], gc_runs: 5, ..Memory::default() };
        let topics = [topic("t", vec![channel("c#ephemeral")])];
        let expected = [
            "p.topic.t.message_count:10|c",
            "p.topic.t.message_bytes:200|c",
            "p.topic.t.depth:3|g",
            "p.topic.t.backend_depth:1|g",
            "p.topic.t.e2e_processing_latency_100:9000|g",
            "p.topic.t.e2e_processing_latency_100:8000|g",
            "p.topic.t.e2e_processing_latency_95:7000|g",
            "p.topic.t.channel.c#ephemeral.message_count:7|c",
            "p.topic.t.channel.c#ephemeral.depth:4|g",
            "p.topic.t.channel.c#ephemeral.backend_depth:5|g",
            "p.topic.t.channel.c#ephemeral.in_flight_count:6|g",
            "p.topic.t.channel.c#ephemeral.deferred_count:8|g",
            "p.topic.t.channel.c#ephemeral.requeue_count:1|c",
            "p.topic.t.channel.c#ephemeral.timeout_count:2|c",
            "p.topic.t.channel.c#ephemeral.clients:9|g",
            "p.topic.t.channel.c#ephemeral.e2e_processing_latency_50:1|g",
            "p.mem.heap_objects:1|g",
            "p.mem.heap_idle_bytes:0|g",
            "p.mem.heap_in_use_bytes:0|g",
            "p.mem.heap_released_bytes:0|g",
            "p.mem.gc_pause_usec_100:2|g",
            "p.mem.gc_pause_usec_99:3|g",
            "p.mem.gc_pause_usec_95:4|g",
            "p.mem.next_gc_bytes:0|g",
            "p.mem.gc_runs:5|c",
        ];
        assert_eq!(lines(&mut statsd, &topics, Some(&memory)), expected);
    }

    #[test]
    fn counters_are_differences() {
        let mut statsd = Statsd::new(String::new(), 508, false);
        let mut topics = [topic("t", vec![channel("c")])];
        let mut push = |topics: &[TopicStats]| -> Vec<String> {
            lines(&mut statsd, topics, None).into_iter().filter(|line| line.ends_with("|c")).collect()
        };
        push(&topics);
        topics[0].messages = 15;
        topics[0].channels[0].counters.requeued = 4;
        let second = push(&topics);
        assert_eq!(second[..2], ["topic.t.message_count:5|c", "topic.t.message_bytes:0|c"]);
        assert!(second.contains(&"topic.t.channel.c.requeue_count:3|c".into()));
        // Created again.
        topics[0].messages = 2;
        assert_eq!(push(&topics)[0], "topic.t.message_count:2|c");
        // Deleted, then created again.
        push(&[]);
        assert_eq!(push(&topics)[0], "topic.t.message_count:2|c");
    }

    #[test]
    fn ephemeral_ones_can_be_left_out() {
        let mut statsd = Statsd::new(String::new(), 508, true);
        let topics = vec![
            topic("a#ephemeral", vec![channel("c")]),
            topic("b", vec![channel("c#ephemeral"), channel("d")]),
        ];
        let lines = lines(&mut statsd, &topics, None);
        assert!(lines.iter().all(|line| !line.contains('#')));
        assert!(lines.iter().any(|line| line.starts_with("topic.b.channel.d.")));
    }

    #[test]
    fn packets_are_cut_at_lines() {
        let mut statsd = Statsd::new("nsq.127_0_0_1_4151.".into(), 508, false);
        let both = || vec![channel("c"), channel("d")];
        let topics: Vec<_> = (0..20).map(|n| topic(&format!("topic_{n}"), both())).collect();
        let packets = statsd.render(&topics, None);
        assert!(packets.len() > 20);
        assert!(packets.iter().all(|packet| packet.len() <= 508 && packet.ends_with(b"\n")));
    }

    #[test]
    fn prefixes() {
        for (pattern, address, expected) in [
            ("nsq.%s", "127.0.0.1", "nsq.127_0_0_1_4151."),
            ("nsq.%s.", "host.example", "nsq.host_example_4151."),
            ("%s.%s", "h", "h_4151.h_4151."),
            ("x", "h", "x."),
            ("", "h", ""),
            ("%s", "::1", "[__1]_4151."),
        ] {
            assert_eq!(prefix(pattern, address, 4151), expected);
        }
    }

    #[test]
    fn gaps() {
        assert_eq!(gap(Duration::from_secs(61), 60), Duration::from_secs(1));
        assert_eq!(gap(Duration::from_mins(1), 0), Duration::from_secs(59));
        assert_eq!(gap(Duration::from_secs(1), 5), Duration::ZERO);
        assert_eq!(gap(Duration::from_millis(300), 5), Duration::ZERO);
    }
}
