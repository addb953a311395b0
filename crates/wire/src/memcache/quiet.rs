//! Replies that memcached does not send.

use super::{Command, Request, Status};

/// Replies to a request that memcached would not send: small enough to be kept with every request on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Silence {
    /// Every reply is sent.
    #[default]
    Never,
    /// None is (`noreply`).
    Always,
    /// A miss is not (`mg … q`).
    OnMiss,
    /// Plain success is not (`ms … q`, `md … q`).
    OnHeader,
    /// Success is not, with a value or without (`ma … q`).
    OnSuccess,
}

impl Silence {
    /// The form of `request`.
    pub fn of(request: &Request) -> Silence {
        if request.noreply() {
            return Silence::Always;
        }
        match request.command() {
            _ if !request.quiet() => Silence::Never,
            Command::MetaGet => Silence::OnMiss,
            Command::MetaSet | Command::MetaDelete => Silence::OnHeader,
            Command::MetaArithmetic => Silence::OnSuccess,
            _ => Silence::Never,
        }
    }

    /// True if a reply with this status is not to be sent.
    pub fn hides(self, status: Status) -> bool {
        match self {
            Silence::Never => false,
            Silence::Always => true,
            Silence::OnMiss => status == Status::Miss,
            Silence::OnHeader => status == Status::Header,
            Silence::OnSuccess => matches!(status, Status::Header | Status::Value),
        }
    }
}

/// True if memcached would not have sent a reply with this status to `request`: all of them if it said
/// `noreply`; with the meta flag `q` only the expected ones, so that errors and surprises are seen.
///
/// As memcached 1.6.18: a miss for `mg`, success for `ms`, `md` and `ma` (also with a value). Later versions
/// also hide NF for `md` and `ma`.
pub fn suppressed(request: &Request, status: Status) -> bool {
    Silence::of(request).hides(status)
}
