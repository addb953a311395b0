//! Commands about the server: `flush_all`, `version`, `verbosity`, `mn`, `quit`.
//!
//! A flush drops everything at once, or at a later time that the store keeps. The owner of the connection
//! handles its state (closing after `quit`, the order that `mn` waits for).

use super::exptime::deadline_ms;
use super::number::{signed_32, unsigned_32};
use super::refusal::{BAD_FORMAT, Refusal};
use super::request::Request;

/// The memcached version that the embedded cache emulates.
pub const VERSION: &str = "1.6.18";

/// `flush_all [exptime] [noreply]`
pub(super) fn flush_all(request: &mut Request<'_>) -> Result<(), Refusal> {
    request.unless_noreply(|request| {
        let bare = if request.noreply { 2 } else { 1 };
        let exptime = if request.words.count() == bare {
            0
        } else {
            signed_32(request.words.get(1)).ok_or("CLIENT_ERROR invalid exptime argument")?
        };
        request.store.commands.flushes += 1;
        if exptime > 0 {
            let at_ms = deadline_ms(exptime, request.now_s).saturating_add(1);
            request.store.clear_at(at_ms);
            let now_ms = request.now_ms();
            request.store.tick(now_ms);
        } else {
            request.store.clear();
            // Items older than this number are flushed, so memcached takes one.
            request.store.cas_next();
        }
        request.answer("OK")
    })
}

/// `version`
pub(super) fn version(request: &mut Request<'_>) -> Result<(), Refusal> {
    request.answer(&format!("VERSION {VERSION}"))
}

/// `verbosity level [noreply]`: nothing to set here.
pub(super) fn verbosity(request: &mut Request<'_>) -> Result<(), Refusal> {
    request.unless_noreply(|request| {
        unsigned_32(request.words.get(1)).ok_or(BAD_FORMAT)?;
        request.answer("OK")
    })
}

/// `mn`: its answer shows that everything before it was answered.
pub(super) fn noop(request: &mut Request<'_>) -> Result<(), Refusal> {
    request.answer("MN")
}

/// `quit`: the connection does the closing.
pub(super) fn quit(_: &mut Request<'_>) -> Result<(), Refusal> {
    Ok(())
}
