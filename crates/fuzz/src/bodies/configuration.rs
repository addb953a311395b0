//! Input written by operators: files and command lines.

use config::fault::Severity;
use config::go_flags::{self, GoValues};
use config::nsqd::{self, flags};
use config::{native as ours, nutcracker as theirs};

/// A nuthatch.toml: it is usable, or the error names an existing place.
pub fn native(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let report = ours::check(text, 2);
    let has_error = report.faults.iter().any(|fault| fault.severity == Severity::Error);
    assert_eq!(report.config.is_none(), has_error, "{:?}", report.faults);
    let lines = text.split('\n').count();
    for fault in &report.faults {
        assert!(!fault.text.is_empty());
        assert!(
            fault.position.is_none_or(|at| (1..=lines).contains(&at.line) && at.column >= 1),
            "{fault:?}"
        );
        assert!(fault.show("file").to_string().starts_with("file"));
    }
}

/// A nutcracker.yml; every refusal has a reason.
pub fn nutcracker(bytes: &[u8]) {
    match theirs::parse(bytes, "file", &|_, _| Ok(())) {
        Ok(accepted) => assert!(accepted.pools.iter().all(|pool| !pool.name.is_empty())),
        Err(refusal) => assert!(!refusal.reasons.is_empty()),
    }
}

/// nsqd's file.
pub fn nsqd_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(values) = nsqd::file::parse(text, flags::FLAGS) {
        checked(GoValues::new(), values);
    }
}

/// nsqd's command line, one argument per line.
pub fn nsqd_flags(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let arguments: Vec<String> = text.split('\n').map(str::to_owned).collect();
    if let Ok(parsed) = go_flags::parse("nsqd", flags::FLAGS, &arguments, &nsqd::show_default) {
        checked(parsed.given, GoValues::new());
    }
}

/// Checks that every flag has a value, and whether the flags are usable together. Files that they name are
/// not opened by a fuzzer.
fn checked(given: GoValues, file: GoValues) {
    let mut values = nsqd::resolve(given, file);
    let default = nsqd::resolve(GoValues::new(), GoValues::new());
    for name in ["tls-cert", "tls-key", "tls-root-ca-file"] {
        values.extend(default.get_key_value(name).map(|(name, value)| (*name, value.clone())));
    }
    assert_eq!(values.len(), flags::FLAGS.len());
    if let Err(refusal) = nsqd::check(&values) {
        assert!(!refusal.text.is_empty());
    }
}
