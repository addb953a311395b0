//! The first key of a request that is kept as bytes.

use wire::redis::{Command, Limits, Request, RequestScanner, Route, Scan};

/// The first key of a whole request; None if it is not sent by key.
pub(crate) fn first_key(bytes: &[u8]) -> Option<Vec<u8>> {
    let Scan::Done(request) = RequestScanner::new().scan(bytes, &Limits::default()) else { return None };
    let key = match request.route(bytes).ok()?.1 {
        Route::One(key) => key,
        Route::Same(mut keys) => keys.next()?,
        Route::Split(_, mut parts) => parts.next()?.key,
        _ => return None,
    };
    Some(key.bytes().to_vec())
}

/// The command of a request that was planned already.
#[cold]
pub(super) fn command_of(request: &Request, frame: &[u8]) -> Option<&'static Command> {
    request.route(frame).ok().map(|(command, _)| command)
}
