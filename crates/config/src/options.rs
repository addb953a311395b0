//! The options table: every option of the native configuration file, once.
//!
//! A row has the option's name and place, its type and range, its default, the time at which a change takes
//! effect in a running process, its meaning, the version that introduced it, and its names in nutcracker and
//! nsqd. The parser, the check, the list of changes between two configurations, `docs/config.md`,
//! `nuthatch help options` and the manual page are made from these rows; to add an option, add a row and use
//! it where the section is assembled ([`crate::native`]).

mod spec;

mod engine;
mod lookup;
mod pool;
mod process;
mod queue;
mod tls;
mod user;

mod table;

pub use spec::{Absent, Applies, Kind, OptionSpec, Scope};
pub(crate) use spec::{duration, duration_or_off, integer, option, size};
pub use table::{all, is_read_with_the_configuration, sets_secret};

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::values;

    #[test]
    fn names_are_unique_and_lower_case() {
        let mut seen = HashSet::new();
        for option in all() {
            assert!(seen.insert((option.scope.heading(), option.name)), "{} twice", option.name);
            assert!(option.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
        }
    }

    #[test]
    fn documented() {
        for option in all() {
            assert!(option.doc.ends_with('.'), "{}: {}", option.name, option.doc);
            assert!(!option.since.is_empty());
        }
    }

    #[test]
    fn limits_are_documented() {
        use crate::limits::{MASTER_NAME_MAX, POOL_SERVERS_MAX, POOLS_MAX, SERVERS_MAX};
        let shown = |n: usize| match (n / 1000, n % 1000) {
            (0, rest) => rest.to_string(),
            (thousands, rest) => format!("{thousands},{rest:03}"),
        };
        for (doc, limits) in [
            (Scope::Pool.doc(), vec![POOLS_MAX, SERVERS_MAX]),
            (Scope::User.doc(), vec![access::USERS_MAX, access::ENTRIES_MAX, access::GLOB_BYTES_MAX]),
            (named("masters").doc, vec![POOL_SERVERS_MAX, MASTER_NAME_MAX]),
        ] {
            for limit in limits.into_iter().map(shown) {
                assert!(doc.contains(&limit), "{limit} is missing: {doc}");
            }
        }
        assert!(named("servers").kind.describe().contains(&POOL_SERVERS_MAX.to_string()));
    }

    fn named(name: &str) -> &'static OptionSpec {
        all().iter().find(|option| option.name == name).unwrap()
    }

    #[test]
    fn defaults_are_valid() {
        for option in all() {
            if let Absent::Is(text) = option.absent {
                values::default(option).unwrap_or_else(|e| panic!("{} = {text}: {e}", option.name));
            }
        }
    }
}
