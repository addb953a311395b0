//! `[pool.NAME]`.

use super::Section;
use super::value::{bytes, duration_or_off, path};
use crate::checked::{HedgeAfter, Pool, Protocol, Server, Target, Topology};
use crate::endpoint::show_target;
use crate::options::Scope;
use crate::secret::Secret;
use crate::setting::Setting;
use crate::tls_table;

pub(crate) fn pool(pool: &Pool) -> Section {
    let integer = |value: u32| Some(Setting::Integer(value.into()));
    let has_masters = pool.discovery.topology == Topology::Sentinel;
    let sentinels = &pool.discovery.sentinels;
    let settings = [
        ("protocol", Setting::text(pool.protocol.name())),
        ("listen", Some(Setting::WrittenListens(tls_table::written_listeners(pool)))),
        ("tls", pool.tls.clone().map(Setting::Tls)),
        ("server_tls", pool.server_tls.clone().map(Setting::ServerTls)),
        ("servers", (!has_masters).then(|| Setting::Servers(pool.servers.clone()))),
        ("topology", Setting::text(pool.discovery.topology.name())),
        ("topology_refresh", Some(Setting::Duration(pool.discovery.refresh))),
        ("read_from", Setting::text(pool.discovery.read_from.name())),
        ("zone", pool.discovery.zone.clone().and_then(Setting::text)),
        ("zones", texts(pool.discovery.zones.iter().map(|(host, zone)| format!("{host}={zone}")))),
        ("replica_lag_max", Some(duration_or_off(pool.discovery.replica_lag_max))),
        ("hedge_after", pool.discovery.hedge_after.map(HedgeAfter::text).and_then(Setting::text)),
        ("sentinels", texts(sentinels.addresses.iter().map(address))),
        ("masters", texts(pool.servers.iter().filter(|_| has_masters).map(name))),
        ("sentinel_user", sentinels.user.clone().and_then(Setting::text)),
        ("sentinel_password", sentinels.password.clone().map(Setting::Secret)),
        ("sentinel_password_file", sentinels.password.as_ref().and_then(Secret::file).and_then(path)),
        ("sentinel_tls", sentinels.tls.clone().map(Setting::ServerTls)),
        ("pretend_cluster", Some(Setting::Bool(pool.pretend_cluster))),
        ("pretend_cluster_peers", texts(pool.pretend_cluster_peers.iter().map(address))),
        ("hash", Setting::text(pool.hash.name())),
        ("distribution", Setting::text(pool.distribution.name())),
        ("hash_tag", pool.hash_tag.map(Setting::HashTag)),
        ("timeout", Some(duration_or_off(pool.timeout))),
        ("backlog", integer(pool.backlog)),
        ("client_connections", pool.client_connections.and_then(integer)),
        ("limit_requests", pool.limit_requests.map(Setting::Rate)),
        ("auth", pool.auth.clone().map(Setting::Secret)),
        ("auth_file", pool.auth.as_ref().and_then(Secret::file).and_then(path)),
        // A memcached pool has no database, whatever a nutcracker.yml says.
        ("db", Some(pool.db).filter(|_| pool.protocol == Protocol::Redis).and_then(integer)),
        ("databases", Some(pool.databases).filter(|_| pool.protocol == Protocol::Redis).and_then(integer)),
        ("preconnect", Some(Setting::Bool(pool.preconnect))),
        ("auto_eject_hosts", Some(Setting::Bool(pool.auto_eject_hosts))),
        ("server_connections", integer(pool.server_connections)),
        ("server_retry_timeout", Some(Setting::Duration(pool.server_retry_timeout))),
        ("server_failure_limit", integer(pool.server_failure_limit)),
        ("keepalive", Some(duration_or_off(pool.keepalive))),
        ("unsupported", Setting::text(pool.unsupported.name())),
        ("allow", allow(pool)),
        ("request_bytes_max", Some(bytes(pool.request_bytes_max))),
        ("client_pipeline_max", integer(pool.client_pipeline_max)),
        ("client_output_soft_bytes", Some(bytes(pool.client_output_soft_bytes))),
        ("client_output_hard_bytes", Some(bytes(pool.client_output_hard_bytes))),
        ("private_connections", integer(pool.private_connections)),
        ("slowlog_threshold", Some(duration_or_off(pool.slowlog_threshold))),
        ("slowlog_len", integer(pool.slowlog_len)),
        ("hot_keys", Some(Setting::Bool(pool.hot_keys))),
        ("server_queue_max", integer(pool.server_queue_max)),
    ];
    Section { name: pool.name.clone(), ..Section::new(Scope::Pool, settings) }
}

fn allow(pool: &Pool) -> Option<Setting> {
    let names: Vec<String> = pool.allow.iter().map(|permit| permit.name().to_owned()).collect();
    (!names.is_empty()).then_some(Setting::Texts(names))
}

fn texts(texts: impl Iterator<Item = String>) -> Option<Setting> {
    Some(texts.collect()).filter(|texts: &Vec<String>| !texts.is_empty()).map(Setting::Texts)
}

fn address((host, port): &(String, u16)) -> String {
    show_target(&Target::Tcp { host: host.clone(), port: *port })
}

fn name(server: &Server) -> String {
    server.identity.clone()
}
