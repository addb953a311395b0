//! Filter of the messages shown: bodies that contain every text and every field.

use config::go_flags::Exit;
use serde_json::Value;

use crate::command_line::refuse;

/// Conditions that a body has to meet, all of them.
#[derive(Debug, Default)]
pub(super) struct Filter {
    texts: Vec<memchr::memmem::Finder<'static>>,
    fields: Vec<Field>,
}

/// Field of a JSON object, by its path of names.
#[derive(Debug, PartialEq, Eq)]
struct Field {
    path: Vec<String>,
    /// Required value; `None` if the field only has to exist.
    value: Option<String>,
}

impl Filter {
    /// Conditions given on a command line.
    ///
    /// # Errors
    ///
    /// A field without a name.
    pub(super) fn of(texts: &[String], fields: &[String]) -> Result<Filter, Exit> {
        let finder = |text: &String| memchr::memmem::Finder::new(text.as_bytes()).into_owned();
        let fields: Result<Vec<Field>, Exit> = fields.iter().map(|text| Field::of(text)).collect();
        Ok(Filter { texts: texts.iter().map(finder).collect(), fields: fields? })
    }

    /// True if the body meets all conditions.
    pub(super) fn lets_through(&self, body: &[u8]) -> bool {
        if !self.texts.iter().all(|text| text.find(body).is_some()) {
            return false;
        }
        if self.fields.is_empty() {
            return true;
        }
        let Ok(json) = serde_json::from_slice::<Value>(body) else { return false };
        self.fields.iter().all(|field| field.is_in(&json))
    }
}

impl Field {
    fn of(text: &str) -> Result<Field, Exit> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        if name.is_empty() {
            return refuse(format!("invalid --field value ({text}), should be name or name=value"));
        }
        Ok(Field { path: name.split('.').map(str::to_owned).collect(), value })
    }

    fn is_in(&self, json: &Value) -> bool {
        // A name may itself contain a dot.
        let whole = json.get(self.path.join("."));
        let found = whole.or_else(|| {
            self.path.iter().try_fold(json, |value, name| match value {
                Value::Array(items) => items.get(name.parse::<usize>().ok()?),
                value => value.get(name),
            })
        });
        match (found, &self.value) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(Value::String(text)), Some(value)) => text == value,
            (Some(Value::Number(number)), Some(value)) => {
                number.to_string() == *value || number.as_f64() == value.parse().ok()
            }
            (Some(other), Some(value)) => {
                serde_json::from_str::<Value>(value).is_ok_and(|value| value == *other)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(texts: &[&str], fields: &[&str], body: &str) -> bool {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Filter::of(&owned(texts), &owned(fields)).unwrap().lets_through(body.as_bytes())
    }

    #[test]
    fn texts_and_fields() {
        let order = r#"{"id": 5, "kind": "order", "price": 1.50, "user": {"name": "ada", "tags": ["x", "y"]}, "a.b": true, "no": null}"#;
        for (texts, fields, expected) in [
            (&[][..], &[][..], true),
            (&["ada"], &[], true),
            (&["ada", "order"], &[], true),
            (&["ada", "bob"], &[], false),
            (&[], &["id"], true),
            (&[], &["id=5"], true),
            (&[], &["id=5.0"], true),
            (&[], &["price=1.5"], true),
            (&[], &["id=6"], false),
            (&[], &["kind=order", "user.name=ada"], true),
            (&[], &["kind=order", "user.name=bob"], false),
            (&[], &["user.tags.1=y"], true),
            (&[], &["user.tags.2"], false),
            (&[], &["a.b=true"], true),
            (&[], &["no=null"], true),
            (&[], &["nosuch"], false),
            (&[], &["kind="], false),
        ] {
            assert_eq!(shown(texts, fields, order), expected, "{texts:?} {fields:?}");
        }
        assert!(!shown(&[], &["id"], "not JSON"));
        assert!(!shown(&[], &["id"], "[5]"));
    }

    #[test]
    fn a_field_needs_a_name() {
        let error = Filter::of(&[], &["=5".to_owned()]).unwrap_err();
        assert_eq!(error.text(), "invalid --field value (=5), should be name or name=value");
    }
}
