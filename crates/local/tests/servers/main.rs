//! The embedded cache compared with the programs it replaces: a real redis-server, a real memcached, and
//! their recorded answers in the golden files.

mod golden;
mod memcache;
mod redis;
mod scripts;
mod traces;
mod types;
mod support;
