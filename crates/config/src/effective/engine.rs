//! `[engine]`: where topics are kept outside this process.

use super::Section;
use super::value::{count, path, texts};
use crate::checked::{Engine, EngineLogin};
use crate::options::Scope;
use crate::secret::Secret;
use crate::setting::Setting;

pub(super) fn engine(engine: &Engine) -> Section {
    let (mut user, mut nkey, mut credentials) = (None, None, None);
    match &engine.login {
        EngineLogin::Nobody => {}
        EngineLogin::User(name, password) => user = Some((name, password.as_ref())),
        EngineLogin::Nkey(seed) => nkey = Some(seed),
        EngineLogin::Credentials(path) => credentials = Some(path.as_path()),
    }
    let password = user.and_then(|(_, password)| password);
    let file = |secret: Option<&Secret>| secret.and_then(Secret::file).and_then(path);
    Section::new(
        Scope::Engine,
        [
            ("servers", texts(&engine.servers)),
            ("forward_bytes_max", Some(Setting::Size(engine.forward_bytes_max))),
            ("replicas", Some(count(engine.replicas))),
            ("prefix", Setting::text(&engine.prefix)),
            ("tls", engine.tls.clone().map(Setting::ServerTls)),
            ("user", user.and_then(|(user, _)| Setting::text(user))),
            ("password", password.cloned().map(Setting::Secret)),
            ("password_file", file(password)),
            ("nkey", nkey.cloned().map(Setting::Secret)),
            ("nkey_file", file(nkey)),
            ("credentials_file", credentials.and_then(path)),
        ],
    )
}
