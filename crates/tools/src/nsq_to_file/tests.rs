use super::*;

fn checked(list: &[&str]) -> Result<Options, Exit> {
    let arguments: Vec<String> = list.iter().map(|argument| (*argument).to_owned()).collect();
    check(&TOOL.read(&arguments)?)
}

#[test]
fn what_cannot_work_is_refused_at_once() {
    let nsqd = "--nsqd-tcp-address=h:1";
    let missing = "couldn't create logger for new topic t: missing <REV> in --filename-format when gzip, rotation, or work dir enabled";
    for (list, complaint) in [
        (&["--topic=t", "--gzip", "--filename-format=x"][..], missing),
        (&["--topic=t", "--zstd", "--filename-format=x"], missing),
        (&["--topic=t", "--rotate-size=1", "--filename-format=x"], missing),
        (&["--topic=t", "--rotate-interval=1s", "--filename-format=x"], missing),
        (&["--topic=t", "--work-dir=/w", "--filename-format=x"], missing),
        (&["--topic=b!d"], "couldn't create logger for new topic b!d: invalid topic name"),
        (&["--topic=t", "--topic-pattern=^x"], "no --topic matches --topic-pattern"),
        (&["--topic=t", "--log-level=loud"], "--log-level is invalid"),
        (&["--topic=t", "--gzip", "--zstd"], "use --gzip or --zstd not both"),
        (&["--topic=t", "--zstd-level=20"], "invalid --zstd-level value (20), should be 1-19"),
        (&["--topic=t", "--rotate-size=-1"], "invalid --rotate-size value (-1), should not be negative"),
        (&["--topic=t", "--sync-interval=0"], "--sync-interval should be positive"),
        (
            &["--topic=t", "--output-format=xml"],
            "invalid --output-format value (xml), should be raw or jsonl",
        ),
        (&["--topic=t", "--max-in-flight=0"], "invalid --max-in-flight value (0), should be 1-2147483647"),
    ] {
        let list = [list, &[nsqd]].concat();
        let Err(exit) = checked(&list) else { panic!("{list:?} is accepted") };
        assert_eq!(exit, Exit::Plain(complaint.into()), "{list:?}");
    }
    let Err(pattern) = checked(&[nsqd, "--topic=t", "--topic-pattern=("]) else { panic!("accepted") };
    assert!(pattern.text().starts_with("invalid --topic-pattern value (()"), "{pattern:?}");
}

#[test]
fn a_pattern_is_not_anchored_and_chooses_among_topics_too() {
    let options = checked(&[
        "--lookupd-http-address=h:1",
        "--topic=my-orders-2",
        "--topic=mails",
        "--topic-pattern=orders",
    ]);
    assert_eq!(options.expect("accepted").topics, ["my-orders-2"]);
}

#[test]
fn messages_are_not_given_up_unless_an_option_says_so() {
    let nsqd = "--nsqd-tcp-address=h:1";
    let attempts = |list: &[&str]| checked(list).expect("accepted").common.config.max_attempts;
    assert_eq!(attempts(&["--topic=t", nsqd]), 0);
    assert_eq!(attempts(&["--topic=t", nsqd, "--consumer-opt=max-attempts,3"]), 3);
}
