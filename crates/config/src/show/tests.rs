//! Tests that a shown configuration is equivalent, holds no secret, and has the origin of each value.

use std::collections::BTreeMap;
use std::env::VarError;

use super::*;
use crate::native;

fn lookup(name: &str) -> Result<String, VarError> {
    let values = BTreeMap::from([
        ("HOST", "10.0.0.1"),
        ("WAIT", "250ms"),
        ("TOKEN", "t0p-s3cret"),
        ("SECRET_1", "s3cret-2"),
        ("SECRET_2", "s3cret-1"),
        ("SECRET_3", "http://u:s3cret-3@a"),
        ("SECRET_4", "0000000000000000000000000000000000000000000000000000000000000000"),
    ]);
    values.get(name).map(|value| (*value).to_owned()).ok_or(VarError::NotPresent)
}

fn source(text: &str) -> Source<'_> {
    Source { name: "n.toml", text, lookup: &lookup }
}

const FILE: &str = "\
[stats]
[pool.\"a b\"]
listen = [\"${HOST}:1\", \"/s 0600\"]
auth = \"s3cret-1\"
timeout = \"${WAIT}\"
servers = [
    \"${HOST}:2\",
    { address = \"b:1\", password = \"s3cret-2\" },
    { address = \"c:1\", name = \"x-$${C}\", weight = 3, password = \"${TOKEN}${TOKEN}\" },
]

[queue]
auth_http_addresses = [\"b:1\", \"http://u:s3cret-3@a\"]

[user.web]
password_sha256 = [\"0000000000000000000000000000000000000000000000000000000000000000\"]
pools = \"a b\"
commands = \"+@all\"
keys = \"*\"
";

#[test]
fn means_the_same() {
    let check = |text: &str| {
        let report = native::check_with(text, 4, &lookup);
        report.config.unwrap_or_else(|| panic!("{text}\n{:#?}", report.faults))
    };
    for file in [FILE, native::DEFAULT_FILE, "[lookup]\nsnapshot = \"\"\n"] {
        let config = check(file);
        let shown = toml(&config, Some(source(file)));
        assert!(!shown.contains("s3cret") && !shown.contains("\"000"), "{shown}");
        assert!(check(&shown) == config, "{shown}");
        // Without its file the origins are unknown.
        let unknown = toml(&config, None);
        assert!(!unknown.contains("s3cret") && !unknown.contains("n.toml"), "{unknown}");
        assert!(unknown.contains("\nmemory_budget = \"1GiB\"\n"), "{unknown}");
    }
}

#[test]
fn origins() {
    let config = native::check_with(FILE, 4, &lookup).config.unwrap();
    let shown = toml(&config, Some(source(FILE)));
    let line = |text: &str, origin: &str| format!("\n{text:<COLUMN$} # {origin}\n");
    for wanted in [
        "# Secrets are not shown: set SECRET_1, SECRET_2, SECRET_3, SECRET_4 to read this.".into(),
        line("threads = 4", "default: the number of cores"),
        line("[log]", "default"),
        line("[stats]", "n.toml:1"),
        line("listen = \"127.0.0.1:22222\"", "default"),
        line("[pool.\"a b\"]", "n.toml:2"),
        line("listen = [\"10.0.0.1:1\", \"/s 0600\"]", "n.toml:3, ${HOST}"),
        line("auth = \"${SECRET_2}\"", "n.toml:4"),
        line("timeout = \"250ms\"", "n.toml:5, ${WAIT}"),
        line("servers = [", "n.toml:6, ${HOST}, ${TOKEN}"),
        "    { address = \"b:1\", password = \"${SECRET_1}\" },\n".into(),
        "    { address = \"c:1\", weight = 3, name = \"x-$${C}\", password = \"${TOKEN}${TOKEN}\" },\n"
            .into(),
        "\n# hash_tag: the whole key is hashed\n".into(),
        line("auth_http_addresses = [\"b:1\", \"${SECRET_3}\"]", "n.toml:13"),
        line("[user.web]", "n.toml:15"),
        line("password_sha256 = [\"${SECRET_4}\"]", "n.toml:16"),
    ] {
        assert!(shown.contains(&wanted), "{wanted}\n{shown}");
    }
}

#[test]
fn a_secret_in_a_file() {
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), "s3cret\n").unwrap();
    let path = path.path().display().to_string();
    let file = format!(
        "[pool.p]\nlisten = \"127.0.0.1:1\"\nauth_file = \"{path}\"\nservers = [{{ address = \"a:1\", password_file = \"{path}\" }}]\n"
    );
    let config = native::check(&file, 4).config.unwrap();
    let shown = toml(&config, Some(source(&file)));
    for wanted in [
        "\n# auth: in auth_file\n".to_owned(),
        format!("\nauth_file = \"{path}\""),
        format!("{{ address = \"a:1\", password_file = \"{path}\" }},\n"),
    ] {
        assert!(shown.contains(&wanted), "{wanted}\n{shown}");
    }
    assert!(!shown.contains("s3cret") && !shown.contains("SECRET"), "{shown}");
    assert_eq!(native::check(&shown, 4).config, Some(config));
}
