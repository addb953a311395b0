//! Failed logins, counted per address and per name tried from it, in a table of fixed size.
//!
//! ```text
//! login ▸ may_try(address, name, now) ─ no ▸ refused, its secret unchecked
//!           └ yes ▸ wrong ▸ failed(address, name, now)
//! ```
//! Each address may have a burst of failures and then a few per minute; fewer for one name than for all
//! together, so that an application with an old password does not lock out the others on its host. An IPv6
//! address counts as its /64 network. If a set of the table is full, the entry closest to expiry is replaced:
//! an attacker with thousands of addresses can evict its own entries, which gains no more tries than new
//! addresses would.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

/// Limits on the failures of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardLimits {
    /// Burst for one name.
    pub name_burst: u32,
    /// Burst for all names together.
    pub address_burst: u32,
    /// Time after which one failure is forgotten.
    pub forget_one: Duration,
    /// Entries of the table, a power of two; 16 bytes each.
    pub entries: usize,
}

impl Default for GuardLimits {
    fn default() -> Self {
        GuardLimits { name_burst: 10, address_burst: 100, forget_one: Duration::from_secs(1), entries: 8192 }
    }
}

/// Entries in which a key may be stored.
const WAYS: usize = 4;

/// Failed logins by address.
#[derive(Debug)]
pub struct LoginGuard {
    limits: GuardLimits,
    hasher: RandomState,
    entries: Box<[Entry]>,
}

/// Failures of one key, as the time at which all of them are forgotten, in milliseconds since the start.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    key: u64,
    forgotten_at: u64,
}

impl LoginGuard {
    /// Makes a guard without failures.
    pub fn new(limits: GuardLimits) -> LoginGuard {
        let entries = limits.entries.next_power_of_two().max(WAYS);
        LoginGuard { limits, hasher: RandomState::new(), entries: vec![Entry::default(); entries].into() }
    }

    /// True if a client at this address may try to log in with this name now. `None` is a unix socket; `now`
    /// is as for [`crate::Meter::take`].
    pub fn may_try(&self, address: Option<IpAddr>, name: &[u8], now: Duration) -> bool {
        let now = moment(now);
        let fits = |key: u64, burst: u32| {
            let entry = self.set(key).iter().find(|entry| entry.key == key);
            entry.is_none_or(|entry| {
                entry.forgotten_at.saturating_sub(now) + self.one() <= self.one() * u64::from(burst)
            })
        };
        let [by_name, by_address] = self.keys(address, name);
        fits(by_name, self.limits.name_burst) && fits(by_address, self.limits.address_burst)
    }

    /// Counts a failure.
    pub fn failed(&mut self, address: Option<IpAddr>, name: &[u8], now: Duration) {
        let now = moment(now);
        let one = self.one();
        for key in self.keys(address, name) {
            let set = self.set_mut(key);
            let at = match set.iter().position(|entry| entry.key == key) {
                Some(at) => at,
                None => {
                    let oldest = (0..set.len()).min_by_key(|at| set[*at].forgotten_at).unwrap_or_default();
                    set[oldest] = Entry { key, forgotten_at: 0 };
                    oldest
                }
            };
            set[at].forgotten_at = set[at].forgotten_at.max(now) + one;
        }
    }

    fn one(&self) -> u64 {
        u64::try_from(self.limits.forget_one.as_millis()).unwrap_or(u64::MAX / 1_000_000).max(1)
    }

    /// Keys of the name at the address, and of the address.
    fn keys(&self, address: Option<IpAddr>, name: &[u8]) -> [u64; 2] {
        let address = address.map(network);
        [self.hasher.hash_one((address, Some(name))), self.hasher.hash_one((address, None::<&[u8]>))]
    }

    fn place(&self, key: u64) -> std::ops::Range<usize> {
        let first = key as usize & (self.entries.len() - 1) & !(WAYS - 1);
        first..first + WAYS
    }

    fn set(&self, key: u64) -> &[Entry] {
        &self.entries[self.place(key)]
    }

    fn set_mut(&mut self, key: u64) -> &mut [Entry] {
        let place = self.place(key);
        &mut self.entries[place]
    }
}

/// Time in milliseconds. Never 0, which marks empty entries.
fn moment(now: Duration) -> u64 {
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX / 2).min(u64::MAX / 2) + 1
}

/// The part of an address that counts: all of IPv4, including IPv4-mapped IPv6; the /64 network of IPv6,
/// which one subscriber has.
fn network(address: IpAddr) -> (u8, u64) {
    match address.to_canonical() {
        IpAddr::V4(v4) => (4, u64::from(u32::from(v4))),
        IpAddr::V6(v6) => (6, (u128::from(v6) >> 64) as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> (LoginGuard, Duration) {
        let now = Duration::from_secs(100);
        let limits = GuardLimits { name_burst: 3, address_burst: 5, entries: 64, ..GuardLimits::default() };
        (LoginGuard::new(limits), now)
    }

    fn address(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    /// Fails logins until they are refused; returns their number.
    fn fail(guard: &mut LoginGuard, from: Option<IpAddr>, name: &[u8], now: Duration) -> u32 {
        (0..1000)
            .take_while(|_| {
                let may = guard.may_try(from, name, now);
                if may {
                    guard.failed(from, name, now);
                }
                may
            })
            .count() as u32
    }

    #[test]
    fn one_name_is_limited_before_its_address() {
        let (mut guard, now) = guard();
        let host = address("10.0.0.1");
        assert_eq!(fail(&mut guard, host, b"web", now), 3);
        assert_eq!(fail(&mut guard, host, b"web", now), 0);
        assert!(guard.may_try(host, b"batch", now), "another name of the host");
        assert_eq!(fail(&mut guard, host, b"batch", now), 2, "the host's five are used up");
        assert!(!guard.may_try(host, b"third", now));
        assert!(guard.may_try(address("10.0.0.2"), b"web", now), "another host");
        assert!(guard.may_try(None, b"web", now), "a unix socket");
    }

    #[test]
    fn failures_are_forgotten_one_by_one() {
        let (mut guard, now) = guard();
        let host = address("10.0.0.1");
        let after = |ms| now + Duration::from_millis(ms);
        assert_eq!(fail(&mut guard, host, b"web", now), 3);
        assert!(!guard.may_try(host, b"web", after(999)));
        assert_eq!(fail(&mut guard, host, b"web", after(1000)), 1);
        assert_eq!(fail(&mut guard, host, b"web", after(60_000)), 3);
    }

    #[test]
    fn networks() {
        let (mut guard, now) = guard();
        assert_eq!(fail(&mut guard, address("2001:db8::1"), b"web", now), 3);
        assert!(!guard.may_try(address("2001:db8::ffff:1"), b"web", now), "the same network");
        assert!(guard.may_try(address("2001:db8:0:1::1"), b"web", now), "the next one");
        assert_eq!(fail(&mut guard, address("10.0.0.1"), b"web", now), 3);
        assert!(!guard.may_try(address("::ffff:10.0.0.1"), b"web", now), "the same host");
    }

    #[test]
    fn its_memory_is_bounded() {
        let (mut guard, now) = guard();
        for host in 0..100_000u32 {
            let from = Some(IpAddr::from(host.to_be_bytes()));
            guard.failed(from, b"web", now);
        }
        assert_eq!(guard.entries.len(), 64);
        let host = address("200.0.0.1");
        assert_eq!(fail(&mut guard, host, b"web", now), 3, "newcomers are counted all the same");
        assert_eq!(fail(&mut guard, address("200.0.0.1"), b"web", now + Duration::from_hours(1)), 3);
    }
}
