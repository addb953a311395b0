//! Prints the messages of a channel, four at a time: `consume TOPIC CHANNEL LOOKUPD…`. Ctrl-C shuts it down
//! gracefully.

use std::time::Duration;

use nuthatch_client::{Config, Consumer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(topic), Some(channel)) = (arguments.next(), arguments.next()) else {
        return Err("usage: consume TOPIC CHANNEL LOOKUPD…".into());
    };
    let mut builder = Consumer::builder(topic, channel).config(Config { max_in_flight: 20, ..Config::new() });
    for lookupd in arguments {
        builder = builder.lookupd(lookupd);
    }
    let consumer = builder.start()?;
    let control = consumer.control();
    tokio::spawn(async move {
        let _ = tokio::signal::ctrl_c().await;
        control.stop(Duration::from_secs(5));
    });
    let control = consumer.control();
    consumer
        .run(4, |message| async move {
            println!("{}", String::from_utf8_lossy(&message.body));
            Ok::<_, std::convert::Infallible>(())
        })
        .await;
    println!("{:?}", control.stats());
    Ok(())
}
