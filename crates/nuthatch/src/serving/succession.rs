//! Steps of an upgrade in the predecessor: what it releases, and how it takes that back.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::time::Duration;

use net::{Binder, Channel};
use telemetry::warn;
use wire::upgrade::Pool;

use super::data::DataTasks;
use super::{Serving, aside};
use crate::data_services::{self, Directory, RunningData, State};
use crate::discovery::Discovery;
use crate::lookup_snapshot;
use crate::proxy_service::ProxyService;
use crate::queue_service::{DataPath, QueueService};
use crate::service;
use crate::start::DataFront;
use crate::start_error::StartError;
use crate::upgrade::departures::Departures;

/// Interval between checks of the remaining clients.
const LOOK: Duration = Duration::from_millis(20);

impl Serving {
    /// Stops the queue and the lookup: pending requests are answered, and messages in flight are requeued
    /// without counting an attempt. Returns the state that the successor needs to continue.
    ///
    /// # Errors
    /// No thread can be started.
    pub async fn release_data(&mut self) -> io::Result<State> {
        let deadline = self.running.config.stop_timeout;
        self.data.end(deadline / 2).await;
        let services = &mut self.running.services;
        let (queue, lookup) = (services.take::<QueueService>(), services.take::<Discovery>());
        let mut state = State::default();
        if let Some(lookup) = &lookup {
            let snapshot = lookup_snapshot::share(&lookup.shard()).await;
            state.lookup = told("the lookup's snapshot", snapshot);
        }
        if let Some(queue) = &queue {
            state.directory = told("the queue's lock", queue.directory().share());
            queue.shard().send(queue::Mail::HandOver);
        }
        aside("release", move || {
            service::stop(queue, deadline);
            service::stop(lookup, deadline);
        })
        .await?;
        Ok(state)
    }

    /// Starts the queue and the lookup again, on the same sockets, after [`Serving::release_data`].
    ///
    /// # Errors
    /// The fault. A retry with the same state is possible.
    pub async fn take_back_data(&mut self, sockets: Vec<OwnedFd>, state: State) -> Result<(), StartError> {
        let (config, descriptors) = (self.running.config.clone(), self.running.descriptors.clone());
        let users = self.running.users.clone();
        let RunningData { lookup, queue } = aside("take back", move || {
            let directory = match (&config.queue, state.directory) {
                (Some(settings), given) => Directory::Taken(DataPath::take_over(&settings.data_path, given)?),
                (None, _) => Directory::Now,
            };
            let bound =
                data_services::bind(&config, &descriptors, &mut Binder::new(sockets), directory, &users)?;
            let state = State { directory: None, lookup: state.lookup };
            bound.open(&config, &descriptors, state)?.run(&config, &descriptors)
        })
        .await
        .map_err(|error| StartError::Other(error.to_string()))??;
        let mut front = DataFront::default();
        if let Some((lookup, http)) = lookup {
            front.lookup_http = Some(http);
            if let Some(view) = &self.running.views.lookup {
                view.set(lookup.shard());
            }
            self.running.services.add(lookup);
        }
        if let Some(mut queue) = queue {
            (front.jobs, front.http) = (queue.jobs.take(), queue.http.take());
            if let Some(view) = &self.running.views.queue {
                view.set(queue.shard());
            }
            self.running.services.add(queue);
        }
        self.data = DataTasks::begin(front, &self.log, &self.queue_api, &self.running.watch);
        Ok(())
    }

    /// Number of the next client of a pool.
    pub fn client_number(&self) -> u64 {
        let proxy = self.running.services.get::<ProxyService>();
        proxy.map_or(1, |proxy| proxy.client_numbers.load(Ordering::Relaxed))
    }

    /// Leaves all listeners to the successor, and hands over clients of pools as they become idle.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn hand_over(&mut self, successor: Channel, pools: Vec<Pool>) -> io::Result<()> {
        self.ports.close();
        self.stop.send_replace(true);
        let shards =
            self.running.services.get::<ProxyService>().map(ProxyService::handles).unwrap_or_default();
        self.departures = Some(Departures::begin(successor, pools, shards)?);
        Ok(())
    }

    /// Waits until no client of a pool is left, at most `drain_timeout`. Returns how many were handed over.
    pub async fn drained(&self) -> u64 {
        let left = async {
            while self.clients() > 0 {
                tokio::time::sleep(LOOK).await;
            }
        };
        let _ = tokio::time::timeout(self.running.config.drain_timeout, left).await;
        self.departures.as_ref().map_or(0, Departures::gone)
    }

    /// Clients of pools, including those being handed over.
    pub fn clients(&self) -> u64 {
        let pools = self.running.registry.pools();
        let here: u64 = pools.iter().filter_map(|pool| pool.get("client_connections")).sum();
        here + self.departures.as_ref().map_or(0, |departures| departures.under_way() as u64)
    }
}

/// A file for the successor, which can do without it.
fn told(what: &str, file: io::Result<File>) -> Option<File> {
    file.inspect_err(|error| warn!(what, %error, "cannot be handed over")).ok()
}
