//! Events that a shard gathers in one wake-up, and what its sleeps save (`coalesce`).

use serde::Serialize;

use crate::rounds::Rounds;

/// Rounds of the shards of pools in the window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Gathering {
    /// Events per round, that is per wake-up.
    pub events_per_round: f64,
    /// Share of rounds that began with a sleep, in percent.
    pub slept_percent: u64,
    /// Estimated share of the process's CPU time that the sleeps save, in percent.
    pub saved_percent: u64,
}

impl Gathering {
    pub(crate) fn between(before: Rounds, now: Rounds) -> Gathering {
        let since = |of: fn(&Rounds) -> u64| of(&now).saturating_sub(of(&before));
        let (rounds, saved) = (since(|r| r.rounds), since(|r| r.saved_us));
        let without = since(|r| r.cpu_us) + saved;
        Gathering {
            events_per_round: since(|r| r.events) as f64 / rounds.max(1) as f64,
            slept_percent: (since(|r| r.sleeps) * 100 / rounds.max(1)).min(100),
            saved_percent: saved * 100 / without.max(1),
        }
    }

    /// A sentence for the page; None while no shard sleeps.
    pub fn words(&self) -> Option<String> {
        (self.saved_percent > 0).then(|| {
            let Gathering { events_per_round, saved_percent, .. } = self;
            format!("{events_per_round:.0} events per wake-up, saves about {saved_percent} % CPU")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sleeps_save_is_put_in_words() {
        let before = Rounds { rounds: 100, events: 200, sleeps: 10, saved_us: 1000, cpu_us: 50_000 };
        let now = Rounds { rounds: 200, events: 1300, sleeps: 90, saved_us: 41_000, cpu_us: 110_000 };
        let gathering = Gathering::between(before, now);
        assert_eq!(gathering, Gathering { events_per_round: 11.0, slept_percent: 80, saved_percent: 40 });
        let words = gathering.words().unwrap();
        assert_eq!(words, "11 events per wake-up, saves about 40 % CPU");
        let idle = Gathering::between(now, now);
        assert_eq!((idle.events_per_round, idle.words()), (0.0, None));
    }
}
