//! Values of flags: single ones, and all of a program by name with typed access.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use crate::secret::SecretUrl;

/// Value of a flag. `Debug` shows no secret of a URL.
#[derive(Clone, PartialEq)]
pub enum GoValue {
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number.
    Float(f64),
    /// A duration in nanoseconds.
    Duration(i64),
    /// A text, including those with few legal values.
    Text(String),
    /// Texts in the order given.
    Texts(Vec<String>),
    /// Numbers in the order given.
    Floats(Vec<f64>),
}

impl fmt::Debug for GoValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GoValue::Bool(value) => write!(f, "Bool({value})"),
            GoValue::Int(value) => write!(f, "Int({value})"),
            GoValue::Float(value) => write!(f, "Float({value:?})"),
            GoValue::Duration(nanos) => write!(f, "Duration({nanos})"),
            GoValue::Text(text) => write!(f, "Text({:?})", SecretUrl::from(text)),
            GoValue::Texts(texts) => {
                write!(f, "Texts({:?})", texts.iter().map(SecretUrl::from).collect::<Vec<_>>())
            }
            GoValue::Floats(values) => write!(f, "Floats({values:?})"),
        }
    }
}

/// Values by flag name.
///
/// The typed methods are for resolved values, which include every flag. A missing flag or the wrong
/// type is a bug of ours and panics.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GoValues(BTreeMap<&'static str, GoValue>);

impl GoValues {
    /// An empty set.
    pub fn new() -> GoValues {
        GoValues::default()
    }

    /// A text.
    pub fn text(&self, flag: &str) -> &str {
        match &self.0[flag] {
            GoValue::Text(text) => text,
            other => panic!("{flag} is {other:?}, not a text"),
        }
    }

    /// Texts in the order given.
    pub fn texts(&self, flag: &str) -> &[String] {
        match &self.0[flag] {
            GoValue::Texts(texts) => texts,
            other => panic!("{flag} is {other:?}, not texts"),
        }
    }

    /// An integer.
    pub fn int(&self, flag: &str) -> i64 {
        match self.0[flag] {
            GoValue::Int(int) => int,
            ref other => panic!("{flag} is {other:?}, not an integer"),
        }
    }

    /// A number.
    pub fn float(&self, flag: &str) -> f64 {
        match self.0[flag] {
            GoValue::Float(float) => float,
            ref other => panic!("{flag} is {other:?}, not a number"),
        }
    }

    /// Numbers in the order given.
    pub fn floats(&self, flag: &str) -> &[f64] {
        match &self.0[flag] {
            GoValue::Floats(floats) => floats,
            other => panic!("{flag} is {other:?}, not numbers"),
        }
    }

    /// A boolean.
    pub fn switch(&self, flag: &str) -> bool {
        match self.0[flag] {
            GoValue::Bool(on) => on,
            ref other => panic!("{flag} is {other:?}, not a switch"),
        }
    }

    /// A duration in nanoseconds; may be negative.
    pub fn nanos(&self, flag: &str) -> i64 {
        match self.0[flag] {
            GoValue::Duration(nanos) => nanos,
            ref other => panic!("{flag} is {other:?}, not a duration"),
        }
    }

    /// A duration; zero if negative.
    pub fn duration(&self, flag: &str) -> Duration {
        Duration::from_nanos(u64::try_from(self.nanos(flag)).unwrap_or(0))
    }
}

impl Deref for GoValues {
    type Target = BTreeMap<&'static str, GoValue>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for GoValues {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<const N: usize> From<[(&'static str, GoValue); N]> for GoValues {
    fn from(values: [(&'static str, GoValue); N]) -> GoValues {
        GoValues(BTreeMap::from(values))
    }
}

impl FromIterator<(&'static str, GoValue)> for GoValues {
    fn from_iter<I: IntoIterator<Item = (&'static str, GoValue)>>(values: I) -> GoValues {
        GoValues(BTreeMap::from_iter(values))
    }
}
