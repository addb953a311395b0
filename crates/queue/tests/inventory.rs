//! Files missing or truncated while the daemon was down: reported with counts until acknowledged, and no id
//! is reused.

#[path = "shard/harness.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod harness;

use std::path::PathBuf;
use std::time::Duration;

use harness::World;
use journal::Files;
use journal::files::Crash;
use net::App;
use nuthatch_queue::inventory::Finding;
use nuthatch_queue::request::{Answer, PeekAt, Request};
use nuthatch_queue::{QueueOptions, Settings};

fn options() -> QueueOptions {
    let hour = Duration::from_hours(1);
    QueueOptions {
        heartbeat_interval: hour,
        ..QueueOptions::from(Settings {
            msg_timeout: hour / 5,
            max_bytes_per_file: 1 << 10,
            ..Settings::default()
        })
    }
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A topic `t` with a channel that has not taken ten messages of 100 bytes, and an unused topic `u`.
fn used() -> World {
    let mut world = World::new(options());
    world.consumer("t", "a", 0);
    world.consumer("u", "a", 0);
    let producer = world.client();
    for n in 0..10u8 {
        world.publish(producer, "t", &[n; 100]);
    }
    world.advance(secs(2));
    world
}

/// Stops, changes files, and starts again.
fn stopped(mut world: World, change: impl FnOnce(&World)) -> World {
    world.queue.stopping(&mut world.io);
    world.turn();
    change(&world);
    world.crash(Crash::Process)
}

fn damage(world: &mut World) -> Vec<Finding> {
    let Answer::Damage(damage) = world.ask(Request::Damage) else { panic!("damage") };
    damage.into_iter().filter(|finding| !finding.acknowledged).collect()
}

fn told(world: &mut World) -> Option<String> {
    let Answer::Stats(snapshot) = world.ask(Request::Stats { topic: None, channel: None, clients: false })
    else {
        panic!("statistics")
    };
    snapshot.damage
}

fn acknowledge(world: &mut World) -> u64 {
    let Answer::Count(count) = world.ask(Request::AcknowledgeDamage) else { panic!("a count") };
    world.advance(secs(2));
    count
}

fn segments(world: &World, topic: &str) -> Vec<PathBuf> {
    let dir = format!("{topic}.topic/");
    let mut paths = world.files.paths();
    paths
        .retain(|path| path.to_string_lossy().contains(&dir) && path.extension().is_some_and(|e| e == "log"));
    paths.sort();
    paths
}

fn remove_topic(world: &World, topic: &str) {
    let dir = format!("{topic}.topic/");
    for path in world.files.paths() {
        if path.to_string_lossy().contains(&dir) {
            world.files.remove(&path).expect("it is there");
        }
    }
    let dir = world.options.settings.data_path.join("topics").join(format!("{topic}.topic"));
    world.files.remove_dir(&dir).expect("it is empty");
}

fn cut(world: &World, topic: &str, bytes: usize) {
    let path = segments(world, topic).pop().expect("a segment");
    let content = world.files.content(&path).expect("it is there");
    world.files.set_content(&path, content[..content.len() - bytes].to_vec());
}

/// Ids of the messages waiting in the channel of `t`.
fn ids(world: &mut World) -> Vec<String> {
    let (topic, channel) = ("t".to_owned(), Some("a".to_owned()));
    let ask = Request::Peek { topic, channel, what: PeekAt::Queued, count: 100 };
    let Answer::Messages(messages) = world.ask(ask) else { panic!("messages") };
    messages.into_iter().map(|message| message.id).collect()
}

#[test]
fn nothing_is_told_of_what_is_whole() {
    let mut world = stopped(used(), |_| {});
    assert_eq!((damage(&mut world), told(&mut world)), (vec![], None));
    let mut world = world.crash(Crash::Process);
    assert_eq!(damage(&mut world), vec![]);
    let mut world = used().crash(Crash::Process);
    assert_eq!(damage(&mut world), vec![]);
    assert_eq!(ids(&mut world).len(), 10);
}

#[test]
fn a_topic_whose_files_are_gone_is_told_until_somebody_takes_note() {
    let mut world = used();
    let before = ids(&mut world);
    let mut world = stopped(world, |world| remove_topic(world, "t"));
    for restart in [false, true] {
        if restart {
            world = world.crash(Crash::Process);
        }
        let [finding] = &damage(&mut world)[..] else { panic!("one finding") };
        assert_eq!((&*finding.topic, finding.messages), ("t", 10), "{finding:?}");
        let summary = told(&mut world).expect("it is told");
        assert!(summary.contains("topic t: its files are gone; 10 messages waited in it"), "{summary}");
    }
    assert_eq!((acknowledge(&mut world), told(&mut world)), (1, None));
    let producer = world.client();
    for n in 0..10u8 {
        world.publish(producer, "t", &[n; 100]);
    }
    world.consumer("t", "a", 0);
    let after = ids(&mut world);
    assert_eq!(after.len(), 10);
    assert!(after.iter().all(|id| !before.contains(id)), "ids come back");
    let mut world = stopped(world, |_| {});
    assert_eq!(damage(&mut world), vec![]);
}

#[test]
fn an_end_that_is_gone_is_told_with_counts_and_its_ids_do_not_come_back() {
    type Change = fn(&World);
    let changes: [(&str, u64, Change); 3] = [
        ("the last segment", 1, |world| {
            world.files.remove(&segments(world, "t").pop().expect("a segment")).expect("it is there");
        }),
        ("a whole record", 1, |world| cut(world, "t", 118)),
        ("half a record", 1, |world| cut(world, "t", 50)),
    ];
    for (name, lost, change) in changes {
        let mut world = used();
        let before = ids(&mut world);
        let mut world = stopped(world, change);
        let found = damage(&mut world);
        let messages: u64 = found.iter().map(|finding| finding.messages).sum();
        assert!(messages >= lost && messages <= 10, "{name}: {found:?}");
        assert!(told(&mut world).is_some(), "{name}");
        let (depth, ..) = world.counts("t", "a");
        assert_eq!(depth + messages, 10, "{name}");
        let producer = world.client();
        world.publish(producer, "t", &[99; 100]);
        let new = ids(&mut world);
        let fresh = new.iter().filter(|id| !before.contains(id)).count();
        assert_eq!(fresh, 1, "{name}: the id of the new message is a new one");
        assert!(acknowledge(&mut world) > 0);
        let mut world = stopped(world, |_| {});
        assert_eq!(damage(&mut world), vec![], "{name}: once is enough");
    }
}

#[test]
fn an_end_that_a_crash_has_torn_is_no_damage() {
    let mut world = used();
    let producer = world.client();
    world.publish(producer, "t", &[10; 100]);
    cut(&world, "t", 50);
    let mut world = world.crash(Crash::Process);
    assert_eq!((damage(&mut world), world.counts("t", "a").0), (vec![], 10));
    // But everything before the inventory's recorded end must exist.
    cut(&world, "t", 50);
    let mut world = world.crash(Crash::Process);
    assert_eq!((damage(&mut world).len(), world.counts("t", "a").0), (1, 9));
}

#[test]
fn a_topic_that_was_deleted_is_not_missing() {
    for ticks in 0..3 {
        let mut world = used();
        assert!(matches!(world.ask(Request::DeleteTopic("t".into())), Answer::Done));
        world.advance(secs(ticks));
        let mut world = world.crash(Crash::Process);
        assert_eq!(damage(&mut world), vec![], "after {ticks} s");
        world.advance(secs(2));
        assert!(segments(&world, "t").is_empty());
        let left = world.files.paths().iter().any(|path| path.to_string_lossy().contains("/t.topic"));
        assert!(!left, "its files are deleted in the end");
    }
}

#[test]
fn an_inventory_that_cannot_be_read_is_told_and_made_anew() {
    let world = used();
    let path = world.options.settings.data_path.join("inventory");
    let mut world = stopped(world, |world| {
        let mut content = world.files.content(&path).expect("an inventory");
        content[20] ^= 1;
        world.files.set_content(&path, content);
    });
    let [finding] = &damage(&mut world)[..] else { panic!("one finding") };
    assert!(finding.text.contains("the inventory cannot be read"), "{finding:?}");
    acknowledge(&mut world);
    let mut world = stopped(world, |world| remove_topic(world, "u"));
    assert_eq!(damage(&mut world).len(), 1);
}

#[test]
fn what_was_released_while_a_checkpoint_was_written_is_not_missing() {
    let mut world = used();
    world.advance(secs(56));
    world.disk_works = false;
    world.advance(secs(3));
    let consumer = world.consumer("t", "a", 100);
    for (_, id, _) in world.messages(consumer) {
        world.send(consumer, format!("FIN {id}\n").as_bytes());
    }
    world.advance(Duration::from_millis(100));
    let before = segments(&world, "t").len();
    world.disk_works = true;
    world.turn();
    assert!(world.files.paths().iter().any(|path| path.ends_with("t.topic/checkpoint")));
    let held = segments(&world, "t").len();
    let mut world = world.crash(Crash::Process);
    assert_eq!(damage(&mut world), vec![], "{held} segments of {before}");
    assert_eq!(world.counts("t", "a"), (0, 0, 0));
    // The next checkpoint releases them.
    let producer = world.client();
    world.publish(producer, "t", &[1; 100]);
    world.consumer("t", "a", 1);
    world.advance(secs(61));
    assert!(segments(&world, "t").len() <= held);
    assert_eq!(segments(&world, "t")[0].file_name(), Some("00000000000000000969.log".as_ref()));
}
