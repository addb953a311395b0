//! RDY by table: events, and each connection's RDY after them. And at random: the sum stays within the limit.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy)]
enum Event {
    Join(LinkId, u32),
    Leave(LinkId),
    Receive(LinkId),
    Finish(LinkId),
    Fail(LinkId),
    Requeue(LinkId),
    Limit(u32),
    /// Seconds pass.
    Wait(u64),
}

use Event::{Fail, Finish, Join, Leave, Limit, Receive, Requeue, Wait};

/// Applies an event; the orders become the servers' view.
fn apply(flow: &mut Flow, now: &mut Instant, event: Event, servers: &mut Vec<(LinkId, u32)>) {
    let orders = match event {
        Join(id, max) => {
            servers.push((id, 0));
            flow.joined(id, max, *now)
        }
        Leave(id) => {
            servers.retain(|server| server.0 != id);
            flow.left(id, *now)
        }
        Receive(id) => {
            flow.received(id, 1, *now);
            Orders::new()
        }
        Finish(id) => flow.answered(id, Outcome::Success, *now, 0.5),
        Fail(id) => flow.answered(id, Outcome::Failure, *now, 0.5),
        Requeue(id) => flow.answered(id, Outcome::Neutral, *now, 0.5),
        Limit(max) => flow.limit(max, *now),
        Wait(seconds) => {
            let end = *now + Duration::from_secs(seconds);
            let mut orders = Orders::new();
            while let Some(at) = flow.deadline().filter(|at| *at <= end) {
                *now = at.max(*now);
                orders.extend(flow.tick(*now));
            }
            *now = end;
            orders
        }
    };
    for (id, ready) in orders {
        servers.iter_mut().find(|server| server.0 == id).expect("an order for a connection").1 = ready;
    }
}

/// Runs a story and checks the RDY of all connections, in order, after each event.
fn check(max_in_flight: u32, story: &[(Event, &[u32])]) {
    let mut flow = Flow::new(&Config { max_in_flight, ..Config::new() });
    let (mut now, mut servers) = (Instant::now(), Vec::new());
    for (step, (event, expected)) in story.iter().enumerate() {
        apply(&mut flow, &mut now, *event, &mut servers);
        let ready: Vec<u32> = servers.iter().map(|server| server.1).collect();
        assert_eq!(&ready, expected, "step {step}: {event:?}");
    }
}

#[test]
fn equal_shares() {
    check(
        200,
        &[
            (Join(1, 2500), &[200]),
            (Join(2, 2500), &[100, 100]),
            (Join(3, 2500), &[66, 66, 66]),
            (Leave(1), &[100, 100]),
            (Limit(11), &[5, 5]),
            (Limit(0), &[0, 0]),
            (Limit(10), &[5, 5]),
        ],
    );
}

#[test]
fn no_more_than_the_server_allows() {
    check(200, &[(Join(1, 10), &[10]), (Join(2, 2500), &[10, 100]), (Join(3, 0), &[10, 66, 0])]);
}

#[test]
fn what_is_in_flight_delays_the_share_of_a_newcomer() {
    check(
        4,
        &[
            (Join(1, 2500), &[4]),
            (Receive(1), &[4]),
            (Receive(1), &[4]),
            (Receive(1), &[4]),
            (Join(2, 2500), &[2, 1]),
            (Finish(1), &[2, 2]),
            (Finish(1), &[2, 2]),
        ],
    );
}

#[test]
fn turns_go_round_when_there_are_more_connections_than_messages() {
    check(
        1,
        &[
            (Join(1, 2500), &[1]),
            (Join(2, 2500), &[1, 0]),
            (Join(3, 2500), &[1, 0, 0]),
            (Wait(9), &[1, 0, 0]),
            (Wait(1), &[0, 1, 0]),
            (Receive(2), &[0, 1, 0]),
            (Wait(9), &[0, 1, 0]),
            (Finish(2), &[0, 1, 0]),
            (Receive(2), &[0, 1, 0]),
            (Finish(2), &[0, 1, 0]),
            (Wait(11), &[0, 0, 1]),
            (Leave(3), &[1, 0]),
        ],
    );
}

#[test]
fn a_busy_connection_gives_its_turn_away_and_the_next_waits_for_its_message() {
    check(
        1,
        &[
            (Join(1, 2500), &[1]),
            (Join(2, 2500), &[1, 0]),
            (Receive(1), &[1, 0]),
            (Wait(10), &[0, 0]),
            (Finish(1), &[0, 1]),
        ],
    );
    // busy all the time: low_rdy_timeout
    let mut story: Vec<(Event, &[u32])> = vec![(Join(1, 9), &[1]), (Join(2, 9), &[1, 0])];
    for _ in 0..29 {
        story.extend([(Receive(1), &[1, 0][..]), (Finish(1), &[1, 0]), (Wait(1), &[1, 0])]);
    }
    story.extend([(Receive(1), &[1, 0][..]), (Finish(1), &[1, 0]), (Wait(1), &[0, 1])]);
    check(1, &story);
}

#[test]
fn pause_test_and_return() {
    check(
        10,
        &[
            (Join(1, 2500), &[10]),
            (Join(2, 2500), &[5, 5]),
            (Receive(1), &[5, 5]),
            (Receive(1), &[5, 5]),
            (Fail(1), &[0, 0]),
            (Fail(1), &[0, 0]),
            (Wait(1), &[0, 0]),
            (Wait(1), &[1, 0]),
            (Receive(1), &[1, 0]),
            (Fail(1), &[0, 0]),
            (Wait(4), &[0, 1]),
            (Receive(2), &[0, 1]),
            (Finish(2), &[0, 0]),
            (Wait(2), &[1, 0]),
            (Receive(1), &[1, 0]),
            (Finish(1), &[5, 5]),
        ],
    );
}

#[test]
fn a_test_on_a_connection_without_messages_moves_on() {
    check(
        10,
        &[
            (Join(1, 2500), &[10]),
            (Join(2, 2500), &[5, 5]),
            (Receive(1), &[5, 5]),
            (Fail(1), &[0, 0]),
            (Wait(2), &[1, 0]),
            (Wait(10), &[0, 1]),
            (Receive(2), &[0, 1]),
            (Finish(2), &[5, 5]),
        ],
    );
}

#[test]
fn a_connection_that_joins_in_a_pause_waits() {
    check(
        10,
        &[
            (Join(1, 2500), &[10]),
            (Receive(1), &[10]),
            (Fail(1), &[0]),
            (Join(2, 2500), &[0, 0]),
            (Requeue(2), &[0, 0]),
            (Leave(1), &[0]),
            (Wait(2), &[1]),
        ],
    );
}

#[test]
fn after_stop_nothing_is_ordered() {
    let mut flow = Flow::new(&Config::new());
    let now = Instant::now();
    assert_eq!(flow.joined(1, 1, now), [(1, 1)]);
    flow.received(1, 1, now);
    flow.stop();
    assert_eq!(flow.answered(1, Outcome::Failure, now, 0.0), []);
    assert_eq!(flow.joined(2, 1, now), []);
}

fn any_event() -> impl Strategy<Value = Event> {
    let id = 0..6_u64;
    prop_oneof![
        2 => (id.clone(), 0..5_u32).prop_map(|(id, max)| Join(id, max)),
        1 => id.clone().prop_map(Leave),
        8 => id.clone().prop_map(Receive),
        8 => id.clone().prop_map(Finish),
        2 => id.clone().prop_map(Fail),
        1 => id.prop_map(Requeue),
        3 => (0..20_u64).prop_map(Wait),
    ]
}

proptest! {
    /// Servers deliver only within RDY; then the sum of RDY and of messages in flight above it never exceeds
    /// the limit, no connection exceeds its server's limit, and all free room is distributed.
    #[test]
    fn the_sum_stays_within_the_limit(
        max in 0..8_u32,
        events in prop::collection::vec(any_event(), 0..200),
    ) {
        let mut flow = Flow::new(&Config { max_in_flight: max, ..Config::new() });
        let (mut now, mut servers) = (Instant::now(), Vec::new());
        for event in events {
            let known = |id: LinkId| servers.iter().find(|server: &&(LinkId, u32)| server.0 == id);
            let possible = match event {
                Join(id, _) => known(id).is_none(),
                Leave(id) => known(id).is_some(),
                Receive(id) => known(id).is_some_and(|server| flow.in_flight_on(id) < server.1),
                Finish(id) | Fail(id) | Requeue(id) => flow.in_flight_on(id) > 0,
                Limit(_) | Wait(_) => true,
            };
            if !possible {
                continue;
            }
            apply(&mut flow, &mut now, event, &mut servers);
            let mut sum = 0;
            for (id, ready) in &servers {
                let share = flow.shares.iter().find(|share| share.id == *id).expect("a share");
                prop_assert_eq!(share.ready, *ready);
                prop_assert!(share.ready <= share.ready_max);
                sum += share.counts();
            }
            prop_assert!(sum <= max, "{} of {}", sum, max);
            let hungry = flow.shares.iter().any(|share| share.ready == 0 && share.ready_max > 0);
            if matches!(flow.backoff.pace(), Pace::Running) && hungry && sum < max {
                // a connection waits: then as many as possible have a turn
                prop_assert!(flow.deadline().is_some() || flow.wanting);
            }
        }
    }
}
