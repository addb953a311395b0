//! nutcracker's texts. They go to standard error; a printed block ends in an extra line feed, and usage lines
//! end in CR LF, except the one where the original omits it.
//!
//! Scripts compare these texts, so they are byte-exact; a test compares them with
//! captured output of the original.

use std::io;

/// The compatible version.
pub const NUMBER: &str = "0.5.0";

/// `-V`
pub const VERSION: &str = "This is nutcracker-0.5.0\nasync event backend: epoll\n\n";

/// `-h`, and the text after an error in the command line. Default paths are Debian's.
pub const USAGE: &str = "\
Usage: nutcracker [-?hVdDt] [-v verbosity level] [-o output file]\r
                  [-c conf file] [-s stats port] [-a stats addr]\r
                  [-i stats interval] [-p pid file] [-m mbuf size]\r

Options:\r
  -h, --help             : this help\r
  -V, --version          : show version and exit\r
  -t, --test-conf        : test configuration for syntax errors and exit\r
  -d, --daemonize        : run as a daemon\r
  -D, --describe-stats   : print stats description and exit
  -v, --verbose=N        : set logging level (default: 5, min: 0, max: 11)\r
  -o, --output=S         : set logging file (default: /var/log/nutcracker/nutcracker.log)\r
  -c, --conf-file=S      : set configuration file (default: /etc/nutcracker/nutcracker.yml)\r
  -s, --stats-port=N     : set stats monitoring port (default: 22222)\r
  -a, --stats-addr=S     : set stats monitoring ip (default: 0.0.0.0)\r
  -i, --stats-interval=N : set stats aggregation interval in msec (default: 30000 msec)\r
  -p, --pid-file=S       : set pid file (default: /run/nutcracker/nutcracker.pid)\r
  -m, --mbuf-size=N      : set size of mbuf chunk in bytes (default: 16384 bytes)\r

";

/// An error text as in C, without Rust's error number.
pub fn strerror(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_string()
}

/// `Linux 6.1.0 x86_64`
pub fn platform() -> String {
    let read = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
        text.trim().to_string()
    };
    format!("{} {} {}", read("ostype"), read("osrelease"), std::env::consts::ARCH)
}
