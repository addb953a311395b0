//! Pure codecs: redis, memcache, nsq, and what two processes tell each other in an upgrade. No socket, no clock, no log.

#![forbid(unsafe_code)]
pub mod memcache;
pub mod nsq;
pub mod redis;
pub mod upgrade;
