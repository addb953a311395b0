//! Conversion of field values to option values.
//!
//! An empty text, path or list is an option that is not set.

use std::path::Path;
use std::time::Duration;

use crate::setting::Setting;

pub(super) fn path(path: &Path) -> Option<Setting> {
    Setting::text(path.display().to_string())
}

pub(super) fn texts(texts: &[String]) -> Option<Setting> {
    (!texts.is_empty()).then(|| Setting::Texts(texts.to_vec()))
}

pub(super) fn bytes(bytes: usize) -> Setting {
    Setting::Size(bytes as u64)
}

pub(super) fn count<N: TryInto<i64>>(count: N) -> Setting {
    Setting::Integer(count.try_into().unwrap_or(i64::MAX))
}

pub(super) fn duration_or_off(duration: Option<Duration>) -> Setting {
    duration.map_or(Setting::Off, Setting::Duration)
}
