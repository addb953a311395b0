//! Publishes each line of standard input: `produce NSQD TOPIC`. Many are in flight at a time; each answer is
//! checked.

use std::io::BufRead;

use nuthatch_client::{Config, Producer, PublishError};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(nsqd), Some(topic)) = (arguments.next(), arguments.next()) else {
        return Err("usage: produce NSQD TOPIC".into());
    };
    let producer = Producer::new(nsqd, Config::new())?;
    let mut receipts = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if !line.is_empty() {
            receipts.push((line.clone(), producer.send(&topic, line).await?));
        }
    }
    for (line, receipt) in receipts {
        match receipt.await {
            Ok(()) => {}
            Err(error @ PublishError::Unanswered(_)) => {
                eprintln!("{line}: {error}: look before you send it again");
            }
            Err(error) => eprintln!("{line}: {error}"),
        }
    }
    producer.stop().await;
    Ok(())
}
