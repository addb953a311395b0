//! The statistics and the admin port while they are served: each can be added, removed and moved.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use admin::Watch;
use axum::Router;
use config::checked::Listen;
use http::{Places, ServerTls};
use net::{Binder, SocketFile};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::admin_port::AdminTls;
use crate::control_port::ControlPort;
use crate::start_error::{Place, StartError};
use crate::{admin_port, stats_port};

/// Longest wait for clients of both ports at the end of the process.
const END_PATIENCE: Duration = http::FIRST_REQUEST;

/// Returns nutcracker's statistics document.
pub(super) type Document = Arc<dyn Fn() -> String + Send + Sync>;

/// The served statistics and admin ports.
pub(super) struct Ports {
    document: Document,
    admin_tls: watch::Receiver<Option<ServerTls>>,
    watch: Arc<Watch>,
    /// The service of the admin port.
    router: Router,
    stats: Option<Served>,
    admin: Option<Served>,
}

/// A port being served.
struct Served {
    task: AbortHandle,
    /// File of its unix socket.
    file: Option<SocketFile>,
    places: Arc<Places>,
}

impl Ports {
    /// No port is served yet.
    pub(super) fn new(document: Document, admin_tls: &AdminTls, watch: Arc<Watch>, router: Router) -> Ports {
        Ports { document, admin_tls: admin_tls.subscribe(), watch, router, stats: None, admin: None }
    }

    /// Serves the statistics at this port only. Connected clients still get
    /// their answers. Needs a tokio runtime.
    pub(super) fn serve_stats(&mut self, port: Option<ControlPort>) {
        let document = &self.document;
        let served = port.map(|port| {
            let (file, places) = (port.file(), port.places());
            let task = tokio::spawn(stats_port::serve(port, Arc::clone(document))).abort_handle();
            Served { task, file, places }
        });
        replace(&mut self.stats, served);
    }

    /// As [`Ports::serve_stats`] for the admin port.
    pub(super) fn serve_admin(&mut self, port: Option<ControlPort>) {
        let (tls, watch, router) = (&self.admin_tls, &self.watch, &self.router);
        let served = port.map(|port| {
            let (watch, router) = (Arc::clone(watch), router.clone());
            let (file, places) = (port.file(), port.places());
            let task = tokio::spawn(admin_port::serve(port, tls.clone(), watch, router)).abort_handle();
            Served { task, file, places }
        });
        replace(&mut self.admin, served);
    }

    /// Stops serving both: a successor serves the same sockets.
    pub(super) fn close(&mut self) {
        for served in [self.stats.take(), self.admin.take()].into_iter().flatten() {
            served.task.abort();
        }
    }

    /// Accepts no more clients, and answers those that were accepted.
    pub(super) async fn end(&mut self) {
        let served: Vec<Served> = [self.stats.take(), self.admin.take()].into_iter().flatten().collect();
        for Served { task, .. } in &served {
            task.abort();
        }
        let answered = async {
            // An accept under way has ended after this.
            tokio::task::yield_now().await;
            for Served { places, .. } in &served {
                places.all_answered().await;
            }
        };
        let _ = timeout(END_PATIENCE, answered).await;
    }
}

/// Stops the port in `served`, if any, and removes its socket file.
fn replace(served: &mut Option<Served>, by: Option<Served>) {
    if let Some(before) = std::mem::replace(served, by) {
        before.task.abort();
        if let Some(file) = before.file {
            let _ = file.remove();
        }
    }
}

/// Transition of a port to another configuration.
pub(super) enum PortStep {
    /// No change.
    Same,
    /// The file of its unix socket gets another mode.
    Mode(PathBuf, u32),
    /// Moved to another address.
    Moved(ControlPort),
    /// Removed.
    Gone,
}

impl PortStep {
    /// Binds new addresses. Resolves names, which may block.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub(super) fn prepare(
        place: Place,
        old: Option<&Listen>,
        new: Option<&Listen>,
    ) -> Result<PortStep, StartError> {
        match (old, new) {
            (old, new) if old == new => Ok(PortStep::Same),
            (_, None) => Ok(PortStep::Gone),
            (Some(Listen::Unix { path: old, .. }), Some(Listen::Unix { path, mode })) if old == path => {
                Ok(mode.map_or(PortStep::Same, |mode| PortStep::Mode(path.clone(), mode)))
            }
            (_, Some(listen)) => ControlPort::bind(listen, &mut Binder::default())
                .map(PortStep::Moved)
                .map_err(|error| StartError::Listen(place, listen.clone(), error)),
        }
    }

    /// The port to serve; the outer None means no change.
    ///
    /// # Errors
    /// The system's error: the mode cannot be set.
    #[allow(clippy::option_option, reason = "the same port, another one, or none")]
    pub(super) fn take(self) -> io::Result<Option<Option<ControlPort>>> {
        match self {
            PortStep::Same => Ok(None),
            PortStep::Mode(path, mode) => {
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map(|()| None)
            }
            PortStep::Moved(port) => Ok(Some(Some(port))),
            PortStep::Gone => Ok(Some(None)),
        }
    }
}
