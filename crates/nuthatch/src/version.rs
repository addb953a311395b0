//! The version, with the commit it was built from where that is known.

/// Version for people, as `0.1.0 (4150363ab)`: `nuthatch version`, the banner, the log, the page.
pub const VERSION: &str = env!("NUTHATCH_VERSION");
