//! The process that holds a port or a lock, according to /proc.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A process that holds a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    name: String,
    pid: u32,
}

/// `nginx (pid 4711)`.
pub(super) fn shown(holder: Option<Holder>) -> String {
    match holder {
        Some(Holder { name, pid }) => format!("{name} (pid {pid})"),
        None => "a process that only its user and root can see".into(),
    }
}

/// State of a listening socket in /proc/net/tcp.
const LISTENING: &str = "0A";

/// The process that listens on a TCP port.
pub(super) fn of_port(port: u16) -> Option<Holder> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .collect();
    let wanted: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    processes().find(|pid| has_descriptor(*pid, &wanted)).map(named)
}

/// ```text
///   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
///    0: 0100007F:1035 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 21337 1 ...
/// ```
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.len() > 9 && row[1].ends_with(&suffix) && row[3] == LISTENING)
        .map(|row| row[9].to_owned())
        .collect()
}

/// The process that holds a `flock` on the file or directory at `path`.
pub(super) fn of_lock(path: &Path) -> Option<Holder> {
    let inode = fs::metadata(path).ok()?.ino();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locking_pid(&locks, inode).map(named)
}

/// ```text
/// 1: FLOCK  ADVISORY  WRITE 4711 fd:01:1048602 0 EOF
/// ```
fn locking_pid(locks: &str, inode: u64) -> Option<u32> {
    let suffix = format!(":{inode}");
    let rows = locks.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.len() > 5 && row[1] == "FLOCK" && row[5].ends_with(&suffix))
        .find_map(|row| row[4].parse().ok().filter(|pid| *pid > 0))
}

fn processes() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn has_descriptor(pid: u32, wanted: &[String]) -> bool {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|target| wanted.iter().any(|wanted| target.as_os_str() == wanted.as_str()))
}

fn named(pid: u32) -> Holder {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let name = if name.trim().is_empty() { "a process" } else { name.trim() };
    Holder { name: name.to_owned(), pid }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_tables() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
                     0: 0100007F:1036 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 17 1 0\n\
                     1: 0100007F:1036 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 18 1 0\n\
                     2: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 19 1 0\n";
        assert_eq!(listening_inodes(table, 4150), ["17"]);
        assert!(listening_inodes(table, 4151).is_empty());
        let locks = "1: POSIX  ADVISORY  WRITE 5 fd:01:77 0 EOF\n2: FLOCK  ADVISORY  WRITE 6 fd:01:77 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 7 fd:01:77 0 EOF\n3: FLOCK  ADVISORY  WRITE 0 fd:01:78 0 EOF\n";
        assert_eq!(locking_pid(locks, 77), Some(6));
        assert_eq!((locking_pid(locks, 7), locking_pid(locks, 78)), (None, None));
    }

    #[test]
    fn this_process_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let found = of_port(listener.local_addr().unwrap().port()).unwrap();
        assert_eq!(found.pid, std::process::id());
        let directory = tempfile::tempdir().unwrap();
        let file = std::fs::File::open(directory.path()).unwrap();
        assert_eq!(of_lock(directory.path()), None);
        file.lock().unwrap();
        assert_eq!(of_lock(directory.path()).map(|holder| holder.pid), Some(std::process::id()));
    }
}
