//! Fatal signals: logged with a backtrace, then left to kill the process, as in nutcracker.
//!
//! Rust's own handlers for SIGSEGV and SIGBUS, which detect stack overflows, return once and rely on the
//! fault recurring. A signal sent by another process does not recur, so the first one would be swallowed.
//! Here a sent signal ends the process; one raised by the kernel goes on to Rust's handler.
//!
//! A handler may interrupt any code, including the allocator: it uses only async-signal-safe calls, and
//! writes to the log file itself instead of through the log's thread.

use std::cell::UnsafeCell;
use std::io;
use std::mem::MaybeUninit;

use libc::{c_int, c_void, siginfo_t};
use telemetry::log::crash_fd;

/// The signals, with their log texts. A panic ends the process by SIGABRT.
const SIGNALS: [(c_int, &str); 5] = [
    (libc::SIGSEGV, "[.......................] signal 11 (SIGSEGV) received, core dumping\n"),
    (libc::SIGBUS, "[.......................] signal 7 (SIGBUS) received, core dumping\n"),
    (libc::SIGILL, "[.......................] signal 4 (SIGILL) received, core dumping\n"),
    (libc::SIGFPE, "[.......................] signal 8 (SIGFPE) received, core dumping\n"),
    (libc::SIGABRT, "[.......................] signal 6 (SIGABRT) received, core dumping\n"),
];

/// Most frames of a backtrace, as in nutcracker.
#[cfg(target_env = "gnu")]
const FRAMES_MAX: usize = 64;

/// The previous action for each signal.
struct Before(UnsafeCell<[MaybeUninit<libc::sigaction>; SIGNALS.len()]>);

// SAFETY: written by `install` only, which runs once, before other threads exist and before a handler that
// reads it is set.
unsafe impl Sync for Before {}

static BEFORE: Before = Before(UnsafeCell::new([const { MaybeUninit::uninit() }; SIGNALS.len()]));

/// Installs the handlers. Call it once, before any thread is started.
///
/// # Errors
/// The system's error.
pub fn install() -> io::Result<()> {
    preload();
    for (index, (number, _)) in SIGNALS.iter().enumerate() {
        // SAFETY: a zeroed sigaction is a valid one; both pointers are to live memory of the right type, and
        // nobody else uses BEFORE yet.
        let set = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_fault as *const () as libc::sighandler_t;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&raw mut action.sa_mask);
            libc::sigaction(*number, &raw const action, (*BEFORE.0.get())[index].as_mut_ptr())
        };
        if set < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The handler.
extern "C" fn on_fault(number: c_int, info: *mut siginfo_t, _context: *mut c_void) {
    let found = SIGNALS.iter().position(|(known, _)| *known == number);
    let fd = crash_fd();
    if let Some(index) = found {
        write(fd, SIGNALS[index].1);
    }
    backtrace(fd);
    // SAFETY: the kernel gives a valid siginfo to a handler set with SA_SIGINFO.
    let was_sent = info.is_null() || unsafe { (*info).si_code } <= 0;
    let rusts = [libc::SIGSEGV, libc::SIGBUS].contains(&number);
    match found {
        // SAFETY: `install` filled the element before it set this handler; sigaction may be called in a
        // handler.
        Some(index) if rusts && !was_sent => unsafe {
            libc::sigaction(number, (*BEFORE.0.get())[index].as_ptr(), std::ptr::null_mut());
        },
        // The signal is blocked until this returns, and then kills.
        // SAFETY: both may be called in a handler.
        _ => unsafe {
            libc::signal(number, libc::SIG_DFL);
            libc::raise(number);
        },
    }
}

fn write(fd: c_int, text: &str) {
    // SAFETY: the pointer and the length are those of a live text. There is nobody to tell of an error.
    let _ = unsafe { libc::write(fd, text.as_ptr().cast(), text.len()) };
}

/// Loads the library that the first backtrace of a process needs: a handler must not load it.
#[cfg(target_env = "gnu")]
fn preload() {
    let mut frame = std::ptr::null_mut();
    // SAFETY: there is room for one frame.
    unsafe { libc::backtrace(&raw mut frame, 1) };
}

#[cfg(target_env = "gnu")]
fn backtrace(fd: c_int) {
    let mut frames = [std::ptr::null_mut(); FRAMES_MAX];
    // SAFETY: there is room for FRAMES_MAX frames; as many as were found are shown. Neither call allocates.
    unsafe {
        let found = libc::backtrace(frames.as_mut_ptr(), FRAMES_MAX as c_int);
        libc::backtrace_symbols_fd(frames.as_ptr(), found, fd);
    }
}

#[cfg(not(target_env = "gnu"))]
fn preload() {}

/// Does nothing: only the GNU library can print a backtrace in a handler.
#[cfg(not(target_env = "gnu"))]
fn backtrace(_fd: c_int) {}
