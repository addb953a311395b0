//! The binary as a process: output, exit, signals, files. Everything runs on
//! loopback and in directories of its own.

mod admin;
mod bench;
mod captured;
mod client;
mod daemon;
mod docs;
mod doctor;
mod examples;
mod doors;
mod home;
mod native;
mod nsqd;
mod queue;
mod redis_crate;
mod reload;
mod reload_options;
mod relays;
mod stop;
mod support;
mod system;
mod systemd;
mod upgrade;
