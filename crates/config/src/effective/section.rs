//! One section and the values of its options.
//!
//! Only names of rows of the options table may be requested; a test requires every row.

use std::collections::BTreeMap;

use crate::options::{OptionSpec, Scope};
use crate::setting::Setting;

/// A section with the values of its options.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Its kind.
    pub scope: Scope,
    /// Name of the pool or user; empty for other sections.
    pub name: String,
    pub(super) settings: BTreeMap<&'static str, Option<Setting>>,
}

impl Section {
    pub(super) fn new(
        scope: Scope,
        settings: impl IntoIterator<Item = (&'static str, Option<Setting>)>,
    ) -> Section {
        Section { scope, name: String::new(), settings: settings.into_iter().collect() }
    }

    /// The value of an option. None: not set; the option's row explains the meaning.
    pub fn get(&self, option: &str) -> Option<&Setting> {
        self.settings.get(option)?.as_ref()
    }

    /// Every option of the section with its value, in the order of the documentation.
    pub fn settings(&self) -> impl Iterator<Item = (&'static OptionSpec, Option<&Setting>)> {
        self.scope.options().map(|option| (option, self.get(option.name)))
    }
}
