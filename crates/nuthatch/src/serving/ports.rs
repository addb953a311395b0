//! The statistics and the admin port while they are served: each can come, go and move to another address.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use admin::Watch;
use admin::actions::Actor;
use config::checked::Listen;
use http::LoginDesk;
use net::tls::ServerConfig;
use net::{Binder, SocketFile};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::admin_port::AdminTls;
use crate::control_port::ControlPort;
use crate::start_error::{Place, StartError};
use crate::{admin_port, stats_port};

/// Gives nutcracker's document.
pub(super) type Document = Arc<dyn Fn() -> String + Send + Sync>;

/// See the top of this file.
pub(super) struct Ports {
    document: Document,
    admin_tls: watch::Receiver<Option<Arc<ServerConfig>>>,
    watch: Arc<Watch>,
    actor: Arc<dyn Actor>,
    desk: Arc<LoginDesk>,
    stats: Option<Served>,
    admin: Option<Served>,
}

/// A port that is served.
struct Served {
    task: AbortHandle,
    /// File of its unix socket.
    file: Option<SocketFile>,
}

impl Ports {
    /// Nothing is served yet.
    pub(super) fn new(
        document: Document,
        admin_tls: &AdminTls,
        watch: Arc<Watch>,
        actor: Arc<dyn Actor>,
        desk: Arc<LoginDesk>,
    ) -> Ports {
        Ports { document, admin_tls: admin_tls.subscribe(), watch, actor, desk, stats: None, admin: None }
    }

    /// Serves the statistics at this port, and nowhere else. Clients that are there get their answers. Needs
    /// a tokio runtime.
    pub(super) fn serve_stats(&mut self, port: Option<ControlPort>) {
        let document = &self.document;
        let served = port.map(|port| {
            let file = port.file();
            let task = tokio::spawn(stats_port::serve(port, Arc::clone(document))).abort_handle();
            Served { task, file }
        });
        replace(&mut self.stats, served);
    }

    /// As [`Ports::serve_stats`] for the admin port.
    pub(super) fn serve_admin(&mut self, port: Option<ControlPort>) {
        let (tls, watch) = (&self.admin_tls, &self.watch);
        let (actor, desk) = (&self.actor, &self.desk);
        let served = port.map(|port| {
            let (watch, actor, desk) = (Arc::clone(watch), Arc::clone(actor), Arc::clone(desk));
            let file = port.file();
            let task = tokio::spawn(admin_port::serve(port, tls.clone(), watch, actor, desk)).abort_handle();
            Served { task, file }
        });
        replace(&mut self.admin, served);
    }

    /// Serves neither any more: another process does, at the same sockets.
    pub(super) fn close(&mut self) {
        for served in [self.stats.take(), self.admin.take()].into_iter().flatten() {
            served.task.abort();
        }
    }
}

/// Ends what was served, if anything was, with the file of its socket.
fn replace(served: &mut Option<Served>, by: Option<Served>) {
    if let Some(before) = std::mem::replace(served, by) {
        before.task.abort();
        if let Some(file) = before.file {
            let _ = file.remove();
        }
    }
}

/// The step of a port to another configuration.
pub(super) enum PortStep {
    /// It stays as it is.
    Same,
    /// The file of its unix socket gets another mode.
    Mode(PathBuf, u32),
    /// It is served there from then on.
    Moved(ControlPort),
    /// It goes.
    Gone,
}

impl PortStep {
    /// Binds what is new. Names are resolved: this may wait.
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

    /// The port to be served from now on; the outer None: nothing changes there.
    ///
    /// # Errors
    /// The system's: the mode cannot be set.
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
