//! The running services, a list: a product is one entry, found by its type.

use std::any::Any;
use std::time::Duration;

use crate::service::Service;

/// Running services in the order of their start. Dropping them, as a failed start does, stops them at once.
#[derive(Default)]
pub struct Services(Vec<Box<dyn Service>>);

impl Services {
    /// Adds a service that has just been started, after those that it relies on.
    pub fn add(&mut self, service: impl Service) {
        self.0.push(Box::new(service));
    }

    /// The service of this type, if it runs.
    pub fn get<S: Service>(&self) -> Option<&S> {
        self.0.iter().find_map(|service| (&**service as &dyn Any).downcast_ref())
    }

    /// The service of this type, if it runs, to be changed.
    pub fn get_mut<S: Service>(&mut self) -> Option<&mut S> {
        self.0.iter_mut().find_map(|service| (&mut **service as &mut dyn Any).downcast_mut())
    }

    /// Takes the service of this type out of the list; it goes on running.
    pub fn take<S: Service>(&mut self) -> Option<Box<S>> {
        let at = self.0.iter().position(|service| (&**service as &dyn Any).is::<S>())?;
        (self.0.remove(at) as Box<dyn Any>).downcast().ok()
    }

    /// Makes all accept no more clients.
    pub fn close_listeners(&self) {
        self.0.iter().for_each(|service| service.close_listeners());
    }

    /// Stops all gracefully, each within `deadline`, the last one first: services rely on earlier ones.
    pub fn stop(mut self, deadline: Duration) {
        self.stop_within(deadline);
    }

    fn stop_within(&mut self, deadline: Duration) {
        while let Some(service) = self.0.pop() {
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
    use std::sync::{Arc, Mutex};

    use super::*;

    type Stopped = Arc<Mutex<Vec<(&'static str, Duration)>>>;

    struct First(Stopped);
    struct Second(Stopped);

    impl Service for First {
        fn close_listeners(&self) {}

        fn stop(self: Box<Self>, deadline: Duration) {
            self.0.lock().unwrap().push(("first", deadline));
        }
    }

    impl Service for Second {
        fn close_listeners(&self) {}

        fn stop(self: Box<Self>, deadline: Duration) {
            self.0.lock().unwrap().push(("second", deadline));
        }
    }

    fn both() -> (Services, Stopped) {
        let (mut services, stopped) = (Services::default(), Stopped::default());
        services.add(First(stopped.clone()));
        services.add(Second(stopped.clone()));
        (services, stopped)
    }

    #[test]
    fn the_last_started_stops_first() {
        let (services, stopped) = both();
        services.stop(Duration::from_secs(1));
        let (second, first) = (("second", Duration::from_secs(1)), ("first", Duration::from_secs(1)));
        assert_eq!(*stopped.lock().unwrap(), [second, first]);
        let (services, stopped) = both();
        drop(services);
        assert_eq!(*stopped.lock().unwrap(), [("second", Duration::ZERO), ("first", Duration::ZERO)]);
    }

    #[test]
    fn a_service_is_found_by_its_type_until_it_is_taken() {
        let (mut services, stopped) = both();
        assert!(services.get::<First>().is_some() && services.get_mut::<Second>().is_some());
        let second = services.take::<Second>().unwrap();
        assert!(services.get::<Second>().is_none() && services.take::<Second>().is_none());
        drop(services);
        assert_eq!(*stopped.lock().unwrap(), [("first", Duration::ZERO)]);
        drop(second);
        assert_eq!(stopped.lock().unwrap().len(), 1);
    }
}
