//! Passwords: texts that no log line, error, panic or page shows.
//!
//! Neither `Debug` nor `Display` reveals the text or its length, so a structure with a secret can
//! be printed. Only [`Secret::reveal`] returns it, for code that sends it to a server. Memory is
//! not wiped when a secret is dropped.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use wire::url::without_secrets;

/// A password. Clones share its text. Secrets of the same text are equal, whatever their source.
#[derive(Clone, Eq)]
pub struct Secret {
    text: Arc<str>,
    file: Option<Arc<Path>>,
}

impl Secret {
    /// A secret of this text.
    pub fn new(text: impl Into<Arc<str>>) -> Secret {
        Secret { text: text.into(), file: None }
    }

    /// A secret of this text, read from a file.
    pub fn of_file(text: impl Into<Arc<str>>, file: &Path) -> Secret {
        Secret { text: text.into(), file: Some(file.into()) }
    }

    /// Its file. None: it was written in the configuration itself.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The text, for sending it. Never put it into a message.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// True if `given` is the secret. The time taken does not depend on where they differ,
    /// but may depend on their lengths.
    pub fn matches(&self, given: &[u8]) -> bool {
        let own = self.text.as_bytes();
        own.len() == given.len() && own.iter().zip(given).fold(0, |all, (a, b)| all | (a ^ b)) == 0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.matches(other.text.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// A URL, which may have a password or a token in it. Neither `Debug` nor `Display` shows these.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// The URL, for a request to it. Never put it into a message.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Into<String>> From<T> for SecretUrl {
    fn from(url: T) -> SecretUrl {
        SecretUrl(url.into())
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_secrets(&self.0))
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", without_secrets(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native;

    #[test]
    fn shown_nowhere() {
        let text = "[pool.a]\nlisten = \"127.0.0.1:1\"\nauth = \"s3cret\"\n\
                    servers = [{ address = \"127.0.0.1:2\", password = \"s3cret\" }]\n";
        let config = native::check(text, 1).config.unwrap();
        let (pool, server) = (&config.pools[0], &config.pools[0].servers[0]);
        for password in [&pool.auth, &server.password] {
            assert_eq!(password.as_ref().map(Secret::reveal), Some("s3cret"));
        }
        assert!(!format!("{config:?} {config:#?} {}", pool.auth.as_ref().unwrap()).contains("s3cret"));
    }

    #[test]
    fn matches_itself_only() {
        let secret = Secret::new("abc");
        assert!(secret.matches(b"abc") && secret == Secret::new("abc"));
        for other in ["", "ab", "abd", "bbc", "abcd"] {
            assert!(!secret.matches(other.as_bytes()) && secret != Secret::new(other), "{other}");
        }
    }
}
