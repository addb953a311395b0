//! Text renderings of the cells, made on the control thread.
//!
//! Every rendering walks the tables (`PoolStats::ROWS` and the like), so that a new row appears everywhere at
//! once.

pub mod describe;
pub mod nutcracker;
pub mod pool_statsd;
pub mod prometheus;
pub mod statsd;
