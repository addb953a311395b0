//! The queue of this process as a [`Source`].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Pending, Source};
use crate::figures::{Count, TopicRow};
use crate::fleet::{Gathered, OwnQueue, Unavailable};

impl Source for Arc<dyn OwnQueue> {
    fn topics(&self) -> Pending<'_, Vec<TopicRow>> {
        Box::pin(async move { gathered((**self).rows().await) })
    }

    fn counts(&self) -> Pending<'_, BTreeMap<String, Count>> {
        Box::pin(async move {
            let all = (**self).counts().await.map(|all| {
                let key =
                    |count: &Count| format!("{}:{}:{}", count.topic_name, count.channel_name, count.node);
                all.into_iter().map(|count| (key(&count), count)).collect()
            });
            gathered(all)
        })
    }
}

fn gathered<T>(answer: Option<T>) -> Result<Gathered<T>, Unavailable> {
    let value = answer.ok_or_else(|| Unavailable("no queue runs in this process, or it is busy".into()))?;
    Ok(Gathered { value, warnings: Vec::new() })
}
