//! Tasks: a channel is moved, messages are shown, dead letters are brought back, a topic that was left is
//! deleted.

mod dissolve;
mod peek;
mod redrive;
mod seek;

use super::fault::Fault;
use super::hub::Hub;
use crate::request::{Place, Task, TaskResult};

/// Completes what dead nodes have begun, for ever.
pub async fn run(hub: &Hub) {
    seek::run(hub).await;
}

/// Drops the messages of a lasting channel, also those that nodes hold: moves it to its end.
pub async fn empty(hub: &Hub, topic: &str, channel: &str) -> Result<(), Fault> {
    seek::begin(hub, topic, channel, Place::End).await.map(drop)
}

/// Carries a task out.
pub async fn carry_out(
    hub: &Hub,
    topic: &str,
    channel: Option<&str>,
    task: &Task,
) -> Result<TaskResult, Fault> {
    match (channel, task) {
        (Some(channel), Task::Seek(place)) => seek::begin(hub, topic, channel, *place).await,
        (channel, Task::Peek { what, count }) => {
            peek::show(hub, topic, channel, *what, *count).await.map(TaskResult::Shown)
        }
        (Some(channel), Task::Redrive { letters, count, died }) => {
            let back = redrive::run(hub, (topic, channel), letters, *count, died.as_ref()).await;
            back.map(TaskResult::Count)
        }
        (None, Task::TakeLetters { count, died }) => {
            redrive::take(hub, topic, *count, died.as_ref()).await.map(TaskResult::Letters)
        }
        (None, Task::Dissolve) => dissolve::run(hub, topic).await.map(TaskResult::Count),
        (Some(_), Task::TakeLetters { .. } | Task::Dissolve) => Err(Fault::refused("this is about topics")),
        (None, Task::Seek(_) | Task::Redrive { .. }) => Err(Fault::refused("a channel is missing")),
    }
}
