//! The controller in the model, and its bounds under rounds at random.

use std::time::Duration;

use super::model::{Model, Outcome, World};
use super::{Clocks, Coalesce, Round};
use crate::Instant;

const MAX_US: u64 = 200;
const SECOND: f64 = 1e6;

/// A second of a load without and with sleeps, after a second for what is learned.
fn both(world: World) -> (Outcome, Outcome) {
    let play = |max| {
        let mut model = Model::new(world, max);
        model.run(if max == 0 { 0.1 } else { 1.0 } * SECOND);
        model.run(if max == 0 { 0.5 } else { 1.0 } * SECOND)
    };
    (play(0), play(MAX_US))
}

#[test]
fn clients_that_wait_get_as_many_replies_for_less_cpu() {
    for factor in [1.0, 3.0] {
        for clients in [50, 200] {
            let (without, with) = both(World::closed(clients).slower(factor));
            let saved = 1.0 - with.cost() / without.cost();
            assert!(saved > 0.2, "{clients} clients, prices times {factor}: {saved}");
            // So many clients wait all the time, so this is also the mean latency.
            assert!(with.rate() > 0.87 * without.rate(), "{clients} clients, prices times {factor}");
            assert!(with.quantile(0.99) < 1.1 * without.quantile(0.99), "{clients} clients, times {factor}");
        }
    }
}

#[test]
fn a_sleep_ends_when_half_of_the_clients_have_come() {
    // The other half wait for replies: a sleep for 32 of 50 would pass with nothing to do.
    let (without, with) = both(World::closed(50));
    assert!(with.rate() > without.rate(), "{} and {}", with.rate(), without.rate());
    assert!(with.quantile(0.5) < 1.05 * without.quantile(0.5));
}

#[test]
fn up_to_eight_clients_are_never_slept_for() {
    for clients in [1, 2, 4, 8] {
        let (without, with) = both(World::closed(clients));
        assert_eq!(with.sleeps, 0, "{clients} clients");
        assert!((with.cost() / without.cost() - 1.0).abs() < 0.03, "{clients} clients");
    }
}

#[test]
fn rounds_that_fill_by_themselves_are_not_waited_for() {
    for clients in [16, 50, 200] {
        let world = World { cores: 0, ..World::closed(clients) };
        let (without, with) = both(world);
        assert!(without.per_round() > 5.0);
        assert!(with.cost() < 1.03 * without.cost(), "{clients} clients");
        assert!(with.rate() > 0.97 * without.rate(), "{clients} clients");
    }
}

#[test]
fn requests_at_a_rate_of_their_own_are_not_slowed() {
    for factor in [1.0, 3.0] {
        for rate in [500.0, 10_000.0, 25_000.0, 50_000.0] {
            let (without, with) = both(World::open(rate / factor).slower(factor));
            let growth = with.quantile(0.5) / without.quantile(0.5);
            assert!(growth < 1.25, "{rate} per second, prices times {factor}: p50 times {growth}");
            assert!(with.cost() < 1.03 * without.cost(), "{rate} per second, prices times {factor}");
        }
    }
}

#[test]
fn large_values_are_not_waited_for() {
    let (_, with) = both(World { bytes: 4096, ..World::closed(50) });
    assert_eq!(with.sleeps, 0);
    let (_, with) = both(World { bytes: 4000, ..World::closed(50) });
    assert!(with.sleeps > 0);
}

#[test]
fn it_converges_within_a_second_whatever_came_before() {
    let busy = World::closed(200);
    let (_, settled) = both(busy);
    for before in [World::closed(1), World::closed(8), World::open(2000.0), World { bytes: 8192, ..busy }] {
        let mut model = Model::new(before, MAX_US);
        model.run(3.0 * SECOND);
        model.change(busy);
        model.run(SECOND);
        let after = model.run(SECOND);
        let ratio = after.cost() / settled.cost();
        assert!(ratio < 1.05, "after {before:?}: {ratio}");
        // And back: nothing that was learned is held against the few.
        model.change(World::closed(4));
        model.run(SECOND);
        assert_eq!(model.run(SECOND).sleeps, 0, "after {before:?}");
    }
}

#[test]
fn traffic_for_which_it_does_not_pay_ends_it_within_a_second() {
    let open = World::open(25_000.0);
    let (without, _) = both(open);
    let mut model = Model::new(World::closed(200), MAX_US);
    model.run(3.0 * SECOND);
    model.change(open);
    model.run(SECOND);
    let growth = model.run(SECOND).quantile(0.5) / without.quantile(0.5);
    assert!(growth < 1.25, "p50 times {growth}");
}

#[test]
fn it_does_not_flip_between_two_states() {
    let mut model = Model::new(World::closed(200), MAX_US);
    model.run(SECOND);
    let costs: Vec<f64> = (0..12).map(|_| model.run(0.25 * SECOND).cost()).collect();
    let (least, most) = costs.iter().fold((f64::MAX, 0.0f64), |(a, b), &c| (a.min(c), b.max(c)));
    assert!(most < 1.15 * least, "{costs:?}");
}

#[test]
fn a_try_that_saves_nothing_is_repeated_more_and_more_rarely() {
    let mut coalesce = Coalesce::new(Duration::from_micros(MAX_US));
    let (mut now, mut handled, mut tries, mut slept) = (0, 0, Vec::new(), false);
    while now < 20_000_000 {
        let events = if slept { 12 } else { 2 };
        handled += events as u64;
        let round = Round { now: Instant(now), events, bytes: 100, clients: 50, timer: None };
        // The price of a request is the same, whatever a round brings.
        let clocks = || Clocks { cpu_ns: handled * 5000, handled, latency_us: Some(100) };
        let sleep = coalesce.sleep_after(&round, clocks);
        if !sleep.is_zero() && !slept {
            tries.push(now / 1000);
        }
        slept = !sleep.is_zero();
        now += 30 + sleep.as_micros() as u64;
    }
    let pauses: Vec<u64> = tries.windows(2).map(|pair| (pair[1] - pair[0]) / 100 * 100).collect();
    assert_eq!(pauses[..7], [100, 200, 400, 800, 1600, 3200, 4000], "{tries:?}");
}

/// Rounds at random, with clocks to match.
fn random_rounds(seed: u64, mut check: impl FnMut(&Round, Duration, Duration)) {
    let mut state = seed | 1;
    let mut random = move |n: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % n
    };
    let max = Duration::from_micros(1 + random(1000));
    let mut coalesce = Coalesce::new(max);
    let (mut now, mut cpu_ns, mut handled) = (0, 0, 0);
    let mut gap = 20;
    for _ in 0..50_000 {
        if random(2000) == 0 {
            gap = [1, 20, 100, 400, 3000][random(5) as usize];
        }
        now += 1 + random(2 * gap);
        let events = 1 + random(30) as usize;
        cpu_ns += random(60_000);
        handled += random(20);
        let timer = (random(3) == 0).then(|| Instant(now + random(300)));
        let round = Round { now: Instant(now), events, bytes: events * 100, clients: 50, timer };
        let latency_us = (random(10) > 0).then(|| random(500) as u32);
        let sleep = coalesce.sleep_after(&round, || Clocks { cpu_ns, handled, latency_us });
        check(&round, sleep, max);
        now += sleep.as_micros() as u64;
    }
}

#[test]
fn no_sleep_is_longer_than_allowed_or_ends_after_the_next_timer() {
    let mut slept = 0;
    for seed in 1..12 {
        random_rounds(seed * 0x9e37_79b9, |round, sleep, max| {
            assert!(sleep <= max, "seed {seed}");
            if let Some(timer) = round.timer {
                assert!(sleep <= timer.since(round.now), "seed {seed}");
            }
            slept += u32::from(!sleep.is_zero());
        });
    }
    assert!(slept > 100, "{slept}");
}

#[test]
fn an_idle_shard_does_not_sleep_before_its_poll() {
    let mut model = Model::new(World::closed(200), MAX_US);
    assert!(model.run(SECOND).sleeps > 1000);
    // The traffic thins out to one request in two milliseconds: not one more sleep once it has.
    model.change(World::open(500.0));
    model.run(0.01 * SECOND);
    assert_eq!(model.run(SECOND).sleeps, 0);
}

#[test]
fn off_is_off_and_can_be_changed() {
    let mut model = Model::new(World::closed(200), 0);
    assert_eq!(model.run(SECOND).sleeps, 0);
    model.set_max(MAX_US);
    model.run(SECOND);
    assert!(model.run(SECOND).sleeps > 1000);
    let counted = model.gathering();
    assert!(counted.saved_us > 10_000 && counted.slept_us > 10_000, "{counted:?}");
    model.set_max(0);
    assert_eq!(model.run(SECOND).sleeps, 0);
    assert_eq!(model.gathering().sleeps, counted.sleeps, "counts are kept");
}
