//! Errors for texts that Go's `strconv` rejects, in its words.
//!
//! Shared by the table of options and the TLS options, which both parse booleans.

use config::go_flags::number::{boolean, quote};

pub(super) fn syntax(function: &str, text: &str) -> String {
    format!("strconv.{function}: parsing {}: invalid syntax", quote(text))
}

pub(super) fn read_bool(text: &str) -> Result<bool, String> {
    boolean(text).ok_or_else(|| syntax("ParseBool", text))
}
