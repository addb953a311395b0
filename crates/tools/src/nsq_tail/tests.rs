use super::*;

fn checked(list: &[&str]) -> Result<Tail, Exit> {
    let arguments: Vec<String> = list.iter().map(|argument| (*argument).to_owned()).collect();
    check(&TOOL.read(&arguments)?)
}

const NSQD: &str = "--nsqd-tcp-address=h:1";

#[test]
fn no_more_is_in_flight_than_is_wanted() {
    for (list, in_flight, total) in [
        (&["--topic=t", NSQD][..], 200, None),
        (&["--topic=t", NSQD, "-n=3"], 3, Some(3)),
        (&["--topic=t", NSQD, "-n=300"], 200, Some(300)),
        (&["--topic=t", NSQD, "-n=-1"], 200, None),
    ] {
        let tail = checked(list).ok().unwrap();
        assert_eq!((tail.config.max_in_flight, tail.total), (in_flight, total), "{list:?}");
    }
}

#[test]
fn names() {
    let tail = checked(&["--topic=t", NSQD]).ok().unwrap();
    assert!(valid_name(tail.channel.as_bytes()).is_some() && tail.channel.ends_with("#ephemeral"));
    assert_eq!(tail.channel.len(), "tail000000#ephemeral".len());
    for (list, complaint) in [
        (&["--topic=b!d", NSQD][..], "invalid topic name"),
        (&["--topic=t", "--channel=b!d", NSQD], "invalid channel name"),
        (
            &["--topic=t", "--channel=mail", "--from=beginning", NSQD],
            "--from is for an #ephemeral channel: it would move the others' place",
        ),
    ] {
        assert_eq!(checked(list).err(), Some(Exit::Plain(complaint.into())), "{list:?}");
    }
}
