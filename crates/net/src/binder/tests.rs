use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use super::*;

fn tcp(address: &str) -> (OwnedFd, SocketAddr) {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    (listener.into(), address)
}

fn at(address: SocketAddr) -> ListenAddress {
    ListenAddress::Tcp(address.ip().to_string(), address.port())
}

#[test]
fn a_socket_that_is_at_hand_is_taken_with_those_who_wait() {
    let (one, address) = tcp("127.0.0.1:0");
    let (other, unwanted) = tcp("127.0.0.1:0");
    let client = TcpStream::connect(address).unwrap();
    let mut binder = Binder::new(vec![one, other, tempfile::tempfile().unwrap().into()]);
    let taken = binder.bind_tcp("127.0.0.1", address.port(), 16).unwrap();
    assert_eq!(taken.accept().unwrap().1, client.local_addr().unwrap());
    assert_eq!(taken.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert_eq!(binder.left(), [unwanted.to_string()]);
    let again = binder.bind_tcp("127.0.0.1", address.port(), 16);
    assert_eq!(again.unwrap_err().error().kind(), io::ErrorKind::AddrInUse, "it is taken once");
    assert!(binder.bind_tcp("127.0.0.1", 0, 16).is_ok(), "what is not at hand is bound");
}

#[test]
fn sockets_are_enough_for_any_number_of_shards() {
    for (sockets, shards, listeners) in [(1, 1, 1), (1, 4, 4), (3, 2, 3), (2, 5, 5)] {
        let bound = crate::bind(&ListenAddress::Tcp("127.0.0.1".into(), 0), 16, sockets, 1).unwrap();
        let address = bound[0].local_address().unwrap();
        let copies = bound.iter().map(|l| l.descriptor().unwrap().try_clone_to_owned().unwrap());
        let mut binder = Binder::new(copies.collect());
        drop(bound);
        let taken = binder.bind(&at(address), 16, shards, 7).unwrap();
        assert_eq!(taken.len(), listeners, "{sockets} for {shards}");
        assert!(taken.iter().all(|l| l.local_address() == Some(address) && l.options.tag == 7));
        assert!(taken.iter().all(|l| l.id() == taken[0].id()), "one address");
        assert!(binder.left().is_empty());
        let beside = crate::bind_beside(&at(address), 16, 1, 7);
        assert!(beside.is_ok(), "more sockets can join");
    }
}

#[test]
fn a_socket_for_both_ip_versions_serves_an_address_of_ipv4() {
    let Ok(listener) = TcpListener::bind("[::]:0") else { return eprintln!("skipped: no IPv6") };
    let port = listener.local_addr().unwrap().port();
    let mut binder = Binder::new(vec![listener.into()]);
    assert_eq!(binder.bind_tcp("127.0.0.1", port, 16).unwrap_err().error().kind(), io::ErrorKind::AddrInUse);
    assert!(binder.bind_tcp("0.0.0.0", port, 16).unwrap().local_addr().unwrap().is_ipv6());
    assert!(binder.left().is_empty());
}

#[test]
fn a_unix_socket_is_found_by_its_path_also_after_it_was_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let first = crate::bind_unix(&path, Some(0o600), 16).unwrap();
    let address = ListenAddress::Unix(path.clone(), Some(0o660));
    let second = crate::bind_beside(&address, 16, 1, 1).unwrap().remove(0);
    let copy = second.descriptor().unwrap().try_clone_to_owned().unwrap();
    drop((first, second));
    let _client = UnixStream::connect(&path).unwrap();
    let mut binder = Binder::new(vec![copy.as_fd().try_clone_to_owned().unwrap(), copy]);
    let taken = binder.bind(&address, 16, 2, 1).unwrap();
    assert_eq!((taken.len(), taken[0].unix_path()), (2, Some(&*path)));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    assert!(taken[0].socket.accept().is_ok());
    assert!(binder.bind_unix(&path, None, 16).is_err(), "in use, and not at hand any more");
}

#[test]
fn every_listening_socket_of_the_process_is_found_once() {
    let directory = tempfile::tempdir().unwrap();
    let (one, address) = tcp("127.0.0.1:0");
    let unix = UnixListener::bind(directory.path().join("s")).unwrap();
    let (_copy, _other) = (unix.try_clone().unwrap(), one.try_clone().unwrap());
    let connected = TcpStream::connect(address).unwrap();
    let found = listening_sockets().unwrap();
    drop((one, unix));
    let addresses = Binder::new(found).left();
    let count = |shown: String| addresses.iter().filter(|address| **address == shown).count();
    assert_eq!(count(address.to_string()), 1);
    assert_eq!(count(directory.path().join("s").display().to_string()), 1);
    assert_eq!(count(connected.local_addr().unwrap().to_string()), 0);
}
