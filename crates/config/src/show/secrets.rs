//! Values without their secrets.
//!
//! A secret is replaced by a variable: the one it came from, or a numbered one.

use super::origins::Origin;
use crate::checked::Server;
use crate::setting::{Setting, holds_secret, list, quoted, server_toml, servers_toml, verbatim};
use crate::variables;

/// The secrets replaced by numbered variables.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    count: usize,
}

impl Secrets {
    /// Names of the variables that replace secrets.
    pub fn names(&self) -> String {
        (1..=self.count).map(|n| format!("SECRET_{n}")).collect::<Vec<_>>().join(", ")
    }

    /// A value in TOML.
    pub fn toml(&mut self, value: &Setting, origin: Option<&Origin>) -> String {
        let written = |n: usize| origin.and_then(|origin| origin.texts.get(n)).map(String::as_str);
        match value {
            Setting::Secret(_) => self.stand_in(written(0)),
            Setting::Secrets(secrets) => {
                list((0..secrets.len()).map(|n| self.stand_in(written(n))).collect::<Vec<_>>().into_iter())
            }
            Setting::Texts(texts) => {
                let shown = texts.iter().enumerate().map(|(n, text)| {
                    if holds_secret(text) { self.stand_in(written(n)) } else { quoted(text) }
                });
                list(shown.collect::<Vec<_>>().into_iter())
            }
            Setting::Text(text) if holds_secret(text) => self.stand_in(written(0)),
            Setting::Servers(servers) => servers_toml(
                servers.iter().map(|server| self.server(server, origin)).collect::<Vec<_>>().into_iter(),
            ),
            other => other.toml(),
        }
    }

    fn server(&mut self, server: &Server, origin: Option<&Origin>) -> String {
        let own = server.password.as_ref().filter(|password| password.file().is_none());
        let written = origin.and_then(|origin| origin.passwords.get(&server.identity));
        let password = own.map(|_| self.stand_in(written.map(String::as_str)));
        server_toml(server, password)
    }

    /// The variables that a secret was written as, or else a variable with the next number, in TOML.
    fn stand_in(&mut self, written: Option<&str>) -> String {
        if let Some(written) = written.filter(|written| variables::is_only_variables(written)) {
            return verbatim(written);
        }
        self.count += 1;
        verbatim(&format!("${{SECRET_{}}}", self.count))
    }
}
