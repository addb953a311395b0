//! The way of an action from the admin port to the control loop, which carries out one at a time.

use std::sync::Arc;

use admin::actions::{Acting, Action, Actor};
use admin::reload::Outcome;
use tokio::sync::{mpsc, oneshot};

/// Actions that wait for their turn; whoever asks for a further one waits as well.
const WAITING_MAX: usize = 16;

/// An action that somebody waits for.
pub struct Asked {
    /// The action.
    pub action: Action,
    /// Takes the outcome. Dropped, it says that the process is stopping.
    pub answer: oneshot::Sender<Outcome>,
}

/// Actions in the order in which they were asked for.
pub type Actions = mpsc::Receiver<Asked>;

struct Sender(mpsc::Sender<Asked>);

impl Actor for Sender {
    fn act(&self, action: Action) -> Acting {
        let sender = self.0.clone();
        Box::pin(async move {
            let (answer, outcome) = oneshot::channel();
            sender.send(Asked { action, answer }).await.ok()?;
            outcome.await.ok()
        })
    }
}

/// Both ends.
pub fn connect() -> (Arc<dyn Actor>, Actions) {
    let (sender, actions) = mpsc::channel(WAITING_MAX);
    (Arc::new(Sender(sender)), actions)
}
