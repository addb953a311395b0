//! Which replies memcached does not send.

use super::{Command, Request, Status};

/// True if memcached would not have sent a reply with this status to `request`: all of them if it said `noreply`; with
/// the meta flag `q` only the expected ones, so that errors and surprises are seen.
///
/// As memcached 1.6.18: a miss for `mg`, success for `ms`, `md` and `ma` (also with a value). Later versions also hide
/// NF for `md` and `ma`.
pub fn suppressed(request: &Request, status: Status) -> bool {
    if request.noreply() {
        return true;
    }
    if !request.quiet() {
        return false;
    }
    match request.command() {
        Command::MetaGet => status == Status::Miss,
        Command::MetaSet | Command::MetaDelete => status == Status::Header,
        Command::MetaArithmetic => matches!(status, Status::Header | Status::Value),
        _ => false,
    }
}
