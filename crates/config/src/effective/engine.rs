//! `[engine]`: where topics are kept outside this process.

use super::Section;
use super::value::{count, path, texts};
use crate::checked::Engine;
use crate::options::Scope;
use crate::secret::Secret;
use crate::setting::Setting;

pub(super) fn engine(engine: &Engine) -> Section {
    Section::new(
        Scope::Engine,
        [
            ("servers", texts(&engine.servers)),
            ("topics", texts(&engine.topics)),
            ("accept", Setting::text(if engine.accept_locally { "local" } else { "engine" })),
            ("forward_bytes_max", Some(Setting::Size(engine.forward_bytes_max))),
            ("replicas", Some(count(engine.replicas))),
            ("prefix", Setting::text(&engine.prefix)),
            ("user", engine.user.as_deref().and_then(Setting::text)),
            ("password", engine.password.clone().map(Setting::Secret)),
            ("password_file", engine.password.as_ref().and_then(Secret::file).and_then(path)),
        ],
    )
}
