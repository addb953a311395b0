//! One small daemon that routes cache traffic and holds messages.
//!
//! ```text
//! main ─▶ applet (by argv[0] or subcommand) ─▶ faces::{run, check, nutcracker, nsqd, …}
//!                                                │ checked configuration
//!                                                ▼
//!                                    start ─▶ shards (cache, queue)   control: signals, statistics, admin
//! ```
//! The main thread is the control thread; it does no work on the request path.

mod applet;
mod faces;

mod daemon;
mod getopt;
mod log_level;
mod logins;
mod lookup_snapshot;
mod manual;
mod descriptors;
mod doctor;
mod health;
mod outcome;
mod overrides;
mod pid_file;
mod places;
mod reload;
mod running_process;
mod stdout;

mod discovery;
mod doubtful;
mod proxy_service;
mod queue_service;
mod server_stream;
mod redis_client;
mod replicas;
mod sentinels;
mod service;
mod services;
mod notices;
mod nsqadmin;
mod start;
mod start_error;
mod system;
mod task;
mod version;

mod admin_client;
mod admin_port;
mod bind;
mod config_watch;
mod control;
mod control_port;
mod data_services;
mod crash;
mod malloc_trim;
mod stats_port;
mod statsd_push;
mod stop_signals;
mod serving;
mod systemd;
mod pem_files;
mod tls_files;
mod tls_prints;
mod topic_move;
mod topology;
mod upgrade;
mod users;
#[cfg(test)]
mod panics;

/// musl's own allocator takes one lock for all threads.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    upgrade::program::Program::remember(&arguments);
    if upgrade::starter::is_this() {
        return upgrade::starter::main();
    }
    applet::dispatch(arguments)
}
