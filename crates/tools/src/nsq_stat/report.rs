//! A line of numbers, and the two header lines.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::daemons::stats::Channel;

const SECTIONS: &str =
    "------rate------+----------------depth----------------+--------------metadata---------------";

/// The two header lines printed above the first report and above every 25th.
pub(super) fn headers() -> String {
    let words = format!(
        "{:>7} {:>7} | {:>7} {:>7} {:>7} {:>5} {:>5} | {:>7} {:>7} {:>12} {:>7}",
        "ingress", "egress", "total", "mem", "disk", "inflt", "def", "req", "t-o", "msgs", "clients"
    );
    format!("{SECTIONS}\n{words}\n")
}

/// Numbers of a channel, over all nodes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Report {
    ingress: i64,
    egress: i64,
    sum: Channel,
}

impl Report {
    /// The numbers of `now`, and rates since `before`. If a poll is late (`elapsed` well above `interval`),
    /// rates use the elapsed time.
    pub(super) fn new(
        before: &BTreeMap<String, Channel>,
        now: &BTreeMap<String, Channel>,
        interval: Duration,
        elapsed: Duration,
    ) -> Report {
        let mut sum = Channel::default();
        let (mut published, mut left) = (0, 0);
        for (node, channel) in now {
            sum.add(channel);
            let Some(before) = before.get(node) else { continue };
            // A restarted node counts from zero.
            let came = if channel.message_count < before.message_count {
                channel.message_count
            } else {
                channel.message_count - before.message_count
            };
            published += came;
            left += came - (channel.depth - before.depth);
        }
        let seconds = if elapsed > interval.mul_f64(1.1) { elapsed } else { interval }.as_secs_f64();
        let rate = |count: i64| (count as f64 / seconds) as i64;
        Report { ingress: rate(published), egress: rate(left), sum }
    }

    pub(super) fn line(&self) -> String {
        let sum = &self.sum;
        format!(
            "{:>7} {:>7} | {:>7} {:>7} {:>7} {:>5} {:>5} | {:>7} {:>7} {:>12} {:>7}\n",
            self.ingress,
            self.egress,
            sum.depth,
            sum.depth - sum.backend_depth,
            sum.backend_depth,
            sum.in_flight_count,
            sum.deferred_count,
            sum.requeue_count,
            sum.timeout_count,
            sum.message_count,
            sum.client_count
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(depth: i64, backend_depth: i64, message_count: i64) -> Channel {
        Channel { depth, backend_depth, message_count, ..Channel::default() }
    }

    fn nodes(all: &[(&str, Channel)]) -> BTreeMap<String, Channel> {
        all.iter().map(|(node, channel)| ((*node).to_owned(), channel.clone())).collect()
    }

    const TWO: Duration = Duration::from_secs(2);

    #[test]
    fn texts() {
        assert_eq!(
            headers(),
            "------rate------+----------------depth----------------+--------------metadata---------------\n\
             ingress  egress |   total     mem    disk inflt   def |     req     t-o         msgs clients\n"
        );
        let (before, now) = (nodes(&[("a", channel(10, 4, 100))]), nodes(&[("a", channel(7, 3, 120))]));
        assert_eq!(
            Report::new(&before, &now, TWO, TWO).line(),
            "     10      11 |       7       4       3     0     0 |       0       0          120       0\n"
        );
    }

    #[test]
    fn a_node_that_comes_or_goes_or_starts_anew_shows_no_jump() {
        let before = nodes(&[("a", channel(0, 0, 1_000)), ("b", channel(0, 0, 500))]);
        for (now, ingress, messages) in [
            (nodes(&[("a", channel(0, 0, 1_020))]), 10, 1_020),
            (nodes(&[("a", channel(0, 0, 1_020)), ("c", channel(0, 0, 9_999))]), 10, 11_019),
            (nodes(&[("a", channel(0, 0, 20)), ("b", channel(0, 0, 500))]), 10, 520),
        ] {
            let report = Report::new(&before, &now, TWO, TWO);
            assert_eq!((report.ingress, report.sum.message_count), (ingress, messages));
        }
    }

    #[test]
    fn a_late_poll_counts_the_time_that_has_passed() {
        let (before, now) = (nodes(&[("a", channel(0, 0, 0))]), nodes(&[("a", channel(0, 0, 100))]));
        assert_eq!(Report::new(&before, &now, TWO, TWO + Duration::from_millis(20)).ingress, 50);
        assert_eq!(Report::new(&before, &now, TWO, TWO * 2).ingress, 25);
    }
}
