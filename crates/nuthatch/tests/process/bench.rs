//! `nuthatch bench`: loads that end by themselves, on a process of their own.

use serde_json::Value;

use crate::support::{Running, called, directory_with, free_port, run, text};

fn report(arguments: &[&str], directory: &std::path::Path) -> Vec<Value> {
    let output = run("nuthatch", arguments, directory);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    said.as_array().expect("a list").clone()
}

#[test]
fn caches_and_queues_are_loaded_and_every_reply_is_counted() {
    let [redis, memcache, tcp, http] = [(); 4].map(|()| free_port());
    let file = format!(
        "[pool.r]\nlisten = \"127.0.0.1:{redis}\"\nservers = [\"local\"]\n\
         [pool.m]\nprotocol = \"memcache\"\nlisten = \"127.0.0.1:{memcache}\"\nservers = [\"local\"]\n\
         [queue]\ntcp = \"127.0.0.1:{tcp}\"\nhttp = \"127.0.0.1:{http}\"\n"
    );
    let (directory, _) = directory_with("n.toml", &file);
    let mut command = called("nuthatch");
    let (_running, _) =
        Running::until(command.args(["run", "-c", "n.toml"]).current_dir(directory.path()), "try:");
    for (kind, port) in [("redis", redis), ("memcache", memcache)] {
        for operation in ["get", "set", "mget"] {
            let address = format!("--address=127.0.0.1:{port}");
            let load = ["-n", "500", "-c", "5", "-P", "4", "-k", "50", "--fill", "--json", "-o", operation];
            let found = report(&[&["bench", kind, &address][..], &load].concat(), directory.path());
            assert_eq!((found[0]["count"].as_u64(), found[0]["errors"].as_u64()), (Some(500), Some(0)));
            assert!(found[0]["p99_us"].as_u64() > Some(0), "{found:?}");
        }
    }
    let address = format!("--address=127.0.0.1:{tcp}");
    let arguments = ["bench", "nsq", &address, "--seconds=1", "--json", "--topic=t"];
    let [published, delivered] = report(&arguments, directory.path()).try_into().expect("two reports");
    assert!(published["count"].as_u64() > Some(0), "{published}");
    assert_eq!(published["count"], delivered["count"], "each message is delivered");

    // The output for people.
    let address = format!("127.0.0.1:{redis}");
    let output = run("nuthatch", &["bench", "redis", "-a", &address, "-n", "100"], directory.path());
    let said = text(&output.stdout);
    assert!(said.contains("  100 requests in ") && said.contains("  p50 ") && said.contains(" │█"), "{said}");

    // No listener, and no address.
    let address = format!("127.0.0.1:{}", free_port());
    for (address, why) in [(address.as_str(), "no load on "), ("nobody", "is no address of a server")] {
        let output = run("nuthatch", &["bench", "redis", "-a", address, "-n", "1"], directory.path());
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
    }
}
