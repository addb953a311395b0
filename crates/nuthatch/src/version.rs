//! The version, with the commit that it was built from where that is known.

/// As `0.1.0 (4150363ab)`, for people: `nuthatch version`, the banner, the log, the page.
pub const VERSION: &str = env!("NUTHATCH_VERSION");
