//! Configuration: one options table, files as written, then as checked.
//!
//! ```text
//! nuthatch.toml ─▶ written ─▶ variables ─▶ native::check ─┐
//! nutcracker.yml ─▶ nutcracker::parse ────────────────────┼─▶ checked::Config (all values in range, all names resolved)
//! nsqd flags, nsqd.cfg ─▶ go_flags ─▶ nsqd ───────────────┘
//! ```
//!
//! [`options`] is the source of the native parser, `docs/config.md`, `nuthatch help options` and the manual
//! page. [`nsqd::flags`] is the same for nsqd; the `[queue]` section of the native file is derived from it. A
//! check finds every fault of a file at once, with line and column ([`Fault`]); legal but probably unintended
//! settings are a [`Severity::Warning`].
//!
//! [`change`] lists the differences between two configurations, and when each takes effect.
//!
//! [`FileKind`] distinguishes the three files by their content.
//!
//! Reading order: `checked` (the result), `options`, `quantity`, `endpoint` (values), `written`, `native`,
//! `fault`, `warnings`; then the two faces `nutcracker` and `nsqd`.
#![forbid(unsafe_code)]

pub mod checked;
pub mod limits;
mod listen;
mod secret;
mod secret_file;
mod setting;
mod settings;
mod log_level;

mod file_kind;

pub mod endpoint;
pub mod options;
pub mod quantity;

pub mod fault;
mod report;
pub mod native;
mod suggest;
mod tls_table;
mod values;
pub mod variables;
pub mod warnings;
pub mod written;

pub mod change;
mod effective;

pub mod render;
pub mod show;

pub mod nutcracker;

pub mod go_flags;
pub mod nsq_program;
pub mod nsqadmin;
pub mod nsqd;
pub mod nsqlookupd;

pub mod convert;

pub use fault::{Fault, Position, Severity};
pub use file_kind::FileKind;
pub use report::Report;
pub use secret::{Secret, SecretUrl};
pub use setting::Setting;
