//! Verification of secrets: digests in Redis' form, and argon2 hashes.
//!
//! A digest is compared in constant time with all of a user's, so that timing reveals neither a near match
//! nor the position of the right one. Nothing here can be printed.

use std::fmt;
use std::sync::OnceLock;

use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, Params};
use subtle::Choice;

use crate::digest::Digest;
use crate::spec::PasswordSpec;

/// Memory of the most expensive argon2 hash, in KiB.
const ARGON2_KIB_MAX: u32 = 256 * 1024;
/// Passes of the most expensive one.
const ARGON2_PASSES_MAX: u32 = 64;
/// Lanes of the widest one.
const ARGON2_LANES_MAX: u32 = 64;

/// The passwords of one user.
#[derive(Default)]
pub(crate) struct Passwords {
    digests: Vec<Digest>,
    slow: Vec<SlowHash>,
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Passwords({} digests, {} slow)", self.digests.len(), self.slow.len())
    }
}

impl Passwords {
    /// Parses configured passwords. A fault names the option and the position, never the value.
    pub fn read(specs: &[PasswordSpec]) -> Result<Passwords, Vec<(&'static str, String)>> {
        let mut passwords = Passwords::default();
        let mut faults = Vec::new();
        for (number, spec) in (1..).zip(specs) {
            let place = format!("password {number} of the user");
            match spec {
                PasswordSpec::Sha256(hex) => match Digest::from_hex(hex) {
                    Some(digest) => passwords.digests.push(digest),
                    None => faults.push((spec.option(), format!("{place} is not 64 lower-case hex digits"))),
                },
                PasswordSpec::Argon2(text) => match SlowHash::read(text) {
                    Ok(hash) => passwords.slow.push(hash),
                    Err(why) => faults.push((spec.option(), format!("{place} {why}"))),
                },
                PasswordSpec::Plain(digest) => passwords.digests.push(*digest),
            }
        }
        if faults.is_empty() { Ok(passwords) } else { Err(faults) }
    }

    /// True if the digest is that of a password, including one with an argon2 hash that was verified before.
    pub fn are(&self, digest: &Digest) -> bool {
        let verified = self.slow.iter().filter_map(|hash| hash.verified.get());
        let equal = self.digests.iter().chain(verified).map(|known| known.is(digest));
        equal.fold(Choice::from(0), |found, one| found | one).into()
    }

    /// True if an unknown digest may be right because there is an argon2 hash. A wrong secret is verified
    /// slowly every time, so that timing does not reveal earlier logins.
    pub fn are_slow(&self) -> bool {
        !self.slow.is_empty()
    }

    /// True if the secret matches a slow hash. Takes milliseconds to seconds per hash. `remember` makes the
    /// next login quick.
    pub fn verify_slowly(&self, secret: &[u8], remember: bool) -> bool {
        let verified = self.slow.iter().find(|hash| hash.verify(secret));
        if let Some(hash) = verified.filter(|_| remember) {
            let _ = hash.verified.set(Digest::of(secret));
        }
        verified.is_some()
    }

    /// True if there are no passwords.
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty() && self.slow.is_empty()
    }
}

/// An argon2 hash, and the digest of the secret it has verified.
struct SlowHash {
    hash: PasswordHash,
    verified: OnceLock<Digest>,
}

impl SlowHash {
    fn read(text: &str) -> Result<SlowHash, &'static str> {
        const FORM: &str = "is not an argon2 hash of the form $argon2id$v=19$m=…,t=…,p=…$salt$hash";
        let hash = PasswordHash::new(text).map_err(|_| FORM)?;
        if hash.algorithm.as_str() != "argon2id" {
            return Err("is not of argon2id");
        }
        if hash.salt.is_none() || hash.hash.is_none() {
            return Err(FORM);
        }
        let params = Params::try_from(&hash).map_err(|_| FORM)?;
        if params.m_cost() > ARGON2_KIB_MAX {
            return Err("needs more than 256 MiB of memory (m=262144)");
        }
        if params.t_cost() > ARGON2_PASSES_MAX || params.p_cost() > ARGON2_LANES_MAX {
            return Err("needs more than 64 passes or lanes (t, p)");
        }
        Ok(SlowHash { hash, verified: OnceLock::new() })
    }

    fn verify(&self, secret: &[u8]) -> bool {
        Argon2::default().verify_password(secret, &self.hash).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::password_hash::PasswordHasher as _;

    fn sha256(text: &str) -> PasswordSpec {
        PasswordSpec::Sha256(text.to_owned())
    }

    #[test]
    fn digests_are_those_of_redis() {
        // `ACL SETUSER x >x` in redis-server 7.0.15
        let hex = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
        let passwords = Passwords::read(&[sha256(hex), PasswordSpec::plain(b"other").unwrap()]).unwrap();
        for (secret, right) in [("x", true), ("other", true), ("y", false), ("", false), (hex, false)] {
            assert_eq!(passwords.are(&Digest::of(secret.as_bytes())), right, "{secret}");
        }
        assert!(!passwords.are_slow() && !passwords.is_empty());
        assert!(!Passwords::default().are(&Digest::of(b"")));
    }

    #[test]
    fn a_fault_does_not_show_the_value() {
        let secret = "hunter2hunter2";
        let upper = "2D711642B726B04401627CA9FBAC32F5C8530FB1903CC4DB02258717921A4881";
        for spec in [
            sha256(secret),
            sha256(upper),
            sha256(""),
            sha256(&"é".repeat(32)),
            PasswordSpec::Argon2(secret.to_owned()),
            PasswordSpec::Argon2("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0".to_owned()),
            PasswordSpec::Argon2("$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNo".to_owned()),
            PasswordSpec::Argon2(
                "$argon2id$v=19$m=4000000,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNo".to_owned(),
            ),
            PasswordSpec::Argon2("$argon2id$v=19$m=64,t=65,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNo".to_owned()),
            PasswordSpec::Argon2("$argon2id$v=19$m=8,t=0,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNo".to_owned()),
        ] {
            let faults = Passwords::read(std::slice::from_ref(&spec)).unwrap_err();
            assert_eq!(faults.len(), 1);
            let shown = format!("{} {faults:?} {spec:?}", faults[0].1);
            assert!(
                !shown.contains(secret) && !shown.contains("c2Fsd") && !shown.contains("2D711"),
                "{shown}"
            );
        }
        let passwords = Passwords::read(&[PasswordSpec::plain(secret.as_bytes()).unwrap()]).unwrap();
        assert_eq!(
            format!("{passwords:?} {:?}", passwords.digests[0]),
            "Passwords(1 digests, 0 slow) Digest(…)"
        );
    }

    /// The cheapest possible argon2id hash of a secret.
    fn argon2(secret: &str) -> PasswordSpec {
        let params = Params::new(8, 1, 1, None).unwrap();
        let argon2 = Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        let hash = argon2.hash_password_with_salt(secret.as_bytes(), b"saltsaltsalt").unwrap();
        PasswordSpec::Argon2(hash.to_string())
    }

    #[test]
    fn a_slow_password_is_verified_once() {
        let passwords = Passwords::read(&[argon2("quick brown")]).unwrap();
        let right = Digest::of(b"quick brown");
        assert!(passwords.are_slow() && !passwords.are(&right));
        assert!(!passwords.verify_slowly(b"quick browm", true));
        assert!(passwords.verify_slowly(b"quick brown", false));
        assert!(!passwords.are(&right));
        assert!(passwords.verify_slowly(b"quick brown", true));
        assert!(passwords.are(&right));
        assert!(!passwords.are(&Digest::of(b"quick browm")));
    }

    /// A test vector of the reference implementation.
    #[test]
    fn hashes_of_the_reference_implementation_are_taken() {
        let hash = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let passwords = Passwords::read(&[PasswordSpec::Argon2(hash.to_owned())]).unwrap();
        assert!(passwords.verify_slowly(b"password", true));
        assert!(!passwords.verify_slowly(b"differentpassword", true));
    }
}
