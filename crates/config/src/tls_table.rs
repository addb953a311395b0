//! The TLS tables `tls` and `server_tls`, and listeners in table form: from settings to checked values.

use std::path::PathBuf;

use crate::checked::{
    ClientCertificate, Pool, PoolListen, TlsToClients, TlsToServers, TlsVersion, WrittenListen,
};
use crate::fault::Fault;
use crate::setting::Setting;
use crate::settings::Settings;

/// The table `tls`. None if there are faults.
pub(crate) fn to_clients(read: &Settings, faults: &mut Vec<Fault>) -> Option<TlsToClients> {
    let client_ca = path(read, "client_ca");
    let client_auth = match read.text("client_auth").and_then(ClientCertificate::of) {
        Some(written) => written,
        None if client_ca.is_some() => ClientCertificate::Required,
        None => ClientCertificate::None,
    };
    let mut fail = |option: &str, text: &str, help: &str| {
        faults.push(Fault::error(read.place(option), format!("tls: {text}"), help));
        None
    };
    if client_auth != ClientCertificate::None && client_ca.is_none() {
        let text = format!("client_auth = \"{}\" without client_ca", client_auth.name());
        return fail("client_auth", &text, "name the file of the authorities: client_ca = \"...\"");
    }
    let client_names = read.texts("client_names").to_vec();
    if !client_names.is_empty() && client_auth == ClientCertificate::None {
        return fail("client_names", "client_names without certificates of clients", "set client_ca");
    }
    if read.faulty {
        return None;
    }
    Some(TlsToClients {
        cert: path(read, "cert")?,
        key: path(read, "key")?,
        client_ca,
        client_auth,
        client_names,
        min_version: version(read),
    })
}

/// The table `server_tls`. None if there are faults.
pub(crate) fn to_servers(read: &Settings, faults: &mut Vec<Fault>) -> Option<TlsToServers> {
    let (cert, key) = (path(read, "cert"), path(read, "key"));
    for (one, other) in [("cert", "key"), ("key", "cert")] {
        if read.written(one) && !read.written(other) {
            let text = format!("server_tls: {one} without {other}");
            faults.push(Fault::error(read.place(one), text, format!("add {other} = \"...\"")));
            return None;
        }
    }
    (!read.faulty).then(|| TlsToServers {
        ca: path(read, "ca"),
        identity: cert.zip(key),
        server_name: read.text("server_name").map(Into::into),
        min_version: version(read),
    })
}

/// A listener in table form. None if there are faults.
pub(crate) fn listener(read: &Settings) -> Option<WrittenListen> {
    let Some(Setting::Listens(listens)) = read.get("address") else { return None };
    Some(WrittenListen { address: listens.first()?.clone(), tls: Some(read.flag("tls")) })
}

/// The listeners of a pool. One that does not specify TLS uses it if the pool has `tls` and no other
/// listener specifies that it does.
pub(crate) fn listeners(written: &[WrittenListen], has_tls: bool) -> Vec<PoolListen> {
    let by_default = has_tls && !written.iter().any(|listen| listen.tls == Some(true));
    let listener =
        |it: &WrittenListen| PoolListen { address: it.address.clone(), tls: it.tls.unwrap_or(by_default) };
    written.iter().map(listener).collect()
}

/// The listeners of a pool in written form.
pub(crate) fn written_listeners(pool: &Pool) -> Vec<WrittenListen> {
    let tls = |listen: &PoolListen| pool.tls.is_some().then_some(listen.tls);
    pool.listen.iter().map(|it| WrittenListen { address: it.address.clone(), tls: tls(it) }).collect()
}

fn path(read: &Settings, name: &str) -> Option<PathBuf> {
    read.text(name).map(Into::into)
}

fn version(read: &Settings) -> TlsVersion {
    read.text("min_version").and_then(TlsVersion::spoken).unwrap_or(TlsVersion::Tls12)
}
