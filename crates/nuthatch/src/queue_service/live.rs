//! Other settings for a running queue: everything is prepared first, then applied.
//!
//! ```text
//! prepare: certificates, keys, authorities are read ── a fault: nothing has changed
//! apply:   shard (acknowledges) ▸ HTTP API ▸ certificate of HTTPS ▸ lookups, authorization ▸ statsd
//! ```
//! The data path and the listeners stay as they are; the reload reports that.

use std::net::SocketAddr;
use std::sync::Arc;

use access::Book;
use config::checked;
use http::ServerTls;
use net::Handle;
use queue::http::Api;
use queue::request::{Reply, Request};
use queue::{Configuration, Mail};
use rustls::{ClientConfig, ServerConfig};
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;

use super::ask::ask;
use super::lookups::Lookups;
use super::{outside, tls};

/// Parts of a running queue that settings affect.
pub struct Parts {
    /// Settings that it was started with.
    pub settings: Arc<checked::Queue>,
    /// Its shard.
    pub shard: Handle<Mail>,
    /// Its HTTP API.
    pub api: Arc<Api>,
    /// TLS in use for clients, with the keys of its tickets; None without TLS.
    pub tls: Option<Arc<ServerConfig>>,
    /// Replaces the certificate of the HTTPS listener; None without TLS.
    pub certificate: Option<watch::Sender<ServerTls>>,
    /// Its lookups.
    pub lookups: Lookups,
    /// Address of the lookup of this process.
    pub own_lookup: Option<SocketAddr>,
    /// Address for clients; None for a unix socket.
    pub tcp: Option<SocketAddr>,
    /// Port of plain HTTP; 0 for none.
    pub http_port: u16,
}

/// A running queue whose settings can be replaced.
pub struct Live {
    parts: Parts,
    statsd: Option<AbortHandle>,
}

/// Settings ready to be applied.
pub struct Prepared {
    settings: Arc<checked::Queue>,
    tls: Option<Arc<ServerConfig>>,
    authorities: Option<Arc<ClientConfig>>,
    users: Book,
}

impl Live {
    /// Starts to push statistics. Needs a tokio runtime.
    pub(super) fn new(parts: Parts) -> Live {
        let mut live = Live { parts, statsd: None };
        live.push();
        live
    }

    /// Reads the files that `new` names, without changing anything.
    ///
    /// # Errors
    /// The fault of the files, in a sentence.
    pub fn prepare(new: &checked::Queue, users: Book) -> Result<Prepared, String> {
        Ok(Prepared {
            settings: Arc::new(new.clone()),
            tls: tls::server(new)?,
            authorities: tls::client(new)?,
            users,
        })
    }

    /// Keeps the TLS in use in `new`, whose files and TLS settings have not changed: clients resume their
    /// sessions by the tickets they have.
    pub fn keep_tls(&self, new: &mut Prepared) {
        new.tls.clone_from(&self.parts.tls);
    }

    /// Applies settings; returns once the shard has them. Lookups set through `/config` stay, unless the new
    /// settings name other lookups than the old ones. False if the queue has stopped.
    pub async fn apply(&mut self, new: Prepared) -> bool {
        let Prepared { settings, tls, authorities, users } = new;
        let (sender, answer) = oneshot::channel();
        let reply = Reply(Box::new(move |answer| drop(sender.send(answer))));
        let configuration =
            Configuration { settings: checked::Queue::clone(&settings), tls: tls.clone(), users };
        let asked = Mail::Request(Request::Configure(Box::new(configuration)), reply);
        if !self.parts.shard.send(asked) || answer.await.is_err() {
            return false;
        }
        let parts = &mut self.parts;
        parts.api.configure(Arc::clone(&settings));
        parts.tls.clone_from(&tls);
        if let (Some(certificate), Some(tls)) = (&parts.certificate, tls) {
            certificate.send_replace(tls::https(&tls, &settings));
        }
        let lookups = |settings| outside::lookup_addresses(settings, parts.own_lookup);
        if lookups(&parts.settings) != lookups(&settings) {
            parts.lookups.set(lookups(&settings));
        }
        let outward = outside::outward(&settings, authorities, parts.tcp, parts.http_port);
        parts.lookups.configure(outward).await;
        let same_statsd = settings.statsd == parts.settings.statsd
            && settings.broadcast_address == parts.settings.broadcast_address
            && settings.broadcast_http_port == parts.settings.broadcast_http_port;
        parts.settings = settings;
        if !same_statsd {
            self.push();
        }
        true
    }

    /// Restarts the push to statsd with the current settings.
    fn push(&mut self) {
        if let Some(task) = self.statsd.take() {
            task.abort();
        }
        let settings = &self.parts.settings;
        if let Some(statsd) = settings.statsd.clone() {
            let port = settings.advertised_http_port(self.parts.http_port);
            let address = settings.broadcast_address.clone();
            let pushing = queue::push::push(statsd, address, port, ask(&self.parts.shard));
            self.statsd = Some(tokio::spawn(pushing).abort_handle());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use config::checked::{ClientAuth, Queue, Tls, TlsRequired};
    use config::native;
    use net::Binder;

    use super::*;
    use crate::descriptors::Descriptors;
    use crate::queue_service::{DataPath, bind};
    use crate::service::Service;
    use crate::users::ProcessUsers;

    fn settings(data_path: &Path, more: &str) -> Queue {
        let path = data_path.display();
        let text = format!(
            "[queue]\ntcp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\ndata_path = \"{path}\"\n{more}\n"
        );
        let report = native::check(&text, 1);
        report.config.and_then(|config| config.queue).expect("a good file")
    }

    /// The answer to bytes sent to an address; the connection is closed afterwards, or idle.
    async fn exchange(address: SocketAddr, bytes: Vec<u8>, enough: fn(&[u8]) -> bool) -> String {
        let talk = move || {
            let mut socket = TcpStream::connect(address).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            socket.write_all(&bytes).unwrap();
            let (mut answer, mut buffer) = (Vec::new(), [0; 1024]);
            while !enough(&answer) {
                match socket.read(&mut buffer).unwrap() {
                    0 => break,
                    n => answer.extend_from_slice(&buffer[..n]),
                }
            }
            String::from_utf8_lossy(&answer).into_owned()
        };
        tokio::task::spawn_blocking(talk).await.unwrap()
    }

    async fn http(address: SocketAddr, request: &str, body: &str) -> String {
        let size = body.len();
        let text = format!(
            "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n{body}"
        );
        exchange(address, text.into_bytes(), |_| false).await
    }

    async fn publish(address: SocketAddr, body: &str) -> String {
        let size = u32::try_from(body.len()).unwrap().to_be_bytes();
        let command = [b"  V2PUB t\n", &size[..], body.as_bytes()].concat();
        exchange(address, command, |answer| answer.len() >= 10).await
    }

    #[test]
    fn settings_reach_the_shard_the_api_and_the_lookups() {
        let directory = tempfile::tempdir().unwrap();
        let old = settings(directory.path(), "");
        let config = config::checked::Config { queue: Some(old.clone()), ..native::default(1) };
        let descriptors = Descriptors::share_out(&config);
        let users = ProcessUsers::new(&config).unwrap();
        let bound = bind(&old, &descriptors, &mut Binder::default(), &users).map_err(drop).unwrap();
        let lock = DataPath::lock(directory.path()).unwrap();
        let opened = bound.open(&old, lock, &descriptors, None).map_err(drop).unwrap();
        let mut service = opened.run(None).map_err(drop).unwrap();
        let tcp = service.bound.unwrap();
        let api: SocketAddr = service.http_listening[0].1.parse().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (stop, stopping) = watch::channel(false);
            let (_, log) = telemetry::log::Options::default().open().unwrap().start().unwrap();
            let mut serving = service.http.take().unwrap().spawn(&log, &stopping);
            let live = serving.live.as_mut().unwrap();
            tokio::spawn(service.jobs.take().unwrap().serve());
            let body = "more than ten bytes";
            assert!(publish(tcp, body).await.ends_with("OK"));
            assert!(http(api, "POST /pub?topic=t", body).await.starts_with("HTTP/1.1 200"));

            let (cert, key) = (PathBuf::from("/no/cert.pem"), PathBuf::from("/no/key.pem"));
            let tls = Tls { cert, key, client_auth: ClientAuth::None, required: TlsRequired::No };
            let bad = Queue { tls: Some(tls), max_msg_size: 10, ..old.clone() };
            let fault = Live::prepare(&bad, Book::default()).map(drop).unwrap_err();
            assert!(fault.contains("/no/cert.pem"), "{fault}");
            assert!(publish(tcp, body).await.ends_with("OK"), "nothing has changed");

            let more = "max_msg_size = 10\nnsqlookupd_tcp_addresses = [\"127.0.0.1:1\"]";
            let new = settings(directory.path(), more);
            assert!(live.apply(Live::prepare(&new, Book::default()).unwrap()).await);
            let refused = publish(tcp, body).await;
            assert!(refused.contains("E_BAD_MESSAGE PUB message too big 19 > 10"), "{refused}");
            let refused = http(api, "POST /pub?topic=t", body).await;
            assert!(refused.contains("MSG_TOO_BIG"), "{refused}");
            assert!(http(api, "GET /config/max_msg_size", "").await.ends_with("\r\n\r\n10"));
            let lookups = http(api, "GET /config/nsqlookupd_tcp_addresses", "").await;
            assert!(lookups.ends_with(r#"["127.0.0.1:1"]"#), "{lookups}");

            assert!(live.apply(Live::prepare(&old, Book::default()).unwrap()).await);
            assert!(publish(tcp, body).await.ends_with("OK"));
            stop.send_replace(true);
            serving.finish(Duration::from_secs(5)).await;
        });
        Box::new(service).stop(Duration::from_secs(5));
    }
}
