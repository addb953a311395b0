//! The configurations in examples/: each is usable unchanged.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{run, text};

/// Creates the certificate and the key that the examples name.
fn certificates(directory: &Path) {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    for (name, pem) in [
        ("server.pem", signed.cert.pem()),
        ("ca.pem", signed.cert.pem()),
        ("server.key", signed.signing_key.serialize_pem()),
    ] {
        std::fs::write(directory.join(name), pem).expect("a file");
    }
}

#[test]
fn every_example_passes_its_check() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let list = std::fs::read_to_string(examples.join("README.md")).expect("the list");
    let copies = tempfile::tempdir().expect("a directory");
    certificates(copies.path());
    let mut checked = 0;
    for entry in std::fs::read_dir(&examples).expect("examples").map(|entry| entry.expect("an entry")) {
        let name = entry.file_name().into_string().expect("text");
        assert!(
            name == "README.md" || list.contains(&format!("[{name}]({name})")),
            "{name} is not in the list"
        );
        if [".toml", ".yml", ".cfg"].iter().any(|kind| name.ends_with(kind)) {
            std::fs::copy(entry.path(), copies.path().join(&name)).expect("a copy");
            let output = run("nuthatch", &["check", "-c", &name], copies.path());
            let said = text(&output.stdout);
            assert_eq!(said, format!("{name}: 0 errors, 0 warnings\n"));
            assert_eq!(output.status.code(), Some(0));
            checked += 1;
        }
    }
    assert!(checked >= 9, "{checked} examples only");
}

/// The configuration of the packages with its suggestions (`#: `) in force, each
/// in place of the line it replaces.
fn with_suggestions(file: &str) -> String {
    let name = |line: &str| line.split_once(" = ").map(|(name, _)| name.to_owned());
    let mut lines: Vec<String> = Vec::new();
    let mut section = 0;
    for line in file.lines() {
        let suggested = line.strip_prefix("#: ");
        let line = suggested.unwrap_or(line);
        if line.starts_with('[') {
            section = lines.len();
        }
        if suggested.is_some() && name(line).is_some() {
            let kept = lines.split_off(section);
            lines.extend(kept.into_iter().filter(|old| name(old) != name(line)));
        }
        lines.push(line.to_owned());
    }
    lines.join("\n")
}

#[test]
fn the_configuration_of_the_packages_passes_its_check_with_all_that_it_suggests() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contrib/nuthatch.example.toml");
    let file = std::fs::read_to_string(path).expect("the file");
    let directory = tempfile::tempdir().expect("a directory");
    let password = directory.path().join("password");
    std::fs::write(&password, "secret\n").expect("a file");
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    let all =
        with_suggestions(&file).replace("/etc/nuthatch/redis-password", &password.display().to_string());
    assert!(all.contains("\n[lookup]\n") && !all.contains("servers = [\"local\"]"), "{all}");
    for (name, content) in [("plain.toml", &file), ("all.toml", &all)] {
        std::fs::write(directory.path().join(name), content).expect("a file");
        let output = run("nuthatch", &["check", "-c", name], directory.path());
        assert_eq!(text(&output.stdout), format!("{name}: 0 errors, 0 warnings\n"), "{content}");
    }
}
