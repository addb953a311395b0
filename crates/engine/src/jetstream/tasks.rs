//! Tasks: a channel is moved, messages are shown, dead letters are brought back.

mod peek;
mod redrive;
mod seek;

use super::fault::Fault;
use super::hub::Hub;
use crate::request::{Task, TaskResult};

/// Completes what dead nodes have begun, for ever.
pub async fn run(hub: &Hub) {
    seek::run(hub).await;
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
        (None, Task::Seek(_) | Task::Redrive { .. }) => Err(Fault::refused("a channel is missing")),
    }
}
