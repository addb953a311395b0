//! Services: the parts of the process with threads of their own.

use std::time::Duration;

/// A running part of the process with threads of its own.
pub trait Service: Send {
    /// Stops gracefully; what is left after `deadline` is closed. Returns when its threads have ended.
    fn stop(self: Box<Self>, deadline: Duration);
}

/// Running services in the order of their start. They stop in the reverse order; those dropped, as by a start that fails
/// half way, stop at once.
#[derive(Default)]
pub struct Services {
    running: Vec<Box<dyn Service>>,
}

impl Services {
    /// Adds a service that was started last.
    pub fn push(&mut self, service: impl Service + 'static) {
        self.running.push(Box::new(service));
    }

    /// Stops all gracefully, each within `deadline`.
    pub fn stop(mut self, deadline: Duration) {
        self.stop_within(deadline);
    }

    fn stop_within(&mut self, deadline: Duration) {
        while let Some(service) = self.running.pop() {
            service.stop(deadline);
        }
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        self.stop_within(Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    struct Probe(&'static str, mpsc::Sender<(&'static str, Duration)>);

    impl Service for Probe {
        fn stop(self: Box<Self>, deadline: Duration) {
            self.1.send((self.0, deadline)).expect("the test listens");
        }
    }

    fn stopped(how: impl FnOnce(Services)) -> Vec<(&'static str, Duration)> {
        let (sender, receiver) = mpsc::channel();
        let mut services = Services::default();
        services.push(Probe("first", sender.clone()));
        services.push(Probe("second", sender));
        how(services);
        receiver.try_iter().collect()
    }

    #[test]
    fn services_stop_in_reverse_order_and_once() {
        let second = Duration::from_secs(1);
        assert_eq!(stopped(|services| services.stop(second)), [("second", second), ("first", second)]);
    }

    #[test]
    fn a_start_that_fails_stops_what_it_started_at_once() {
        assert_eq!(stopped(drop), [("second", Duration::ZERO), ("first", Duration::ZERO)]);
    }
}
