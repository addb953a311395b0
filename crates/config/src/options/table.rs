//! The rows of every section together, in the order of the documentation.
//!
//! Sections look up their rows here, and so does code that must hide secrets.

use std::sync::LazyLock;

use super::spec::{Kind, OptionSpec, Scope};
use super::{engine, lookup, pool, process, queue, tls, user};

/// The whole table.
pub fn all() -> &'static [OptionSpec] {
    static ALL: LazyLock<Vec<OptionSpec>> = LazyLock::new(|| {
        [
            process::OPTIONS,
            pool::OPTIONS,
            tls::OPTIONS,
            queue::OPTIONS,
            queue::RULES,
            queue::outside::OPTIONS,
            engine::OPTIONS,
            lookup::OPTIONS,
            user::OPTIONS,
        ]
        .concat()
    });
    &ALL
}

/// True for a line of a nuthatch.toml or nutcracker.yml that sets a secret option: it must not be shown.
pub fn sets_secret(line: &str) -> bool {
    let secrets = all().iter().filter(|option| matches!(option.kind, Kind::Secret | Kind::Secrets));
    secrets.flat_map(|option| [Some(option.name), option.nutcracker]).flatten().any(|name| {
        line.match_indices(name).any(|(at, _)| {
            let begins = !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let rest = line[at + name.len()..].trim_start_matches(['"', '\'']).trim_start();
            begins && rest.starts_with(['=', ':'])
        })
    })
}

/// Options with paths that are written to.
const WRITTEN: [&str; 3] = ["file", "data_path", "snapshot"];

/// True for the name of an option with a file that is read together with the
/// configuration: a secret, a certificate.
pub fn is_read_with_the_configuration(name: &str) -> bool {
    let is_path = |option: &OptionSpec| {
        option.name == name && matches!(option.kind, Kind::Path | Kind::SecretFile { .. })
    };
    all().iter().any(is_path) && !WRITTEN.contains(&name)
}

impl Scope {
    /// The options of this section, in the order of the documentation.
    pub fn options(self) -> impl Iterator<Item = &'static OptionSpec> {
        all().iter().filter(move |option| option.scope == self)
    }

    /// The option of this name, if the section has one.
    pub fn option(self, name: &str) -> Option<&'static OptionSpec> {
        self.options().find(|option| option.name == name)
    }
}
