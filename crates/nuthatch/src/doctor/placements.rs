//! Key placement rules of proxies, from a configuration or from the status of a
//! running proxy (`placement` of a pool).

use std::path::Path;

use config::checked::{Config, Pool};
use config::endpoint;
use ring::{Distribution, Hash};
use serde_json::Value;

use super::patient;
use crate::admin_client::{AdminAddress, AdminTrust};

/// The rule of one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placement {
    pub pool: String,
    pub hash: Hash,
    pub distribution: Distribution,
    pub hash_tag: Option<[u8; 2]>,
    /// Servers, in the order of the ring's indices.
    pub servers: Vec<Member>,
}

/// A server in a ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Its name in the configuration and in statistics.
    pub name: String,
    /// Bytes hashed for the ring.
    pub hashed_as: String,
    pub address: String,
    pub weight: u32,
}

/// The rules of a configuration.
pub(super) fn of_config(config: &Config) -> Vec<Placement> {
    config.pools.iter().map(of_pool).collect()
}

fn of_pool(pool: &Pool) -> Placement {
    let member = |server: &config::checked::Server| Member {
        name: server.identity.clone(),
        hashed_as: pool.ring_name(server),
        address: endpoint::show_target(&server.target),
        weight: server.weight,
    };
    Placement {
        pool: pool.name.clone(),
        hash: pool.hash,
        distribution: pool.distribution,
        hash_tag: pool.hash_tag,
        servers: pool.servers.iter().map(member).collect(),
    }
}

/// The rules of another proxy: from the file of that name, if it exists, else
/// from the admin port at that address.
pub(super) fn of_other(other: &str, trust: &AdminTrust) -> Result<Vec<Placement>, String> {
    let is_socket = {
        use std::os::unix::fs::FileTypeExt;
        std::fs::metadata(other).is_ok_and(|found| found.file_type().is_socket())
    };
    if Path::new(other).exists() && !is_socket {
        let (config, _) =
            patient::read(Path::new(other)).map_err(|text| text.trim_end().replace('\n', "; "))?;
        return Ok(of_config(&config));
    }
    let answer = AdminAddress::at(other, trust).get("/api/status")?;
    let status: Value =
        serde_json::from_str(&answer.body).map_err(|_| "it is not an admin port".to_owned())?;
    of_status(&status)
        .ok_or_else(|| "it is not an admin port, or of a version that does not tell its rings".to_owned())
}

fn of_status(status: &Value) -> Option<Vec<Placement>> {
    status["pools"].as_array()?.iter().map(of_pool_status).collect()
}

fn of_pool_status(pool: &Value) -> Option<Placement> {
    let placement = &pool["placement"];
    let servers = placement["servers"].as_array()?.iter().map(|server| {
        Some(Member {
            name: server["name"].as_str()?.to_owned(),
            hashed_as: server["hashed_as"].as_str()?.to_owned(),
            address: server["address"].as_str()?.to_owned(),
            weight: u32::try_from(server["weight"].as_u64()?).ok()?,
        })
    });
    Some(Placement {
        pool: pool["name"].as_str()?.to_owned(),
        hash: Hash::from_name(placement["hash"].as_str()?)?,
        distribution: Distribution::from_name(placement["distribution"].as_str()?)?,
        hash_tag: placement["hash_tag"].as_str().and_then(|tag| tag.as_bytes().try_into().ok()),
        servers: servers.collect::<Option<_>>()?,
    })
}
