//! Environment settings for faces with the command lines of other programs.
//!
//! | variable | meaning |
//! |---|---|
//! | `NUTHATCH_ADMIN` | address of the admin port, as `[admin] listen` in a nuthatch.toml; none by default |
//! | `NUTHATCH_LOOKUP_SNAPSHOT` | the file of nsqlookupd's snapshot, as `snapshot` of `[lookup]`; none by default |
//! | `NUTHATCH_USERS` | a file in nuthatch.toml's format with the sections `[user.NAME]`, for nsqd, nsqlookupd and nsqadmin; none by default |
//! | `NUTHATCH_HTTP_NAMES` | host names under which browsers may use nsqadmin, separated by commas, as `http_names` in a nuthatch.toml |
//! | `NUTHATCH_FLEET_ADMINS` | admin ports of nuthatches that nsqadmin shows and changes, separated by commas: `HOST:PORT`, or `https://HOST:PORT` |

use std::path::{Path, PathBuf};

use config::checked::{Admin, MetricsLimits, User};
use config::{endpoint, native};

/// The variable of the admin port.
const ADMIN: &str = "NUTHATCH_ADMIN";

/// The variable of the lookup's snapshot.
const LOOKUP_SNAPSHOT: &str = "NUTHATCH_LOOKUP_SNAPSHOT";

/// The variable of the file of users.
const USERS: &str = "NUTHATCH_USERS";

/// Users of the file that the environment names; none without one.
///
/// # Errors
/// The faults of the file, a line each.
pub fn users() -> Result<Vec<User>, String> {
    match std::env::var_os(USERS).filter(|path| !path.is_empty()) {
        Some(path) => users_in(Path::new(&path)),
        None => Ok(Vec::new()),
    }
}

fn users_in(path: &Path) -> Result<Vec<User>, String> {
    let shown = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| format!("{USERS}: {shown}: {error}"))?;
    let report = native::check_bytes(&bytes, 1);
    match report.config {
        Some(config) => Ok(config.users),
        None => {
            let faults = report.faults.iter().map(|fault| format!("{USERS}: {}", fault.show(&shown)));
            Err(faults.collect::<Vec<_>>().join("\n"))
        }
    }
}

/// The admin port, if the environment sets one.
///
/// # Errors
/// The fault of the address, and its remedy.
pub fn admin() -> Result<Option<Admin>, String> {
    match std::env::var_os(ADMIN) {
        Some(address) => admin_at(&address.to_string_lossy()),
        None => Ok(None),
    }
}

/// File of the lookup's snapshot, if the environment sets one.
pub fn lookup_snapshot() -> Option<PathBuf> {
    std::env::var_os(LOOKUP_SNAPSHOT).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Names of this machine that browsers may use.
pub fn http_names() -> Vec<String> {
    listed(web::nsqadmin::NAMES_OPTION)
}

/// Admin ports of the nuthatches of a fleet.
pub fn fleet_admins() -> Vec<String> {
    listed(config::nsqadmin::ADMINS_OPTION)
}

/// The words of a variable, separated by commas.
fn listed(variable: &str) -> Vec<String> {
    let words = std::env::var(variable).unwrap_or_default();
    words.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn admin_at(address: &str) -> Result<Option<Admin>, String> {
    if address.is_empty() {
        return Ok(None);
    }
    let listen = endpoint::listen(address).map_err(|(wrong, help)| format!("{ADMIN}: {wrong}; {help}"))?;
    let metrics = MetricsLimits::default();
    Ok(Some(Admin { listen, tls: None, http_names: http_names(), metrics, events: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_users() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |text: &str| {
            std::fs::write(file.path(), text).unwrap();
            users_in(file.path())
        };
        let users = read("[user.app]\npassword_sha256 = [\"0\"]").unwrap_err();
        assert!(users.contains("NUTHATCH_USERS") && users.contains(":2:"), "{users}");
        let digest = "0".repeat(64);
        let users =
            read(&format!("[user.app]\npassword_sha256 = [\"{digest}\"]\npublish = [\"t\"]")).unwrap();
        assert_eq!(users.iter().map(|user| &*user.spec.name).collect::<Vec<_>>(), ["app"]);
        assert!(users_in(Path::new("/no/file")).unwrap_err().contains("/no/file"));
    }

    #[test]
    fn an_address_of_the_admin_port() {
        assert_eq!(admin_at(""), Ok(None));
        for good in ["127.0.0.1:22220", "[::1]:0", "/run/admin.sock 0660"] {
            assert!(matches!(admin_at(good), Ok(Some(_))), "{good}");
        }
        let error = admin_at("22220").unwrap_err();
        assert!(error.starts_with("NUTHATCH_ADMIN: \"22220\" has no port; write HOST:PORT"), "{error}");
    }
}
