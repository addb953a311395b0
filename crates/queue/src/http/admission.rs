//! The API's request table, the sites that may send requests, admission of connections, and the record of
//! changes.
//!
//! Implements the interface that the server of crate `http` needs.

use ::http::answer::tls_required;
use ::http::{Changed, Link, LoginDesk, Names, Row};
use axum::body::Body;
use axum::http::Response;
use config::checked::TlsRequired;

use super::{Api, audit, rows};

impl ::http::Api for Api {
    fn rows(&self) -> &'static [Row<Api>] {
        rows::ROWS
    }

    fn names<T>(&self, with: impl FnOnce(&Names<'_>) -> T) -> T {
        let settings = self.settings();
        with(&Names {
            known: [&self.about.hostname, &settings.broadcast_address],
            listed: &settings.http_names,
            option: "http_names in [queue]",
        })
    }

    fn desk(&self) -> Option<&LoginDesk> {
        self.desk.as_deref()
    }

    fn changed(&self, change: &Changed) {
        if let Some((surroundings, change)) = self.surroundings.as_ref().zip(audit::described(change)) {
            surroundings.record(change);
        }
    }

    fn admit(&self, link: &Link) -> Result<(), Box<Response<Body>>> {
        let settings = self.settings();
        let tls = settings.tls.as_ref();
        if tls.is_some_and(|tls| tls.required == TlsRequired::Yes) && !link.tls {
            return Err(tls_required(self.about.https_port).into());
        }
        Ok(())
    }
}
