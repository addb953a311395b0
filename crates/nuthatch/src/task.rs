//! A task that ends with its owner.

use tokio::task::JoinHandle;

/// A task that is aborted when this is dropped.
pub struct Task(JoinHandle<()>);

impl Task {
    /// Starts it. Needs a tokio runtime.
    pub fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Task {
        Task(tokio::spawn(task))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
