//! The embedded cache beside the programs it stands in for: a real redis-server, a real memcached, and what
//! they answered when the golden files were recorded.

mod golden;
mod memcache;
mod redis;
mod support;
