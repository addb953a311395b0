//! Daemonization: two forks, its own session, umask 0, standard streams on /dev/null; the working directory
//! and open files (the log) stay.
//!
//! The starting process waits for the daemon's verdict, and exits with it; nutcracker's exits with 0 before
//! anything was tried, so that an init script never learned of a bad configuration.
//!
//! Call it before any thread runs: threads do not survive a fork.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// The daemon's report to the starting process.
#[derive(Debug)]
pub struct Ready {
    pipe: File,
}

impl Ready {
    /// Reports success: the starting process exits with 0. Dropping this instead makes it exit with 1.
    pub fn tell(mut self) {
        let _ = self.pipe.write_all(&[0]);
    }
}

/// Forks. Returns in the daemon only; the starting process exits as reported through [`Ready`].
///
/// # Errors
/// Error of fork, setsid or opening /dev/null.
pub fn detach() -> io::Result<Ready> {
    let (reader, writer) = pipe()?;
    if fork()? == Side::Parent {
        drop(writer);
        let mut verdict = [1];
        let told = File::from(reader).read(&mut verdict).unwrap_or(0);
        std::process::exit(if told == 1 { i32::from(verdict[0]) } else { 1 });
    }
    drop(reader);
    // SAFETY: setsid takes no arguments and touches no memory of ours.
    if unsafe { libc::setsid() } < 0 {
        return Err(io::Error::last_os_error());
    }
    if fork()? == Side::Parent {
        // The first child: the daemon still holds the pipe's write end, so closing ours reports nothing.
        std::process::exit(0);
    }
    // SAFETY: umask takes a number and cannot fail.
    unsafe { libc::umask(0) };
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    for stream in 0..=2 {
        // SAFETY: both descriptors are valid; dup2 closes the old stream, which nobody else owns in this
        // process.
        if unsafe { libc::dup2(null.as_raw_fd(), stream) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(Ready { pipe: File::from(writer) })
}

#[derive(PartialEq, Eq)]
enum Side {
    Parent,
    Child,
}

fn fork() -> io::Result<Side> {
    // SAFETY: no other thread runs yet (see the top of this file), so the child may use all of the library.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Side::Child),
        _ => Ok(Side::Parent),
    }
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: pipe2 succeeded, so both are open descriptors that nobody else owns.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}
