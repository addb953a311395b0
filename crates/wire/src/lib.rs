//! Pure codecs: redis, memcache, nsq. No socket, no clock, no log.

#![forbid(unsafe_code)]
pub mod memcache;
pub mod nsq;
pub mod redis;
