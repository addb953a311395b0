//! A service: a part of the process with threads of its own.

use std::any::Any;
use std::time::Duration;

/// A running part of the process with threads of its own.
pub trait Service: Any + Send {
    /// Accepts no more clients; those that it has are served as before.
    fn close_listeners(&self);

    /// Stops gracefully; closes what is left after `deadline`. Returns when its threads have ended.
    fn stop(self: Box<Self>, deadline: Duration);
}

/// Stops a service if it runs.
pub fn stop(service: Option<Box<impl Service>>, deadline: Duration) {
    if let Some(service) = service {
        service.stop(deadline);
    }
}
