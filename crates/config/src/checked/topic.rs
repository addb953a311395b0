//! Rules for new topics of the queue: where they are kept.

use access::Glob;

/// The place of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Storage {
    /// In this process, on its disk.
    #[default]
    Local,
    /// On the engine.
    Engine,
}

impl Storage {
    /// Every value's name.
    pub const NAMES: [&'static str; 2] = ["local", "engine"];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Storage::Local => "local",
            Storage::Engine => "engine",
        }
    }

    /// The value of this name.
    pub fn named(name: &str) -> Option<Storage> {
        [Storage::Local, Storage::Engine].into_iter().find(|storage| storage.name() == name)
    }
}

/// A rule for the topics that its pattern matches; the first that matches counts.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicRule {
    /// Names that it is for.
    pub pattern: Glob,
    /// Storage of new ones. None: as `storage` of `[queue]` says.
    pub storage: Option<Storage>,
    /// Publications to those on the engine are accepted here first, and forwarded.
    pub accept_locally: bool,
}

impl TopicRule {
    /// The pattern as written.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.pattern.text()).into_owned()
    }
}
