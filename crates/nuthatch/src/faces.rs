//! The programs that this binary can act as, one file each.
//!
//! A face reads its own command line and files, builds a checked configuration from them, and passes it to
//! [`crate::start`]. Texts and exit statuses are its own.

pub mod check;
pub mod convert;
mod environment;
mod nsq_daemon;
pub mod nsqadmin;
pub mod nsqd;
pub mod nsqlookupd;
pub mod nutcracker;
pub mod run;
pub mod source;
pub mod tool;
