//! Everything bound, before anything runs or touches a file of messages.

use config::checked::{Config, Listen};
use net::Binder;
use proxy::Generation;

use crate::control_port::ControlPort;
use crate::data_services::{self, BoundData, Directory};
use crate::descriptors::Descriptors;
use crate::nsqadmin::{self, Admin};
use crate::proxy_service::{self, BoundProxy};
use crate::start_error::{Place, StartError};
use crate::users::ProcessUsers;

/// The listeners of a process, and the queue's directory if it is opened now.
pub(super) struct Bound {
    pub(super) stats: Option<ControlPort>,
    pub(super) admin: Option<ControlPort>,
    pub(super) nsqadmin: Option<Admin>,
    pub(super) proxy: Option<BoundProxy>,
    pub(super) data: BoundData,
}

impl Bound {
    /// Binds everything configured; `generation` holds the pools of `config`.
    ///
    /// # Errors
    /// The fault; each face words it in its own way.
    pub(super) fn new(
        config: &Config,
        generation: &Generation,
        descriptors: &Descriptors,
        binder: &mut Binder,
        directory: Directory,
        users: &ProcessUsers,
    ) -> Result<Bound, StartError> {
        let mut port = |place, listen: Option<&Listen>| {
            let bind = |listen: &Listen| {
                ControlPort::bind(listen, binder)
                    .map_err(|error| StartError::Listen(place, listen.clone(), error))
            };
            listen.map(bind).transpose()
        };
        let stats = port(Place::Stats, config.stats.as_ref().map(|stats| &stats.listen))?;
        let admin = port(Place::Admin, config.admin.as_ref().map(|admin| &admin.listen))?;
        let http_max = descriptors.shares.http;
        let nsqadmin = config.nsqadmin.as_ref();
        let nsqadmin = nsqadmin.map(|settings| nsqadmin::start(settings, http_max, binder)).transpose()?;
        let proxy = if config.pools.is_empty() {
            None
        } else {
            Some(proxy_service::bind(generation, config.threads, binder)?)
        };
        let data = data_services::bind(config, descriptors, binder, directory, users)?;
        Ok(Bound { stats, admin, nsqadmin, proxy, data })
    }
}
