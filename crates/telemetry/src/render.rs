//! Renderings of the cells. All of it is text made on the control thread.
//!
//! Every rendering walks the tables (`PoolStats::ROWS` and its like), so that a new row shows up everywhere
//! at once.

pub mod describe;
pub mod nutcracker;
pub mod prometheus;
pub mod statsd;
