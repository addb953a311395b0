//! `[user.NAME]`.

use access::{AdminRole, PasswordSpec};

use super::Section;
use super::value::{path, texts};
use crate::checked::User;
use crate::options::Scope;
use crate::secret::Secret;
use crate::setting::Setting;

pub(crate) fn user(user: &User) -> Section {
    let spec = &user.spec;
    let passwords = |of: fn(&PasswordSpec) -> Option<&String>| {
        let secrets: Vec<_> =
            spec.passwords.iter().filter_map(of).map(|text| Secret::new(text.as_str())).collect();
        (!secrets.is_empty()).then_some(Setting::Secrets(secrets))
    };
    let admin = match spec.admin {
        AdminRole::None => "none",
        AdminRole::View => "view",
        AdminRole::Operate => "operate",
    };
    let settings = [
        ("password_sha256", passwords(sha256)),
        ("password_argon2", passwords(argon2)),
        ("password_file", user.password_file.as_deref().and_then(path)),
        ("certificate", texts(&spec.certificates)),
        ("pools", texts(&spec.pools)),
        ("keys", texts(&spec.keys)),
        ("commands", texts(&spec.commands)),
        ("channels", texts(&spec.channels)),
        ("publish", texts(&spec.publish)),
        ("consume", texts(&spec.consume)),
        ("admin", Setting::text(admin)),
        ("limit_requests", spec.limit_requests.map(Setting::Rate)),
        ("limit_connections", spec.limit_connections.map(|most| Setting::Integer(most.into()))),
    ];
    Section { name: spec.name.clone(), ..Section::new(Scope::User, settings) }
}

fn sha256(password: &PasswordSpec) -> Option<&String> {
    if let PasswordSpec::Sha256(text) = password { Some(text) } else { None }
}

fn argon2(password: &PasswordSpec) -> Option<&String> {
    if let PasswordSpec::Argon2(text) = password { Some(text) } else { None }
}
