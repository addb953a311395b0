//! All users, and their logins.
//!
//! A login with an unknown name takes as long as one with a wrong password, so that timing does not reveal
//! names: its secret is digested too, and if any user's password is slow to verify, the same work is done for
//! an unknown name.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::digest::{Digest, SECRET_BYTES_MAX};
use crate::glob::{GLOB_BYTES_MAX, Glob};
use crate::password::Passwords;
use crate::spec::{ENTRIES_MAX, Fault, NAME_BYTES_MAX, USERS_MAX, UserSpec};
use crate::user::User;

/// Users with their logins, by name. Cheap to clone.
#[derive(Clone, Default)]
pub struct Book {
    /// Sorted by name.
    entries: Arc<[Arc<Entry>]>,
    /// The specs that it was built of.
    specs: Arc<[UserSpec]>,
}

struct Entry {
    user: Arc<User>,
    passwords: Passwords,
    certificates: Vec<Glob>,
}

impl fmt::Debug for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.users().map(|user| user.name())).finish()
    }
}

/// The outcome of a login.
#[derive(Debug)]
#[must_use]
pub enum Login {
    /// Accepted, as this user.
    Granted(Arc<User>),
    /// Rejected.
    Denied,
    /// Unknown until this proof is verified, on a thread that may block.
    Slow(Proof),
}

impl Book {
    /// Builds a book of these users, or returns all their faults.
    pub fn build(specs: &[UserSpec]) -> Result<Book, Vec<Fault>> {
        Book::default().next(specs)
    }

    /// Builds the book after this one, which is this one if nothing has changed. A user of the same name
    /// keeps its connection count, and the state of its request limit if that is unchanged.
    pub fn next(&self, specs: &[UserSpec]) -> Result<Book, Vec<Fault>> {
        if *specs == *self.specs {
            return Ok(self.clone());
        }
        let mut faults = Vec::new();
        let mut entries = Vec::new();
        let mut names = BTreeSet::new();
        if specs.len() > USERS_MAX {
            let why = format!("there are more than {USERS_MAX} users");
            return Err(vec![Fault { user: specs[USERS_MAX].name.clone(), option: "", why }]);
        }
        for spec in specs {
            let mut fault = |option, why| faults.push(Fault { user: spec.name.clone(), option, why });
            if let Err(why) = check_name(&spec.name) {
                fault("", why.to_owned());
            }
            if !names.insert(spec.name.as_str()) {
                fault("", "there is another user of that name".to_owned());
            }
            match entry(spec, self.user(spec.name.as_bytes())) {
                Ok(entry) => entries.push(Arc::new(entry)),
                Err(more) => faults.extend(more),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        entries.sort_by(|a, b| a.user.name().cmp(b.user.name()));
        Ok(Book { entries: entries.into(), specs: specs.into() })
    }

    /// The specs that it was built of.
    pub fn specs(&self) -> &[UserSpec] {
        &self.specs
    }

    /// True if both share their users, and with them counts and limits.
    pub fn is_same(&self, other: &Book) -> bool {
        Arc::ptr_eq(&self.entries, &other.entries) || (self.is_empty() && other.is_empty())
    }

    /// All faults of these users; none if [`Book::build`] accepts them.
    pub fn check(specs: &[UserSpec]) -> Vec<Fault> {
        Book::build(specs).err().unwrap_or_default()
    }

    /// The part of the book that has the named users.
    #[must_use]
    pub fn part(&self, wanted: impl Fn(&User) -> bool) -> Book {
        let entries = self.entries.iter().filter(|entry| wanted(&entry.user)).cloned().collect();
        Book { entries, specs: Arc::clone(&self.specs) }
    }

    /// The part that has the users of a pool.
    #[must_use]
    pub fn of_pool(&self, pool: &str) -> Book {
        self.part(|user| user.pools().iter().any(|name| name == pool))
    }

    /// True if it has no users.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The users, in the order of their names.
    pub fn users(&self) -> impl ExactSizeIterator<Item = &Arc<User>> {
        self.entries.iter().map(|entry| &entry.user)
    }

    /// The user of that name.
    pub fn user(&self, name: &[u8]) -> Option<&Arc<User>> {
        self.entry(name).map(|entry| &entry.user)
    }

    fn entry(&self, name: &[u8]) -> Option<&Arc<Entry>> {
        let at = self.entries.binary_search_by(|entry| entry.user.name().as_bytes().cmp(name)).ok()?;
        Some(&self.entries[at])
    }

    /// Logs in by name and secret.
    pub fn login(&self, name: &[u8], secret: &[u8]) -> Login {
        if secret.len() > SECRET_BYTES_MAX {
            return Login::Denied;
        }
        let digest = Digest::of(secret);
        let found = self.entry(name);
        let stand_in = || self.entries.iter().find(|entry| entry.passwords.are_slow());
        match found {
            Some(entry) if entry.passwords.are(&digest) => Login::Granted(Arc::clone(&entry.user)),
            Some(entry) if entry.passwords.are_slow() => Login::Slow(Proof::new(entry, secret, true)),
            Some(_) => Login::Denied,
            None => stand_in().map_or(Login::Denied, |entry| Login::Slow(Proof::new(entry, secret, false))),
        }
    }

    /// Logs in by a secret alone, as a bearer's token: a password that is not slow to verify.
    pub fn bearer(&self, secret: &[u8]) -> Option<&Arc<User>> {
        let digest = Digest::of(secret.get(..SECRET_BYTES_MAX + 1).unwrap_or(secret));
        let mut found = None;
        for entry in self.entries.iter().filter(|entry| entry.passwords.are(&digest)) {
            found = found.or(Some(&entry.user));
        }
        found
    }

    /// Logs in by the names in a client's verified certificate. If several users match, the one whose glob is
    /// a literal name wins, else the one with the longest glob, else the first by name.
    pub fn certified<'a>(&self, names: impl Iterator<Item = &'a str> + Clone) -> Option<&Arc<User>> {
        let fits = |glob: &&Glob| names.clone().any(|name| glob.matches(name.as_bytes()));
        let rank = |glob: &Glob| (glob.is_literal(), glob.text().len());
        let best = |entry: &Entry| entry.certificates.iter().filter(fits).map(rank).max();
        let ranked = self.entries.iter().filter_map(|entry| Some((best(entry)?, &entry.user)));
        ranked.rev().max_by_key(|(rank, _)| *rank).map(|(_, user)| user)
    }
}

/// A login whose secret is slow to verify.
pub struct Proof {
    entry: Arc<Entry>,
    secret: Box<[u8]>,
    /// False if the name is unknown: the work is done and its result discarded.
    is_known: bool,
}

impl Proof {
    fn new(entry: &Arc<Entry>, secret: &[u8], is_known: bool) -> Proof {
        Proof { entry: Arc::clone(entry), secret: secret.into(), is_known }
    }

    /// The user, if the secret is right. Takes milliseconds to seconds.
    #[must_use]
    pub fn verify(&self) -> Option<Arc<User>> {
        let is_right = self.entry.passwords.verify_slowly(&self.secret, self.is_known);
        (is_right && self.is_known).then(|| Arc::clone(&self.entry.user))
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(…)")
    }
}

impl Drop for Proof {
    fn drop(&mut self) {
        self.secret.fill(0);
        std::hint::black_box(&self.secret);
    }
}

fn entry(spec: &UserSpec, before: Option<&Arc<User>>) -> Result<Entry, Vec<Fault>> {
    let fault = |option, why| Fault { user: spec.name.clone(), option, why };
    let mut faults = Vec::new();
    for (option, list) in spec.lists() {
        if list.len() > ENTRIES_MAX {
            faults.push(fault(option, format!("there are more than {ENTRIES_MAX} entries")));
        }
        if list.iter().any(|entry| entry.len() > GLOB_BYTES_MAX) {
            faults.push(fault(option, format!("an entry is longer than {GLOB_BYTES_MAX} bytes")));
        }
    }
    if spec.passwords.len() > ENTRIES_MAX {
        faults.push(fault("password_sha256", format!("there are more than {ENTRIES_MAX} passwords")));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let passwords = Passwords::read(&spec.passwords)
        .map_err(|wrong| faults.extend(wrong.into_iter().map(|(option, why)| fault(option, why))));
    let user = User::build(spec, before.map(|user| &**user)).map_err(|wrong| faults.extend(wrong));
    let (Ok(passwords), Ok(user)) = (passwords, user) else { return Err(faults) };
    if passwords.is_empty() && spec.certificates.is_empty() {
        let why = "it cannot log in; give it password_sha256, password_argon2, password_file or certificate";
        return Err(vec![fault("", why.to_owned())]);
    }
    let certificates = spec.certificates.iter().map(|glob| Glob::new(glob.as_bytes())).collect();
    Ok(Entry { user: Arc::new(user), passwords, certificates })
}

/// Checks a name, which is part of `user:password` and `user password`, and is shown in logs.
fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err("a name has 1 to 64 characters");
    }
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-+@".contains(&b);
    if name.bytes().all(fits) { Ok(()) } else { Err("a name has letters, digits and . _ - + @ only") }
}

#[cfg(test)]
pub(crate) mod tests;
