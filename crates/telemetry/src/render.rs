//! What the cells look like to others. All of it is text made on the control thread.

pub mod describe;
pub mod nutcracker;
pub mod prometheus;
pub mod statsd;
