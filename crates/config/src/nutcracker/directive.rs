//! The directives of a pool, set one at a time as in nutcracker.
//!
//! A repeated directive is an error, except `servers`, which gets one value at a time. As in the original,
//! any key may hold the pool's one sequence: each element is then set like a value.

use std::collections::BTreeMap;

use super::yaml::{Leaf, Section};
use super::{Reason, Resolve, address, number};
use crate::checked::{Listen, Server};
use crate::fault::Position;
use crate::secret::Secret;

/// Type of a directive's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Listen,
    Hash,
    HashTag,
    Distribution,
    Number,
    Bool,
    Text,
    Servers,
}

/// Every directive of nutcracker 0.5.0.
const DIRECTIVES: &[(&str, Type)] = &[
    ("listen", Type::Listen),
    ("hash", Type::Hash),
    ("hash_tag", Type::HashTag),
    ("distribution", Type::Distribution),
    ("timeout", Type::Number),
    ("backlog", Type::Number),
    ("client_connections", Type::Number),
    ("redis", Type::Bool),
    ("tcpkeepalive", Type::Bool),
    ("redis_auth", Type::Text),
    ("redis_db", Type::Number),
    ("preconnect", Type::Bool),
    ("auto_eject_hosts", Type::Bool),
    ("server_connections", Type::Number),
    ("server_retry_timeout", Type::Number),
    ("server_failure_limit", Type::Number),
    ("servers", Type::Servers),
];

/// A pool with its directives set, before defaults.
#[derive(Debug)]
pub(super) struct RawPool {
    pub name: String,
    pub position: Position,
    /// The directive as written, for messages and comparison, and its meaning.
    pub listen: Option<(String, Listen, Position)>,
    pub hash: Option<ring::Hash>,
    pub hash_tag: Option<[u8; 2]>,
    pub distribution: Option<ring::Distribution>,
    pub auth: Option<Secret>,
    pub numbers: BTreeMap<&'static str, (i32, Position)>,
    pub bools: BTreeMap<&'static str, bool>,
    pub servers: Vec<(Server, Position)>,
}

/// Sets every directive of every pool; adds all errors to `reasons`, in the order of the file.
pub(super) fn pools(
    sections: Vec<Section>,
    mut reasons: Vec<Reason>,
    resolve: Resolve<'_>,
) -> Result<Vec<RawPool>, Vec<Reason>> {
    let mut pools = Vec::new();
    for section in sections {
        let mut pool = RawPool::new(section.name, section.position);
        for leaf in &section.leaves {
            if let Err((before, phrase)) = pool.set(leaf, resolve) {
                let text = format!("conf: directive \"{}\" {phrase}", leaf.key);
                let logged = before.into_iter().chain([text]).collect();
                reasons.push(Reason { position: Some(leaf.position), logged, text: "" });
            }
        }
        pools.push(pool);
    }
    reasons.sort_by_key(|reason| reason.position);
    if reasons.is_empty() { Ok(pools) } else { Err(reasons) }
}

const DUPLICATE: (Option<String>, &str) = (None, "is a duplicate");

impl RawPool {
    fn new(name: String, position: Position) -> RawPool {
        RawPool {
            name,
            position,
            listen: None,
            hash: None,
            hash_tag: None,
            distribution: None,
            auth: None,
            numbers: BTreeMap::new(),
            bools: BTreeMap::new(),
            servers: Vec::new(),
        }
    }

    fn set(&mut self, leaf: &Leaf, resolve: Resolve<'_>) -> Result<(), (Option<String>, &'static str)> {
        let value = leaf.value.as_str();
        let Some(&(name, kind)) = DIRECTIVES.iter().find(|(name, _)| *name == leaf.key) else {
            return Err((None, "is unknown"));
        };
        match kind {
            Type::Listen => {
                let listen = unset(self.listen.as_ref(), || address::listen(value, resolve))?;
                self.listen = Some((value.into(), listen, leaf.position));
            }
            Type::Hash => {
                let hash = || ring::Hash::from_name(value).ok_or((None, "is not a valid hash"));
                self.hash = Some(unset(self.hash.as_ref(), hash)?);
            }
            Type::Distribution => {
                let known = ring::Distribution::from_name(value).filter(|known| known.is_nutcracker());
                let distribution = || known.ok_or((None, "is not a valid distribution"));
                self.distribution = Some(unset(self.distribution.as_ref(), distribution)?);
            }
            Type::HashTag => {
                let phrase = "is not a valid hash tag string with two characters";
                let tag = || <[u8; 2]>::try_from(value.as_bytes()).map_err(|_| (None, phrase));
                self.hash_tag = Some(unset(self.hash_tag.as_ref(), tag)?);
            }
            Type::Number => {
                let number = || number::atoi(value.as_bytes()).ok_or((None, "is not a number"));
                let number = unset(self.numbers.get(name), number)?;
                self.numbers.insert(name, (number, leaf.position));
            }
            Type::Bool => {
                let boolean = || value.parse::<bool>().map_err(|_| (None, "is not \"true\" or \"false\""));
                let boolean = unset(self.bools.get(name), boolean)?;
                self.bools.insert(name, boolean);
            }
            Type::Text => self.auth = Some(unset(self.auth.as_ref(), || Ok(Secret::new(value)))?),
            Type::Servers => {
                let server = address::server(value).map_err(|phrase| (None, phrase))?;
                self.servers.push((server, leaf.position));
            }
        }
        Ok(())
    }
}

type Phrase = (Option<String>, &'static str);

/// Reads a value unless one is already present.
fn unset<T, U>(present: Option<&T>, read: impl FnOnce() -> Result<U, Phrase>) -> Result<U, Phrase> {
    match present {
        Some(_) => Err(DUPLICATE),
        None => read(),
    }
}

#[cfg(test)]
mod tests {
    use super::DIRECTIVES;
    use crate::options::Scope;

    #[test]
    fn the_options_table_knows_every_directive() {
        for (name, _) in DIRECTIVES {
            assert!(Scope::Pool.options().any(|option| option.nutcracker == Some(name)), "{name}");
        }
        for option in Scope::Pool.options() {
            if let Some(alias) = option.nutcracker {
                assert!(DIRECTIVES.iter().any(|(name, _)| *name == alias), "{alias}");
            }
        }
    }
}
