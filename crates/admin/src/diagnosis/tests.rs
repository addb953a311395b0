//! Tests from a status to its problems.

use telemetry::{CommandClass, PoolCells};

use super::*;
use crate::queue::{ChannelReport, QueueReport, TopicReport};
use crate::sample::Sample;
use crate::sample::tests::{facts, sample_at};
use crate::trouble::{Tracker, Trouble};

/// Problems found between two samples ten seconds apart, as `SEVERITY SUBJECT: TEXT`.
fn found(before: &Sample, now: &Sample) -> Vec<String> {
    let status = Status::between(before, now, &facts(), now.queue.is_some());
    let troubles = Tracker::default().settle(find(&status), status.now_ms);
    let shown = |trouble: &Trouble| format!("{:?} {}: {}", trouble.severity, trouble.subject, trouble.text);
    troubles.iter().map(shown).collect()
}

/// Problems found after `change` was applied to a pool of two servers.
fn pool_after(change: impl Fn(&PoolCells)) -> Vec<String> {
    let pool = PoolCells::new("a", ["s", "t"], 1);
    let before = sample_at(&facts(), 0, &[&pool], None);
    change(&pool);
    found(&before, &sample_at(&facts(), 10, &[&pool], None))
}

#[test]
fn pools() {
    assert_eq!(pool_after(|_| {}), Vec::<String>::new());
    assert_eq!(
        pool_after(|pool| {
            pool.servers[0].shards[0].ejected.set(1);
            pool.servers[0].shards[0].connects_refused.add(20);
        }),
        ["Critical pool a, server s: ejected: it gets probes only"],
        "what its probes meet follows from that"
    );
    assert_eq!(
        pool_after(|pool| pool.servers.iter().for_each(|server| server.shards[0].ejected.set(1)))[..1],
        ["Critical pool a: every server is ejected: requests are answered with errors"]
    );
    assert_eq!(
        pool_after(|pool| {
            pool.shards[0].timeouts.add(5);
            pool.shards[0].denied.add(100);
        }),
        [
            "Warning pool a: 0.5/s requests whose deadline passed before a reply",
            "Notice pool a: 10/s requests without the permission or the password they need",
        ]
    );
    assert_eq!(
        pool_after(|pool| {
            pool.servers[0].shards[0].record_response(CommandClass::Read, 40_000, 0);
            pool.servers[1].shards[0].record_response(CommandClass::Read, 200, 0);
            pool.servers[1].shards[0].error_replies.add(9);
        }),
        ["Warning pool a, server s: much slower than its pool's other servers: p99 40 ms"]
    );
}

#[test]
fn memory_and_descriptors() {
    for (used, expected) in [
        (619, None),
        (
            620,
            Some(
                "Warning memory: 62 % of the budget (620 B of 1000 B): clients that hold much are made to wait",
            ),
        ),
        (
            850,
            Some(
                "Critical memory: 85 % of the budget (850 B of 1000 B): the clients that hold most are closed",
            ),
        ),
    ] {
        let found = pool_after(|pool| pool.shards[0].memory_bytes.set(used));
        assert_eq!(found.first().map(String::as_str), expected);
    }
    let process = |open| Process { open_fds: Some(open), fds_max: Some(100), ..Process::default() };
    assert!(of_descriptors(&process(89)).is_none());
    assert!(of_descriptors(&process(90)).is_some());
    assert!(of_descriptors(&Process::default()).is_none());
}

/// A topic with 20 messages waiting, and a channel.
fn queue(channel: ChannelReport) -> QueueReport {
    let channel = ChannelReport { name: "c".into(), ..channel };
    let topic = TopicReport { name: "t".into(), channels: vec![channel], ..Default::default() };
    QueueReport { topics: vec![topic], ..Default::default() }
}

#[test]
fn channels() {
    let old = ChannelReport { depth: 100, consumers: 1, ..Default::default() };
    let cases: [(ChannelReport, &[&str]); 7] = [
        (ChannelReport { depth: 99, consumers: 1, ..old.clone() }, &[]),
        (ChannelReport { depth: 100, ..old.clone() }, &[]),
        (
            ChannelReport { depth: 1_300, ..old.clone() },
            &["Warning topic t, channel c: grows by 120/s; 1,300 messages wait, consumers: 1"],
        ),
        (
            ChannelReport { depth: 1, consumers: 0, ..old.clone() },
            &["Warning topic t, channel c: nobody consumes; 1 message waits"],
        ),
        (
            ChannelReport { depth: 5, paused: 1, consumers: 0, ..old.clone() },
            &["Notice topic t, channel c: paused; 5 messages wait in it"],
        ),
        (
            ChannelReport { timed_out: 10, dead: 10, requeued: 10, ..old.clone() },
            &[
                "Warning topic t, channel c: 1/s messages were not finished in time",
                "Warning topic t, channel c: 1/s messages become dead letters",
                "Notice topic t, channel c: 1/s messages are given back by consumers",
            ],
        ),
        (ChannelReport { depth: 0, consumers: 0, ..old.clone() }, &[]),
    ];
    for (new, expected) in cases {
        let before = sample_at(&facts(), 0, &[], Some(queue(old.clone())));
        let now = sample_at(&facts(), 10, &[], Some(queue(new.clone())));
        assert_eq!(found(&before, &now), expected, "{new:?}");
    }
}

#[test]
fn a_full_topic_tells_what_it_loses() {
    let topic = |rejected, dropped| {
        let topic = TopicReport {
            name: "t".into(),
            bytes_max: 2048,
            stored_bytes: 2000,
            rejected,
            dropped,
            ..Default::default()
        };
        sample_at(
            &facts(),
            rejected + dropped,
            &[],
            Some(QueueReport { topics: vec![topic], ..Default::default() }),
        )
    };
    let calm: [&str; 0] = [];
    assert_eq!(found(&topic(0, 0), &topic(0, 0)), calm);
    assert_eq!(
        found(&topic(0, 0), &topic(10, 0)),
        ["Critical topic t: full (2 KiB of 2 KiB): 1/s messages are refused"]
    );
    let dropped = ["Warning topic t: full (2 KiB of 2 KiB): 1/s messages, the oldest, are dropped"];
    assert_eq!(found(&topic(0, 0), &topic(0, 10)), dropped);
}

#[test]
fn topics_and_the_queue_itself() {
    let topic = TopicReport { name: "t".into(), depth: 3, ..Default::default() };
    let report = QueueReport { fault: Some("no space".into()), topics: vec![topic], ..Default::default() };
    let sample = sample_at(&facts(), 1, &[], Some(report));
    let expected =
        ["Critical queue: no space", "Notice topic t: no channel: 3 messages wait for the first one"];
    assert_eq!(found(&sample, &sample), expected);
    let mute = sample_at(&facts(), 1, &[], None);
    let status = Status::between(&mute, &mute, &facts(), true);
    assert_eq!(find(&status)[0].text, "it does not answer");
}

#[test]
fn what_is_wrong_with_the_queue_is_told_by_topic_with_its_beginning() {
    let condition = |subject: &str, what, since_ms| Condition {
        subject: subject.into(),
        what,
        why: "No space left on device (os error 28)".into(),
        since_ms,
    };
    let conditions = vec![
        condition("queue", "the disk is full", 5_000),
        condition("topic t", "journal refuses writes", 7_000),
    ];
    let fault = Some("the disk is full; topic t: …".to_owned());
    let queue = QueueStatus { answers: true, fault, conditions, ..QueueStatus::default() };
    let mut found = Vec::new();
    of_queue(&queue, &mut found);
    let told: Vec<_> = found.iter().map(|f| (f.subject.as_str(), f.text.as_str(), f.since_ms)).collect();
    assert_eq!(
        told,
        [
            ("queue", "the disk is full: No space left on device (os error 28)", Some(5_000)),
            ("topic t", "journal refuses writes: No space left on device (os error 28)", Some(7_000)),
        ]
    );
}

#[test]
fn memory_of_the_queue_is_told_before_it_is_full() {
    for (used, max, severity) in [
        (749, 1000, None),
        (750, 1000, Some(Severity::Warning)),
        (875, 1000, Some(Severity::Critical)),
        (1 << 40, 0, None),
    ] {
        let queue = QueueStatus {
            answers: true,
            memory_bytes: used,
            memory_bytes_max: max,
            ..QueueStatus::default()
        };
        let mut found = Vec::new();
        of_queue(&queue, &mut found);
        assert_eq!(found.first().map(|finding| finding.severity), severity, "{used} of {max}");
    }
}
