//! Health checks for load balancers and orchestrators: three questions with separate answers.
//!
//! | question | no, if |
//! |---|---|
//! | alive: would a restart help? | the control thread does not answer; nothing here can say so |
//! | ready: can it serve anything? | it stops, or no pool has a server and no queue can write |
//! | healthy: can it do all its work? | it stops, or a pool has no server, or the queue cannot write, does not answer or has found damage not acknowledged yet |
//!
//! Everything else is trouble, shown on the page: moving traffic away does not help an ejected server. Nor is
//! one pool without a server a reason to take traffic from the others, hence the second question.

use crate::status::{PoolState, QueueStatus, Status};

/// The reason given while the process stops.
const DRAINING: &str = "draining: the process stops";

/// Reasons why the process cannot do all its work; empty if it can.
pub(crate) fn reasons(status: &Status) -> Vec<String> {
    let draining = status.draining.then(|| DRAINING.to_owned());
    let down = status.pools.iter().filter(|pool| pool.state == PoolState::Down);
    let down = down.map(|pool| format!("pool {}: every server is ejected", pool.name));
    let mut reasons: Vec<String> = draining.into_iter().chain(down).collect();
    if let Some(queue) = &status.queue {
        if !queue.answers {
            reasons.push("queue: it does not answer".into());
        }
        reasons.extend(queue.fault.iter().chain(&queue.damage).map(|fault| format!("queue: {fault}")));
    }
    reasons
}

/// True while the process can serve anything and is not stopping.
pub(crate) fn ready(status: &Status) -> bool {
    let works = |queue: &QueueStatus| queue.answers && queue.fault.is_none();
    let pool = status.pools.iter().any(|pool| pool.state != PoolState::Down);
    !status.draining && (pool || status.queue.as_ref().is_some_and(works))
}

#[cfg(test)]
mod tests {
    use telemetry::PoolCells;

    use super::*;
    use crate::queue::QueueReport;
    use crate::sample::tests::{facts, sample_at};

    /// Status of a process with a pool whose only server is `ejected` or not, and
    /// an optional queue with this fault.
    #[allow(clippy::option_option, reason = "no queue, a queue, a queue with a fault")]
    fn status(ejected: u64, queue: Option<Option<&str>>) -> Status {
        let pool = PoolCells::new("a", ["s"], 1);
        pool.servers[0].shards[0].ejected.set(ejected);
        let report =
            |fault: Option<&str>| QueueReport { fault: fault.map(str::to_owned), ..Default::default() };
        let sample = sample_at(&facts(), 1, &[&pool], queue.map(report));
        Status::between(&sample, &sample, &facts(), queue.is_some())
    }

    #[test]
    fn one_thing_that_works_is_enough_to_be_ready_and_not_to_be_healthy() {
        for (ejected, queue, is_ready, healthy) in [
            (0, None, true, true),
            (1, None, false, false),
            (0, Some(None), true, true),
            (1, Some(None), true, false),
            (0, Some(Some("disk full")), true, false),
            (1, Some(Some("disk full")), false, false),
        ] {
            let status = status(ejected, queue);
            assert_eq!(
                (ready(&status), reasons(&status).is_empty()),
                (is_ready, healthy),
                "{ejected} {queue:?}"
            );
        }
    }

    #[test]
    fn a_process_that_stops_is_neither_ready_nor_healthy() {
        let status = Status { draining: true, ..status(0, Some(None)) };
        assert!(!ready(&status));
        assert_eq!(reasons(&status), [DRAINING]);
    }
}
