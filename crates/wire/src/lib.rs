//! Pure codecs: redis, memcache, nsq, the messages between two processes in an upgrade, percent-encoding,
//! URLs. No socket, no clock, no log.

#![forbid(unsafe_code)]
pub mod memcache;
pub mod nsq;
pub mod percent;
pub mod redis;
pub mod upgrade;
pub mod url;
