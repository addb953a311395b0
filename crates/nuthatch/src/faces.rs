//! The programs that this binary can be, one file each.

pub mod check;
pub mod nsqd;
pub mod nutcracker;
pub mod run;
