//! Input from the captures of the original programs, if available.

use std::path::PathBuf;

use serde_json::Value;

/// Directory of the captures: next to the repository, or given by `NUTHATCH_GOLDEN`.
pub fn directory() -> PathBuf {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/golden");
    std::env::var_os("NUTHATCH_GOLDEN").map_or(beside.into(), PathBuf::from)
}

/// Cases of a file; none if it is missing.
pub fn cases(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(directory().join(file)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Values of a key, anywhere in the cases of a file, as bytes.
pub fn under(file: &str, key: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for case in &cases(file) {
        gather(case, key, &mut found);
    }
    found
}

fn gather(value: &Value, key: &str, found: &mut Vec<Vec<u8>>) {
    match value {
        Value::Object(object) => {
            for (name, inner) in object {
                match inner {
                    Value::String(text) if name == key => found.push(bytes(text)),
                    inner => gather(inner, key, found),
                }
            }
        }
        Value::Array(array) => array.iter().for_each(|inner| gather(inner, key, found)),
        _ => {}
    }
}

/// Bytes of a string, one per character; `⟦…⟧` stands for a value that any digit can replace.
pub fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, token)) = rest.split_once('\u{27e6}') {
        out.extend(before.chars().map(|c| c as u8));
        let (token, after) = token.split_once('\u{27e7}').unwrap_or((token, ""));
        match token.split(':').collect::<Vec<_>>()[..] {
            ["rep", count, hex] => {
                let unit = u8::from_str_radix(hex.get(..2).unwrap_or(""), 16).unwrap_or(b'x');
                let count = count.parse::<usize>().unwrap_or(1).min(crate::mutate::INPUT_BYTES_MAX);
                out.resize(out.len() + count, unit);
            }
            ["id", _] => out.extend_from_slice(b"0123456789abcdef"),
            ["port", _] => out.extend_from_slice(b"4150"),
            _ => out.push(b'1'),
        }
        rest = after;
    }
    out.extend(rest.chars().map(|c| c as u8));
    out
}
