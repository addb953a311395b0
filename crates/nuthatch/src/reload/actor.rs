//! Path of an action from the admin port to the control loop, which carries out one at a time.

use std::sync::Arc;

use admin::actions::{Acting, Action, Actor};
use admin::reload::Outcome;
use tokio::sync::{mpsc, oneshot};

/// Most actions queued; the senders of further ones wait as well.
const WAITING_MAX: usize = 16;

/// An action whose client waits.
pub struct Asked {
    /// The action.
    pub action: Action,
    /// Its author, and the place it comes from.
    pub by: String,
    /// Takes the outcome. Dropping it means that the process is stopping.
    pub answer: oneshot::Sender<Outcome>,
}

/// Actions in the order of their requests.
pub type Actions = mpsc::Receiver<Asked>;

struct Sender(mpsc::Sender<Asked>);

impl Actor for Sender {
    fn act(&self, action: Action, by: String) -> Acting {
        let sender = self.0.clone();
        Box::pin(async move {
            let (answer, outcome) = oneshot::channel();
            sender.send(Asked { action, by, answer }).await.ok()?;
            outcome.await.ok()
        })
    }
}

/// Creates both ends.
pub fn connect() -> (Arc<dyn Actor>, Actions) {
    let (sender, actions) = mpsc::channel(WAITING_MAX);
    (Arc::new(Sender(sender)), actions)
}
