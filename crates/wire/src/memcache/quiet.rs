//! Replies that memcached does not send.

use super::{Command, Request, Status};

/// Replies to a request that memcached would not send, in a form small enough to keep with every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Silence {
    /// Sends every reply.
    #[default]
    Never,
    /// Sends no reply (`noreply`).
    Always,
    /// Hides a miss (`mg … q`).
    OnMiss,
    /// Hides plain success (`ms … q`, `md … q`).
    OnHeader,
    /// Hides success, with or without a value (`ma … q`).
    OnSuccess,
}

impl Silence {
    /// The silence that `request` asks for.
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

    /// True if a reply with this status must not be sent.
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

/// True if memcached would not have sent a reply with this status to `request`: any with `noreply`, only the
/// expected ones with the meta flag `q`, so that errors and surprises are seen.
///
/// As memcached 1.6.18: a miss for `mg`, success for `ms`, `md` and `ma` (also with a value). Later versions
/// also hide NF for `md` and `ma`.
pub fn suppressed(request: &Request, status: Status) -> bool {
    Silence::of(request).hides(status)
}
