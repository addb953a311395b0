//! statsd datagrams: lines `prefix.key:value|c` and `…|g`, packed into packets on line boundaries, as nsqd
//! does.
//!
//! Pure: the caller computes differences and sends the packets, spread over the interval.
//!
//! ```text
//! nsq.host_4151.topic.orders.message_count:12|c\n
//! nsq.host_4151.topic.orders.depth:3|g\n
//! ```

/// Packets being filled.
#[derive(Debug)]
pub struct Packets {
    prefix: String,
    bytes_max: usize,
    full: Vec<Vec<u8>>,
    open: Vec<u8>,
}

impl Packets {
    /// Packets of at most `bytes_max` bytes (nsqd: 508) whose keys start with `prefix`, which ends in a dot
    /// unless empty. A longer line gets a packet of its own.
    pub fn new(prefix: &str, bytes_max: usize) -> Packets {
        Packets { prefix: prefix.to_owned(), bytes_max, full: Vec::new(), open: Vec::new() }
    }

    /// A counter's difference since the last push. May be negative (a recreated topic).
    pub fn counter(&mut self, key: &str, difference: i64) {
        self.line(key, difference, 'c');
    }

    /// A gauge's value.
    pub fn gauge(&mut self, key: &str, value: i64) {
        self.line(key, value, 'g');
    }

    /// The packets, in order.
    pub fn finish(mut self) -> Vec<Vec<u8>> {
        self.close();
        self.full
    }

    fn line(&mut self, key: &str, value: i64, kind: char) {
        let line = format!("{}{key}:{value}|{kind}\n", self.prefix);
        if self.open.len() + line.len() > self.bytes_max {
            self.close();
        }
        self.open.extend_from_slice(line.as_bytes());
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.full.push(std::mem::take(&mut self.open));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fill_packets_to_the_limit() {
        // Lines of 8 bytes: two fit 16, a third does not; one past the limit goes alone.
        for (bytes_max, lines_per_packet) in [(15, 1), (16, 2), (17, 2), (24, 3), (1, 1)] {
            let mut packets = Packets::new("p.", bytes_max);
            (0..6).for_each(|n| packets.gauge("k", n));
            let packets = packets.finish();
            assert!(packets.iter().all(|p| p.len() == 8 * lines_per_packet), "{bytes_max}");
            assert_eq!(packets.concat(), b"p.k:0|g\np.k:1|g\np.k:2|g\np.k:3|g\np.k:4|g\np.k:5|g\n");
        }
    }

    #[test]
    fn kinds_and_signs() {
        let mut packets = Packets::new("nsq.host_4151.", 508);
        packets.counter("topic.t.message_count", -3);
        packets.gauge("topic.t.depth", 5);
        assert_eq!(
            packets.finish(),
            [b"nsq.host_4151.topic.t.message_count:-3|c\nnsq.host_4151.topic.t.depth:5|g\n".to_vec()]
        );
        assert!(Packets::new("", 508).finish().is_empty());
    }
}
