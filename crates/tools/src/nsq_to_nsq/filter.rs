//! Filter on bodies: passes the whole body, some of its JSON fields, or nothing.
//!
//! Fields that pass keep their text unchanged, in the order of their names.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// Conditions on JSON messages.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    /// Field that a message must have; empty to pass all.
    pub(super) field: String,
    /// Value that the field must have, text or number; empty for any.
    pub(super) value: String,
    /// Fields to keep; empty for all.
    pub(super) whitelist: Vec<String>,
}

/// Action on a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// Publish unchanged.
    AsItIs,
    /// Publish this body.
    Changed(Vec<u8>),
    /// Do not publish.
    Dropped,
}

impl Filter {
    pub(super) fn apply(&self, body: &[u8]) -> Passage {
        if self.field.is_empty() && self.whitelist.is_empty() {
            return Passage::AsItIs;
        }
        let Ok(fields) = serde_json::from_slice::<BTreeMap<String, Box<RawValue>>>(body) else {
            return Passage::Dropped;
        };
        if !self.field.is_empty() && !fields.get(&self.field).is_some_and(|value| self.matches(value)) {
            return Passage::Dropped;
        }
        if self.whitelist.is_empty() {
            return Passage::AsItIs;
        }
        let kept: BTreeMap<&String, &RawValue> = fields
            .iter()
            .filter(|(name, _)| self.whitelist.contains(name))
            .map(|(name, value)| (name, &**value))
            .collect();
        serde_json::to_vec(&kept).map_or(Passage::Dropped, Passage::Changed)
    }

    fn matches(&self, value: &RawValue) -> bool {
        if self.value.is_empty() {
            return true;
        }
        if let Ok(text) = serde_json::from_str::<String>(value.get()) {
            return text == self.value;
        }
        let number = serde_json::from_str::<f64>(value.get());
        number.is_ok_and(|number| self.value.parse::<f64>().is_ok_and(|wanted| wanted == number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(filter: &Filter, cases: &[(&str, Option<&str>)]) {
        for (body, expected) in cases {
            let passed = match filter.apply(body.as_bytes()) {
                Passage::AsItIs => Some((*body).to_owned()),
                Passage::Changed(changed) => Some(String::from_utf8(changed).unwrap()),
                Passage::Dropped => None,
            };
            assert_eq!(passed.as_deref(), *expected, "{filter:?} {body}");
        }
    }

    #[test]
    fn conditions() {
        let filter = |field: &str, value: &str, whitelist: &[&str]| Filter {
            field: field.into(),
            value: value.into(),
            whitelist: whitelist.iter().map(|name| (*name).to_owned()).collect(),
        };
        check(&filter("", "", &[]), &[("not JSON", Some("not JSON"))]);
        check(
            &filter("a", "", &[]),
            &[
                (r#"{"a": null}"#, Some(r#"{"a": null}"#)),
                (r#"{"b":1}"#, None),
                ("not JSON", None),
                ("[1]", None),
            ],
        );
        check(
            &filter("a", "7", &[]),
            &[
                (r#"{"a":"7"}"#, Some(r#"{"a":"7"}"#)),
                (r#"{"a":7.0}"#, Some(r#"{"a":7.0}"#)),
                (r#"{"a":8}"#, None),
                (r#"{"a":true}"#, None),
                (r#"{"b":7}"#, None),
            ],
        );
        check(
            &filter("", "", &["b", "a"]),
            &[
                (
                    r#"{"b": 12345678901234567890123, "c":0, "a": "é\u0041"}"#,
                    Some(r#"{"a":"é\u0041","b":12345678901234567890123}"#),
                ),
                (r#"{"c":0}"#, Some("{}")),
                ("x", None),
            ],
        );
        check(&filter("a", "y", &["b"]), &[(r#"{"a":"y","b":[1, 2]}"#, Some(r#"{"b":[1, 2]}"#))]);
    }
}
