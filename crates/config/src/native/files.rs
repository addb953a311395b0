//! Files named by a native file and read with it: secrets and certificates.

use std::path::PathBuf;

use crate::options::is_read_with_the_configuration;
use crate::variables;
use crate::written::{self, Entry, Value};

/// Most files listed; further ones are omitted.
const FILES_MAX: usize = 4096;

/// Paths of the files read with a native file, in its order, including missing ones.
/// None if its text has a syntax error.
pub fn files(text: &str) -> Option<Vec<PathBuf>> {
    let (mut entries, mut faults) = written::parse(text);
    if !faults.is_empty() {
        return None;
    }
    variables::expand(&mut entries, &variables::of_process, &mut faults);
    let mut found = Vec::new();
    for entry in &entries {
        collect(&entry.key, &entry.value.value, &mut found);
    }
    found.truncate(FILES_MAX);
    Some(found)
}

fn collect(key: &str, value: &Value, found: &mut Vec<PathBuf>) {
    match value {
        Value::Text(path) if is_read_with_the_configuration(key) => found.push(path.into()),
        Value::List(elements) => {
            for element in elements {
                collect(key, &element.value, found);
            }
        }
        Value::Table(entries) => {
            for Entry { key, value, .. } in entries {
                collect(key, &value.value, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_certificates_wherever_they_are_named() {
        let text = r#"
            data_path = "/not/this"
            [log]
            file = "/nor/this"
            [admin]
            tls = { cert = "/a/cert", key = "/a/key" }
            [pool.key]
            auth_file = "/p/auth"
            servers = ["local", { address = "10.0.0.1:1", password_file = "/p/server" }]
            server_tls = { ca = "/p/ca" }
            [queue]
            data_path = "/nor/that"
            tls_cert = "/q/cert"
            [user.a]
            password_file = "/u/password"
        "#;
        let expected = ["/a/cert", "/a/key", "/p/auth", "/p/server", "/p/ca", "/q/cert", "/u/password"];
        assert_eq!(files(text), Some(expected.iter().map(PathBuf::from).collect()));
        assert_eq!(files("[pool.a"), None);
        assert_eq!(files(""), Some(Vec::new()));
    }
}
