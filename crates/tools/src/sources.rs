//! Where messages come from: addresses of nsqds, or of lookupds that know them, and never both.

use config::go_flags::{Exit, FlagSpec};

use crate::command_line::{Values, refuse, texts};

pub(crate) const NSQD_TCP: FlagSpec =
    texts("nsqd-tcp-address", "nsqd TCP address (may be given multiple times)");
pub(crate) const NSQD_HTTP: FlagSpec =
    texts("nsqd-http-address", "nsqd HTTP address (may be given multiple times)");
pub(crate) const LOOKUPD_HTTP: FlagSpec =
    texts("lookupd-http-address", "lookupd HTTP address (may be given multiple times)");

/// Addresses as they were given: one of the lists is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sources {
    Nsqd(Vec<String>),
    Lookupd(Vec<String>),
}

impl Sources {
    /// The addresses of a command line. `nsqd_flag` names the flag for those of nsqds; `full_stop` ends the complaint that
    /// there are none (one tool has a full stop there).
    ///
    /// # Errors
    ///
    /// There are none, or of both kinds.
    pub(crate) fn of(values: &Values, nsqd_flag: &str, full_stop: &str) -> Result<Sources, Exit> {
        let nsqds = values.texts(nsqd_flag);
        let lookupds = values.texts(LOOKUPD_HTTP.name);
        match (nsqds.is_empty(), lookupds.is_empty()) {
            (true, true) => refuse(format!("--{nsqd_flag} or --{} required{full_stop}", LOOKUPD_HTTP.name)),
            (false, false) => refuse(format!("use --{nsqd_flag} or --{} not both", LOOKUPD_HTTP.name)),
            (false, true) => Ok(Sources::Nsqd(nsqds.to_vec())),
            (true, false) => Ok(Sources::Lookupd(lookupds.to_vec())),
        }
    }
}
